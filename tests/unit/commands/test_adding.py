"""`users add`: who administers is made at the command line, and nobody else is."""

import json
from typing import Any

import argon2
import pytest
from sqlalchemy import select

from app.audit.table import event
from app.commands.calling import operating_user
from app.identity.defaults import DEFAULT_ROLES, ORGANISATION_WIDE_ONLY
from app.identity.table import account
from tests.unit.commands.conftest import Line
from tests.unit.commands.places import Place, looking

WIDE = {"registered_manager", "privacy_officer", "auditor", "it_admin"}
Founded = tuple[Line, dict[str, str]]


def accounts(line: Line) -> dict[str, Any]:
    """Return every account of the deployment by its id."""
    with looking(line) as connection:
        return {row.id: row for row in connection.execute(select(account)).all()}


def entries(line: Line, org: str) -> list[Any]:
    """Return the entries of an organisation, the oldest first."""
    with looking(line) as connection:
        lines = connection.execute(select(event.c.line).where(event.c.org == org).order_by(event.c.seq))
        return [json.loads(line)["e"] for line in lines.scalars()]


def add(line: Line, *more: str, role: str = "it_admin", username: str = "ivo.sample") -> Any:
    """Run the command."""
    return line.run("users", "add", "--role", role, "--username", username, *more, "--json")


def test_it_admin_is_made_for_the_whole_organisation(place: Place) -> None:
    """A deployment that exists gets an it_admin without limit of place, who has to choose a password."""
    before = len(entries(place.line, place.founded["organisation_id"]))
    told = add(place.line, "--display-name", "Ivo Sample")

    assert 0 == told.code, told.err
    made = told.json
    assert {"organisation_id", "user_id", "username", "role", "one_time_password"} == made.keys()
    assert place.founded["organisation_id"] == made["organisation_id"]
    row = accounts(place.line)[made["user_id"]]
    assert [{"role": "it_admin", "home_id": None}] == json.loads(row.assignments)
    assert ("staff", True, True) == (row.kind, bool(row.active), bool(row.password_change_required))
    assert argon2.PasswordHasher().verify(row.password_hash, made["one_time_password"])
    acts = [entry["act"] for entry in entries(place.line, made["organisation_id"])[before:]]
    assert ["user.create", "identity.set"] == acts
    verified = place.line.run("audit", "verify", "--state")
    assert 0 == verified.code, verified.out


def test_its_entry_is_the_command_lines(founded: Founded) -> None:
    """The account's entry names the command line, with who ran it sealed; no line tells the name."""
    line, told = founded
    made = add(line, username="entered.sample").json
    (entry,) = (
        entry
        for entry in entries(line, told["organisation_id"])
        if entry["act"] == "user.create" and entry["obj"]["id"] == made["user_id"]
    )

    assert {"id": "system:cli", "kind": "system"} == entry["actor"]
    assert ("ok", "administration") == (entry["out"], entry["purpose"])
    assert "reason_h" in entry
    assert "entered.sample" not in json.dumps(entry)
    assert operating_user() not in json.dumps(entry)


def test_it_says_what_to_hand_over_in_words(founded: Founded) -> None:
    """Without --json the password stands in the result once, and what to do with it beside the result."""
    line, _ = founded
    told = line.run("users", "add", "--role", "auditor", "--username", "ada.sample")

    assert 0 == told.code
    assert ["organisation", "user", "role", "one-time"] == [row.split()[0] for row in told.out.splitlines()]
    assert "choose your own" in told.err


@pytest.mark.parametrize("role", sorted(DEFAULT_ROLES))
def test_only_roles_for_the_whole_organisation_are_given(founded: Founded, role: str) -> None:
    """Roles with what counts organisation-wide alone are given; a role at a home is a manager's to give."""
    line, _ = founded
    before = len(accounts(line))
    told = add(line, role=role, username=f"as.{role}")

    assert (role in WIDE) is bool(ORGANISATION_WIDE_ONLY & set(DEFAULT_ROLES[role]["system"]))
    if role in WIDE:
        assert (0, before + 1) == (told.code, len(accounts(line)))
    else:
        assert (1, "", before) == (told.code, told.out, len(accounts(line)))
        assert f"role: Give one of {', '.join(sorted(WIDE))}." in told.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"username": " MARIA.Sample "}, "user name is taken"),
        ({"username": "x"}, "username: Use 3 to 64"),
        ({"username": "new.sample", "role": "juggler"}, "role: Give one of"),
    ],
)
def test_refusals_are_told_in_words(founded: Founded, options: dict[str, str], said: str) -> None:
    """A user name that is taken or will not do, and a role there is not, make no account."""
    line, _ = founded
    before = len(accounts(line))
    told = add(line, **options)

    assert (1, "", before) == (told.code, told.out, len(accounts(line)))
    assert said in told.err
    assert 1 == told.err.count("\n"), told.err


@pytest.mark.parametrize("org", ["system", "nowhere"])
def test_unknown_organisation_is_refused(founded: Founded, org: str) -> None:
    """The deployment's own chain is no organisation, and what is none is told with those there are."""
    line, first = founded
    told = add(line, "--organisation", org, username="lost.sample")

    assert (1, "") == (told.code, told.out)
    assert "there is no such organisation" in told.err
    assert first["organisation_id"] in told.err


def test_one_of_several_has_to_be_named(line: Line) -> None:
    """Before `init` it says what to do first; with two organisations it wants to know which."""
    assert 0 == line.run("migrate").code
    early = add(line)
    assert early.code != 0
    assert "caretrail init" in early.err
    assert 0 == line.run("init", "--organisation", "First", "--admin", "a.sample").code
    second = line.run("organisation", "add", "--organisation", "Second", "--admin", "b.sample", "--json").json

    unsaid = add(line)
    named = add(line, "--organisation", second["organisation_id"])

    assert (1, "") == (unsaid.code, unsaid.out)
    assert "give --organisation with one of" in unsaid.err
    assert (0, second["organisation_id"]) == (named.code, named.json["organisation_id"])
