"""Who is at the door: the agent, what was granted to them, and the place a question is about."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["user", "integration", "system"]

# After 30 days a discharged resident is seen only by those who still have a duty towards the record
# (contract, section 4, `GET /v1/residents`).
AFTER_CARE_ROLES = frozenset({"registered_manager", "deputy_manager", "administrator", "nurse"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question is asked: a home, perhaps a unit, perhaps one resident."""

    home_id: str | None
    unit: str | None = None
    resident_id: str | None = None
    after_care: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """One assignment, with the permissions its role has in this organisation.

    `home_id`, `unit` and `residents` of None mean: all of them.
    """

    role: str
    may: frozenset[str]
    home_id: str | None = None
    unit: str | None = None
    residents: frozenset[str] | None = None

    def covers(self, place: Place) -> bool:
        """Say whether the assignment reaches a place."""
        return (
            (self.home_id is None or self.home_id == place.home_id)
            and (self.unit is None or self.unit == place.unit)
            and (self.residents is None or place.resident_id in self.residents)
            and (not place.after_care or self.role in AFTER_CARE_ROLES)
        )

    @property
    def whole_organisation(self) -> bool:
        """Say whether the assignment is without any limit of place."""
        return self.home_id is None and self.unit is None and self.residents is None


@dataclass(frozen=True, slots=True)
class Agent:
    """A recognised caller, as of this turn."""

    org: str
    id: str
    kind: Kind
    grants: tuple[Grant, ...]
    roles: tuple[str, ...] = ()
    session_id: str | None = None
    device_id: str | None = None
    name_seq: int | None = None
    homes: tuple[str, ...] = field(default=())

    def homes_of(self, permission: str) -> frozenset[str] | None:
        """Return the homes all of which a permission reaches, not a unit or residents; None: everywhere."""
        homes = {
            grant.home_id
            for grant in self.grants
            if permission in grant.may and grant.unit is None and grant.residents is None
        }
        return None if None in homes else frozenset(home for home in homes if home is not None)


def system_agent(org: str, name: str) -> Agent:
    """Return the agent of the service itself, or of a command (`cli`). It may do everything."""
    return Agent(org, f"system:{name}", "system", (Grant("system", EVERYTHING),), roles=())


class _Everything(frozenset[str]):
    """A set that holds every permission: the service acting for itself."""

    __slots__ = ()

    def __contains__(self, _permission: object) -> bool:
        return True

    def issuperset(self, _other: object) -> bool:
        return True


EVERYTHING: frozenset[str] = _Everything()

STRANGER = Agent("system", "unknown", "user", ())
"""Somebody who is not known: a sign-in before it is through. The entry goes to the system's chain."""
