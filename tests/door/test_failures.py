"""What fails harms only itself; what cannot be written is not shown; what is unknown is never success.

One turn at a time, on both databases, with real faults: errors of the database, a tampered row, locks,
a full disk, lost connections, and commits of which nobody learns the outcome.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from app.access.opened import Opened
from app.access.visit import Visit
from app.access.work import Answer, Work
from app.identity.directory import ReadMe
from app.residents.table import record
from app.storage.guard import carrying
from tests.door.conftest import NOTES, Ward, at_the_door, outcomes

ERRORS = {
    "sqlite": ["SELECT abs(-9223372036854775808)", "SELECT json_extract('{', '$')"],
    "postgresql": ["SELECT 1 / 0", "SELECT 'x'::integer"],
}


@dataclass
class Poison(Work):
    """A work whose statement the database refuses."""

    statement: str
    own_sql: bool = False

    def perform(self, opened: Opened) -> Answer:
        opened.execute(text(self.statement))
        return Answer("it was carried out")


def new_entries(ward: Ward, before: int) -> list[tuple[str, str]]:
    """Return act and outcome of the entries since then."""
    return [(e["act"], e["out"]) for e in ward.entries()[before:]]


# --- one bad attempt --------------------------------------------------------------------------------


@pytest.mark.parametrize("own_sql", [False, True])
@pytest.mark.parametrize("n", [0, 1])
def test_a_statement_the_database_refuses_harms_only_its_own_attempt(ward, n, own_sql):
    """Of eight visits in a turn seven are answered, one fails, and all eight have their entry."""
    before = len(ward.entries())
    visits = [ward.reading(i) for i in range(7)]
    statement = ERRORS[ward.engine.dialect.name][n]
    visits.insert(3, ward.visit_of(Poison(statement, own_sql), "GET /v1/users/me"))

    ward.turn.serve(visits)

    assert ["ok"] * 3 + ["internal-error"] + ["ok"] * 4 == outcomes(visits)
    assert sorted([("record.read", "ok")] * 7 + [("user.read", "fail")]) == sorted(new_entries(ward, before))
    assert [] == ward.sound().problems


def test_a_tampered_row_harms_only_who_asks_for_it(ward):
    """A body that does not open fails one visit of eight; the other seven are answered.

    Eight entries, and one about the row.
    """
    before = len(ward.entries())
    body = "x'00ff'" if ward.engine.dialect.name == "sqlite" else r"'\x00ff'"
    ward.run(f"UPDATE record SET body = {body} WHERE id = '{ward.notes[5]}'")
    visits = [ward.reading(i) for i in range(8)]

    ward.turn.serve(visits)

    assert ["ok"] * 5 + ["integrity"] + ["ok"] * 2 == outcomes(visits)
    read = [("record.read", "fail" if i == 5 else "ok") for i in range(8)]
    assert [*read, ("integrity.fail", "fail")] == new_entries(ward, before)


def test_a_body_moved_to_another_row_does_not_open_there(ward):
    """A box is bound to its row: copied beside another note it is an error, not that note's text."""
    ward.run(
        f"UPDATE record SET body = (SELECT body FROM record WHERE id = '{ward.notes[0]}')"
        f" WHERE id = '{ward.notes[1]}'"
    )
    visits = [ward.reading(0), ward.reading(1)]

    ward.turn.serve(visits)

    assert ["ok", "integrity"] == outcomes(visits)


def test_two_changes_of_one_version_are_tried_alone(ward):
    """Of two amendments of version 1 in one turn one is made, the other told of it; entries stand once."""
    before = len(ward.entries())
    visits = [ward.reading(0), ward.amending(0, 1, "first"), ward.amending(0, 1, "second"), ward.reading(1)]

    ward.turn.serve(visits)

    assert ["ok", "ok", "version-conflict", "ok"] == outcomes(visits)
    expected = [("record.read", "ok")] * 2 + [("record.update", "fail"), ("record.update", "ok")]
    assert expected == sorted(new_entries(ward, before))
    assert [] == ward.sound().problems


@dataclass
class Overtaken(Work):
    """A read during which another process amends a note that this turn is about to amend as well."""

    other: Any
    visit: Visit
    changes = True

    def perform(self, opened: Opened) -> Answer:
        if self.visit.outcome is None:
            self.other.turn.serve([self.visit])
        return Answer(None)


def test_a_change_overtaken_by_another_process_sees_what_it_did(postgresql_ward):
    """A version gathered before another process moved it misses, and the retry answers with a conflict."""
    ward = postgresql_ward
    overtaking = ward.amending(0, 1, "by the other process")
    visits = [
        ward.visit_of(Overtaken(ward.beside(), overtaking), "GET /v1/users/me"),
        ward.amending(0, 1, "by this one"),
        ward.amending(1, 1, "undisturbed"),
    ]

    ward.turn.serve(visits)

    assert ["ok", "version-conflict", "ok"] == outcomes(visits)
    assert ["ok"] == outcomes([overtaking])
    assert [] == ward.sound().problems


@dataclass
class Meanwhile(Work):
    """A read during which another process serves."""

    other: Ward
    visits: list[Visit]

    def perform(self, opened: Opened) -> Answer:
        self.other.turn.serve(self.visits)
        return Answer(None)


