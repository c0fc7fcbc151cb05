"""Somebody always stays who manages users for the whole organisation: a keeper.

Without one nobody could let people in again, over the API at least. Whoever ends accounts or takes
assignments away asks here first. Of two who end the last two keepers at the same moment, each would find
the other one still there; so every such change first takes one lock of the organisation, before any lock of
an account, and looks only then. Where the two end each other, the entry that came between stops the second
as well (`access.overtaking`); where others end them - deputies, operators - nothing but this lock does.
"""

from collections.abc import Mapping

from sqlalchemy import bindparam, select

from app.access.opened import Opened
from app.core.errors import ConflictError
from app.identity.granting import roles_of
from app.identity.holders import active_accounts, grants_of
from app.identity.recognising import Role
from app.identity.rows import AccountRow
from app.identity.table import organisation

KEEPS = "users:manage"
NOBODY_LEFT = (
    "Nobody would be left who manages users for the whole organisation and could undo this. Give a colleague"
    " that role first, or end the sessions of these people and leave their accounts as they are."
)
_LOCK = select(organisation.c.id).where(organisation.c.id == bindparam("of")).with_for_update(key_share=True)


def hold_keepers(opened: Opened) -> None:
    """Wait for others who end accounts or take assignments away, and have them wait for this turn.

    Take it before the lock of any account: whoever takes them the other way round may meet somebody who
    waits for them in turn.
    """
    opened.execute(_LOCK, {"of": opened.org})


def refuse_nobody_left(opened: Opened, becoming: Mapping[str, AccountRow]) -> None:
    """Refuse a change that takes away the last keeper. One that takes away none is no business of this.

    Args:
        opened: The attempt, which holds the keepers already (`hold_keepers`).
        becoming: The accounts that change, by id, as they are to be.

    Raises:
        ConflictError: A keeper is among them, and nobody is left who is one.
    """
    roles, active = roles_of(opened), active_accounts(opened)
    keepers = {row.id for row in active if _keeps(row, roles)}
    stay = {row.id for row in active if _keeps(becoming.get(row.id, row), roles)}
    if keepers and not stay:
        raise ConflictError(NOBODY_LEFT, why="nobody-left")


def _keeps(row: AccountRow, roles: Mapping[str, Role]) -> bool:
    if not row.active:
        return False
    return any(KEEPS in grant.may and grant.whole_organisation for grant in grants_of(row, roles))
