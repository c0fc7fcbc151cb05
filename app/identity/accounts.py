"""Accounts come, change, end and return: create, amend, deactivate, reactivate.

The caller hashes the initial password before the door opens (`own_credentials.new_initial_password`,
`passwords.PasswordPool`): an Argon2 inside a turn would make everybody wait.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from app.access.opened import FieldChange, Opened
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    VersionConflictError,
)
from app.core.identifiers import new_id
from app.identity.account_rows import (
    Private,
    account_named,
    assignments_of,
    homes_of,
    insert_account,
    key_of,
    next_version,
    private_of,
    set_name,
    show_user,
    username_index,
)
from app.identity.assignments import (
    Assignment,
    UserKind,
    check_kinds,
    dump_assignments,
    parse_assignments,
)
from app.identity.granting import check_grants, may_admit, require_homes, roles_of
from app.identity.keepers import hold_keepers, refuse_nobody_left
from app.identity.reach import account_to
from app.identity.recognising import Role
from app.identity.rows import AccountRow
from app.identity.session_rows import end_sessions
from app.identity.shift_rows import NewShift, enter_admission_shift
from app.identity.usernames import normalise_username

LONGEST_NAME = 200

USERNAME_TAKEN = "This user name is taken. Choose another."
NOT_ACTIVE = "This account is not active. Read it again."
ALREADY_ACTIVE = "This account is active already. Read it again."
NOT_YOURSELF = "Nobody deactivates their own account. Ask a colleague who manages users."


@dataclass
class CreateAccount(Work):
    """Create a user; the initial password is shown in this answer and never again.

    Attributes:
        username: As given; unique in the deployment.
        display_name: The person's name as colleagues see it.
        kind: staff or agency.
        assignments: Plain JSON, in the contract's shape.
        password_hash: Of the initial password.
        initial_password: To be shown once.
        shift: An addition to the contract: a first shift, at the only home assigned.
    """

    username: str
    display_name: str
    kind: UserKind
    assignments: list[dict[str, Any]]
    password_hash: str = field(repr=False)
    initial_password: str = field(repr=False)
    shift: NewShift | None = None
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return a user that has no id yet."""
        return "user", None

    def perform(self, opened: Opened) -> Answer:
        """Write the account, and its first shift if one is given."""
        assignments = parse_assignments(self.assignments)
        roles = roles_of(opened)
        check_kinds(self.kind, assignments, {name: role.kind for name, role in roles.items()})
        require_homes(opened, assignments)
        self._check_granter(opened, assignments, roles)
        row, shown = create_account(
            opened,
            username=self.username,
            display_name=self.display_name,
            kind=self.kind,
            assignments=assignments,
            password_hash=self.password_hash,
            password_change_required=True,
        )
        if self.shift is not None:
            enter_admission_shift(opened, row, assignments, self.shift)
        return Answer(
            shown | {"initial_password": self.initial_password},
            version=row.version,
            replay=shown | {"initial_password": None},
        )

    def _check_granter(
        self, opened: Opened, assignments: Sequence[Assignment], roles: dict[str, Role]
    ) -> None:
        agent = opened.agent
        granted = [a for a in assignments if not may_admit(agent, self.kind, a)]
        check_grants(agent, granted, roles)
        if not assignments and not any("users:manage" in g.may for g in agent.grants):
            raise ForbiddenError(why="admission-without-home")


def create_account(
    opened: Opened,
    *,
    username: str,
    display_name: str,
    kind: UserKind,
    assignments: Sequence[Assignment],
    password_hash: str,
    password_change_required: bool,
    totp_secret: str | None = None,
) -> tuple[AccountRow, dict[str, Any]]:
    """Have a new account written; return its row and the user as shown.

    Who may do this, and with which assignments, is the caller's to decide. The work that calls this
    takes a turn of its own. With `totp_secret` the account has an authenticator from the start: the
    sample provider's people.

    Raises:
        InvalidRequestError: The user name or the display name will not do.
        ConflictError: The user name is taken.
    """
    private = Private(normalise_username(username), check_display_name(display_name), totp_secret)
    if account_named(opened, username_index(opened, private.username)) is not None:
        raise ConflictError(USERNAME_TAKEN, why="username-taken")
    user_id = new_id()
    key, wrapped = opened.new_owner(user_id)
    row = AccountRow(
        id=user_id,
        org=opened.org,
        kind=kind,
        wrapped_key=wrapped,
        profile=b"",
        assignments=orjson.dumps(dump_assignments(assignments)).decode(),
        password_hash=password_hash,
        password_change_required=password_change_required,
        totp_secret=None,
        totp_confirmed=False,
        active=True,
        created_by=opened.agent.id,
        created_at=spell(opened.at),
        name_seq=None,
        version=1,
        state=b"",
    )
    row = insert_account(opened, key, row, private)
    opened.concerns(*homes_of(assignments))
    return row, show_user(row, private)


def check_display_name(given: str) -> str:
    """Return a display name without surrounding spaces, or refuse one that is empty or cannot be read."""
    name = given.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidRequestError(("/display_name", f"Give a name of 1 to {LONGEST_NAME} characters."))
    return name


@dataclass
class _OneAccount(Work):
    """A change of one account."""

    user_id: str
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the user as asked."""
        return "user", self.user_id

    def touches(self) -> str:
        """Return the account: one change in a turn."""
        return self.user_id


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
            raise ForbiddenError(why="own-assignments")

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
