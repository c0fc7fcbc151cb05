"""`keys rotate`: a new signing key, beside a service or without one."""

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.audit import note
from app.vault.signing_keys import PREVIOUS_KEY, RETIRED_KEYS
from tests.unit.commands.conftest import ROOT, Line, free_port

VERIFIER = ROOT / "app" / "audit" / "verify.py"


@pytest.fixture
def keyed(own: tuple[Line, dict[str, str]]) -> tuple[Line, str, str]:
    """A deployment of this test's own: its line, its organisation, the verifier key of that."""
    line, told = own
    return line, told["organisation_id"], told["verifier_key"]


def rows(line: Line, statement: str, *parameters: str) -> list[tuple[Any, ...]]:
    """Return rows of the database."""
    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        found = database.execute(statement, parameters).fetchall()
    database.close()
    return found


def newest_note(line: Line, org: str) -> str:
    """Return the newest checkpoint of a chain."""
    listed = "SELECT note FROM audit_checkpoint WHERE org = ? ORDER BY size DESC LIMIT 1"
    [[text]] = rows(line, listed, org)
    return text


def rotate(line: Line, org: str) -> str:
    """Rotate, and return the new verifier key of a chain."""
    told = line.run("keys", "rotate", "--json")
    assert 0 == told.code, told.err
    return told.json["verifier_keys"][org]


def end_overlap(line: Line) -> None:
    """Have the overlap end now: the file says when, and a clock cannot be turned here."""
    path = line.data_dir / "keys" / PREVIOUS_KEY
    seed, _ = path.read_text().split()
    over = datetime.now(UTC) - timedelta(seconds=1)
    path.write_text(f"{seed}\n{over.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}\n")


def offline(export: Path, *keys: str) -> "subprocess.CompletedProcess[str]":
    """Verify an export as an auditor does."""
    given = [part for key in keys for part in ("--key", key)]
    command = [sys.executable, "-I", str(VERIFIER), str(export), *given]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_chain_says_it(keyed: tuple[Line, str, str]) -> None:
    """Each chain, the system's too, gets one entry with the old and the new verifier key and the overlap."""
    line, org, old = keyed
    new = rotate(line, org)
    for chain in (org, "system"):
        lines = [
            json.loads(row[0]) for row in rows(line, "SELECT line FROM audit_event WHERE org = ?", chain)
        ]
        entered = [one["e"] for one in lines if one["e"]["act"] == "key.rotate"]
        assert [(chain == org, chain == org)] == [
            (one["key"]["old"] == old, one["key"]["new"] == new) for one in entered
        ]
        assert entered[0]["obj"]["id"] == entered[0]["key"]["new"].split("+")[1]
    assert old != new


def test_a_checkpoint_over_the_entry_carries_both_signatures(keyed: tuple[Line, str, str]) -> None:
    """Whoever holds either key can check the newest checkpoint, the new one signing first."""
    line, org, old = keyed
    keys = [note.read_key(key) for key in (rotate(line, org), old)]
    signed = newest_note(line, org)

    assert keys == note.signed_by(signed, keys)
    for key in keys:
        note.open_note(signed, [key])


def test_old_checkpoints_still_verify(keyed: tuple[Line, str, str], tmp_path: Path) -> None:
    """During the overlap and after it the whole trail holds, for holders of the old key and of the new."""
    line, org, old = keyed
    new = rotate(line, org)
    line.run("audit", "export", "--out", tmp_path / "during.zip")
    assert 0 == line.run("audit", "verify").code
    end_overlap(line)
    assert 0 == line.run("audit", "checkpoint").code
    assert 0 == line.run("audit", "verify").code
    line.run("audit", "export", "--out", tmp_path / "after.zip")

    for key in (old, new):
        checked = offline(tmp_path / "during.zip", key)
        assert 0 == checked.returncode, checked.stdout
        assert "key.rotate #" in checked.stdout
    checked = offline(tmp_path / "after.zip", new)
    assert (0, True) == (checked.returncode, old.split("+")[1] in checked.stdout), checked.stdout
    assert 0 == offline(tmp_path / "after.zip", new, old).returncode


def test_the_old_key_signs_no_more_after_its_time(keyed: tuple[Line, str, str]) -> None:
    """When the overlap is over its private half is gone, its public half kept, and one key signs."""
    line, org, old = keyed
    new = rotate(line, org)
    end_overlap(line)
    assert 0 == line.run("audit", "checkpoint").code
    keys = [note.read_key(key) for key in (new, old)]

    assert keys[:1] == note.signed_by(newest_note(line, org), keys)
    assert not (line.data_dir / "keys" / PREVIOUS_KEY).exists()
    assert keys[1].public.hex() in (line.data_dir / "keys" / RETIRED_KEYS).read_text()


def test_a_forgotten_public_key_makes_old_checkpoints_doubtful(keyed: tuple[Line, str, str]) -> None:
    """Without the public half of the old key what it signed does not count, and the check says so."""
    line, org, _ = keyed
    rotate(line, org)
    end_overlap(line)
    line.run("audit", "checkpoint")
    (line.data_dir / "keys" / RETIRED_KEYS).unlink()
    told = line.run("audit", "verify")

    assert (1, True) == (told.code, "CHECKPOINT" in told.out)


