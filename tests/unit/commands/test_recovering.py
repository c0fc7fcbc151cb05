"""`audit recover`: the newer database, or the guard, is lost for good, and the trail says so."""

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.audit import verify
from tests.unit.commands.conftest import ROOT, Line

REASON = "disk of the server broke on Monday"
VERIFIER = ROOT / "app" / "audit" / "verify.py"


@pytest.fixture
def backed_up(own: tuple[Line, dict[str, str]]) -> tuple[Line, dict[str, str]]:
    """A deployment of this test's own, with a backup of it as it was founded."""
    line, _ = own
    shutil.copy(line.data_dir / "caretrail.db", line.data_dir.parent / "backup.db")
    return own


def grow(line: Line, times: int = 3) -> None:
    """Make the chains longer: each run leaves an entry in every chain."""
    for _ in range(times):
        assert 0 == line.run("audit", "checkpoint").code


def restore(line: Line) -> None:
    """Put the old database back, as an operator does after a crash of the disk."""
    for path in line.data_dir.glob("caretrail.db*"):
        path.unlink()
    shutil.copy(line.data_dir.parent / "backup.db", line.data_dir / "caretrail.db")


def events(line: Line, org: str) -> list[dict[str, Any]]:
    """Return what happened in a chain, in order."""
    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        rows = database.execute("SELECT line FROM audit_event WHERE org = ? ORDER BY seq", (org,)).fetchall()
    database.close()
    return [json.loads(row[0])["e"] for row in rows]


def sizes(line: Line) -> dict[str, int]:
    """Return what each guard file holds."""
    return {p.stem: json.loads(p.read_bytes())["size"] for p in line.data_dir.glob("guard/*.json")}


def rolled_back(backed_up: tuple[Line, dict[str, str]]) -> tuple[Line, str, dict[str, int]]:
    """Return a line on a restored backup, its organisation, and what was signed of what is lost."""
    line, founded = backed_up
    grow(line)
    before = sizes(line)
    restore(line)
    return line, founded["organisation_id"], before


def test_roll_back_is_refused_until_it_is_recorded(backed_up: tuple[Line, dict[str, str]]) -> None:
    """A restored backup starts nothing until the loss is in the trail; then everything starts again."""
    line, org, before = rolled_back(backed_up)
    refused = line.run("keys", "status")
    assert (2, True) == (refused.code, "caretrail audit recover --reason" in refused.err)
    told = line.run("audit", "recover", "--reason", REASON, "--yes", "--json")

    assert 0 == told.code, told.err
    assert [org, "system"] == [one["organisation"] for one in told.json["recovered"]]
    assert f"holds {before[org]} lines" in told.err
    assert 0 == line.run("keys", "status").code
    kept = list(line.data_dir.glob("guard/*.orphaned-*.json"))
    assert {f"{chain}.orphaned-{size}.json" for chain, size in before.items()} == {p.name for p in kept}


def test_entries_embed_the_orphaned_checkpoint(backed_up: tuple[Line, dict[str, str]]) -> None:
    """The entries of the chain and of the system's hold the guard's whole note, and no reason in words."""
    line, org, before = rolled_back(backed_up)
    orphan = json.loads((line.data_dir / "guard" / f"{org}.json").read_bytes())
    kept = len(events(line, org))
    line.run("audit", "recover", "--reason", REASON, "--yes")
    entered = [e for e in events(line, org) + events(line, "system") if e["act"] == "chain.recover"]
    about = [e for e in entered if e["obj"]["id"] == org]

    assert [2, 3] == [len(about), len(entered)]
    for entry in about:
        expected = {"how": "rollback", "kept": kept, "size": before[org], "root": orphan["root"]}
        assert expected | {"note": orphan["note"]} == entry["lost"]
        assert 64 == len(entry["reason_h"])
        assert REASON not in json.dumps(entry)


def test_verification_says_that_lines_were_lost(backed_up: tuple[Line, dict[str, str]]) -> None:
    """After a recovery no check says intact: it names the entry and the lines the operator gave up."""
    line, org, before = rolled_back(backed_up)
    kept = len(events(line, org))
    line.run("audit", "recover", "--reason", REASON, "--yes")
    grow(line, 5)  # the chain is longer now than the lost one was: no silent fork either
    told = line.run("audit", "verify")

    assert 2 == told.code
    words = f"chain.recover #{kept}: the operator says lines {kept}..{before[org] - 1} were lost"
    assert words in told.out
    export = line.data_dir.parent / "trail.zip"
    line.run("audit", "export", "--out", export)
    offline = _offline(export, backed_up[1]["verifier_key"])
    assert (2, True) == (offline.returncode, words in offline.stdout)


def test_anchor_of_the_lost_part_still_tells(backed_up: tuple[Line, dict[str, str]], tmp_path: Path) -> None:
    """Whoever holds a checkpoint of the lost lines is told that they are missing, recovery or not."""
    line, founded = backed_up
    grow(line)
    assert 0 == line.run("audit", "anchor", "--out", tmp_path / "kept").code
    restore(line)
    for more in (0, 6):
        line.run("audit", "recover", "--reason", REASON, "--yes")
        grow(line, more)
        export = tmp_path / f"trail-{more}.zip"
        line.run("audit", "export", "--out", export)
        offline = _offline(export, founded["verifier_key"], "--anchors", str(tmp_path / "kept"))

        assert 1 == offline.returncode, offline.stdout
        assert "LOST(anchor)" in offline.stdout
        assert "cannot vouch: RECOVERED: chain.recover" in offline.stdout


