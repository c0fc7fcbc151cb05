"""`caretrail replication`: that one server goes on is a decision, entered before it takes effect."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.crash import Chronicle, Client
from tests.support.failover import House
from tests.support.replication import EITHER, wait_until

TOKEN = "a-token-for-metrics"
REASON = "birch is being repaired, M. Sample decided"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, servers=1, metrics_token=TOKEN) as house:
        yield house


def changes(house: House) -> list[tuple[str, Any]]:
    """Return act and content of each entry about replication."""
    entries = house.findings().entries["system"]
    return [(e.e["act"], e.e["replication"]) for e in entries if e.e["act"].startswith("replication")]


def metric(house: House, name: str) -> str | None:
    """Return the present reading of a metric."""
    with house.servers[0].client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        lines = client.get("/metrics").text.splitlines()
    return next((line.split()[1] for line in lines if line.startswith(f"caretrail_{name} ")), None)


def said(house: House, event: str) -> bool:
    """Say whether the server logged an event."""
    return f'"event":"{event}"' in house.servers[0].log.read_text()


def status(house: House) -> Any:
    """Return what `replication status` tells."""
    told = house.command("replication", "status", "--json")
    assert told.code == 0, told.text
    return orjson.loads(told.text)


@pytest.mark.timeout(300)
def test_an_operator_lets_one_server_go_on_and_brings_the_standby_back(house):
    """While commits hang: commands end, whoever may degrades, all serve; back again, commits wait again."""
    client = Client.start(house.ward, house.servers[0], "degrading", 120)
    client.wait_for_answers(25)
    house.pair.standby.stop()
    wait_until(lambda: not house.servers[0].ready())

    began = time.monotonic()
    stuck = house.command("organisation", "add", "--organisation", "Late Care", "--admin", "late.sample")
    assert stuck.code == 1, stuck.text
    assert time.monotonic() - began < 30
    _refused_without_the_right(house)
    _degraded(house)
    nobody = house.command("replication", "restore")
    assert (1, True) == (nobody.code, "no-standby" in nobody.text), nobody.text
    _restored(house)

    client.stop()
    assert [] == house.held_against([Chronicle.read(client.history)])
    assert 0 == house.command("audit", "checkpoint").code  # what a moment ago was written is not signed yet
    verified = house.command("audit", "verify", "--state")
    assert 0 == verified.code, verified.text


def _refused_without_the_right(house: House) -> None:
    owner = house.ward.world.owner
    login = f"{house.database}_owner"
    refused = house.command("replication", "degrade", "--reason", REASON, owner=owner)
    assert (2, True) == (refused.code, f"in the database {house.database}" in refused.text), refused.text
    assert "SET synchronous_commit = local; GRANT ALTER SYSTEM" in refused.text
    assert f"GRANT pg_read_all_stats TO {login}" in refused.text
    assert ([], EITHER) == (changes(house), status(house)["wait_for"])
    for right in (
        "ALTER SYSTEM ON PARAMETER synchronous_standby_names",
        "EXECUTE ON FUNCTION pg_reload_conf()",
        "pg_read_all_stats",
    ):
        house.pair.primary.ask(f"GRANT {right} TO {login}", house.database)


def _degraded(house: House) -> None:
    owner = house.ward.world.owner
    done = house.command("replication", "degrade", "--reason", REASON, owner=owner)
    assert 0 == done.code, done.text
    wait_until(house.servers[0].ready)
    assert [("replication.degrade", {"was": EITHER, "now": ""})] == changes(house)
    assert REASON not in str(house.findings().entries)
    assert status(house)["degraded"]
    wait_until(lambda: said(house, "replication-degraded"))
    assert "1" == metric(house, "replication_degraded")
    again = house.command("replication", "degrade", "--reason", REASON, owner=owner)
    assert (1, True) == (again.code, "already" in again.text), again.text


def _restored(house: House) -> None:
    house.pair.standby.start()
    wait_until(
        lambda: house.pair.primary.ask("SELECT 1 FROM pg_stat_replication WHERE state = 'streaming'") != []
    )
    done = house.command("replication", "restore", owner=house.ward.world.owner)
    assert 0 == done.code, done.text
    assert ("replication.restore", {"was": "", "now": EITHER}) == changes(house)[-1]
    told = status(house)
    assert (EITHER, False) == (told["wait_for"], told["degraded"])
    assert [EITHER] * 2 == [one["wait_for"] for one in told["servers"]]
    wait_until(lambda: said(house, "replication-restored"))
    assert ("0", "1") == (metric(house, "replication_degraded"), metric(house, "replication_standbys"))


@pytest.mark.timeout(300)
def test_without_a_primary_the_operator_is_told_where_each_server_stands(house):
    """Neither `replication status` nor the doctor needs one that takes writes; both say what to do next."""
    assert "answers, one of 2 servers" in house.command("doctor").text
    house.pair.primary.stop()

    told = house.command("replication", "status", "--json")
    assert 1 == told.code, told.text
    assert {"primary", "standby"} - {one["role"] for one in orjson.loads(told.text)["servers"]} == {"primary"}
    words = house.command("replication", "status")
    assert (1, True) == (words.code, "NO SERVER TAKES WRITES" in words.text), words.text
    examined = house.command("doctor")
    assert 2 == examined.code
    assert "promote a standby: see The primary is lost" in examined.text
    (why,) = [line for line in examined.text.splitlines() if line.startswith("failed   database")]
    assert ("alder" in why, "birch" in why, "session is read-only" in why) == (True,) * 3, why


@pytest.mark.timeout(300)
def test_a_standby_that_is_silent_and_attached_is_told_of(house):
    """It still streams, as far as the primary knows; but commits wait, and both commands say so."""
    assert "not degraded" in house.command("replication", "status").text
    frozen = house.pair.primary.ask("SELECT pid FROM pg_stat_replication")
    house.pair.stop_sending()
    wait_until(lambda: not house.servers[0].ready())

    wait_until(lambda: status(house)["waiting"] > 0)
    told = house.command("replication", "status")
    assert (0, True) == (told.code, "NOTHING COMMITS" in told.text), told.text
    assert "not degraded" not in told.text
    assert "streaming" in told.text
    (line,) = _about_replication(house)
    assert line.startswith("failed"), line
    for (pid,) in frozen:
        os.kill(pid, signal.SIGCONT)
    wait_until(house.servers[0].ready)
    assert 0 == status(house)["waiting"]


def test_the_doctor_tells_before_the_outage_that_the_owner_may_not_degrade(house):
    """The rights hold in one database each: given in another, they are missing; given in this one, not."""
    login = f"{house.database}_owner"
    house.pair.primary.ask(f"GRANT pg_read_all_stats TO {house.database}_service")
    for database in ("postgres", house.database):
        (line,) = _about_replication(house)
        assert (True, f"{login} may not" in line) == (line.startswith("warning"), True), line
        house.pair.primary.ask(f"GRANT ALTER SYSTEM ON PARAMETER synchronous_standby_names TO {login}")
        house.pair.primary.ask(f"GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {login}", database)
        house.pair.primary.ask(f"GRANT pg_read_all_stats TO {login}")

    (line,) = _about_replication(house)
    assert "may not" not in line


def _about_replication(house: House) -> list[str]:
    return [line for line in house.command("doctor").text.splitlines() if line.split()[1] == "replication"]


def test_sqlite_has_no_standby(tmp_path, monkeypatch):
    """On one file there is nothing to degrade, and the command says so."""
    from tests.unit.commands.conftest import Line

    told = Line(tmp_path / "data").run("replication", "status")
    assert (1, True) == (told.code, "SQLite" in told.err)
