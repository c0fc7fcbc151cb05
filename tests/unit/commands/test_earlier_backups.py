"""A backup made before an upgrade comes back, is drilled; one of a newer version is refused."""

from pathlib import Path
from typing import Any

import pytest

from app.storage.schema import head_revision, tables
from tests.unit.commands.conftest import Line
from tests.unit.commands.earlier import EARLIER, earlier_backup, earlier_shape, manifest_of, told_otherwise
from tests.unit.commands.places import found_place
from tests.unit.commands.test_drilling import STEPS

TABLES = {table.name for table in tables()}
OLDER, NOW = 30, len(TABLES)


def test_an_earlier_backup_comes_back_and_is_migrated(place, tmp_path):
    """Restored as it was, it says what to do next: `migrate`, then record what the upgraded one had more."""
    path = earlier_backup(place, tmp_path)
    told, _ = manifest_of(place, path)
    assert (EARLIER, OLDER) == (told["schema"], len(told["counts"]))
    assert OLDER < NOW
    assert [0, 0] == [place.line.run(*one).code for one in (["migrate"], ["audit", "checkpoint"])]
    restored = place.target.run("backup", "restore", path, "--to", tmp_path / "back", "--json")
    assert 0 == restored.code, restored.err
    assert (EARLIER, True) == (restored.json["schema"], restored.json["to_be_migrated"])
    assert f"the schema is at {EARLIER}: then run `caretrail migrate`" in restored.err
    assert restored.err.index("caretrail migrate") < restored.err.index("caretrail audit recover")
    back = Line(tmp_path / "back", place.target.variables)
    refused = back.run("audit", "recover", "--yes", "--reason", "an upgrade", "--json")
    assert (2, True) == (refused.code, "run `caretrail migrate`" in refused.err), refused.err
    migrated = back.run("migrate")
    assert f"the schema is at {head_revision()} (it was at {EARLIER})\n" == migrated.out, migrated.err
    recovered = back.run("audit", "recover", "--yes", "--reason", "an upgrade", "--json")
    assert 0 == recovered.code, recovered.err
    assert 2 == len(recovered.json["recovered"])
    verified = back.run("audit", "verify", "--state")
    assert (2, True) == (verified.code, "RECOVERED" in verified.out), verified.out


def test_an_earlier_backup_is_drilled(place, tmp_path):
    """After an upgrade the drill migrates its copy, and everything else is as with any other backup."""
    path = earlier_backup(place, tmp_path)
    assert 0 == place.line.run("migrate").code
    told = place.line.run("backup", "drill", path, "--json")
    assert 0 == told.code, told.err
    assert [*STEPS[:3], "migrate it", *STEPS[3:]] == [one["step"] for one in told.json["steps"]]
    rows = sum(manifest_of(place, path)[0]["counts"].values())
    assert rows == told.json["rows"]


def _later(told: dict[str, Any]) -> None:
    told["schema"] = "2099_01_01_01"


def _more(told: dict[str, Any]) -> None:
    told["counts"]["prophecy"] = 0


@pytest.mark.parametrize(("change", "said"), [(_later, "revision 2099_01_01_01"), (_more, "holds prophecy")])
def test_a_newer_backup_is_refused(place, tmp_path, change, said):
    """A schema or a table this version does not know: a sentence, nothing written, and the drill fails."""
    made = place.line.run("backup", "create", "--json").json
    newer = told_otherwise(place, Path(made["path"]), change)
    for arguments in (("restore", newer, "--to", tmp_path / "to"), ("verify", newer), ("drill", newer)):
        told = place.line.run("backup", *arguments)
        assert (1, "") == (told.code, told.out)
        assert "made by a newer version" in told.err
        assert said in told.err
    assert not (tmp_path / "to").exists()


def test_a_database_that_does_not_read_is_a_sentence(request, tmp_path):
    """What SQLite says while the restored file is counted is told; the folder is as it was."""
    place = found_place(request, tmp_path, "sqlite")
    path = earlier_backup(place, tmp_path)
    lying = told_otherwise(place, path, lambda told: told["counts"].update(alert=0))
    told = place.line.run("backup", "restore", lying, "--to", tmp_path / "to")
    assert (2, "") == (told.code, told.out)
    assert "caretrail: the database did not come back: no such table: alert. Nothing was kept\n" == told.err
    assert not (tmp_path / "to").exists()


def test_what_later_revisions_made_is_known(tmp_path):
    """The earlier schema is what its revisions make of an empty database, no list of this test's own."""
    shape = earlier_shape(tmp_path)
    assert OLDER == len(shape)
    assert {"alert", "webhook", "incident", "containment"} <= TABLES - set(shape)
