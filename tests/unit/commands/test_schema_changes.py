"""What protects the trail is entered at a start, and `audit verify` says how it compares."""

import json
import sqlite3

from app.storage.schema import head_revision
from tests.unit.commands.conftest import Line


def changes(line: Line) -> list[tuple[int, dict[str, str]]]:
    """Return the entries of that kind with their numbers."""
    listed = "SELECT seq, line FROM audit_event WHERE org = 'system' ORDER BY seq"
    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        events = [(seq, json.loads(found)["e"]) for seq, found in database.execute(listed)]
    database.close()
    return [(seq, event["schema"]) for seq, event in events if event["act"] == "schema.change"]


def test_the_first_start_enters_it_and_no_later_one(line: Line) -> None:
    """A new deployment's own chain begins with the digest; later commands find it there."""
    assert 0 == line.run("init", "--organisation", "Sample Care", "--admin", "a.sample").code
    [(seq, said)] = changes(line)
    assert 0 == line.run("keys", "status").code
    verified = line.run("audit", "verify")

    assert [(seq, said)] == changes(line)
    assert (0, head_revision()) == (seq, said["revision"])
    assert f"digest {said['digest']}" in verified.out
    assert "the digest is the one recorded by schema.change #0 of the chain system" in verified.out


def test_a_trigger_taken_away_is_not_what_was_recorded(line: Line) -> None:
    """A definition changed behind the service's back is named, and so is the entry that says otherwise."""
    assert 0 == line.run("init", "--organisation", "Sample Care", "--admin", "a.sample").code
    [(_, said)] = changes(line)
    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        database.execute("DROP TRIGGER audit_event_update")
    database.close()
    verified = line.run("audit", "verify")

    assert 1 == verified.code
    assert "SCHEMA: trigger audit_event_update is missing" in verified.out
    assert f"SCHEMA: the digest differs from {said['digest']}, recorded by schema.change #0" in verified.out
