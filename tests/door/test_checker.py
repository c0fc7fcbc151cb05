"""The checkers themselves: each kind of damage they are relied on to find is done, and found."""

import sqlite3
from pathlib import Path

import pytest

from tests.door.conftest import Ward, outcomes
from tests.support.check_log import Findings, check_database
from tests.support.crash import Asked, Chronicle, compare

DAMAGE = {
    "an entry is edited": "UPDATE audit_event SET"
    " line = CAST(replace(CAST(line AS TEXT), 'record.read', 'record.list') AS BLOB)"
    " WHERE seq = (SELECT max(seq) - 1 FROM audit_event)",
    "a leaf is edited": "UPDATE audit_event SET leaf = zeroblob(32) WHERE seq = 5 AND org = :org",
    "the last entry is cut off": "DELETE FROM audit_event WHERE org = :org"
    " AND seq = (SELECT max(seq) FROM audit_event WHERE org = :org)",
    "an entry is missing": "DELETE FROM audit_event WHERE org = :org AND seq = 6",
    "the head stands elsewhere": "UPDATE audit_head SET size = size - 1 WHERE org = :org",
    "the head has another tree": "UPDATE audit_head SET peaks = zeroblob(length(peaks)) WHERE org = :org",
    "a record changed behind the door": "UPDATE record SET state = zeroblob(32) WHERE id = :note",
    "a record was set back": "UPDATE record SET version = 1 WHERE id = :amended",
    "a record is gone": "DELETE FROM record WHERE id = :note",
    "a record has no entry": "INSERT INTO record SELECT org, resident_id, 'made-up', category, about,"
    " occurred_at, occurred_at_estimated, recorded_at, recorded_by, first_recorded_at, author, late, body,"
    " medication_id, source_index, source_digest, source, deleted, version, state FROM record"
    " WHERE id = :note",
    "a version is gone": "DELETE FROM record_version WHERE record_id = :amended AND version = 1",
    "a resident changed behind the door": "UPDATE resident SET version = version + 1",
    "an account changed behind the door": "UPDATE account SET state = zeroblob(32)",
    "a sealed value is gone": "DELETE FROM audit_value WHERE seq = (SELECT max(seq) FROM audit_value)",
    "a sealed value was exchanged": "UPDATE audit_value SET ct = zeroblob(60)"
    " WHERE seq = (SELECT max(seq) FROM audit_value)",
    "a name is gone": "DELETE FROM audit_name",
}


@pytest.fixture
def amended(sqlite_ward: Ward) -> Ward:
    """A ward in which a note was amended and another one read."""
    visits = [sqlite_ward.amending(0, 1, "better"), sqlite_ward.reading(1), sqlite_ward.reading(2)]
    for visit in visits:
        sqlite_ward.turn.serve([visit])
    assert ["ok"] * 3 == outcomes(visits)
    return sqlite_ward


def test_an_undamaged_database_has_no_findings(amended):
    """Nothing is found where nothing is wrong, and all entries are read."""
    findings = amended.sound()

    assert [] == findings.problems
    assert len(amended.entries()) == len(findings.entries[amended.org])


@pytest.mark.parametrize("damage", list(DAMAGE))
def test_damage_is_found(amended, damage):
    """Each kind of damage to lines, heads, rows, versions and sealed values is found."""
    path = Path(amended.url.removeprefix("sqlite:///"))
    amended.turn.close()
    connection = sqlite3.connect(path)
    given = {"org": amended.org, "note": amended.notes[3], "amended": amended.notes[0]}
    named = {name: value for name, value in given.items() if f":{name}" in DAMAGE[damage]}
    assert connection.execute(DAMAGE[damage], named).rowcount > 0
    connection.commit()
    connection.close()

    assert check_database(amended.url).problems


# --- what a client was told -----------------------------------------------------------------------------


def told(ward: Ward) -> tuple[Asked, Findings]:
    """Return a true account of one read, and what the database holds."""
    visit = ward.reading(4)
    visit.request_id = "r-1"
    ward.turn.serve([visit])
    assert visit.stamp is not None
    path = f"/v1/residents/{ward.resident}/records/{ward.notes[4]}"
    asked = Asked(1, {"op": "read", "rid": "r-1", "path": path})
    asked.status, asked.receipt = 200, visit.stamp.header()
    asked.payload = {"id": ward.notes[4], "version": 1}
    return asked, ward.sound()


def test_a_true_account_holds(amended):
    """What was told and what stands in the trail agree."""
    asked, findings = told(amended)

    assert [] == compare(Chronicle({1: asked}), findings)


@pytest.mark.parametrize(
    "change",
    [
        {"receipt": None},
        {"receipt": "x/1/0123456789abcdef"},
        {"status": 404},
        {"status": 500},
        {"payload": {"id": "another", "version": 1}},
        {"payload": {"version": 2}},
        {"op": "create"},
        {"op": "list", "payload": {"items": [1, 2]}},
        {"rid": "never-seen"},
        {"path": "/v1/residents/another/records"},
        {"status": 503, "payload": {"type": "/problems/audit-unavailable"}},
    ],
)
def test_an_untrue_account_is_found(amended, change):
    """An answer without its entry, or of which the entry tells otherwise, is found."""
    asked, findings = told(amended)
    for name in ("op", "rid", "path"):
        asked.ask[name] = change.get(name, asked.ask[name])
    asked.status = change.get("status", asked.status)
    asked.receipt = change.get("receipt", asked.receipt)
    asked.payload = asked.payload | change.get("payload", {})

    assert compare(Chronicle({1: asked}), findings)
