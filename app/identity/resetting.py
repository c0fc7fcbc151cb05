"""An operator gives somebody a new one-time password: the way back in when nobody can sign in.

It is what is left after a restore, when nobody knows what a password was changed to, and after a lost phone.
Whoever is let in chooses a password and sets up an authenticator like a new user.

Who was deactivated was so by somebody's decision: that is not undone on the way. Who is inactive only since a
restore is let in.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from sqlalchemy import bindparam, select

from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit import indexing, reading
from app.audit.reading import Wanted
from app.core.errors import AuditUnavailableError, ConflictError, NotFoundError
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
from app.identity.throttle_subjects import account_subject
from app.identity.throttling import forgive

RESET = Operation("*", "*", "system", "self", "user.reset", 200)
_ANYWHERE = select(account.c.org, account.c.id).where(account.c.id == bindparam("which"))
DEACTIVATED = (
    "This user was deactivated, and a reset does not undo that. Ask a manager to reactivate the account, then"
    " reset it; or, where no manager can sign in, give --reactivate and say in --reason who decided it."
)
_SWITCHES = ("user.deactivate", "user.reactivate", "user.reset", "user.suspend")
ENTRIES_AT_ONCE = 200
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
    """Give an account a new one-time password and no authenticator, active and no longer slowed.

    Attributes:
        user_id: Whose.
        password_hash: Of the one-time password.
        reason: Why. Sealed.
        reactivate: Whoever was deactivated is let in, too.
    """

    user_id: str
    password_hash: str = field(repr=False)
    reason: str
    reactivate: bool = False
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
        if not row.active and not self.reactivate:
            if indexing.catch_up(opened.connection(), opened.org, indexing.LONGEST_PIECE):
                # What was indexed stays: the next try has less left to do
                return Answer(refusal=AuditUnavailableError(why="index-behind"))
            if _was_deactivated(opened, row.id):
                raise ConflictError(DEACTIVATED, why="deactivated")
        key = key_of(opened, row)
        was = private_of(key, row)
        becomes = replace(was, secret=None, offered=None)
        wanted = row._replace(password_hash=self.password_hash, password_change_required=True, active=True)
        ended = FieldChange("sessions_ended", None, end_sessions(opened, row.id, "credentials-changed"))
        opened.note.reason = self.reason
        changed = next_version(
            opened, key, row, wanted, was, becomes, [FieldChange("password", None, "changed"), ended]
        )
        forgive(opened, account_subject(opened, was.username, row))
        shown: dict[str, Any] = show_user(changed, becomes)
        return Answer(shown)


def _was_deactivated(opened: Opened, user_id: str) -> bool:
    """Say whether somebody decided that an inactive account is so; a restore may have suspended it since."""
    suspended = False
    for act in _switches(opened, user_id):
        if act != "user.suspend":
            return act == "user.deactivate"
        suspended = True
    return not suspended  # nothing is known of it any more: in doubt it was meant


def _switches(opened: Opened, user_id: str) -> Iterator[str]:
    """Yield what was done to an account that decides whether it is active, the newest first."""
    wanted = Wanted(out="ok", also=(tuple((indexing.ACT, act) for act in _SWITCHES),))
    before: int | None = None
    while True:
        page = reading.page(opened.connection(), opened.org, wanted, before, ENTRIES_AT_ONCE)
        for entry in page.entries:
            event = orjson.loads(entry.line)["e"]
            if event.get("obj", {}).get("id") == user_id:
                yield event["act"]
        if page.next is None:
            return
        before = page.next
