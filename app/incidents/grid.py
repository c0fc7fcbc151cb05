"""The two-axis grid: what the system proposes. A person decides.

The grid is data with an edition (`grid.json`), each row with where it is from and whether that was read.
The rules have a threshold for each axis, the strictest rule first: likelihood 2 and impact 5 make 10 and
are nothing to report, likelihood 3 and impact 2 make 6 and are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from app.incidents.vocabulary import Decision, Known

LOWEST, HIGHEST = 1, 5


class Scores(NamedTuple):
    """A place on the grid."""

    likelihood: int
    impact: int


@dataclass(frozen=True, slots=True)
class Grid:
    """One edition of the grid.

    Attributes:
        edition: Which.
        rules: Lowest scores and what is proposed from there on, the strictest first.
        floor: What each score counts for at least, where people or data are of a special kind.
        plain: The whole, as it is shown.
    """

    edition: str
    rules: tuple[tuple[Scores, Decision], ...]
    floor: Scores
    plain: dict[str, Any]

    def counted(self, given: Scores, vulnerable: Known, special: Known) -> Scores:
        """Return what scores count for: not to know who or what is involved counts as involved."""
        if vulnerable == "no" and special == "no":
            return given
        return Scores(max(given.likelihood, self.floor.likelihood), max(given.impact, self.floor.impact))

    def propose(self, counted: Scores) -> Decision:
        """Return whom to tell, by the first rule of which both thresholds are met."""
        for lowest, proposal in self.rules:
            if counted.likelihood >= lowest.likelihood and counted.impact >= lowest.impact:
                return proposal
        return "none"


def read(text: bytes) -> Grid:
    """Return the grid of a file."""
    plain = orjson.loads(text)
    rules = tuple((Scores(row["likelihood"], row["impact"]), row["proposal"]) for row in plain["rules"])
    floor = Scores(plain["floor"]["likelihood"], plain["floor"]["impact"])
    return Grid(plain["edition"], rules, floor, plain)


GRID: Final = read((Path(__file__).parent / "grid.json").read_bytes())
"""The edition in use. Assessments keep the name of theirs."""
