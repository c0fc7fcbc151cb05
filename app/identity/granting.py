"""No escalation: who may give, or take away, which assignment.

Nobody grants a role that holds a permission they lack, changes their own assignments, or gives an
assignment a wider scope than their own. Only what is added or removed is judged, so that a manager of
one home may change what somebody is there without touching what they are elsewhere.

Two rules of their own:

- `emergency:use` (break-glass) gives nothing but reading the clinical categories. A manager who reads
  them all anyway holds it in substance, or no manager could employ a carer.
- `agency:admit` admits an agency carer or agency nurse to the granter's home. That the role may then
  hold what the granter lacks is the point of it: at night the nurse in charge has to let the agency in.

Source: ACCESS-3 (ASVS 5.0 8.2.1, 8.3.1).
"""

from collections.abc import Iterable, Mapping, Set
from typing import Final

from sqlalchemy import bindparam, select

from app.access.agent import Agent, Grant
from app.access.categories import CATEGORIES
from app.access.opened import Opened
from app.core.errors import ForbiddenError, InvalidRequestError
from app.identity.assignments import POINTER, Assignment
from app.identity.recognising import Role, read_roles, vouched
from app.identity.table import home

ADMITTED_ROLES: Final = frozenset({"agency_carer", "agency_nurse"})
TOO_WIDE: Final = (
    "You do not manage users as far as this assignment reaches. Name a home, unit or residents within your"
    " own, or ask somebody who manages users there."
)
_CLINICAL = [c for c in ("identity", "identifiers", *CATEGORIES) if c not in ("finance", "safeguarding")]
IN_AN_EMERGENCY: Final = frozenset(f"{category}:read" for category in _CLINICAL)
"""What break-glass lets its user do: read the clinical categories of a resident."""

_HOMES = select(home.c.id).where(
    home.c.org == bindparam("of"), home.c.id.in_(bindparam("which", expanding=True))
)


def roles_of(opened: Opened) -> dict[str, Role]:
    """Return the roles of the caller's organisation, as they are now."""
    found = read_roles(opened.connection(), opened.keyring(), opened.org, opened.at)
    return {name: vouched(role) for name, role in found.items()}


def require_homes(opened: Opened, assignments: Iterable[Assignment]) -> None:
    """Refuse assignments to homes the organisation does not have."""
    named = list(assignments)
    wanted = sorted({a.home_id for a in named if a.home_id is not None})
    there = {row.id for row in opened.execute(_HOMES, {"of": opened.org, "which": wanted})} if wanted else ()
    errors = [
        (f"{POINTER}/{n}/home_id", "There is no such home.")
        for n, a in enumerate(named)
        if a.home_id is not None and a.home_id not in there
    ]
    if errors:
        raise InvalidRequestError(*errors)


def check_grants(agent: Agent, changed: Iterable[Assignment], roles: Mapping[str, Role]) -> None:
    """Refuse assignments the agent may neither give nor take away.

    Raises:
        ForbiddenError: One of them is wider than the agent's scope, or its role holds more.
    """
    for assignment in changed:
        within = [g for g in agent.grants if _within(g, assignment)]
        if not _held(within, "users:manage"):
            raise ForbiddenError(TOO_WIDE, why="scope-too-wide")
        known = roles.get(assignment.role)
        if known is not None and not all(_held(within, p) for p in known.may):
            raise ForbiddenError("Nobody grants what they lack themselves.", why="escalation")


def may_admit(agent: Agent, kind: str, assignment: Assignment) -> bool:
    """Say whether the agent may admit somebody of an agency with this assignment."""
    return (
        kind == "agency"
        and assignment.role in ADMITTED_ROLES
        and assignment.home_id is not None
        and any("agency:admit" in g.may and _within(g, assignment) for g in agent.grants)
    )


def _within(grant: Grant, assignment: Assignment) -> bool:
    """Say whether an assignment is no wider than a grant."""
    return (
        grant.home_id in (None, assignment.home_id)
        and grant.unit in (None, assignment.unit)
        and (grant.residents is None or _narrower(assignment.resident_ids, grant.residents))
    )


def _narrower(residents: tuple[str, ...] | None, than: Set[str]) -> bool:
    return residents is not None and set(residents) <= than


def _held(grants: list[Grant], permission: str) -> bool:
    if any(permission in g.may for g in grants):
        return True
    return permission == "emergency:use" and all(_held(grants, p) for p in IN_AN_EMERGENCY)
