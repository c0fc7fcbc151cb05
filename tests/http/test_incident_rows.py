"""Rows of incidents are bound to the trail: a change past the door is found, and nobody reads it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text, update

from app.alerts.state_kinds import ALERT_KINDS
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.incidents.clock_job import look
from app.incidents.known import open_incidents
from app.incidents.state_kinds import INCIDENT_KINDS
from app.incidents.table import incident
from app.jobs.scheduler import Running
from app.residents.state_kinds import RESIDENT_KINDS
from app.storage.engine import open_engine
from app.trail.state_check import check_state
from app.trail.state_kinds import IDENTITY_KINDS
from tests.http.test_incident_clocks import through
from tests.support.alarming import finding, raised
from tests.support.reporting import INCIDENTS, SCORED, path_of, recorded, said
from tests.support.served import Person, Served

KINDS = (*IDENTITY_KINDS, *RESIDENT_KINDS, *ALERT_KINDS, *INCIDENT_KINDS)
OF_INCIDENTS = {
    "incident": 3,
    "incident_history": 3,
    "incident_assessment": 1,
    "incident_notification": 3,
    "incident_action": 2,
    "incident_warning": 5,
}
CHANGES = {
    "incident": "became_aware_at = '2026-03-01T00:00:00.000000Z'",
    "incident_history": "was = '2026-03-01T00:00:00.000000Z'",
    "incident_assessment": "decision = 'none'",
    "incident_notification": "told_at = '2026-03-01T00:00:00.000000Z'",
    "incident_action": "due_on = '2030-01-01'",
    "incident_warning": "given_at = due_at",
}


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Who manages incidents of the whole organisation."""
    return served.world.person("registered_manager", None)


@pytest.fixture(scope="module")
def past(served: Served, manager: Person) -> str:
    """An incident with something of everything; its path. Two more stand beside it."""
    world = served.world
    paths = [path_of(recorded(served, manager, world.home)) for _ in range(3)]
    at = world.later(hours=-70)
    said(served, "PATCH", paths[0], manager, {"became_aware_at": at})
    look(through(world.turn), Running("run", 0))
    said(served, "POST", f"{paths[0]}/assessments", manager, SCORED | {"decision": "ico"})
    told = {"recipient": "ico", "told_at": world.later()}
    wrong = said(served, "POST", f"{paths[0]}/notifications", manager, told)
    said(served, "POST", f"{paths[0]}/notifications", manager, told | {"replaces": wrong["id"]})
    management = {"recipient": "senior_management", "told_at": at}
    said(served, "POST", f"{paths[0]}/notifications", manager, management)
    actions = [said(served, "POST", f"{paths[0]}/actions", manager, {"what": w})["id"] for w in ("a", "b")]
    said(served, "POST", f"{paths[0]}/actions/{actions[0]}/done", manager, {})
    said(served, "POST", f"{paths[0]}/close", manager, {"root_cause": "a list"})
    said(served, "POST", f"{paths[0]}/reopen", manager, {"reason": "more"})
    return paths[0]


def findings(served: Served) -> list[str]:
    """Return what a check of all rows against the trail finds, without ids."""
    world = served.world
    report = check_database(
        world.engine,
        Notary("test.example", bytes(range(32))),
        None,
        lambda snapshot, report: check_state(snapshot, report, world.keyring, KINDS, world.now),
    )
    return [str(one) for chain in report.chains for one in chain.findings if "STATE" in str(one)]


