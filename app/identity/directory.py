"""Reading users and roles: the directory of an organisation's people and what their roles may do."""

from dataclasses import dataclass

import orjson
from sqlalchemy import bindparam, select

from app.access import cursors
from app.access.opened import Opened
from app.access.sifting import Sieve
from app.access.work import Answer, Work
from app.core.errors import AlteredRow
from app.identity.account_rows import key_of, private_of, show_user
from app.identity.defaults import MATRIX
from app.identity.organisations import role_state
from app.identity.reach import may_read, readable_account, readable_by
from app.identity.rows import AccountRow
from app.identity.table import account, role
from app.vault.sealing import refuse_altered

_ROLES = select(role).where(role.c.org == bindparam("of")).order_by(role.c.name)
_SAME_FOR_ALL = ("actions", "categories", "organisation_wide_only", "own_amendment")


@dataclass
class ReadMe(Work):
    """Read one's own account."""

    def perform(self, opened: Opened) -> Answer:
        """Return the caller as a user."""
        row: AccountRow = opened.facts.account
        opened.note.object = ("user", row.id)
        return _shown(opened, row)


@dataclass
class ReadAccount(Work):
    """Read one user."""

    user_id: str

    def asked(self) -> tuple[str, str | None]:
        """Return the user as asked."""
        return "user", self.user_id

    def perform(self, opened: Opened) -> Answer:
        """Return the user."""
        return _shown(opened, readable_account(opened, self.user_id))


def _shown(opened: Opened, row: AccountRow) -> Answer:
    opened.note.version, opened.note.count = row.version, 1
    return Answer(show_user(row, private_of(key_of(opened, row), row)), version=row.version)


@dataclass
class ListAccounts(Work):
    """List the users the caller reaches, newest first."""

    limit: int = 50
    cursor: str | None = None

    def perform(self, opened: Opened) -> Answer:
        """Return a page of users."""
        query = [self.limit]
        after = cursors.read(opened, query, self.cursor)
        everybody = Sieve(
            opened, account, AccountRow, [readable_by(opened.agent)], lambda row: may_read(opened.agent, row)
        )
        page = everybody.page(self.limit, after)
        items = [show_user(row, private_of(key_of(opened, row), row)) for row in page.rows]
        opened.note.count = len(items)
        onward = cursors.make(opened, query, page.after) if page.after else None
        return Answer({"items": items, "next_cursor": onward})


@dataclass
class ListRoles(Work):
    """Show the organisation's permission matrix."""

    def perform(self, opened: Opened) -> Answer:
        """Return the roles in the shape of `permissions.json`, and the version of each.

        Raises:
            SealBrokenError: One of them was changed behind the service's back.
        """
        rows = opened.execute(_ROLES, {"of": opened.org}).all()
        key = opened.organisation_key()
        for row in rows:
            refuse_altered(row.state, role_state(key, row[:-1]), AlteredRow("role", row.name))
        opened.note.count = len(rows)
        matrix = {name: MATRIX[name] for name in _SAME_FOR_ALL}
        roles = {
            row.name: {"for": row.about, "user_kind": row.user_kind} | orjson.loads(row.permissions)
            for row in rows
        }
        versions = {row.name: row.version for row in rows}
        return Answer(matrix | {"roles": roles, "versions": versions})
