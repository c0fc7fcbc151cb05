"""What a stored answer shows of residents and records, looked at as they are now.

What the first call needed was asked for again already, where the resident of its path is now. That does not
tell where somebody is whom a call admitted, nor whether what it wrote was entered in error; and to a role
that lost a part of the resident the answer would still show it.

Whoever records what they may not read - a carer a concern about safeguarding - is shown it by a repeat as
by the first call: it is what they just sent, and `question` wants that they may still record it.
"""

from typing import Any

from sqlalchemy import bindparam, select

from app.access.opened import Opened
from app.core.errors import HiddenError, NotFoundError
from app.residents.boxes import key_of, refuse_altered_record
from app.residents.records import wanted
from app.residents.rows import RecordRow, ResidentRow
from app.residents.showing import APART, RECORD_COLUMNS, RESIDENT_COLUMNS, UNREAD
from app.residents.table import record, resident

Shown = dict[str, Any]

_RESIDENT = select(*RESIDENT_COLUMNS).where(
    resident.c.org == bindparam("of"), resident.c.id == bindparam("which")
)
_RECORD = select(*RECORD_COLUMNS).where(
    record.c.org == bindparam("of"),
    record.c.resident_id == bindparam("whose"),
    record.c.id == bindparam("which"),
)


def admitted_again(opened: Opened, told: Shown) -> Shown:
    """Return what the caller may be shown now of somebody they admitted, wherever that person is now.

    Raises:
        HiddenError: They are where the caller neither reads of residents nor admits any.
        NotFoundError: They were entered in error.
    """
    row = ResidentRow._make(opened.execute(_RESIDENT, {"of": opened.org, "which": told["id"]}).one())
    opened.facts.resident = row  # what this is decided by: an entry that comes between is held against it
    opened.note.subs, opened.note.homes, place = [row.id], (row.home_id,), row.place(opened.at)
    if not any(opened.allows(one, place) for one in ("identity:read", "identity:create")):
        raise HiddenError(why="out-of-scope")
    return resident_again(opened, told)


def resident_again(opened: Opened, told: Shown) -> Shown:
    """Return what the caller may be shown now of the resident at hand, who was shown before.

    Raises:
        NotFoundError: They were entered in error.
        SealBrokenError: Their row was changed behind the service's back.
    """
    row: ResidentRow = opened.facts.resident
    _refuse_deleted(opened)
    key_of(opened, row)
    place = row.place(opened.at)
    if not opened.allows("identity:read", place):
        return {name: told[name] for name in UNREAD}
    hidden = {name for name, permission in APART.items() if not opened.allows(permission, place)}
    return {name: value for name, value in told.items() if name not in hidden}


def recorded_again(opened: Opened, told: Shown) -> Shown:
    """Return a record that was made as it was shown, if it may be shown now."""
    which = {"of": opened.org, "whose": told["resident_id"], "which": told["id"]}
    opened.facts.record = RecordRow._make(opened.execute(_RECORD, which).one())
    return record_again(opened, told)


def record_again(opened: Opened, told: Shown) -> Shown:
    """Return the record at hand as it was shown, if it may be shown now.

    Raises:
        HiddenError: It was entered in error, and the caller may not read such records.
        NotFoundError: The resident was entered in error.
        SealBrokenError: A row was changed behind the service's back.
    """
    row: RecordRow = opened.facts.record
    _refuse_deleted(opened)
    refuse_altered_record(key_of(opened, opened.facts.resident), row)
    if row.deleted:
        [read] = wanted("read", row.category, row.about)
        place = opened.facts.resident.place(opened.at)
        if not all(opened.allows(one, place) for one in (*read, f"{row.category}:delete")):
            raise HiddenError(why="not-for-role")
    return told


def _refuse_deleted(opened: Opened) -> None:
    if opened.facts.resident.deleted:
        raise NotFoundError(why="not-found")