def rows(served: Served, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table, ids and versions."""
    query = text(f"SELECT id, version FROM {table} ORDER BY id")
    return [dict(row._mapping) for row in served.world.looking(lambda c: c.execute(query).all())]


def test_untouched_rows_are_not_accused(past: str, served: Served) -> None:
    """Each row of an incident's past is what its entry says; nothing is found."""
    assert OF_INCIDENTS == {table: len(rows(served, table)) for table in OF_INCIDENTS}
    assert [] == findings(served)


@pytest.mark.parametrize("table", CHANGES)
def test_a_row_changed_past_the_door_is_told_and_not_shown(
    table: str, past: str, served: Served, manager: Person
) -> None:
    """The check tells of it, a reader of the incident is refused; set back, everything is as before."""
    one = past.rpartition("/")[2]
    where = "id = :one" if table == "incident" else "incident_id = :one"

    def run(statement: str, **more: Any) -> None:
        owner = open_engine(served.world.owner or served.world.url)  # the service may not change all of them
        with owner.begin() as connection:
            connection.execute(text(statement), {"one": one} | more)
        owner.dispose()

    [column] = [CHANGES[table].split(" = ")[0]]
    query = text(f"SELECT id, {column} FROM {table} WHERE {where} ORDER BY id")
    before = served.world.looking(lambda c: c.execute(query, {"one": one}).all())[0]
    run(f"UPDATE {table} SET {CHANGES[table]} WHERE {where} AND id = :id", id=before.id)
    told, read = findings(served), served.ask("GET", past, manager)
    run(f"UPDATE {table} SET {column} = :was WHERE id = :id", was=before[1], id=before.id)

    assert 1 == len(told)
    assert f"{table} {before.id}" in told[0]
    assert (500, "/problems/integrity") == (read.status_code, read.json()["type"])
    assert ([], 200) == (findings(served), served.ask("GET", past, manager).status_code)


def told_of(served: Served) -> list[str]:
    """Return the incidents the trail is told of as altered."""
    objects = [entry["obj"] for entry in served.world.entries() if entry["act"] == "integrity.fail"]
    return [one["id"] for one in objects if one["t"] == "incident"]


@pytest.fixture
def altered(served: Served, manager: Person) -> Iterator[list[str]]:
    """Five incidents of a home, newest first; the fourth was changed past the door until the test is over."""
    world = served.world
    ids = [str(recorded(served, manager, world.other_home)["id"]) for _ in range(5)][::-1]

    def write(people: int | None) -> None:
        lie = update(incident).where(incident.c.id == ids[3]).values(people_affected=people)
        world.looking(lambda c: c.execute(lie))

    write(3)
    yield ids
    write(None)


def test_an_altered_incident_stops_no_other(altered: list[str], served: Served, manager: Person) -> None:
    """Beside it others are read and recorded, without it among their repeats; the trail is told once."""
    world = served.world
    newest, lie = f"{INCIDENTS}/{altered[0]}", f"{INCIDENTS}/{altered[3]}"
    read = said(served, "GET", newest, manager)
    recorded_since = recorded(served, manager, world.other_home)

    others = [one for one in altered[::-1] if one != altered[3]]
    assert others[:-1] == [one["id"] for one in read["repeats"] if one["id"] in altered]
    assert others == [one["id"] for one in recorded_since["repeats"] if one["id"] in altered]
    assert 1 == told_of(served).count(altered[3])
    refused = served.ask("GET", lie, manager)
    assert (500, "/problems/integrity") == (refused.status_code, refused.json()["type"])


def test_a_list_leaves_out_what_was_altered(altered: list[str], served: Served, manager: Person) -> None:
    """The others are listed, page by page; none is missing where the altered one stood, and none twice."""
    asked, listed, pages = f"{INCIDENTS}?home_id={served.world.other_home}&limit=3", list[str](), 0
    cursor: str | None = ""
    while cursor is not None and pages < 9:
        page = said(served, "GET", asked + (f"&cursor={cursor}" if cursor else ""), manager)
        listed += [one["id"] for one in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
        assert cursor is None or 3 == len(page["items"])

    wanted = [one for one in altered if one != altered[3]]
    assert wanted == [one for one in listed if one in altered]
    assert altered[3] in told_of(served)


def test_detection_learns_whom_open_incidents_are_about(served: Served, manager: Person) -> None:
    """The residents of an incident's alerts, with when it happened and since when it is known, while open."""
    world = served.world
    ada, bob = "01890000-0000-7000-8000-00000000000a", "01890000-0000-7000-8000-00000000000b"
    [one] = raised(world, finding(world.org, world.home, resident_ids=(ada,)))
    occurred, known = world.later(hours=-5), world.later(hours=-2)
    instants = {"occurred_at": occurred, "became_aware_at": known}
    recorded(served, manager, world.home, alert_ids=[one], **instants)

    def asked(org: str) -> dict[str, Any]:
        return dict(world.looking(lambda c: open_incidents(c.execute, org, [ada, bob])))

    now = world.now.timestamp()
    assert {ada: ((now - 5 * 3600, now - 2 * 3600),)} == asked(world.org)
    assert {} == asked(world.other_org)
