"""Accounts change, end and return: amend, deactivate, reactivate."""

from dataclasses import dataclass, replace
from typing import Any

import orjson

from app.access.opened import FieldChange, Opened
from app.access.work import Answer, Work
from app.core.errors import (
    ConflictError,
    ForbiddenError,
    VersionConflictError,
)
from app.identity.account_rows import (
    assignments_of,
    homes_of,
    key_of,
    next_version,
    private_of,
    set_name,
    show_user,
)
from app.identity.assignments import (
    UserKind,
    check_kinds,
    dump_assignments,
    parse_assignments,
)
from app.identity.granting import check_grants, require_homes, roles_of
from app.identity.keepers import hold_keepers, refuse_nobody_left
from app.identity.new_accounts import check_display_name
from app.identity.reach import account_to, look_at_account
from app.identity.rows import AccountRow
from app.identity.session_rows import end_sessions

NOT_ACTIVE = "This account is not active. Read it again."
ALREADY_ACTIVE = "This account is active already. Read it again."
NOT_YOURSELF = "Nobody deactivates their own account. Ask a colleague who manages users."


@dataclass
class _OneAccount(Work):
    """A change of one account."""

    user_id: str
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the user as asked."""
        return "user", self.user_id

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return the user, if the caller may still read them."""
        look_at_account(opened, self.user_id)
        return told


@dataclass
class AmendAccount(_OneAccount):
    """Change a user's display name or assignments.

    Attributes:
        was: The version of `If-Match`.
        display_name: The new one, or None to leave it.
        assignments: All of the new ones as plain JSON, or None to leave them.
    """

    was: int
    display_name: str | None = None
    assignments: list[dict[str, Any]] | None = None

    def perform(self, opened: Opened) -> Answer:
        """Write the next version and return the user."""
        if self.assignments is not None:
            hold_keepers(opened)
        row = account_to(opened, self.user_id, "users:manage", locked=True)
        self._refuse_own(opened, row)
        if row.version != self.was:
            raise VersionConflictError
        key = key_of(opened, row)
        was = private_of(key, row)
        becomes, wanted = was, row
        if self.display_name is not None:
            becomes = replace(was, display_name=check_display_name(self.display_name))
        if self.assignments is not None:
            wanted = row._replace(assignments=self._judged(opened, row))
            refuse_nobody_left(opened, {row.id: wanted})
        changed = next_version(opened, key, row, wanted, was, becomes)
        opened.concerns(*homes_of(assignments_of(changed)))
        if becomes.display_name != was.display_name:
            set_name(opened, key, changed, becomes)
        return Answer(show_user(changed, becomes), version=changed.version)

    def _refuse_own(self, opened: Opened, row: AccountRow) -> None:
        """Refuse a change of one's own assignments, on whatever version: no other would do either."""
        own = row.id == opened.agent.id and self.assignments is not None
        if own and set(parse_assignments(self.assignments)) != set(assignments_of(row)):
            raise ForbiddenError(
                "Nobody changes their own assignments. Ask another manager.", why="own-assignments"
            )

    def _judged(self, opened: Opened, row: AccountRow) -> str:
        """Return the new assignments as they are stored, if the caller may make this change."""
        old, new = assignments_of(row), parse_assignments(self.assignments)
        roles = roles_of(opened)
        kind: UserKind = "agency" if row.kind == "agency" else "staff"
        check_kinds(kind, new, {name: role.kind for name, role in roles.items()})
        require_homes(opened, new)
        check_grants(opened.agent, set(old) ^ set(new), roles)
        return orjson.dumps(dump_assignments(new)).decode()


@dataclass
class DeactivateAccount(_OneAccount):
    """End an account: its sessions end in the same transaction."""

    reason: str
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Write it and end all sessions."""
        hold_keepers(opened)
        row = account_to(opened, self.user_id, "users:manage", locked=True)
        if row.id == opened.agent.id:
            raise ConflictError(NOT_YOURSELF, why="own-account")
        if not row.active:
            raise ConflictError(NOT_ACTIVE, why="not-active")
        refuse_nobody_left(opened, {row.id: row._replace(active=False)})
        ended = end_sessions(opened, row.id, "deactivated")
        return _switch(opened, row, self.reason, FieldChange("sessions_ended", None, ended), active=False)


@dataclass
class ReactivateAccount(_OneAccount):
    """Let somebody back in, with the password and second factor they had."""

    reason: str

    def perform(self, opened: Opened) -> Answer:
        """Write it."""
        row = account_to(opened, self.user_id, "users:manage", locked=True)
        if row.active:
            raise ConflictError(ALREADY_ACTIVE, why="already-active")
        return _switch(opened, row, self.reason, active=True)


def _switch(opened: Opened, row: AccountRow, reason: str, *also: FieldChange, active: bool) -> Answer:
    key = key_of(opened, row)
    private = private_of(key, row)
    opened.note.reason = reason
    changed = next_version(opened, key, row, row._replace(active=active), private, private, also)
    return Answer(show_user(changed, private), version=changed.version)
