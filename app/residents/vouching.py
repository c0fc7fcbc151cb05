"""A version of a record is shown only as the trail knows it.

The row of a version carries no digest of its own. The newest one is the record's present row, which has
one; each before it has an entry with the digest that row had then. A record's category and author are its
present row's: that one must have been judged before.

Source: promise P5.
"""

import hmac
from typing import Any, Final

from app.access.opened import Opened
from app.core.errors import SealBrokenError
from app.residents.boxes import record_state, the_record
from app.residents.rows import RecordRow
from app.trail.changes import Change, change_of
from app.vault.sealing import DataKey, refuse_altered

VERSION_FIELDS: Final = (
    "version",
    "occurred_at",
    "occurred_at_estimated",
    "recorded_at",
    "recorded_by",
    "late",
    "deleted",
    "body",
)
"""What each version of a record has of its own."""


def past_of(row: RecordRow, found: Any) -> RecordRow:
    """Return a record as it was at a stored version."""
    return row._replace(**{name: getattr(found, name) for name in VERSION_FIELDS})


def refuse_altered_version(opened: Opened, key: DataKey, row: RecordRow, past: RecordRow) -> None:
    """Refuse a stored version that is not the one the trail knows: who recorded it, and when.

    Raises:
        SealBrokenError: It was changed behind the service's back, or no entry tells of it.
    """
    if past.version == row.version:
        refuse_altered(row.state, record_state(key, past), the_record(row))
    else:
        entry_of(opened, key, past)


def entry_of(opened: Opened, key: DataKey, past: RecordRow) -> Change:
    """Return the entry that made a version of a record, if it has the digest of what is stored.

    Raises:
        SealBrokenError: There is none, or it says something else of the version.
    """
    change = change_of(opened, "record", past.id, past.version, past.recorded_at)
    if change is None:
        raise SealBrokenError(why="entry-missing", row=the_record(past))
    if not hmac.compare_digest(change.event["state"], record_state(key, past).hex()):
        raise SealBrokenError(why="state-broken", row=the_record(past))
    return change
