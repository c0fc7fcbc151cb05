"""Organisations' keys are rotated while servers serve, and by commands that are killed at any moment."""

import itertools
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.access.visit import System
from app.residents.admission import AdmitResident
from app.vault.generations import generation_of
from tests.support.check_log import check_database
from tests.support.commands import COMMANDS
from tests.support.crash import Ward
from tests.support.nursery import NURSERY
from tests.support.served import Database
from tests.support.server_process import ServerProcess

SEED = 20261123
RESIDENTS = 250
KILLS = 8
ROTATE = ("keys", "rotate", "organisation")


@pytest.fixture
def ward(each_database: Database, tmp_path: Path) -> Iterator[Ward]:
    """A deployment on each of the two databases."""
    with Ward(each_database, tmp_path) as ward:
        yield ward


def environment(ward: Ward) -> dict[str, str]:
    """Return the settings of a command on the deployment."""
    return {
        "CARETRAIL_DATA_DIR": str(ward.world.settings.data_dir),
        "CARETRAIL_DATABASE_URL": ward.world.url,
        "CARETRAIL_DEPLOYMENT": ward.world.settings.deployment,
    }


def rows(ward: Ward, statement: str) -> list[Any]:
    """Return rows of the database, past the service."""
    with create_engine(ward.owner_url, poolclass=NullPool).connect() as connection:
        return list(connection.execute(text(statement), {"org": ward.world.org}))


def rewraps(ward: Ward) -> list[tuple[int, dict[str, Any]]]:
    """Return the entries of rotations in the organisation's chain, with their numbers."""
    found = rows(ward, "SELECT seq, line FROM audit_event WHERE org = :org ORDER BY seq")
    lines = [(seq, json.loads(bytes(line))["e"]) for seq, line in found]
    return [(seq, e) for seq, e in lines if e["act"] == "key.rewrap"]


def generations(ward: Ward) -> Counter[int]:
    """Return how many owners' keys are wrapped under each generation."""
    query = "SELECT wrapped_key FROM {} WHERE org = :org"
    boxes = [box for table in ("account", "resident") for (box,) in rows(ward, query.format(table))]
    return Counter(generation_of(bytes(box)) for box in boxes)


def admit(ward: Ward, count: int) -> list[str]:
    """Let residents come."""
    born = {"date_of_birth": "1940-01-01"}
    work = [AdmitResident(ward.world.home, None, None, _named(n), born, "2026-01-01") for n in range(count)]
    cli = System("cli", ward.world.org)
    return [str(ward.world.answer(one, "POST /v1/residents", cli).payload["id"]) for one in work]


def _named(n: int) -> dict[str, str]:
    return {"given_name": "Ada", "family_name": f"Marlow{n}"}


def kill_at(ward: Ward, entries: int, after_s: float, log: Path) -> None:
    """Start the command, and kill it a moment after its rotation has made so many entries."""
    pid = NURSERY.start(environment(ward), log, command=(*ROTATE, "--organisation", ward.world.org))
    before, deadline = len(rewraps(ward)), time.monotonic() + 60
    while len(rewraps(ward)) < before + entries and not NURSERY.ended(pid, wait=False):
        assert time.monotonic() < deadline, log.read_text()[-2000:]
    time.sleep(after_s)
    if not NURSERY.ended(pid, wait=False):
        os.kill(pid, signal.SIGKILL)
        NURSERY.ended(pid, wait=True)


@pytest.mark.timeout(300)
def test_a_rotation_that_is_killed_again_and_again_is_completed(ward: Ward, tmp_path: Path) -> None:
    """After each kill -9 rows are what their entries say; the run that ends makes each key anew just once."""
    residents, chance = admit(ward, RESIDENTS), random.Random(SEED)
    mixed = 0
    for n in range(KILLS):
        kill_at(ward, chance.randrange(2), chance.random() * 0.1, tmp_path / f"killed-{n}.log")
        found = generations(ward)
        assert sum(found.values()) == RESIDENTS + 3
        mixed += len(found) == 2
        assert [] == check_database(ward.owner_url).problems
    assert mixed > 0, "never killed in the middle: choose other moments"
    told = COMMANDS.run(environment(ward), *ROTATE, "--organisation", ward.world.org)
    assert 0 == told.code, told.text

    checked = COMMANDS.run(environment(ward), "audit", "verify", "--state")
    assert 0 == checked.code, checked.text
    newest = max(generations(ward))
    assert {newest: RESIDENTS + 3} == generations(ward)
    begun = [e for _, e in rewraps(ward) if "rows" not in e and "whole" not in e["key"]]
    ended = [e for _, e in rewraps(ward) if "whole" in e["key"]]
    assert len(begun) == len(ended) == newest - 1
    wrapped = Counter(row["id"] for _, e in rewraps(ward) for row in e.get("rows", ()))
    assert {newest - 1} == set(wrapped.values())
    assert len(wrapped) == RESIDENTS + 3
    with ward.serve() as server, server.client() as client:
        headers = {"Authorization": f"Bearer {ward.tokens['nurse']}"}
        answers = [client.get(f"/v1/residents/{one}", headers=headers) for one in residents]
        assert {200} == {answer.status_code for answer in answers}
        assert RESIDENTS == len({answer.json()["identity"]["family_name"] for answer in answers})


