"""Roles founded before roles had entries get one each, once, and only there."""

import asyncio

import pytest
from sqlalchemy import delete, insert

from app.audit import log, table
from app.audit.entry import Draft
from app.audit.verify import Report
from app.identity import adopting
from app.identity.adopting import adopt_roles
from app.identity.defaults import DEFAULT_ROLES
from app.identity.table import role
from tests.support import chains
from tests.support.at_once import at_once
from tests.support.world import World
from tests.unit.trail.state_scene import compare

ROLES = len(DEFAULT_ROLES)


@pytest.fixture
def world(each_world):
    """A world on each database, without the protection of the trail."""
    return each_world


@pytest.fixture
def older(world) -> World:
    """The same as a version before role entries founded it: the organisation's chain begins without them."""

    def look(connection):
        for one in (table.event, table.value, table.name, table.head, table.indexed):
            connection.execute(delete(one).where(one.c.org == world.org))
        log.found(connection, world.org, world.now)
        log.append(connection, [Draft(world.org, chains.event(0))], world.now)

    world.looking(look)
    return world


def start(world: World) -> None:
    """Do what a start does."""
    asyncio.run(adopt_roles(at_once(world)))


def accused(world: World) -> list[str]:
    """Return what the comparison of the rows says of roles."""
    return sorted(str(one) for one in report(world).findings if "role " in str(one))


def doubted(world: World) -> list[str]:
    """Return what it cannot say of them."""
    return [one for one in report(world).doubts if one.startswith("ROLES: ")]


def report(world: World) -> Report:
    return next(one for one in compare(world).chains if one.organisation == world.org)


def adopted(world: World) -> list[str]:
    return [e["obj"]["id"] for e in world.entries() if (e["act"], e["out"]) == ("role.adopt", "ok")]


def test_roles_of_an_older_database_are_entered_at_the_first_start(older):
    """Before, nobody can vouch for them; after the first start each is bound to an entry that says so."""
    assert ([], 1) == (accused(older), len(doubted(older)))
    assert f"none of these {ROLES} rows has an entry" in doubted(older)[0]
    start(older)
    assert sorted(DEFAULT_ROLES) == sorted(adopted(older))
    assert ([], []) == (accused(older), doubted(older))
    start(older)

    assert ROLES == len(adopted(older))


def test_a_role_put_in_before_the_first_start_is_found(older):
    """Without the key nobody makes a role that is what its own digest says, nor changes one."""
    row = next(r for r in older.rows(role) if r["org"] == older.org)
    older.looking(lambda c: c.execute(insert(role).values(row | {"name": "mine"})))
    older.looking(lambda c: c.execute(role.update().where(role.c.name == "kitchen").values(permissions="[]")))

    told = "row differs from its own digest, version 1"
    assert [f"STATE: role {name}: {told}" for name in ("kitchen", "mine")] == accused(older)
    assert 1 == report(older).exit_code


def test_roles_of_an_organisation_without_a_chain_are_found(older):
    """Where not one line tells of an organisation, there is no older version that would explain its roles."""
    for one in (table.event, table.value, table.head):
        older.looking(lambda c, one=one: c.execute(delete(one).where(one.c.org == older.org)))

    assert (ROLES, []) == (len(accused(older)), doubted(older))


def test_a_database_with_role_entries_adopts_none(world):
    """A role put into the table is never adopted where the chain tells of roles: it stays a finding."""
    row = next(r for r in world.rows(role) if r["org"] == world.org)
    world.looking(lambda c: c.execute(insert(role).values(row | {"name": "mine"})))
    start(world)

    assert [] == adopted(world)
    assert ["STATE: role mine: row without an entry: no entry makes it"] == accused(world)


def test_nothing_is_adopted_once_it_was(older):
    """A role that comes past the door after the adoption is a finding."""
    start(older)
    row = next(r for r in older.rows(role) if r["org"] == older.org)
    older.looking(lambda c: c.execute(insert(role).values(row | {"name": "mine"})))
    start(older)

    assert 1 == len(accused(older))


def test_a_role_that_is_not_what_it_says_is_not_adopted(older, caplog):
    """A role whose digest is not that of its columns is not entered, nor is any other of that start."""
    older.looking(lambda c: c.execute(role.update().where(role.c.name == "kitchen").values(about="mine")))
    start(older)

    assert [] == adopted(older)
    assert "roles-not-adopted" in caplog.messages
    about = DEFAULT_ROLES["kitchen"]["for"]
    older.looking(lambda c: c.execute(role.update().where(role.c.name == "kitchen").values(about=about)))
    start(older)
    assert ROLES == len(adopted(older))


def test_who_does_not_ask_the_lines_adopts_what_was_put_in(world, monkeypatch):
    """Were the lines not asked, a role put into the table would be made right by a restart."""
    row = next(r for r in world.rows(role) if r["org"] == world.org)
    world.looking(lambda c: c.execute(role.delete().where(role.c.org == world.org)))
    assert row["name"] in DEFAULT_ROLES
    world.looking(lambda c: c.execute(insert(role).values(row)))
    monkeypatch.setattr(adopting, "_has_role_entries", lambda *_: False)
    start(world)

    assert 1 == len(adopted(world))
