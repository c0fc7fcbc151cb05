"""A signing key that is not the one of this database starts nothing, and no recovery is recorded with it."""

import json
import secrets
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.audit import merkle
from app.audit.checkpoint import Notary
from app.commands.auditing import CHECKPOINT
from app.commands.calling import present, sign_what_moved
from app.commands.opening import open_service
from app.core.clock import SystemClock
from app.core.entropy import SystemEntropy
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.trail.checkpoints import NewestCheckpoint
from app.trail.rotation import ROTATE, RecordRotation
from app.vault.provider import SIGNING_KEY
from app.vault.signing_keys import NEXT_KEY, PREVIOUS_KEY, RETIRED_KEYS, SigningFiles
from tests.unit.commands.conftest import Line

FOREIGN = "the signing key is not the one of this database"
RECOVER = ("audit", "recover", "--reason", "the guard is refused", "--yes")


@pytest.fixture
def own(line: Line) -> Line:
    """A deployment of this test's own, with a copy of its keys and of its database."""
    assert 0 == line.run("init", "--organisation", "Sample Care", "--admin", "a.sample").code
    shutil.copytree(keys(line), kept(line))
    shutil.copy(line.data_dir / "caretrail.db", line.data_dir.parent / "backup.db")
    return line


def keys(line: Line) -> Path:
    """Return the folder of the keys."""
    return line.data_dir / "keys"


def kept(line: Line) -> Path:
    """Return the copy of it in the safe."""
    return line.data_dir.parent / "safe"


def put_back(line: Line, folder: Path) -> None:
    """Replace the folder of the keys by a copy."""
    shutil.rmtree(keys(line))
    shutil.copytree(folder, keys(line))


def acts(line: Line) -> list[str]:
    """Return what happened in all chains."""
    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        rows = database.execute("SELECT line FROM audit_event ORDER BY org, seq").fetchall()
    database.close()
    return [json.loads(row[0])["e"]["act"] for row in rows]


def end_overlap(line: Line) -> None:
    """Have the overlap end now."""
    path = keys(line) / PREVIOUS_KEY
    seed, _ = path.read_text().split()
    over = datetime.now(UTC) - timedelta(seconds=1)
    path.write_text(f"{seed}\n{over.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}\n")
    assert 0 == line.run("audit", "checkpoint").code


def check_of_trail(line: Line) -> dict[str, str]:
    """Return what the doctor says of the trail."""
    [trail] = [one for one in line.run("doctor", "--json").json["checks"] if one["name"] == "trail"]
    return trail


def refused_everywhere(line: Line) -> None:
    """Look that nothing starts, no recovery is recorded and no file outside the database moves."""
    before, guard = acts(line), {p: p.read_bytes() for p in line.data_dir.glob("guard/**/*.*")}
    for command in (("keys", "status"), ("serve", "--port", "1"), ("keys", "rotate"), RECOVER):
        told = line.run(*command)
        assert (2, True) == (told.code, FOREIGN in told.err), (command, told)
        assert "audit recover" not in told.err, "the wrong advice"
    trail = check_of_trail(line)
    assert ("failed", True) == (trail["result"], trail["stops_start"])
    assert trail["told"].startswith(FOREIGN)
    assert "audit recover" not in trail["advice"]
    assert before == acts(line)
    assert guard == {p: p.read_bytes() for p in line.data_dir.glob("guard/**/*.*")}


def test_a_key_of_somebody_else_is_told_as_one(own: Line) -> None:
    """64 other digits start nothing and record nothing; with the right key back everything is as it was."""
    (keys(own) / SIGNING_KEY).write_text(secrets.token_hex(32) + "\n")
    refused_everywhere(own)
    put_back(own, kept(own))

    assert 0 == own.run("keys", "status").code
    assert 0 == own.run("audit", "verify").code
    assert "ok" == check_of_trail(own)["result"]


