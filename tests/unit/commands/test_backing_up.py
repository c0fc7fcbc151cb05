"""`caretrail backup ...` on both databases, as an operator runs it."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.backups import sealing
from app.commands.bringing_back import alone_in
from app.core.errors import StartRefusedError
from tests.unit.commands.conftest import Line
from tests.unit.commands.places import Place, looking


def create(place: Place) -> dict[str, Any]:
    told = place.line.run("backup", "create", "--json")
    assert 0 == told.code, told.err
    return told.json


def restored(place: Place, to: Path) -> Line:
    """Return a command line on what was restored into a folder."""
    variables = place.target.variables | {
        "CARETRAIL_KEYS_DIR": str(to / "keys"),
        "CARETRAIL_GUARD_DIR": str(to / "guard"),
    }
    return Line(to, variables)


def test_a_backup_goes_all_the_way_round(place, tmp_path):
    """Made, listed, checked, restored: the guard tells what was lost since, and the recovery records it."""
    made = create(place)
    assert (listed := place.line.run("backup", "list", "--json")).json[0]["path"] == made["path"], listed
    assert "content" in place.line.run("backup", "verify", made["path"], "--json").json["checked"]
    assert 0 == place.line.run("audit", "checkpoint").code  # what the backup does not have
    to = tmp_path / "restored"
    told = place.target.run("backup", "restore", made["path"], "--to", to, "--json")
    assert 0 == told.code, told.err
    assert told.json["id"] == made["id"]
    again = restored(place, to)
    refused = again.run("keys", "status")
    assert (refused.code, "ROLLBACK" in refused.err) == (2, True), refused.err
    recovered = again.run("audit", "recover", "--reason", "a drill", "--yes", "--json")
    assert 0 == recovered.code, recovered.err
    verified = again.run("audit", "verify", "--state")
    assert verified.code == 2, verified.out
    assert "RECOVERED" in verified.out
    assert (
        again.run("keys", "status", "--json").json["organisations"]
        == (place.line.run("keys", "status", "--json").json["organisations"])
    )


def test_each_run_leaves_an_entry_with_its_row(place):
    """A backup on demand is a run like any other: an entry names the row and what was made."""
    made = create(place)
    with looking(place.line) as connection:
        lines = connection.execute(text("SELECT line FROM audit_event WHERE org = 'system' ORDER BY seq"))
        entries = [json.loads(bytes(line))["e"] for line in lines.scalars()]
        rows = connection.execute(text("SELECT id, outcome, result FROM job_run")).all()
    (entry,) = (one for one in entries if one["act"] == "backup.create")
    ((run, outcome, result),) = rows
    assert (entry["out"], entry["obj"]["id"], outcome) == ("ok", run, "ok")
    assert json.loads(result)["sha256"] == made["sha256"]


def test_without_a_recipient_nothing_is_made_and_that_is_recorded(place):
    """Nobody could open such a backup: it fails with what to do, and the failure is an entry."""
    (place.line.data_dir / "backup-recipients.txt").unlink()
    told = place.line.run("backup", "create", "--json")
    assert 1 == told.code
    assert "recipients" in told.err
    with looking(place.line) as connection:
        assert connection.execute(text("SELECT outcome FROM job_run")).scalars().all() == ["fail"]
    assert place.line.run("backup", "list").out == "no backups\n"


def test_an_identity_among_the_recipients_is_refused(place):
    """The secret half has no place on the server: its file is not taken for a recipient."""
    secret = (place.line.data_dir / "backup-identity.txt").read_text()
    (place.line.data_dir / "backup-recipients.txt").write_text(secret)
    told = place.line.run("backup", "create")
    assert (told.code, "Take it off this server" in told.err) == (1, True), told.err
    assert secret.strip() not in told.err


def test_a_target_that_holds_anything_is_left_alone(place, tmp_path):
    """Nothing is restored over what is there: neither into a folder nor into a database."""
    made = create(place)
    filled = tmp_path / "filled"
    filled.mkdir()
    (filled / "note.txt").write_text("mine")
    told = place.target.run("backup", "restore", made["path"], "--to", filled)
    assert (told.code, [one.name for one in filled.iterdir()]) == (2, ["note.txt"]), told.err
    if place.line.variables:
        told = place.line.run("backup", "restore", made["path"], "--to", tmp_path / "empty")
        assert (told.code, "not empty" in told.err) == (2, True), told.err
        assert not (tmp_path / "empty").exists()


def test_of_two_restores_into_one_folder_one_is_refused(place, tmp_path):
    """Begun at the same instant: one brings the backup back, the other says why it does not."""
    made = create(place)
    to = tmp_path / "both"
    both = [place.target.start("backup", "restore", made["path"], "--to", to) for _ in range(2)]
    told = [(one.communicate(timeout=120)[1], one.returncode) for one in both]
    (refused,) = (err for err, code in told if code != 0)
    assert [0, 2] == sorted(code for _, code in told), told
    assert "nothing was written" in refused or "not empty" in refused, refused
    assert not (to / ".restoring").exists()
    assert "uncaught" not in refused


def test_a_folder_is_one_restores_at_a_time(tmp_path):
    """While one restore fills a folder that both found empty, another is refused and takes nothing away."""
    to = tmp_path / "to"
    with alone_in(to):
        (to / "caretrail.db").touch()
        with pytest.raises(StartRefusedError, match="is being restored"), alone_in(to):
            raise AssertionError("two fill one folder")
    assert ["caretrail.db"] == [one.name for one in to.iterdir()]
    with pytest.raises(StartRefusedError, match="not empty any more"), alone_in(to):
        raise AssertionError("it fills what another filled")
    with alone_in(tmp_path / "nothing came about"):
        pass
    assert ["to"] == [one.name for one in tmp_path.iterdir()]


def test_an_old_backup_names_the_root_key_that_fits(place, tmp_path):
    """After a rotation the file of the root key that was is named; put into place, it restores."""
    made, keys = create(place), place.line.data_dir / "keys"
    assert 0 == place.line.run("keys", "rotate", "root").code
    assert 0 == place.line.run("keys", "rotate", "root").code
    told = place.target.run("backup", "restore", made["path"], "--to", tmp_path / "to")
    (named,) = re.findall(r"root-\w+\.retired\.key", told.err)
    assert (1, False) == (told.code, (tmp_path / "to").exists())
    assert 2 == len(list(keys.glob("root-*.retired.key")))
    shutil.copy(keys / named, keys / "root.key")
    told = place.target.run("backup", "restore", made["path"], "--to", tmp_path / "to")
    assert 0 == told.code, told.err


def test_a_refused_restore_leaves_nothing(place, tmp_path):
    """A damaged backup, another identity, another root key: the folder is as it was."""
    made = create(place)
    data = bytearray(Path(made["path"]).read_bytes())
    data[len(data) // 2] ^= 1
    (damaged := tmp_path / "damaged").write_bytes(data)
    (other := tmp_path / "other.txt").write_text(sealing.new_identity()[0])
    (empty := tmp_path / "empty").mkdir()
    for arguments in (
        [damaged, "--to", empty],
        [made["path"], "--to", empty, "--identity", other],
        [made["path"], "--to", empty, "--identity", tmp_path / "none"],
        [tmp_path / "none", "--to", empty],
        [damaged, "--to", tmp_path / "new"],
    ):
        told = place.target.run("backup", "restore", *arguments)
        assert 1 == told.code, told.err
        assert list(empty.iterdir()) == []
    assert not (tmp_path / "new").exists()
    (place.line.data_dir / "keys" / "root.key").write_text("00" * 32)
    told = place.target.run("backup", "restore", made["path"], "--to", empty)
    assert (1, "root key" in told.err, list(empty.iterdir())) == (told.code, True, []), told.err


def test_an_identity_is_made_for_its_owner_alone(line, tmp_path):
    """`backup identity` writes the secret into a new private file and prints the recipient only."""
    out = tmp_path / "identity.txt"
    line.data_dir.mkdir()
    told = line.run("backup", "identity", "--out", out)
    assert told.out.startswith("age1")
    assert "AGE-SECRET-KEY" not in told.out + told.err
    assert out.stat().st_mode & 0o077 == 0
    assert 2 == line.run("backup", "identity", "--out", out).code
