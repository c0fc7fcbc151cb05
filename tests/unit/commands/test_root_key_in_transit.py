"""A deployment whose root key is in Transit from the first day: founded, backed up, drilled."""

from pathlib import Path

import pytest

from tests.support.transit_server import TransitServer
from tests.unit.commands.conftest import Line
from tests.unit.commands.places import found_place, founding_at


def test_it_is_founded_backed_up_and_brought_back_without_a_root_key_file(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No root key is ever on the machine; a backup wants Transit, and refuses without it."""
    with TransitServer(tmp_path / "transit") as transit:
        given = {"keys_provider": "transit"} | transit.settings()
        variables = {f"CARETRAIL_{name.upper()}": value for name, value in given.items()}
        monkeypatch.setattr("tests.unit.commands.places.Line", lambda folder: Line(folder, dict(variables)))
        founding = founding_at(Line(tmp_path / "founding", dict(variables)))
        line = found_place(request, tmp_path, "sqlite", founding).line
        keys = line.data_dir / "keys"
        assert ["signing.key"] == [one.name for one in keys.iterdir() if one.suffix == ".key"]
        made = line.run("backup", "create", "--json")
        assert 0 == made.code, made.err
        drilled = line.run("backup", "drill", "--json")
        assert 0 == drilled.code, drilled.err
        assert 0 == line.run("audit", "verify", "--state").code
        transit.mode = "sealed"
        refused = line.run("backup", "verify", made.json["path"])
        assert 0 != refused.code
        assert "keeper of the root key" in refused.err
        transit.mode = "well"
        transit.keys["caretrail"] = [b"k" * 32]
        refused = line.run("backup", "verify", made.json["path"])
        assert (1, True) == (refused.code, "another root key" in refused.err), refused.err
