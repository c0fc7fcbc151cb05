"""An account comes to be.

The caller hashes the initial password before the door opens (`own_credentials.new_initial_password`,
`passwords.PasswordPool`): an Argon2 inside a turn would make everybody wait. It asks first whether one is
wanted (`PrepareAccount`): what is hashed for those who may not create users keeps others from signing in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.access.opened import Opened
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
)
from app.core.identifiers import new_id
from app.identity.account_rows import (
    Private,
    account_named,
    homes_of,
    insert_account,
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
from app.identity.reach import look_at_account
from app.identity.recognising import Role
from app.identity.rows import AccountRow
from app.identity.shift_rows import NewShift, enter_admission_shift
from app.identity.usernames import normalise_username

LONGEST_NAME = 200

WHERE_ADMITTED = "You admit agency staff to a home of yours: name it, with their role, under assignments."
USERNAME_TAKEN = "This user name is taken. Choose another."


@dataclass
class PrepareAccount(Work):
    """Ask whether the caller may create users at all, before a password is hashed for one. Makes no entry."""

    silent = True
    activity = False

    def asked(self) -> tuple[str, str | None]:
        """Return a user that has no id yet."""
        return "user", None

    def perform(self, _opened: Opened) -> Answer:
        """Answer nothing: that it is permitted was all."""
        return Answer(None)


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

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return the user, if the caller may still read them, or admit whom they were admitted with."""
        look_at_account(opened, told["id"], "agency:admit")
        return told

    def _check_granter(
        self, opened: Opened, assignments: Sequence[Assignment], roles: dict[str, Role]
    ) -> None:
        agent = opened.agent
        granted = [a for a in assignments if not may_admit(agent, self.kind, a)]
        check_grants(agent, granted, roles)
        if not assignments and not any("users:manage" in g.may for g in agent.grants):
            raise ForbiddenError(WHERE_ADMITTED, why="admission-without-home")


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
