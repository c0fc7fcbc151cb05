"""`keys rotate organisation`: new keys for the organisations, told of and resumed."""

import sqlite3
from pathlib import Path

import pytest

from app.commands import rewrapping
from tests.unit.commands.conftest import Line
from tests.unit.commands.places import Place

ROTATE = ("keys", "rotate", "organisation")


class BrokenOffError(Exception):
    """The process dies here."""


def generations(place: Place) -> list[tuple[str, int, bool]]:
    """Return organisation, generation and whether it is whole, as `keys status` tells it."""
    told = place.line.run("keys", "status", "--json")
    assert 0 == told.code, told.err
    return [
        (one["id"], one["generation"], one["completed_at"] is not None) for one in told.json["organisations"]
    ]


def org_of(place: Place) -> str:
    return place.founded["organisation_id"]


def test_each_organisation_gets_a_new_key(place: Place) -> None:
    """Without an id all are rotated, the deployment's own too; what was and what comes opens."""
    told = place.line.run(*ROTATE, "--json")
    assert 0 == told.code, told.err
    assert [(org_of(place), 2, 1), ("system", 2, 0)] == [
        (one["organisation"], one["generation"], one["wrapped"]) for one in told.json
    ]
    assert [(org_of(place), 2, True), ("system", 2, True)] == generations(place)
    assert 0 == place.line.run("organisation", "add", "--organisation", "B", "--admin", "b.sample").code
    assert 0 == place.line.run("keys", "rotate", "root").code
    assert 0 == place.line.run("keys", "rotate").code
    assert 0 == place.line.run("audit", "verify", "--state").code


def test_one_organisation_is_rotated_alone(place: Place) -> None:
    """With an id nobody else's key changes; an id that nobody has is refused."""
    assert 0 == place.line.run(*ROTATE, "--organisation", org_of(place)).code
    assert [(org_of(place), 2, True), ("system", 1, True)] == generations(place)
    refused = place.line.run(*ROTATE, "--organisation", "nobody")
    assert (1, True) == (refused.code, "there is no organisation nobody" in refused.err)


@pytest.mark.parametrize("where", ["WrapOwners", "CompleteGeneration"])
def test_what_was_broken_off_is_told_of_and_resumed(
    place: Place, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Half a rotation is told by status and doctor; run again it makes no further key."""

    def die(*_: object) -> None:
        raise BrokenOffError

    with monkeypatch.context() as broken:
        broken.setattr(rewrapping, where, die)
        with pytest.raises(BrokenOffError):
            place.line.run(*ROTATE, "--organisation", org_of(place))
    assert (org_of(place), 2, False) == generations(place)[0]
    assert "NOT WHOLE" in place.line.run("keys", "status").out
    assert "is not whole" in place.line.run("doctor").out
    assert 0 == place.line.run("audit", "verify", "--state").code
    told = place.line.run(*ROTATE, "--organisation", org_of(place), "--json").json
    assert (2, True) == (told[0]["generation"], told[0]["resumed"])
    assert (org_of(place), 2, True) == generations(place)[0]


def test_altered_rows_are_named_and_left(line: Line) -> None:
    """The command ends with an error that names the row; all others are wrapped and the rotation is whole."""
    line.run("init", "--organisation", "Sample Care", "--admin", "a.sample")
    with sqlite3.connect(Path(line.data_dir) / "caretrail.db") as database:
        database.execute("UPDATE account SET assignments = '[]'")
        [[user]] = database.execute("SELECT id FROM account").fetchall()
    database.close()
    told = line.run(*ROTATE)

    assert (1, True) == (told.code, f"user {user}" in told.err), told.err
    assert "NOT WHOLE" not in line.run("keys", "status").out


def test_only_the_root_key_goes_elsewhere(line: Line) -> None:
    """`--to` with another key is refused before anything is done."""
    line.run("init", "--organisation", "Sample Care", "--admin", "a.sample")
    told = line.run(*ROTATE, "--to", "transit")
    assert 2 == told.code
    assert 2 == line.run("keys", "rotate", "root", "--to", "transit").code  # nothing is set
    assert 0 == line.run("keys", "status").code