def test_an_export_of_a_stranger_is_not_vouched_for(keyed: tuple[Line, str, str], tmp_path: Path) -> None:
    """A manifest names further keys only for whoever trusts one that signed it."""
    line, org, old = keyed
    new = rotate(line, org)
    end_overlap(line)
    line.run("audit", "checkpoint")
    line.run("audit", "export", "--out", tmp_path / "after.zip")

    checked = offline(tmp_path / "after.zip", old)

    assert 1 == checked.returncode, "signed after the old key's time"
    assert "manifest names further keys" not in checked.stdout
    assert "manifest names further keys" in offline(tmp_path / "after.zip", new).stdout


@pytest.mark.parametrize(
    ("arguments", "goes_with"),
    [
        (("--organisation", "x"), "organisation"),
        (("signing", "--organisation", "x"), "organisation"),
        (("root", "--organisation", "x"), "organisation"),
        (("root", "--overlap", "10"), "signing"),
        (("organisation", "--overlap", "10"), "signing"),
        (("signing", "--to", "file"), "root"),
        (("organisation", "--to", "file"), "root"),
    ],
)
def test_an_option_of_another_key_is_refused(
    keyed: tuple[Line, str, str], arguments: tuple[str, ...], goes_with: str
) -> None:
    """An option that says nothing about the key that is rotated rotates no other one."""
    line, _, _ = keyed
    before = rows(line, "SELECT org, seq FROM audit_event")
    told = line.run("keys", "rotate", *arguments)

    assert (2, True) == (told.code, f"keys rotate {goes_with}" in told.err), told
    assert before == rows(line, "SELECT org, seq FROM audit_event")


def test_no_second_rotation_during_the_first(keyed: tuple[Line, str, str]) -> None:
    """While both keys sign a further rotation is refused, and leaves no entry."""
    line, org, _ = keyed
    rotate(line, org)
    before = len(rows(line, "SELECT seq FROM audit_event"))
    told = line.run("keys", "rotate")

    assert (1, True) == (told.code, "still signs until" in told.err)
    assert before == len(rows(line, "SELECT seq FROM audit_event"))


def test_status_shows_it(keyed: tuple[Line, str, str]) -> None:
    """Status names both keys and the end of the overlap, then the number of retired ones."""
    line, org, _ = keyed
    first = line.run("keys", "status", "--json").json
    rotate(line, org)
    during = line.run("keys", "status", "--json").json
    end_overlap(line)
    after = line.run("keys", "status", "--json").json

    assert (None, None, 0) == (
        first["signing_key_before"],
        first["both_sign_until"],
        first["retired_signing_keys"],
    )
    assert during["signing_key_before"] == first["signing_key_id"] != during["signing_key_id"]
    assert during["both_sign_until"] > during["organisations"][0]["made_at"]
    assert (None, 1) == (after["both_sign_until"], after["retired_signing_keys"])
    assert 0 == line.run("keys", "status").code


def test_a_running_service_takes_the_new_key_up(keyed: tuple[Line, str, str]) -> None:
    """Beside a service nothing is halted: it signs with both keys within seconds, and goes on after."""
    line, org, old = keyed
    line.variables["CARETRAIL_PORT"] = str(free_port())
    running = line.start("serve")
    try:
        patience = time.monotonic() + 60
        while line.run("ready").code != 0:
            assert time.monotonic() < patience
            time.sleep(0.2)
        keys = [note.read_key(key) for key in (rotate(line, org), old)]
        time.sleep(2.5)  # the service looks at its key files once a second
        present = rows(line, "SELECT max(size) FROM audit_checkpoint WHERE org = ?", org)
        line.run("audit", "checkpoint", "--organisation", org)
        time.sleep(1.5)
        assert present < rows(line, "SELECT max(size) FROM audit_checkpoint WHERE org = ?", org)
        assert keys == note.signed_by(newest_note(line, org), keys)
        assert 0 == line.run("ready").code
    finally:
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=30)
    assert 0 == running.returncode, err
    assert [] == [one for one in err.splitlines() if json.loads(one)["level"] not in {"info", "warning"}], err
    assert 0 == line.run("audit", "verify").code


def test_a_root_rotation_retires_an_old_signing_key_on_its_way(keyed: tuple[Line, str, str]) -> None:
    """A signing key whose time is over does not stand in the way of the rotation that finds it."""
    line, org, _old = keyed
    rotate(line, org)
    end_overlap(line)
    process = line.start("keys", "rotate", "root")
    ending = threading.Timer(60, process.kill)
    ending.start()
    said, _ = process.communicate()
    ending.cancel()

    assert (0, False) == (process.returncode, (line.data_dir / "keys" / PREVIOUS_KEY).exists()), said


def test_of_two_rotations_at_once_one_is_refused(keyed: tuple[Line, str, str]) -> None:
    """One key follows, once: the other is told that both sign already, and enters nothing."""
    line, _org, _old = keyed
    both = [line.start("keys", "rotate") for _ in range(2)]
    told = [process.communicate(timeout=120) for process in both]

    assert [0, 1] == sorted(process.returncode for process in both), told
    entered = [json.loads(row[0])["e"]["act"] for row in rows(line, "SELECT line FROM audit_event")]
    assert 2 == entered.count("key.rotate")  # in the organisation's chain, and in the system's
    assert 0 == line.run("audit", "verify", "--state").code