class Load:
    """Requests that make owners and seal under the organisation's key, from several threads."""

    def __init__(self, ward: Ward, servers: list[ServerProcess]) -> None:
        self._ward, self._servers = ward, servers
        self._over = threading.Event()
        self.told: list[tuple[str, int]] = []
        self._pool = ThreadPoolExecutor(4)
        self._running = [self._pool.submit(self._ask, n) for n in range(4)]

    def _ask(self, n: int) -> None:
        headers = {"Authorization": f"Bearer {self._ward.tokens['manager']}", "Audit-Reason": "to see to it"}
        with self._servers[n % len(self._servers)].client(headers=headers) as client:
            for turn in itertools.count():
                if self._over.is_set():
                    return
                body = {
                    "home_id": self._ward.world.home,
                    "admitted_on": "2026-01-01",
                    "identity": {"given_name": "Eve", "family_name": f"Load{n}x{turn}"},
                    "identifiers": {"date_of_birth": "1940-01-01"},
                }
                made = client.post("/v1/residents", json=body)
                self.told.append(("made", made.status_code))
                if made.status_code != 201:
                    continue
                one = made.json()["id"]
                tag = {"If-Match": made.headers["ETag"]}
                changed = client.patch(f"/v1/residents/{one}", json={"room": f"{turn}"}, headers=tag)
                self.told.append(("changed", changed.status_code))
                self.told.append(("listed", client.get("/v1/users").status_code))

    def wait_for(self, more: int) -> None:
        """Wait until so many more were answered."""
        upto, deadline = len(self.told) + more, time.monotonic() + 60
        while len(self.told) < upto:
            assert time.monotonic() < deadline, self.told[-5:]
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop, and raise what went wrong."""
        self._over.set()
        for one in self._running:
            one.result(30)
        self._pool.shutdown()


@pytest.mark.timeout(300)
def test_two_servers_go_on_and_neither_seals_under_a_retired_generation(ward: Ward) -> None:
    """Two rotations under load: no answer fails, and from its first entry on only the new key seals."""
    count = 2 if ward.world.engine.dialect.name == "postgresql" else 1
    admit(ward, 150)
    servers = [ward.serve() for _ in range(count)]
    try:
        load = Load(ward, servers)
        load.wait_for(40)
        for _ in range(2):
            told = COMMANDS.run(environment(ward), *ROTATE)
            assert 0 == told.code, told.text
            assert {max(generations(ward))} == set(generations(ward))
            load.wait_for(40)
        assert {3} == set(generations(ward))
        load.stop()
        time.sleep(2)  # the self-check goes over the rows meanwhile
        assert all(server.ready() for server in servers)
    finally:
        for server in servers:
            server.stop()
    assert {("made", 201), ("changed", 200), ("listed", 200)} == set(load.told)
    starts = [seq for seq, e in rewraps(ward) if "rows" not in e and "whole" not in e["key"]]
    assert len(starts) == 2
    boxes = rows(ward, "SELECT seq, ct FROM audit_value WHERE org = :org AND owner = :org")
    under = [(seq, generation_of(bytes(box))) for seq, box in boxes]
    due = [(seq, 1 + sum(start <= seq for start in starts)) for seq, _ in under]
    assert due == under
    assert {1, 2, 3} == {generation for _, generation in under}
    assert {3} == set(generations(ward))
    assert [] == check_database(ward.owner_url).problems
    checked = COMMANDS.run(environment(ward), "audit", "verify", "--state")
    assert 0 == checked.code, checked.text
