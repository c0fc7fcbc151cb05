"""Rows of scopes and containments are bound to the trail: a change past the door is found and not used."""

from typing import Any

import pytest
from sqlalchemy import text

from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.incidents.state_kinds import INCIDENT_KINDS
from app.storage.engine import open_engine
from app.trail.state_check import check_state
from tests.support.reporting import path_of, recorded, said
from tests.support.served import Person, Served

EVER = {"from": "2026-03-01T00:00:00Z"}
CHANGES = {
    "incident_scope": "since = '2026-03-02T00:00:00.000000Z'",
    "containment": "user_ids = '[]'",
}
LIFTED = "status = 'lifted'"


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Who manages incidents of the whole organisation."""
    return served.world.person("registered_manager", None)


@pytest.fixture(scope="module")
def auditor(served: Served) -> Person:
    """Whose exports are frozen."""
    return served.world.person("auditor", None)


@pytest.fixture(scope="module")
def path(served: Served, manager: Person, auditor: Person) -> str:
    """An incident with a scope said twice, a freeze lifted and one in force."""
    path = path_of(recorded(served, manager, None))
    shut = {"user_ids": [auditor.id], "freeze_exports": "users", "reason": "seen"}
    for more in ({}, {"user_ids": [auditor.id]}):
        said(served, "PUT", f"{path}/scope", manager, EVER | more)
    said(served, "POST", f"{path}/containment", manager, shut)
    said(served, "POST", f"{path}/containment/lift", manager, {"reason": "a mistake"})
    said(served, "POST", f"{path}/containment", manager, shut)
    return path


def findings(served: Served) -> list[str]:
    """Return what a check of these rows against the trail finds."""
    world = served.world
    report = check_database(
        world.engine,
        Notary("test.example", bytes(range(32))),
        None,
        lambda snapshot, report: check_state(snapshot, report, world.keyring, INCIDENT_KINDS, world.now),
    )
    return [str(one) for chain in report.chains for one in chain.findings if "STATE" in str(one)]


def changed(served: Served, table: str, change: str) -> list[dict[str, Any]]:
    """Change the newest row of a table past the door and return all as they were."""
    owner = open_engine(served.world.owner or served.world.url)
    with owner.begin() as connection:
        before = [
            dict(row._mapping) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY id"))
        ]
        connection.execute(text(f"UPDATE {table} SET {change} WHERE id = :id"), {"id": before[-1]["id"]})
    owner.dispose()
    return before


def put_back(served: Served, table: str, row: dict[str, Any]) -> None:
    """Set a row back to what it was."""
    owner = open_engine(served.world.owner or served.world.url)
    columns = ", ".join(f"{name} = :{name}" for name in row)
    with owner.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET {columns} WHERE id = :id"), row)
    owner.dispose()


def test_untouched_rows_are_not_accused(path: str, served: Served) -> None:
    """Each row is what its entry says; nothing is found."""
    versions = {
        table: [row["version"] for row in changed(served, table, "version = version")] for table in CHANGES
    }
    assert {"incident_scope": [2], "containment": [2, 1]} == versions
    assert [] == findings(served)


@pytest.mark.parametrize("table", CHANGES)
def test_a_row_changed_past_the_door_is_told_and_not_used(
    table: str, path: str, served: Served, manager: Person, auditor: Person
) -> None:
    """The check tells of it; a scope is not shown, and an emptied freeze lets nobody export."""
    before = changed(served, table, CHANGES[table])
    try:
        found = findings(served)
        if table == "incident_scope":
            answer = served.ask("GET", f"{path}/scope", manager)
        else:
            answer = served.ask("GET", "/v1/audit/export", auditor, params={"format": "jsonl"})
    finally:
        put_back(served, table, before[-1])

    assert 1 == len(found)
    assert before[-1]["id"] in found[0]
    assert (500, "/problems/integrity") == (answer.status_code, answer.json()["type"])
    assert [] == findings(served)


def test_a_freeze_lifted_past_the_door_is_found(path: str, served: Served) -> None:
    """Whoever sets a freeze to lifted in the database can export, and the check of the rows tells."""
    before = changed(served, "containment", LIFTED)
    try:
        [found] = findings(served)
    finally:
        put_back(served, "containment", before[-1])

    assert before[-1]["id"] in found
