"""How a rule tells what it found."""

from collections.abc import Callable, Iterable, Sequence

from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.finding import MOST_ENTRIES, MOST_RESIDENTS, Finding
from app.detection.rule import Setting
from app.detection.state import State

Judge = Callable[[State, Event, Facts, Setting], Finding | None]
"""A rule: looks at one entry, with all that is known when it was made."""


def tell(
    event: Event,
    setting: Setting,
    explanation: str,
    figures: dict[str, int | str],
    *,
    person: str | None = None,
    subject: str | None = None,
    entries: Sequence[int] = (),
    residents: Iterable[str] = (),
) -> Finding:
    """Return a finding. Its first figure is its size: when that doubles, it is told again.

    Args:
        event: The entry that completed it.
        setting: The rule as it is in force.
        explanation: What happened, with numbers, without names.
        figures: The numbers of it.
        person: Whose behaviour it is.
        subject: What it is about, unless it is that person.
        entries: What it rests on.
        residents: Whom it concerns.
    """
    return Finding(
        rule=setting.rule.name,
        severity=setting.severity,
        subject=subject or (f"user:{person}" if person is not None else "chain"),
        user_id=person,
        at=event.ts,
        chain=event.chain,
        entries=tuple(sorted({*entries, event.seq})[-MOST_ENTRIES:]),
        explanation=explanation,
        figures=figures,
        homes=event.homes,
        resident_ids=tuple(sorted(set(residents)))[:MOST_RESIDENTS],
    )


def size_of(finding: Finding) -> int:
    """Return how large a finding is."""
    return int(next(iter(finding.figures.values()), 1))
