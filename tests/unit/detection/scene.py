"""Entries one after another, judged as they come: what the tests of the rules play."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.core.clock import spell
from app.detection.catalogue import defaults
from app.detection.event import Event
from app.detection.facts import Facts
from app.detection.finding import Finding
from app.detection.habit import Day
from app.detection.judging import judge
from app.detection.rule import Setting
from app.detection.state import State

ORG = "01a00000-0000-7000-8000-00000000000a"
START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
CARER = "carer"


@dataclass
class Scene:
    """A chain that grows. Findings are kept in `found`, in order."""

    chain: str = ORG
    at: datetime = START
    facts: Facts = field(default_factory=Facts)
    settings: dict[str, Setting] = field(default_factory=defaults)
    found: list[Finding] = field(default_factory=list)
    seq: int = 0

    def __post_init__(self) -> None:
        """Begin with nothing known."""
        self.state = State(self.chain)

    def only(self, rule: str, **thresholds: int) -> "Scene":
        """Judge by one rule alone, with these thresholds."""
        for name, setting in self.settings.items():
            chosen = thresholds if name == rule else {}
            self.settings[name] = replace(setting, enabled=name == rule, thresholds=chosen)
        return self

    def limit(self, rule: str, threshold: str) -> int:
        """Return a number of a rule for a carer."""
        return self.settings[rule].limit(threshold, [CARER])

    def happens(self, act: str, who: str | None = "ann", after_s: float = 20, **more: Any) -> list[Finding]:
        """Let one entry be made some seconds later, and return what is found at it."""
        self.at += timedelta(seconds=after_s)
        kind = "user" if who is not None else "system"
        residents = more.pop("about", ())
        given = {"roles": (CARER,), "session": f"session of {who}", "residents": tuple(residents), **more}
        event = Event(
            self.chain,
            self.seq,
            spell(self.at),
            self.at.timestamp(),
            act,
            actor=who or "system:x",
            kind=kind,
            **given,
        )
        self.seq += 1
        found = judge(self.state, [event], self.facts, self.settings)
        self.found += found
        return found

    def opens(self, resident: str, who: str = "ann", after_s: float = 20, **more: Any) -> list[Finding]:
        """Let somebody open a resident's records."""
        return self.happens("record.read", who, after_s, about=[resident], **more)

    def opens_many(
        self, count: int, who: str = "ann", after_s: float = 20, of: int = 10_000
    ) -> list[Finding]:
        """Let somebody open `count` records, of `of` residents in turn."""
        return [one for n in range(count) for one in self.opens(f"r{n % of}", who, after_s)]

    def worked(self, who: str, days: int, **numbers: Any) -> None:
        """Let somebody have been at work on days before, with the same numbers on each."""
        habit = self.state.habits.of(who)
        first = self.at.date() - timedelta(days=days)
        for n in range(days):
            day = Day((first + timedelta(days=n)).isoformat(), 1, roles=(CARER,), **deepcopy(numbers))
            habit.days.append(day)

    @property
    def rules(self) -> list[str]:
        """Return which rules told something, in order."""
        return [finding.rule for finding in self.found]
