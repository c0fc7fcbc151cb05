"""A change of what protects the trail is an entry, and a check is held against the newest."""

from sqlalchemy import text

from app.access.visit import System
from app.audit.schema_digest import check_snapshot
from app.audit.schema_record import against_record, newest_recorded
from app.core.identifiers import SYSTEM
from app.storage.schema import SERVICE_ROLE
from app.storage.snapshot import open_snapshot
from app.trail.schema_changes import CHANGE, RecordSchema

FIRST, LATER = "2026_01_01_01", "2026_02_02_02"
CHANGED = {
    "sqlite": "DROP TRIGGER audit_event_update",
    "postgresql": "ALTER TABLE audit_event ENABLE ROW LEVEL SECURITY",
}


def record(world, revision: str) -> bool:
    work = RecordSchema(SERVICE_ROLE, revision)
    return world.answer(work, CHANGE, System("cli", SYSTEM), reason="at the start").payload


def recorded(world) -> list[dict[str, object]]:
    return [entry["schema"] for entry in world.entries(SYSTEM) if entry["act"] == "schema.change"]


def change(world) -> None:
    statement = CHANGED[world.engine.dialect.name]
    world.looking(lambda connection: connection.execute(text(statement)))


def checked(world):
    with open_snapshot(world.engine) as snapshot:
        check = check_snapshot(snapshot, world.engine.dialect.name, SERVICE_ROLE)
        return against_record(check, snapshot), newest_recorded(snapshot)


def test_a_change_is_entered_once(any_world):
    """The first digest is entered, the same one never again, another one with the one before it."""
    assert [True, False, False] == [record(any_world, FIRST) for _ in range(3)]
    [first] = recorded(any_world)
    change(any_world)

    assert [True, False] == [record(any_world, LATER) for _ in range(2)]
    [_, then] = recorded(any_world)
    assert {"digest": checked(any_world)[0].digest, "revision": LATER, "was": first["digest"]} == then
    assert {"digest", "revision"} == set(first)
    assert first["digest"] != then["digest"]


def test_the_newest_entry_counts(any_world):
    """What a check is held against is the newest entry, however many lines follow it."""
    record(any_world, FIRST)
    change(any_world)
    record(any_world, LATER)
    for _ in range(3):
        any_world.found("Another Care")
    found = checked(any_world)[1]

    assert LATER == found.revision
    assert "schema.change" == any_world.entries(SYSTEM)[found.seq]["act"]


def test_words_of_a_check(world):
    """The report says: never recorded, recorded as it is, or another than was recorded."""
    said = [checked(world)[0]]
    record(world, FIRST)
    said.append(checked(world)[0])
    change(world)
    said.append(checked(world)[0])
    seq = checked(world)[1].seq

    assert "no entry schema.change says what the definitions were" in said[0].as_text()
    assert f"recorded by schema.change #{seq} of the chain system, for revision {FIRST}" in said[1].as_text()
    assert "SCHEMA: trigger audit_event_update is missing" in said[2].as_text()
    assert f"SCHEMA: the digest differs from {said[1].digest}, recorded by" in said[2].as_text()


def test_a_change_that_is_not_yet_recorded_is_no_finding(world):
    """After a migration and before the next start the check says so, and blames nobody."""
    record(world, FIRST)
    check = checked(world)[0]._replace(digest="0" * 64)
    with open_snapshot(world.engine) as snapshot:
        told = against_record(check, snapshot).recorded

    assert "not yet recorded" in told
    assert "SCHEMA" not in told


def test_without_a_chain_nothing_is_entered(world):
    """A deployment whose own chain is not founded yet has nowhere to write, and is not stopped by it."""

    def gone(connection):
        connection.execute(text("DROP TRIGGER audit_head_delete"))
        connection.execute(text("DELETE FROM audit_head WHERE org = 'system'"))

    world.looking(gone)

    assert not record(world, FIRST)
