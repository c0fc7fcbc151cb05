"""The shapes of the grid incidents are scored on."""

from app.http.shapes import Answered
from app.incidents.vocabulary import Decision


class SourcedOut(Answered):
    """A text of the grid, with where it is from and whether that was read."""

    text: str
    verified: bool
    source: str


class ScoreOut(SourcedOut):
    """What a score means."""

    score: int


class FloorOut(SourcedOut):
    """What each score counts for at least, where people or data are of a special kind."""

    likelihood: int
    impact: int


class ProposalOut(SourcedOut):
    """Whom to tell."""

    proposal: Decision


class GridRuleOut(ProposalOut):
    """The lowest scores from which it is proposed whom to tell."""

    likelihood: int
    impact: int


class GridOut(Answered):
    """The grid: an edition of it, each row with where it is from and whether that was read."""

    edition: str
    title: str
    verified: bool
    about: str
    likelihood: list[ScoreOut]
    impact: list[ScoreOut]
    floor: FloorOut
    rules: list[GridRuleOut]
    otherwise: ProposalOut