@pytest.mark.parametrize("over", [False, True])
def test_a_copy_from_before_a_rotation_is_told_as_one(own: Line, over: bool) -> None:
    """An old copy of the keys does not undo a rotation: not while both keys sign, and not afterwards."""
    assert 0 == own.run("keys", "rotate").code
    if over:
        end_overlap(own)
    shutil.copytree(keys(own), own.data_dir.parent / "present")
    put_back(own, kept(own))
    refused_everywhere(own)
    put_back(own, own.data_dir.parent / "present")

    assert 0 == own.run("keys", "status").code
    assert 0 == own.run("audit", "verify").code


def test_a_copy_from_within_a_rotation_is_told_as_one(own: Line) -> None:
    """That a copy holds the next key in its file does not make it the present folder."""
    SigningFiles(keys(own)).prepare(SystemEntropy(), SystemClock().now())
    shutil.rmtree(kept(own))
    shutil.copytree(keys(own), kept(own))
    assert 0 == own.run("keys", "rotate").code
    put_back(own, kept(own))

    refused_everywhere(own)


def test_a_stale_checkpoint_does_not_hide_a_rotation(own: Line) -> None:
    """Where a machine with the old key signed last, the entry of the rotation still tells."""
    assert 0 == own.run("keys", "rotate").code
    stale = Notary("caretrail.local", SigningFiles(kept(own)).load(SystemClock().now()).present)
    with open_service(Settings(data_dir=own.data_dir)) as service:
        assert stale.origin(SYSTEM) == service.notary.origin(SYSTEM)
        chains = service.guards.chains()
        for chain in chains:  # its own entry is not covered by what it signs
            present(service, chain, CHECKPOINT, NewestCheckpoint(service.notary, service.guards), "x")
    assert 2 == len(chains)
    with sqlite3.connect(own.data_dir / "caretrail.db") as database:
        for org, size, peaks in database.execute("SELECT org, size, peaks FROM audit_head").fetchall():
            root = merkle.root(merkle.unpack(peaks, size))
            row = (org, size, root, "2026-01-01T00:00:00.000000Z", stale.sign_checkpoint(org, size, root))
            database.execute("INSERT INTO audit_checkpoint VALUES (?, ?, ?, ?, ?)", row)
    database.close()
    put_back(own, kept(own))

    refused_everywhere(own)


def test_a_rotation_that_was_broken_off_goes_on(own: Line) -> None:
    """Between its entry and the switch the prepared key counts: the old one serves, and it is run again."""
    with open_service(Settings(data_dir=own.data_dir)) as service:
        files, at = SigningFiles(keys(own)), service.clock.now()
        to_come = Notary(service.settings.deployment, files.prepare(service.entropy, at))
        work = RecordRotation(service.notary, to_come, at + timedelta(days=30))
        present(service, SYSTEM, ROTATE, work, "broken off")
        sign_what_moved(service)
    assert (keys(own) / NEXT_KEY).exists()
    assert 0 == own.run("keys", "status").code
    assert 0 == own.run("keys", "rotate").code
    assert 0 == own.run("audit", "verify").code
    (keys(own) / PREVIOUS_KEY).unlink()
    put_back(own, kept(own))

    assert FOREIGN in own.run("keys", "status").err


def test_an_older_database_comes_back_with_the_present_keys(own: Line) -> None:
    """A backup signed by a key that is retired since is refused as a roll-back, and can be recovered."""
    assert 0 == own.run("keys", "rotate").code
    end_overlap(own)
    assert (keys(own) / RETIRED_KEYS).exists()
    for path in own.data_dir.glob("caretrail.db*"):
        path.unlink()
    shutil.copy(own.data_dir.parent / "backup.db", own.data_dir / "caretrail.db")
    refused = own.run("keys", "status")
    assert (2, True, False) == (refused.code, "ROLLBACK" in refused.err, FOREIGN in refused.err)

    assert 0 == own.run(*RECOVER).code
    assert 0 == own.run("keys", "status").code