def test_recovery_without_its_entry_is_found(backed_up: tuple[Line, dict[str, str]]) -> None:
    """A guard that is removed instead of superseded by an entry does not let the service start."""
    line, _, _ = rolled_back(backed_up)
    for guard in line.data_dir.glob("guard/*.json"):
        guard.unlink()

    assert 2 == line.run("keys", "status").code
    assert [] == [e for e in events(line, "system") if e["act"] == "chain.recover"]


def test_fork_is_recorded_as_one(backed_up: tuple[Line, dict[str, str]]) -> None:
    """A database that went another way past the guard's size is recorded as another history."""
    line, founded = backed_up
    guard = line.data_dir / "guard"
    grow(line)
    shutil.copytree(guard, line.data_dir.parent / "signed")
    restore(line)
    shutil.rmtree(guard)
    shutil.copytree(line.data_dir.parent / "signed", guard)
    line.run("audit", "recover", "--reason", REASON, "--yes")
    grow(line, 6)
    shutil.rmtree(guard)
    shutil.copytree(line.data_dir.parent / "signed", guard)
    told = line.run("audit", "recover", "--reason", REASON, "--yes", "--json")

    assert ["fork", "fork"] == [one["how"] for one in told.json["recovered"]], told.err
    assert "that were signed are lost, others stand in their place" in line.run("audit", "verify").out
    assert founded["organisation_id"] in told.out


@pytest.mark.parametrize("damage", [None, b"", b"{}"])
def test_lost_or_damaged_guard_is_recorded(
    backed_up: tuple[Line, dict[str, str]], damage: bytes | None
) -> None:
    """A guard that is gone or unreadable is recorded as lost: nothing says what was behind it."""
    line, founded = backed_up
    guard = line.data_dir / "guard" / f"{founded['organisation_id']}.json"
    if damage is None:
        guard.unlink()
    else:
        guard.write_bytes(damage)
    assert 2 == line.run("keys", "status").code
    told = line.run("audit", "recover", "--reason", REASON, "--yes")

    assert 0 == told.code, told.err
    verified = line.run("audit", "verify")
    assert (2, True) == (verified.code, "the guard was lost" in verified.out)


def test_chain_that_is_gone_is_recorded_in_the_systems(backed_up: tuple[Line, dict[str, str]]) -> None:
    """An organisation founded after the backup is gone with its chain; the system's chain says so."""
    line, _ = backed_up
    added = line.run("organisation", "add", "--organisation", "Other", "--admin", "b.sample", "--json")
    gone = added.json["organisation_id"]
    restore(line)
    told = line.run("audit", "recover", "--reason", REASON, "--yes")

    assert 0 == told.code, told.err
    assert f"chain {gone}: gone" in told.out
    assert gone in [e["obj"]["id"] for e in events(line, "system") if e["act"] == "chain.recover"]
    assert f"of the chain {gone} were lost" in line.run("audit", "verify").out


def test_nothing_is_recorded_without_a_word(backed_up: tuple[Line, dict[str, str]]) -> None:
    """Without --yes and nobody at a terminal, or without a reason, nothing is recorded."""
    line, _, before = rolled_back(backed_up)
    for arguments in (["--reason", REASON], ["--reason", " ", "--yes"], ["--reason", "x" * 501, "--yes"]):
        assert 1 == line.run("audit", "recover", *arguments).code

    assert before == sizes(line)
    assert [] == [e for e in events(line, "system") if e["act"] == "chain.recover"]


def test_nothing_is_recorded_where_nothing_is_lost(backed_up: tuple[Line, dict[str, str]]) -> None:
    """Where database and guard agree there is nothing to recover, and no entry says otherwise."""
    line, _ = backed_up
    told = line.run("audit", "recover", "--reason", REASON, "--yes")

    assert (0, True) == (told.code, "nothing to recover" in told.out)
    assert 0 == line.run("audit", "verify").code


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit_head SET size = size - 1",
        "UPDATE audit_event SET line = replace(line, '\"ok\"', '\"no\"') WHERE seq = 0",
    ],
)
def test_damaged_database_is_not_recovered(backed_up: tuple[Line, dict[str, str]], damage: str) -> None:
    """A database that contradicts itself is no restored backup: no entry makes it one."""
    line, _, _ = rolled_back(backed_up)
    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _sql in triggers:
            database.execute(f"DROP TRIGGER {name}")
        database.execute(damage)
        for _name, sql in triggers:
            database.execute(sql)
    database.close()
    told = line.run("audit", "recover", "--reason", REASON, "--yes")

    assert (2, True) == (told.code, "No recovery can mend that" in told.err), told.err


def test_recovery_cannot_be_forged_into_a_silent_one() -> None:
    """Whatever stands in the entry, the verifier says in words that a recovery happened."""
    for lost in ({}, {"kept": "x"}, None, [], {"kept": 3, "size": True}, {"kept": 3, "size": 9, "how": 7}):
        event = {"act": "chain.recover", "lost": lost, "obj": {"id": "a"}}
        assert "the operator says" in verify.recovery(5, event, "a")


def _offline(export: Path, key: str, *more: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", str(VERIFIER), str(export), "--key", key, *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)
