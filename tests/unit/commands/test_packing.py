"""`caretrail continuity pack` as an operator runs it, and as a worker and a server do by the time-table."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from app.access.operations import operation
from app.backups import sealing
from app.commands.calling import present
from app.commands.opening import open_service
from app.core.settings import Settings
from app.identity.homes import OpenHome
from app.residents.admission import AdmitResident
from tests.unit.commands.conftest import ROOT, Line, free_port
from tests.unit.commands.places import Place, looking

PATIENCE_S = 40


@pytest.fixture
def ready(place: Place) -> Place:
    """A deployment with a home, a resident, a recipient and a folder."""
    line = place.line
    names = ("database_url", "owner_database_url")
    urls = {name: line.variables.get(f"CARETRAIL_{name.upper()}") for name in names}
    given: dict[str, Any] = {name: url for name, url in urls.items() if url}
    org = place.founded["organisation_id"]
    with open_service(Settings(data_dir=line.data_dir, **given)) as service:
        home = present(service, org, operation("POST", "/v1/homes"), OpenHome("Elm", None, None), "test")
        names_, born = {"given_name": "Ada", "family_name": "Example"}, {"date_of_birth": "1938-04-05"}
        work = AdmitResident(home["id"], None, "3", names_, born, "2020-01-05")
        present(service, org, operation("POST", "/v1/residents"), work, "test")
    secret, recipient = sealing.new_identity()
    (line.data_dir / "manager.txt").write_text(secret)
    (line.data_dir / "continuity-recipients.txt").write_text(recipient)
    (line.data_dir / "continuity").mkdir()
    return place


def packs(line: Line) -> list[Path]:
    """Return the packs that lie there."""
    return sorted((line.data_dir / "continuity").rglob("*.age"))


def opened(line: Line, path: Path) -> str:
    """Return a pack, opened by the manager."""
    out = line.data_dir / "opened"
    with path.open("rb") as sealed, out.open("wb") as plain:
        sealing.unseal(sealed, plain, sealing.identities(line.data_dir / "manager.txt"))
    return out.read_text()


def entries(place: Place, act: str) -> list[dict[str, Any]]:
    """Return the entries of an act, of every chain."""
    with looking(place.line) as connection:
        lines = connection.execute(text("SELECT line FROM audit_event ORDER BY org, seq")).scalars()
        found = [json.loads(bytes(line))["e"] for line in lines]
    return [one for one in found if one["act"] == act]


def end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Stop a process in order, and return its exit code and what it said."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said


def test_a_pack_is_made_recorded_and_opens_for_the_manager(ready):
    """The command tells the file; trail and rows hold together afterwards, and the trail is signed."""
    told = ready.line.run("continuity", "pack", "--json")
    assert 0 == told.code, told.err
    ((pack,), (path,)) = told.json["packs"], packs(ready.line)
    assert (pack["path"], pack["residents"]) == (str(path), 1)
    assert "EXAMPLE, Ada" in opened(ready.line, path)
    (piece,), (run,) = entries(ready, "continuity.pack"), entries(ready, "continuity.run")
    assert (piece["actor"]["id"], run["actor"]["id"], len(piece["subs"])) == ("system:cli", "system:cli", 1)
    assert 0 == ready.line.run("audit", "verify", "--state").code


def test_what_fails_ends_with_1_and_words(ready):
    """A missing folder, no recipients: a sentence each, a failed run, and no pack."""
    (ready.line.data_dir / "continuity").rmdir()
    said = [ready.line.run("continuity", "pack")]
    (ready.line.data_dir / "continuity-recipients.txt").unlink()
    said.append(ready.line.run("continuity", "pack"))
    assert [1, 1] == [one.code for one in said]
    wanted = ["is it unplugged?", "who opens the continuity packs"]
    assert [] == [words for one, words in zip(said, wanted, strict=True) if words not in one.err]
    assert ["fail"] * 2 == [one["out"] for one in entries(ready, "continuity.run")]
    assert not (ready.line.data_dir / "continuity").exists()


def test_a_home_that_is_not_there_is_no_failed_run(ready):
    """A slip in the id is told; it is no run of the job, and nothing that a doctor would warn of."""
    told = ready.line.run("continuity", "pack", "--home", "zz")
    assert (1, True) == (told.code, "There is no home with this id" in told.err), told.err
    assert [] == entries(ready, "continuity.run")


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_packs_are_made_by_their_time_table(ready, command):
    """A server and a worker alike make the packs that were due, through their own door, and stop in order."""
    assert 0 == ready.line.run("continuity", "pack").code
    with looking(ready.line) as connection:
        connection.execute(text("UPDATE job SET due_at = '2026-01-01T00:00:00.000000Z'"))
        connection.commit()
    (ready.line.data_dir / "backup-recipients.txt").unlink()
    ready.line.variables["CARETRAIL_PORT"] = str(free_port())
    process = ready.line.start(command)
    try:
        for _ in range(PATIENCE_S * 10):
            if len(entries(ready, "continuity.run")) == 2:
                break
            time.sleep(0.1)
    finally:
        code, said = end(process)
    assert 0 == code, said
    assert ["ok", "ok"] == [one["out"] for one in entries(ready, "continuity.run")], said
    assert ["system:cli", "system:jobs"] == [one["actor"]["id"] for one in entries(ready, "continuity.pack")]
    assert 2 == len(packs(ready.line))
    assert "EXAMPLE, Ada" in opened(ready.line, packs(ready.line)[-1])


def test_a_server_starts_and_packs_without_the_extra(ready, tmp_path):
    """Where typst is not installed a server starts and packs are made as HTML; as PDF they are refused."""
    (nothing := tmp_path / "nothing").mkdir()
    (nothing / "typst.py").write_text("raise ImportError('not installed')\n")
    port = str(free_port())
    ready.line.variables |= {
        "PYTHONPATH": f"{nothing}:{ROOT}",
        "CARETRAIL_PORT": port,
        "CARETRAIL_JOBS": "worker",
    }
    process = ready.line.start("serve")
    try:
        alive = answers(f"http://127.0.0.1:{port}/health/live")
        made = ready.line.start("continuity", "pack").communicate(timeout=PATIENCE_S)
        ready.line.variables["CARETRAIL_CONTINUITY_FORMAT"] = "pdf"
        refused = ready.line.start("continuity", "pack").communicate(timeout=PATIENCE_S)
    finally:
        said = end(process)
    assert (alive, len(packs(ready.line))) == (200, 1), (made, said)
    assert "PDF wants the extra `pdf`: install requirements-extras.lock" in refused[1]


def answers(url: str) -> int:
    """Return what a server that is starting answers, once it does; 0 when it never does."""
    for _ in range(PATIENCE_S * 10):
        try:
            return httpx2.get(url, timeout=5).status_code
        except httpx2.TransportError:
            time.sleep(0.1)
    return 0


def test_a_demo_has_all_that_packs_need(line):
    """What the demo configures is enough: a folder, a recipient, and beside them the identity that opens."""
    process = line.start("demo", "--port", str(free_port()), "--json")
    try:
        told = json.loads(process.stdout.readline())
        made = line.run("continuity", "pack", "--json")
    finally:
        end(process)
    assert 0 == made.code, made.err
    homes = [*told["homes"], *told["other_organisation"]["homes"]]
    assert sorted(one["home"] for one in made.json["packs"]) == sorted(home["id"] for home in homes)
    (line.data_dir / "continuity-identity.txt").rename(line.data_dir / "manager.txt")
    assert all("Continuity pack: " in opened(line, path) for path in packs(line))
