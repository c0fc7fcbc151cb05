"""A timeline for people: like entries that follow each other drawn together into one row. Pure.

Every single entry stands in `timeline.csv`. On paper nobody reads a thousand rows of the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from app.core.clock import parse
from app.incidents.deeds import category_of, deed_of
from app.incidents.scope import Reach

MOST_ROWS: Final = 300
PAUSE: Final = timedelta(minutes=15)
"""After so long a pause a new row begins."""


@dataclass(slots=True)
class Run:
    """Like entries that follow each other."""

    first: str
    last: str
    actor: str
    act: str
    deed: str
    category: str
    entries: int = 1
    residents: set[str] = field(default_factory=set)

    def goes_on(self, actor: str, act: str, deed: str, category: str, at: str) -> bool:
        """Say whether an entry belongs to it."""
        like = (self.actor, self.act, self.deed, self.category) == (actor, act, deed, category)
        return like and parse(at) - parse(self.last) <= PAUSE


@dataclass
class Timeline:
    """Rows drawn together from entries in their order.

    Attributes:
        left_out: How many entries came after the last row there is room for.
    """

    reach: Reach
    rows: list[Run] = field(default_factory=list)
    left_out: int = 0

    def take(self, line: Mapping[str, Any]) -> None:
        """Take an entry that counted."""
        event, at = line["e"], line["c"]["ts"]
        one = (event["actor"]["id"], event["act"], deed_of(event), category_of(event))
        new = not self.rows or not self.rows[-1].goes_on(*one, at)
        if self.left_out or (new and len(self.rows) >= MOST_ROWS):
            self.left_out += 1
            return
        if new:
            self.rows.append(Run(at, at, *one, entries=0))
        run = self.rows[-1]
        run.last, run.entries = at, run.entries + 1
        run.residents.update(self.reach.whom(event))
