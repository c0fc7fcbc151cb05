"""Roles of databases that were founded before roles had entries: each gets one, once.

A check of the rows would call such roles inserted behind the service's back. When a service starts on a
chain without any entry about a role, it enters the roles as they stand, saying so (`role.adopt`): nothing
vouches for what they were before. A chain that has such entries never gets more: what stands in the table
beside them stays a finding.

The lines are asked for them, not the index: whoever can take rows out of the index could have roles adopted.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from app.access.drafting import further_entry
from app.access.opened import FieldChange, Note, Opened
from app.access.operation import Operation
from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.access.work import Answer, Work
from app.audit import stored
from app.audit import table as trail
from app.core.errors import AlteredRow
from app.core.identifiers import SYSTEM
from app.identity.organisations import role_state
from app.identity.table import organisation, role
from app.vault.sealing import refuse_altered

logger = logging.getLogger(__name__)

ADOPT = Operation("*", "*", "system", "self", "role.adopt", 200)
LINES_AT_ONCE = 2000
_ABOUT_ROLES = (b'"act":"role.create"', b'"act":"role.adopt"')
_DONE = b'"out":"ok"'


async def adopt_roles(visit: Callable[[Visit], Awaitable[Visited]]) -> None:
    """Enter the roles of every organisation whose chain has no entry about one. What fails is logged."""
    try:
        listed = await visit(Visit(System("upgrade", SYSTEM), ADOPT, ListOrganisations(), purpose="audit"))
        for org in listed.answer.payload:
            adopted = await visit(Visit(System("upgrade", org), ADOPT, AdoptRoles(), purpose="audit"))
            if adopted.answer.payload:
                logger.warning("roles-adopted", extra={"chain": org, "count": adopted.answer.payload})
    except VisitRefusedError as refused:
        logger.error("roles-not-adopted", extra={"why": refused.error.why})  # noqa: TRY400


@dataclass
class ListOrganisations(Work):
    """Return the ids of all organisations."""

    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Return the ids."""
        return Answer(list(opened.execute(select(organisation.c.id).order_by(organisation.c.id)).scalars()))


@dataclass
class AdoptRoles(Work):
    """Enter an organisation's roles, each with an entry of its own, if its chain has none about any."""

    silent = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return how many were entered.

        Raises:
            SealBrokenError: A role is not what its own digest says: nobody vouches for it.
        """
        connection, org = opened.connection(), opened.org
        # locked: another process may be at it, and one of them comes first
        head = select(trail.head.c.size).where(trail.head.c.org == org).with_for_update()
        if _has_role_entries(connection, org, opened.execute(head).scalar_one()):
            return Answer(0)
        rows = opened.execute(select(role).where(role.c.org == org)).all()
        key = opened.organisation_key()
        for row in rows:
            refuse_altered(row.state, role_state(key, row[:-1]), AlteredRow("role", row.name))
            opened.note = Note(homes=())
            change = FieldChange("permissions", None, row.permissions)
            opened.changed("role", row.name, row.version, row.state, [change], (org, key))
            opened.also.append(further_entry(opened, ADOPT.act))
        opened.note = Note()
        return Answer(len(rows))


def _has_role_entries(connection: Connection, org: str, size: int) -> bool:
    """Say whether a line tells of a role. Where there are such lines, they are among the first."""
    for start in range(0, size, LINES_AT_ONCE):
        lines = stored.lines(connection, org, start, min(size, start + LINES_AT_ONCE))
        if any(_DONE in line and any(sign in line for sign in _ABOUT_ROLES) for line in lines):
            return True
    return False
