"""What is kept of one resident and of one person while lines are counted. Pure."""

from dataclasses import dataclass, field
from typing import Any

from app.incidents.deeds import KINDS, OTHER

JsonObject = dict[str, Any]


@dataclass(slots=True)
class Tally:
    """How often what was done, and from when to when."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    first: str = ""
    last: str = ""

    def add(self, deed: str, at: str) -> None:
        """Count one entry. Entries come in the order of their instants."""
        self.counts[deed] = self.counts.get(deed, 0) + 1
        self.first, self.last = self.first or at, at


@dataclass(slots=True)
class OfResident(Tally):
    """What was done with one resident's data, by category, and by whom."""

    categories: dict[str, dict[str, int]] = field(default_factory=dict)
    actors: dict[str, int] = field(default_factory=dict)

    def told(self, resident: str) -> JsonObject:
        """Return it as it is answered."""
        rest = {"categories": self.categories, "actors": self.actors, "first": self.first, "last": self.last}
        return {"resident_id": resident, **self.counts, **rest}


@dataclass(slots=True)
class OfActor(Tally):
    """What one person did."""

    residents: set[str] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    devices: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    name_seq: int | None = None

    def told(self, actor: str) -> JsonObject:
        """Return it as it is answered."""
        return {
            "user_id": actor,
            "name": None,
            "roles": sorted(self.roles),
            **self.counts,
            OTHER: self.counts.get(OTHER, 0),
            "residents": len(self.residents),
            "sessions": len(self.sessions),
            "device_ids": sorted(self.devices),
            "first": self.first,
            "last": self.last,
        }
