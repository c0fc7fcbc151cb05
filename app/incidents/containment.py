"""Shutting what a breach goes through, in one call: sessions end, accounts end, exports freeze.

One transaction with one entry for the call, and beside it the entries the single acts would have made, so
that whoever looks for ended sessions or deactivated accounts finds them here too. It takes effect on the
next request of whoever it concerns; an export that is under way breaks off at its next piece.

Each act wants what it wants alone: `sessions:end` and `users:manage` where the person is assigned. All
their sessions end, wherever they act: a breach is shut, or it is not. A freeze wants `incidents:manage`:
where the person is, or, for everybody, in the whole organisation; and so does the end of it. Whom it names
does not see the incident while it stands: somebody at a home does not freeze out everybody who oversees
them. Who acts for the whole organisation is not held up by that.

Integration keys would be revoked here. There are none in this service yet.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import bindparam, select

from app.access.drafting import further_entry
from app.access.opened import FieldChange, Note, Opened
from app.access.work import Answer
from app.core.clock import spell
from app.core.errors import ConflictError, ForbiddenError, HiddenError, InvalidRequestError, NotFoundError
from app.identity.account_rows import (
    account_by_id,
    assignments_of,
    key_of,
    next_version,
    private_of,
)
from app.identity.keepers import hold_keepers, refuse_nobody_left
from app.identity.reach import may_read, reaches
from app.identity.rows import AccountRow, SessionRow
from app.identity.session_rows import SESSION_COLUMNS, end_session
from app.identity.table import session
from app.incidents.containment_rows import (
    contained,
    enter_containment,
    lift_containment,
    show_containment,
    within_reach,
)
from app.incidents.one_incident import OneIncident
from app.incidents.oversight import frozen_by, refuse_unseen
from app.incidents.scope_reading import homes_managed
from app.incidents.seeing import MANAGE, find, find_open
from app.incidents.seniority import refuse_younger_than_freeze
from app.incidents.shown_again import containment_again
from app.trail.freezing import IN_FORCE, NONE, ORGANISATION, USERS, ContainmentRow

JsonObject = dict[str, Any]
END_SESSIONS, DEACTIVATE, FREEZE = "end_sessions", "deactivate", "freeze"
PERMISSIONS: Final = {END_SESSIONS: "sessions:end", DEACTIVATE: "users:manage", FREEZE: MANAGE}
TOLD_BY: Final = {END_SESSIONS: "sessions_ended", DEACTIVATE: "deactivated"}
"""What of a person's answer says that an act was done: who was shut already is not shut again."""
_MAY: Final = {END_SESSIONS: "end sessions", DEACTIVATE: "deactivate", FREEZE: "freeze exports"}
_NEEDS: Final = {END_SESSIONS: "ending sessions", DEACTIVATE: "deactivating", FREEZE: "freezing exports"}
FOR_EVERYBODY: Final = (
    "To freeze exports for everybody, or to end that, needs incidents:manage for the whole organisation. Ask"
    " somebody who holds it, or freeze those of people you name."
)
NOT_YOURSELF = "Nobody contains themselves: you could no longer undo it. Ask a colleague."
NOTHING_FROZEN = "Nothing is frozen because of this incident. Accounts come back through their own route."
NOT_YOURS = (
    "A freeze of this incident names people out of your reach. Ask whoever manages incidents for the whole"
    " organisation."
)

_LIVE = select(*SESSION_COLUMNS).where(
    session.c.org == bindparam("of"),
    session.c.user_id == bindparam("whose"),
    session.c.ended_at.is_(None),
    session.c.ends_at > bindparam("now"),
)


