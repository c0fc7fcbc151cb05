"""Canaries: a distinctive word in everything that is told of a resident, and who may ever meet it.

A canary names whose it is: `zq3c7n41z` is the 41st word about resident 3, in category 7. Who may see it
follows from the published matrix and the assignments alone; no code of the application is asked.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

MATRIX = json.loads((Path(__file__).parents[1] / "contract" / "permissions.json").read_text())
CATEGORIES: list[str] = MATRIX["categories"]
_CANARY = re.compile(r"zq(\d+)c(\d+)n(\d+)z")


class Canary(NamedTuple):
    """A word about a resident."""

    resident: int
    category: str
    number: int

    def __str__(self) -> str:
        return f"zq{self.resident}c{CATEGORIES.index(self.category)}n{self.number}z"


def canaries_in(text: str) -> Iterator[Canary]:
    """Yield the canaries in a text, each time they stand there."""
    for found in _CANARY.finditer(text):
        resident, category, number = map(int, found.groups())
        yield Canary(resident, CATEGORIES[category], number)


class Assigned(NamedTuple):
    """One assignment: a role and where it holds; None stands for everywhere."""

    role: str
    home_id: str | None
    unit: str | None = None
    residents: frozenset[str] | None = None


@dataclass
class Lodging:
    """Where a resident has ever lived, by their id, organisation, homes and units."""

    id: str
    org: str
    homes: set[str] = field(default_factory=set)
    units: set[str | None] = field(default_factory=set)


def may_ever_meet(assigned: set[Assigned], org: str, canary: Canary, lodging: Lodging) -> bool:
    """Say whether somebody with these assignments may be shown a canary.

    Somebody who moved, or whose assignments changed, is judged by all they ever had.
    """
    return org == lodging.org and any(
        "read" in MATRIX["roles"][one.role]["records"][canary.category]
        and (one.home_id is None or one.home_id in lodging.homes)
        and (one.unit is None or one.unit in lodging.units)
        and (one.residents is None or lodging.id in one.residents)
        for one in assigned
    )
