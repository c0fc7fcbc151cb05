"""A PostgreSQL is lost and brought back to an instant, as the guide says: a base copy and archived logs.

What was written until then is there, what was written after it is told as lost, and what had ended in the
meantime does not come back.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.support.commands import COMMANDS, Told
from tests.support.crash import Ward
from tests.support.postgresql import make_database
from tests.support.replication import RUNS_AS, Server, folder_for_servers, wait_until
from tests.support.served import Database
from tests.support.server_process import ServerProcess

ARCHIVING = """
synchronous_standby_names = ''
archive_mode = on
archive_command = 'test ! -f {archive}/%f && cp %p {archive}/%f.part && sync {archive}/%f.part \
&& mv {archive}/%f.part {archive}/%f'
"""
COMING_BACK = """
restore_command = 'cp {archive}/%f %p'
recovery_target_time = '{until}'
recovery_target_action = 'promote'
"""


class Archived:
    """A server that archives its logs, a copy of its files, and a deployment on it."""

    def __init__(self, above: Path, folder: Path, running: ExitStack) -> None:
        self.server = Server(above, "alder")
        self.archive, self.base = self.server.sockets / "archive", self.server.sockets / "base"
        self.archive.mkdir()
        if RUNS_AS is not None:
            shutil.chown(self.archive, RUNS_AS)
        running.callback(self.server.end)
        self.server.make()
        self._configure(self.server.data, ARCHIVING.format(archive=self.archive))
        self.server.start()
        self.database = make_database(self._at(self.server.url), "pitr")
        served = Database("postgresql", self._at(self.database.owner), self._at(self.database.service))
        self.ward = running.enter_context(Ward(served, folder))
        self.ward.world.turn.close()
        self.server.run("pg_basebackup", "--no-sync", "-c", "fast", "-D", f"{self.base}", "-d", self.conninfo)

    @property
    def conninfo(self) -> str:
        """Return where its superuser connects."""
        return self.server.conninfo

    def _at(self, url: str) -> str:
        host = {"host": str(self.server.sockets), "port": "5432"}
        return make_url(url).update_query_dict(host).render_as_string(hide_password=False)

    def _configure(self, data: Path, text: str) -> None:
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(text)

    def lose(self) -> None:
        """Archive what is written, then lose the server with all its files."""
        written = self.server.ask("SELECT pg_walfile_name(pg_switch_wal())")[0][0]
        wait_until(lambda: (self.archive / str(written)).exists())
        self.server.end()
        shutil.rmtree(self.server.data)

    def bring_back(self, until: datetime) -> None:
        """Bring the files back as they were at an instant."""
        shutil.move(self.base, self.server.data)
        self._configure(self.server.data, COMING_BACK.format(archive=self.archive, until=until.isoformat()))
        (self.server.data / "recovery.signal").touch()
        if RUNS_AS is not None:
            shutil.chown(self.server.data / "recovery.signal", RUNS_AS)
        self.server.start()
        wait_until(lambda: self.server.ask("SELECT pg_is_in_recovery()") == [(False,)])

    def command(self, *arguments: str) -> Told:
        """Run `caretrail` as the operator."""
        settings = self.ward.world.settings
        environment = {
            "CARETRAIL_DATA_DIR": str(settings.data_dir),
            "CARETRAIL_DATABASE_URL": self._at(self.database.service),
            "CARETRAIL_OWNER_DATABASE_URL": self._at(self.database.owner),
            "CARETRAIL_DEPLOYMENT": settings.deployment,
        }
        return COMMANDS.run(environment, *arguments)


@pytest.fixture
def archived(tmp_path: Path) -> Iterator[Archived]:
    above = folder_for_servers("caretrail-archive-")
    try:
        with ExitStack() as running:
            yield Archived(above, tmp_path, running)
    finally:
        shutil.rmtree(above, ignore_errors=True)


def send(server: ServerProcess, token: str, method: str, path: str, body: Any = None) -> Any:
    """Send a request that must succeed."""
    with server.client() as client:
        answer = client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code < 300, answer.text
    return answer.json() if answer.content else None


def note(text: str) -> dict[str, Any]:
    """Return a daily note."""
    return {"category": "daily_note", "occurred_at": "2026-03-01T10:00:00Z", "body": {"text": text}}


@pytest.mark.timeout(240)
def test_a_database_comes_back_as_it_was_at_an_instant(archived: Archived) -> None:
    """Kept: what was written before. Told: what is lost. Ended meanwhile, ended still: an account."""
    ward = archived.ward
    records = f"/v1/residents/{ward.resident}/records"
    nurse, manager = ward.tokens["nurse"], ward.tokens["manager"]
    with ward.serve() as server:
        kept = send(server, nurse, "POST", records, note("before"))["id"]
        time.sleep(0.2)
        until = datetime.now(UTC)
        time.sleep(0.2)
        lost = send(server, nurse, "POST", records, note("after"))["id"]
        who = send(server, nurse, "GET", "/v1/users/me")["id"]
        send(server, manager, "POST", f"/v1/users/{who}/deactivate", {"reason": "left"})
        time.sleep(1.5)  # the guard moves each second
        server.stop()
    archived.lose()

    archived.bring_back(until)

    refused = archived.command("audit", "checkpoint")
    assert 0 != refused.code
    assert "audit recover" in refused.text
    recovered = archived.command(
        "audit", "recover", "--yes", "--reason", "disk lost; brought back by archive"
    )
    assert 0 == recovered.code, recovered.text
    verified = archived.command("audit", "verify", "--state")
    assert 2 == verified.code, verified.text  # nobody can vouch for what was lost
    assert [(kept,)] == archived.server.ask("SELECT id FROM record", "pitr"), lost
    assert [(False,)] == archived.server.ask(f"SELECT active FROM account WHERE id = '{who}'", "pitr")
    with ward.serve() as server, server.client() as client:
        # every session ended with the recovery: whose had been ended after that instant, nobody can say
        for token in (nurse, manager):
            answer = client.get(records, headers={"Authorization": f"Bearer {token}"})
            assert 401 == answer.status_code