@dataclass
class Contain(OneIncident):
    """Shut what a breach goes through."""

    user_ids: list[str] = field(default_factory=list)
    end_sessions: bool = False
    deactivate: bool = False
    freeze: str = NONE
    reason: str = ""
    changes = True
    alone = True
    own_sql = True

    def touches(self) -> str:
        """Return the incident: one containment in a turn."""
        return f"containment of {self.incident_id}"

    def perform(self, opened: Opened) -> Answer:
        """Do all of it, or nothing."""
        acts = [name for name in (END_SESSIONS, DEACTIVATE) if getattr(self, name)]
        users = list(dict.fromkeys(self.user_ids))
        self._refuse_nothing(users, acts)
        row = find_open(opened, self.incident_id)
        if opened.agent.id in users:
            raise ConflictError(NOT_YOURSELF, why="own-account")
        if self.freeze == ORGANISATION and homes_managed(opened) is not None:
            raise ForbiddenError(FOR_EVERYBODY, why="organisation-wide")
        if self.freeze != NONE and (homes_managed(opened) is not None or row.opened_by != opened.agent.id):
            hidden = [*row.concerned_ids, *frozen_by(opened, row.id), *users]
            refuse_unseen(opened, row.home_id, hidden)
        if self.deactivate:
            hold_keepers(opened)
        people = {one: self._person(opened, one, acts) for one in sorted(users)}  # as everybody locks them
        if self.deactivate:
            refuse_nobody_left(opened, {one: row._replace(active=False) for one, row in people.items()})
        told = [self._shut(opened, people[one]) for one in users]
        done = [act for act in acts if any(one[TOLD_BY[act]] for one in told)]
        shut = enter_containment(opened, self.incident_id, users, done, self.freeze, self.reason)
        opened.note.count = len(users)
        return Answer(show_containment(opened, shut) | {"users": told, "integration_keys": 0})

    def look_again(self, opened: Opened, told: JsonObject) -> JsonObject:
        """Return what was shut, as far as the caller still reaches."""
        return containment_again(opened, told, PERMISSIONS.values())

    def _refuse_nothing(self, users: list[str], acts: list[str]) -> None:
        if acts and not users:
            raise InvalidRequestError(("/user_ids", "Say whose sessions or accounts."))
        if self.freeze == USERS and not users:
            raise InvalidRequestError(("/user_ids", "Say for whom exports freeze."))
        if not acts and self.freeze == NONE:
            raise InvalidRequestError(("/end_sessions", "Say what is to be shut."))

    def _person(self, opened: Opened, user_id: str, acts: list[str]) -> AccountRow:
        """Return the account of somebody the caller may do all of this to."""
        row = account_by_id(opened, user_id, locked=True)
        if row is None:
            raise NotFoundError(why="user-not-found")
        assigned = assignments_of(row)
        wanted = [*acts, *([FREEZE] if self.freeze == USERS else [])] or [FREEZE]
        lacking = [act for act in wanted if not reaches(opened.agent, PERMISSIONS[act], assigned)]
        if not lacking:
            return row
        if may_read(opened.agent, row) or reaches(opened.agent, MANAGE, assigned):
            raise ForbiddenError(
                _refused([act for act in wanted if act not in lacking], lacking), why="action-not-allowed"
            )
        raise HiddenError(why="out-of-scope")

    def _shut(self, opened: Opened, row: AccountRow) -> JsonObject:
        ended = _end_sessions(opened, row, self.reason) if self.end_sessions or self.deactivate else 0
        deactivated = self.deactivate and bool(row.active)
        if deactivated:
            _deactivate(opened, row, self.reason, ended)
        return {"user_id": row.id, "sessions_ended": ended, "deactivated": deactivated}


@dataclass
class Lift(OneIncident):
    """End the freezes of an incident. Accounts come back through their own route, one by one."""

    reason: str
    changes = True
    alone = True

    def touches(self) -> str:
        """Return the incident: one containment in a turn."""
        return f"containment of {self.incident_id}"

    def perform(self, opened: Opened) -> Answer:
        """End each freeze that is in force."""
        incident = find(opened, self.incident_id)
        rows = [row for row in contained(opened, self.incident_id) if row.status == IN_FORCE]
        if not rows:
            raise ConflictError(NOTHING_FROZEN, why="nothing-frozen")
        self._refuse(opened, rows)
        refuse_younger_than_freeze(opened, incident, rows)
        opened.note.reason = self.reason
        opened.note.count = len(rows)
        lifted = [lift_containment(opened, row, self.reason) for row in rows]
        return Answer({"incident_id": self.incident_id, "lifted": [row.id for row in lifted]})

    def _refuse(self, opened: Opened, rows: list[ContainmentRow]) -> None:
        """Refuse to end what the caller could not have begun."""
        if homes_managed(opened) is None:
            return
        if any(row.frozen == ORGANISATION for row in rows):
            raise ForbiddenError(FOR_EVERYBODY, why="organisation-wide")
        named = {one for row in rows for one in row.users}
        if named - set(within_reach(opened, named)):
            raise ForbiddenError(NOT_YOURS, why="out-of-scope")


def _refused(allowed: list[str], lacking: list[str]) -> str:
    """Return which acts of a containment were refused, and what each of them needs."""
    may = f"You may {' and '.join(_MAY[act] for act in allowed)}. " if allowed else ""
    needs = " and ".join(f"{_NEEDS[act]} needs {PERMISSIONS[act]}" for act in lacking)
    told = f"{may}{needs[0].upper()}{needs[1:]} where the person is assigned: ask somebody who holds that"
    return told + (", and send the rest by itself." if allowed else ".")


def _end_sessions(opened: Opened, row: AccountRow, reason: str) -> int:
    asked = {"of": opened.org, "whose": row.id, "now": spell(opened.at)}
    live = [SessionRow._make(one) for one in opened.execute(_LIVE, asked).all()]
    for one in live:
        end_session(opened, one, "contained")
        _aside(opened, "auth.end", Note(object=("session", one.id), reason=reason))
    return len(live)


def _deactivate(opened: Opened, row: AccountRow, reason: str, ended: int) -> None:
    key = key_of(opened, row)
    private = private_of(key, row)
    kept, opened.note = opened.note, Note(object=("user", row.id), reason=reason)
    told = (FieldChange("sessions_ended", None, ended),)
    next_version(opened, key, row, row._replace(active=False), private, private, told)
    note, opened.note = opened.note, kept
    _aside(opened, "user.deactivate", note)


def _aside(opened: Opened, act: str, note: Note) -> None:
    """Add the entry a single act would have made."""
    kept, opened.note = opened.note, note
    opened.also.append(further_entry(opened, act))
    opened.note = kept