def test_a_head_moved_by_another_process_is_read_again(postgresql_ward):
    """Entries of readers whose chain grew since they were gathered go where it ends now."""
    ward = postgresql_ward
    before = len(ward.entries())
    meanwhile = Meanwhile(ward.beside(), [ward.reading(0), ward.reading(1)])
    visits = [ward.reading(2), ward.visit_of(meanwhile, "GET /v1/users/me")]

    ward.turn.serve(visits)

    assert ["ok"] * 4 == outcomes(visits + meanwhile.visits)
    acts = [act for act, _ in new_entries(ward, before)]
    assert acts == ["record.read", "record.read", "record.read", "user.read"]
    assert [] == ward.sound().problems


@dataclass
class Unannounced(Work):
    """A work that writes although it says neither that it changes anything nor that it has own SQL."""

    def perform(self, opened: Opened) -> Answer:
        opened.execute(text("UPDATE home SET version = version"))
        return Answer("written")


def test_a_write_nobody_announced_is_refused(postgresql_ward):
    """Where all only read there is no transaction yet, and the guard lets nothing but SELECT pass."""
    ward = postgresql_ward
    visits = [ward.reading(0), ward.visit_of(Unannounced(), "GET /v1/users/me")]

    ward.turn.serve(visits)

    assert ["ok", "internal-error"] == outcomes(visits)
    assert [] == ward.sound().problems


# --- the trail cannot be written ----------------------------------------------------------------------


def test_a_head_locked_by_another_is_answered_within_the_deadline(postgresql_ward):
    """While somebody holds the head of the chain everyone gets 503; afterwards all is as before."""
    ward = postgresql_ward
    before = len(ward.entries())
    with ward.beside().engine.connect() as other, carrying(other, "test"), other.begin():
        other.execute(text("SELECT * FROM audit_head FOR UPDATE"))
        found, took = at_the_door(ward, [ward.reading(i) for i in range(8)])

    assert ["audit-unavailable"] * 8 == found
    assert took < 3
    assert len(ward.entries()) == before
    assert (["ok"] * 8, before + 8) == (
        at_the_door(ward, [ward.reading(i) for i in range(8)])[0],
        len(ward.entries()),
    )


HOLD = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
    "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
)


def test_a_database_locked_by_another_process_is_answered_within_the_deadline(sqlite_ward):
    """While another process holds SQLite's only lock everyone gets 503 at once, not one after another."""
    ward = sqlite_ward
    before = len(ward.entries())
    path = ward.url.removeprefix("sqlite:///")
    command = [sys.executable, "-c", HOLD, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        began = time.monotonic()
        visits = [ward.reading(i) for i in range(8)]
        ward.turn.serve(visits)
        took = time.monotonic() - began
        holder.communicate()

    assert ["audit-unavailable"] * 8 == outcomes(visits)
    assert took < 3
    again = [ward.reading(i) for i in range(8)]
    ward.turn.serve(again)
    assert (["ok"] * 8, before + 8) == (outcomes(again), len(ward.entries()))


def test_a_full_disk_shows_nothing_and_changes_nothing(sqlite_ward):
    """When SQLite cannot grow, reads and writes get 503; with room again everything is as it was."""
    ward = sqlite_ward
    connection = ward.turn._connected()
    driver = connection.connection.driver_connection
    pages = driver.execute("PRAGMA page_count").fetchone()[0]
    driver.execute(f"PRAGMA max_page_count = {pages}")
    visits: list[Visit] = []
    while not visits or "ok" in outcomes(visits[-2:]):
        visits += [ward.reading(len(visits) % 8), ward.visit_of(ward.new_note("x" * 3000), NOTES)]
        ward.turn.serve(visits[-2:])
        assert len(visits) < 200
    full = len(ward.entries())
    refused = [ward.reading(0), ward.visit_of(ward.new_note("x" * 3000), NOTES), ward.reading(1)]
    ward.turn.serve(refused)

    assert ["audit-unavailable"] * 3 == outcomes(refused)
    assert full == len(ward.entries())
    assert [] == ward.sound().problems

    driver.execute("PRAGMA max_page_count = 1000000")
    ward.turn.serve(refused)
    assert ["ok"] * 3 == outcomes(refused)
    assert [] == ward.sound().problems


@pytest.mark.parametrize("state", ["53100", "P0001"])
def test_an_append_that_fails_shows_nothing_and_changes_nothing(postgresql_ward, state):
    """A disk full under the trail, or any other error of the append: 503 for all of the turn."""
    ward = postgresql_ward
    ward.run(
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{state}'; END $$"
    )
    ward.run("CREATE TRIGGER full_disk BEFORE INSERT ON audit_event EXECUTE FUNCTION no_room()")
    before = len(ward.entries())
    visits = [ward.reading(0), ward.visit_of(ward.new_note("lost"), NOTES), ward.amending(1, 1, "lost")]
    ward.turn.serve(visits)
    notes = len(ward.rows(record))

    assert ["audit-unavailable"] * 3 == outcomes(visits)
    assert (before, 8) == (len(ward.entries()), notes)
    ward.run("DROP TRIGGER full_disk ON audit_event")
    ward.run("DROP FUNCTION no_room")
    ward.turn.serve(visits)
    assert ["ok"] * 3 == outcomes(visits)
    assert [] == ward.sound().problems


def test_read_me_needs_the_trail_too(postgresql_ward):
    """Even one's own account is not shown without its entry."""
    ward = postgresql_ward
    ward.run("ALTER TABLE audit_event RENAME TO gone")
    visit = ward.visit_of(ReadMe(), "GET /v1/users/me")
    ward.turn.serve([visit])
    ward.run("ALTER TABLE gone RENAME TO audit_event")

    assert ["audit-unavailable"] == outcomes([visit])
