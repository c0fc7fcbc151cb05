"""Rows of shifts: reading, writing and showing them, and the rules of their times.

A shift lets an agency worker sign in, and ends what they began. Its columns are plain, so its digest and
the values kept beside the trail are under the organisation's key.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, insert, select, update

from app.access.agent import Agent, Place
from app.access.drafting import further_entry
from app.access.opened import FieldChange, Note, Opened
from app.access.policy import allowed_at
from app.core.clock import parse, spell
from app.core.errors import AlteredRow, ForbiddenError, InvalidRequestError
from app.core.identifiers import new_id
from app.identity.assignments import Assignment
from app.identity.rows import AccountRow, ShiftRow
from app.identity.table import shift
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import DataKey, StateKey, refuse_altered

SHIFT_COLUMNS = tuple(shift.c[name] for name in ShiftRow._fields)
NOT_THERE: Final = "You do not enter shifts there. Ask somebody who enters them at that home or unit."
LONGEST_SHIFT: Final = timedelta(hours=24)
LONGEST_ADMISSION: Final = timedelta(hours=13)

_ONE = select(*SHIFT_COLUMNS).where(
    shift.c.org == bindparam("of"), shift.c.user_id == bindparam("whose"), shift.c.id == bindparam("which")
)
_OPEN = select(*SHIFT_COLUMNS).where(
    shift.c.org == bindparam("of"),
    shift.c.user_id == bindparam("whose"),
    shift.c.ends_at > bindparam("at"),
    shift.c.cancelled.is_(False),
)
_INSERT = insert(shift)
_WRITTEN = ("starts_at", "ends_at", "cancelled", "version", "state")
_UPDATE = (
    update(shift)
    .where(
        shift.c.org == bindparam("of"), shift.c.id == bindparam("which"), shift.c.version == bindparam("was")
    )
    .values({name: bindparam(name) for name in _WRITTEN})
)
_SHOWN = ("id", "user_id", "home_id", "role", "starts_at", "ends_at", "agency")
_BOUND = BoundColumns("shift", shift, ShiftRow._fields[:-1])
_COMPARED = ("home_id", "role", "agency", "starts_at", "ends_at", "cancelled")


@dataclass(frozen=True, slots=True)
class NewShift:
    """When a shift is, and through which agency. Instants in their one spelling."""

    starts_at: str
    ends_at: str
    agency: str | None = None


def shift_by_id(opened: Opened, user_id: str, shift_id: str) -> ShiftRow | None:
    """Return a shift of a user, for whoever goes on to change it."""
    where = {"of": opened.org, "whose": user_id, "which": shift_id}
    row = opened.execute(_ONE.with_for_update(), where).first()
    if row is None:
        return None
    refuse_altered_shift(opened.organisation_key(), ShiftRow._make(row))
    return ShiftRow._make(row)


def open_shifts(opened: Opened, account: AccountRow) -> list[ShiftRow]:
    """Return the shifts of a user that have not ended, for whoever goes on to start a session in one."""
    where = {"of": account.org, "whose": account.id, "at": spell(opened.at)}
    rows = [ShiftRow._make(row) for row in opened.execute(_OPEN.with_for_update(), where).all()]
    key = opened.organisation_key(account.org)
    for row in rows:
        refuse_altered_shift(key, row)
    return rows


def show_shift(row: ShiftRow) -> dict[str, Any]:
    """Return a shift as the API shows it."""
    shown = {name: getattr(row, name) for name in _SHOWN}
    return shown | {"cancelled": bool(row.cancelled), "version": row.version}


def check_times(starts_at: str, ends_at: str, longest: timedelta, under: str = "") -> None:
    """Refuse a shift that ends before it starts, or is too long. `under` is where it stands in the body."""
    starts, ends = parse(starts_at), parse(ends_at)
    if ends <= starts:
        raise InvalidRequestError((f"{under}/ends_at", "Must be later than starts_at."))
    if ends - starts > longest:
        hours = int(longest / timedelta(hours=1))
        raise InvalidRequestError((f"{under}/ends_at", f"A shift lasts at most {hours} hours."))


def may_roster(agent: Agent, permissions: Iterable[str], assignment: Assignment) -> bool:
    """Say whether the agent holds one of the permissions where an assignment holds."""
    place = Place(assignment.home_id, assignment.unit)
    return any(allowed_at(agent, permission, place) for permission in permissions)


def enter_shift(opened: Opened, user_id: str, home_id: str, role: str, when: NewShift) -> ShiftRow:
    """Have a new shift written and noted."""
    row = ShiftRow(
        id=new_id(),
        org=opened.org,
        user_id=user_id,
        home_id=home_id,
        role=role,
        agency=when.agency,
        starts_at=spell(parse(when.starts_at)),
        ends_at=spell(parse(when.ends_at)),
        cancelled=False,
        version=1,
        state=b"",
    )
    key = opened.organisation_key()
    row = row._replace(state=shift_state(key, row))
    opened.change(_INSERT, row._asdict())
    changes = [FieldChange(f, None, v) for f, v in _compared(row).items() if v]
    opened.changed("shift", row.id, row.version, row.state, changes, (row.org, key))
    return row


def enter_admission_shift(
    opened: Opened, account: AccountRow, assignments: Sequence[Assignment], when: NewShift
) -> ShiftRow:
    """Have the first shift of a new account written: with an entry of its own beside the account's."""
    if len(assignments) != 1 or assignments[0].home_id is None:
        raise InvalidRequestError(("/shift", "A first shift needs exactly one assignment, at a home."))
    check_times(when.starts_at, when.ends_at, LONGEST_ADMISSION, "/shift")
    if not may_roster(opened.agent, ("agency:admit", "shifts:manage"), assignments[0]):
        raise ForbiddenError(NOT_THERE, why="home-out-of-scope")
    noted, opened.note = opened.note, Note()
    opened.concerns(assignments[0].home_id)
    row = enter_shift(opened, account.id, assignments[0].home_id, assignments[0].role, when)
    opened.also.append(further_entry(opened, "shift.create"))
    opened.note = noted
    return row


def next_shift_version(opened: Opened, before: ShiftRow, wanted: ShiftRow, *also: FieldChange) -> ShiftRow:
    """Have the next version of a shift written and note what changed."""
    key = opened.organisation_key()
    row = wanted._replace(version=before.version + 1)
    row = row._replace(state=shift_state(key, row))
    values = row._asdict()
    where = {"of": row.org, "which": row.id, "was": before.version}
    opened.change(_UPDATE, {name: values[name] for name in _WRITTEN} | where)
    old, new = _compared(before), _compared(row)
    changes = [FieldChange(f, old[f], new[f]) for f in _COMPARED if old[f] != new[f]]
    opened.changed("shift", row.id, row.version, row.state, [*changes, *also], (row.org, key))
    return row


def last_instant(row: ShiftRow, at: datetime) -> datetime:
    """Return beyond what instant no session of this shift may last, as the shift is now."""
    runs = not row.cancelled and parse(row.starts_at) <= at
    return parse(row.ends_at) if runs else at


def shift_state(key: DataKey | StateKey, row: ShiftRow) -> bytes:
    """Return the keyed digest of a shift's row: all columns but the digest itself."""
    return _BOUND.digest(key, row[:-1])


def refuse_altered_shift(key: DataKey | StateKey, row: ShiftRow) -> None:
    """Refuse a shift that was changed behind the service's back: its end, its home."""
    refuse_altered(row.state, shift_state(key, row), AlteredRow("shift", row.id))


def _compared(row: ShiftRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COMPARED} | {"cancelled": bool(row.cancelled)}
