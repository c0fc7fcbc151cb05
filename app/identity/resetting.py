"""An operator gives somebody a new one-time password: the way back in when nobody can sign in.

It is what is left after a restore, when nobody knows what a password was changed to, and after a lost phone.
Whoever is let in chooses a password and sets up an authenticator like a new user.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import bindparam, select

from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.errors import NotFoundError
from app.identity.account_rows import (
    account_by_id,
    account_named,
    key_of,
    next_version,
    private_of,
    show_user,
    username_index,
)
from app.identity.session_rows import end_sessions
from app.identity.table import account

RESET = Operation("*", "*", "system", "self", "user.reset", 200)
_ANYWHERE = select(account.c.org, account.c.id).where(account.c.id == bindparam("which"))
NOBODY = "There is no such user: give the user name, or the id."


@dataclass
class FindAccount(Work):
    """Find an account by its user name or its id. Answers with its organisation and its id."""

    name: str
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return them."""
        row: Any = account_named(opened, username_index(opened, self.name))
        if row is None:
            row = opened.execute(_ANYWHERE, {"which": self.name}).first()
        if row is None:
            raise NotFoundError(NOBODY, why="unknown-name")
        return Answer((row.org, row.id))


@dataclass
class ResetAccount(Work):
    """Give an account a new one-time password and no authenticator, active. Its sessions end.

    Attributes:
        user_id: Whose.
        password_hash: Of the one-time password.
        reason: Why. Sealed.
    """

    user_id: str
    password_hash: str = field(repr=False)
    reason: str
    changes = True
    alone = True
    own_sql = True

    def asked(self) -> tuple[str, str | None]:
        """Return the user as asked."""
        return "user", self.user_id

    def perform(self, opened: Opened) -> Answer:
        """Write it and return the user."""
        row = account_by_id(opened, self.user_id, locked=True)
        if row is None:
            raise NotFoundError(NOBODY, why="user-not-found")
        key = key_of(opened, row)
        was = private_of(key, row)
        becomes = replace(was, secret=None, offered=None)
        wanted = row._replace(password_hash=self.password_hash, password_change_required=True, active=True)
        ended = FieldChange("sessions_ended", None, end_sessions(opened, row.id, "credentials-changed"))
        opened.note.reason = self.reason
        changed = next_version(
            opened, key, row, wanted, was, becomes, [FieldChange("password", None, "changed"), ended]
        )
        shown: dict[str, Any] = show_user(changed, becomes)
        return Answer(shown)
