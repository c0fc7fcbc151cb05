"""What the rules know beside the trail: shifts, places, rights, incidents. Plain data, handed in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Shift(NamedTuple):
    """A time on the rota, in seconds, and the home it is for."""

    starts: float
    ends: float
    home: str


class Happened(NamedTuple):
    """An incident of a resident: when it happened, since when it is known; in seconds."""

    occurred: float
    known: float


class Written(NamedTuple):
    """A record: when what it tells happened, and when it was written down first; in seconds."""

    occurred: float
    first: float


@dataclass(slots=True)
class Facts:
    """Facts about the people, residents and records of some entries.

    Attributes:
        shifts: Of each person, those around the entries.
        places: The place of each resident: home and unit in one word.
        kin: The residents who have a person's family name.
        powerful: Who holds far-reaching rights.
        reviewers: Who looks into alerts or incidents, or did when these entries were made.
        sizes: How many residents live in each home.
        created: Since when an account is there, in seconds.
        incidents: Of each resident, those known for at most a week.
        records: Of residents with incidents, those written lately.
        backup_at: When the last good backup ended, in seconds; None: none is made here.
    """

    shifts: Mapping[str, tuple[Shift, ...]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    kin: Mapping[str, frozenset[str]] = field(default_factory=dict)
    powerful: frozenset[str] = frozenset()
    reviewers: frozenset[str] = frozenset()
    sizes: Mapping[str, int] = field(default_factory=dict)
    created: Mapping[str, float] = field(default_factory=dict)
    incidents: Mapping[str, tuple[Happened, ...]] = field(default_factory=dict)
    records: Mapping[str, Written] = field(default_factory=dict)
    backup_at: float | None = None


def place_of(home: str, unit: str | None) -> str:
    """Return the word for a home's unit, or for a home without units."""
    return f"{home}/{unit}" if unit else home
