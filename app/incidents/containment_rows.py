"""Rows of containments: read, bound to the trail, written, shown.

An entry about one is about its incident and names the row beside it.
"""

from collections.abc import Iterable
from typing import Any, Final

import orjson
from sqlalchemy import bindparam, insert, select, update

from app.access.opened import FieldChange, Opened
from app.core.clock import spell
from app.core.identifiers import new_id
from app.identity.account_rows import ACCOUNT_COLUMNS, assignments_of
from app.identity.reach import reaches
from app.identity.rows import AccountRow
from app.identity.table import account
from app.incidents.scope_reading import homes_managed
from app.incidents.seeing import MANAGE
from app.trail.freezing import (
    CONTAINMENT_COLUMNS,
    IN_FORCE,
    NONE,
    ContainmentRow,
    containment_state,
    vouched,
)
from app.trail.table import containment
from app.vault.sealing import Place

DONE, LIFTED = "done", "lifted"
_OF_INCIDENT = (
    select(*CONTAINMENT_COLUMNS)
    .where(containment.c.org == bindparam("of"), containment.c.incident_id == bindparam("which"))
    .order_by(containment.c.id)
)
_NAMED = select(*ACCOUNT_COLUMNS).where(
    account.c.org == bindparam("of"), account.c.id.in_(bindparam("which", expanding=True))
)
_INSERT = insert(containment)
_CHANGING: Final = ("status", "lift_reason", "lifted_by", "lifted_at", "version", "state")
_UPDATE = (
    update(containment)
    .where(
        containment.c.org == bindparam("of"),
        containment.c.id == bindparam("which"),
        containment.c.version == bindparam("was"),
    )
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)


def contained(opened: Opened, incident_id: str) -> list[ContainmentRow]:
    """Return what was shut because of an incident, in order, each row as the trail knows it.

    Raises:
        SealBrokenError: Somebody changed one behind the service's back.
    """
    return vouched(opened, opened.execute(_OF_INCIDENT, {"of": opened.org, "which": incident_id}).all())


def enter_containment(
    opened: Opened, incident_id: str, users: list[str], acts: list[str], frozen: str, reason: str
) -> ContainmentRow:
    """Have a new containment written, and noted for the entry of its incident."""
    key, row_id = opened.organisation_key(), new_id()
    row = ContainmentRow(
        id=row_id,
        org=opened.org,
        incident_id=incident_id,
        user_ids=orjson.dumps(users).decode(),
        acts=orjson.dumps(acts).decode(),
        frozen=frozen,
        status=DONE if frozen == NONE else IN_FORCE,
        reason=key.seal(reason.encode(), _place(opened.org, row_id, "reason")),
        made_by=opened.agent.id,
        made_at=spell(opened.at),
        lift_reason=None,
        lifted_by=None,
        lifted_at=None,
        version=1,
        state=b"",
    )
    row = row._replace(state=containment_state(key, row))
    opened.change(_INSERT, row._asdict())
    told = {"user_ids": users, "acts": acts, "frozen": frozen, "status": row.status}
    opened.note.changes = [FieldChange(name, None, value) for name, value in told.items()]
    opened.note.owner = (opened.org, key)
    opened.note.reason = reason
    _tell(opened, row)
    return row


def lift_containment(opened: Opened, was: ContainmentRow, reason: str) -> ContainmentRow:
    """Have a freeze ended, and noted for the entry of its incident."""
    key = opened.organisation_key()
    row = was._replace(
        status=LIFTED,
        lift_reason=key.seal(reason.encode(), _place(opened.org, was.id, "lift_reason")),
        lifted_by=opened.agent.id,
        lifted_at=spell(opened.at),
        version=was.version + 1,
    )
    row = row._replace(state=containment_state(key, row))
    values = {f"new_{name}": getattr(row, name) for name in _CHANGING}
    opened.change(_UPDATE, values | {"of": row.org, "which": row.id, "was": was.version})
    _tell(opened, row)
    return row


def _tell(opened: Opened, row: ContainmentRow) -> None:
    told = {"t": "containment", "id": row.id, "ver": row.version, "state": row.state.hex()}
    opened.note.members.setdefault("rows", []).append(told)


def within_reach(
    opened: Opened, user_ids: Iterable[str], permissions: Iterable[str] = (MANAGE,)
) -> list[str]:
    """Return those of some people whom the caller may be told of, by where they are assigned.

    Each of the permissions lets the caller be told of whom it reaches.
    """
    if homes_managed(opened) is None:
        return list(user_ids)
    found = opened.execute(_NAMED, {"of": opened.org, "which": list(user_ids)}).all()
    where = {one.id: assignments_of(AccountRow._make(one)) for one in found}
    return [
        one
        for one, assigned in where.items()
        if any(reaches(opened.agent, permission, assigned) for permission in permissions)
    ]


def show_containments(opened: Opened, rows: Iterable[ContainmentRow]) -> list[dict[str, Any]]:
    """Return containments as an incident shows them: of the people, those the caller may be told of."""
    shown = [show_containment(opened, row) for row in rows]
    known = set(within_reach(opened, {one for each in shown for one in each["user_ids"]})) if shown else ()
    return [each | {"user_ids": [one for one in each["user_ids"] if one in known]} for each in shown]


def show_containment(opened: Opened, row: ContainmentRow) -> dict[str, Any]:
    """Return a containment as it is answered."""
    key = opened.organisation_key()
    lifted = None
    if row.lift_reason is not None:
        lifted = key.unseal(row.lift_reason, _place(row.org, row.id, "lift_reason")).decode()
    return {
        "id": row.id,
        "incident_id": row.incident_id,
        "user_ids": row.users,
        "done": row.done,
        "freeze_exports": row.frozen,
        "status": row.status,
        "reason": key.unseal(row.reason, _place(row.org, row.id, "reason")).decode(),
        "made_by": row.made_by,
        "made_at": row.made_at,
        "lifted_by": row.lifted_by,
        "lifted_at": row.lifted_at,
        "lift_reason": lifted,
    }


def _place(org: str, row_id: str, field: str) -> Place:
    return Place(org, org, row_id, field, 1)
