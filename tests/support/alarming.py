"""Findings as detection makes them, and a work that has alerts raised for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.visit import System
from app.access.work import Answer, Work
from app.alerts.raising import raise_alert
from app.detection.finding import Finding
from tests.support.world import World

DETECT = Operation("*", "*", "system", "self", "audit.housekeeping", 200)
AT = "2026-03-02T08:59:00.000000Z"
_subjects = count()


@dataclass
class Raise(Work):
    """Have alerts raised, as the consumer of the trail does."""

    findings: Sequence[Finding]
    changes = True
    alone = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return the ids of the alerts, in order."""
        return Answer([raise_alert(opened, finding) for finding in self.findings])


def finding(org: str, *homes: str, **more: Any) -> Finding:
    """Return a finding about nobody in particular; `more` are further members."""
    plain = Finding(
        rule="refusals",
        severity="medium",
        subject=f"source:{next(_subjects):032x}",
        user_id=None,
        at=AT,
        chain=org,
        entries=(),
        explanation="40 requests were refused within an hour.",
        figures={"refused": 40},
        homes=homes,
    )
    return replace(plain, **more)


def raised(world: World, *findings: Finding, org: str | None = None) -> list[str]:
    """Have alerts raised for findings in one turn, and return their ids."""
    ids: list[str] = world.answer(Raise(findings), DETECT, System("detection", org or world.org)).payload
    return ids
