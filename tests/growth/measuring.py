"""What is measured: works of the service, each in a turn of its own, in one trail and the other by turns."""

import random
import statistics
import time
from collections.abc import Callable

from app.identity.directory import ReadMe
from app.trail.events import AccessLog, ListEvents
from app.trail.proving import ProveEntry
from tests.growth.loading import NOTARY, Grown
from tests.unit.trail.stories import EVENTS, LOG

PROOF = "GET /v1/audit/events/{seq}/proof"
ME = "GET /v1/users/me"
PAGE = 50

Ask = Callable[[Grown, random.Random], None]


def append(grown: Grown, _chance: random.Random) -> None:
    """Have one short read served: its entry is most of the work."""
    grown.world.answer(ReadMe(), ME, grown.carer)


def prove(grown: Grown, chance: random.Random) -> None:
    """Ask for the proof of any entry."""
    work = ProveEntry(str(chance.randrange(grown.size)), NOTARY, grown.guards)
    assert grown.world.answer(work, PROOF, grown.auditor).payload


def filter_events(grown: Grown, _chance: random.Random) -> None:
    """Ask for the newest page of what one care worker did."""
    _page_of(grown, ListEvents(agent_id=grown.carer.id, limit=PAGE))


def filter_twice(grown: Grown, _chance: random.Random) -> None:
    """Ask for the newest page of what one care worker recorded: a rare list against a frequent one."""
    _page_of(grown, ListEvents(agent_id=grown.carer.id, act="record.create", limit=PAGE))


def _page_of(grown: Grown, work: ListEvents) -> None:
    assert PAGE == len(grown.world.answer(work, EVENTS, grown.auditor).payload["items"])


def read_access_log(grown: Grown, chance: random.Random) -> None:
    """Ask for the newest page of who looked at a resident."""
    work = AccessLog(chance.choice(grown.residents), limit=PAGE)
    assert PAGE == len(grown.world.answer(work, LOG, grown.auditor).payload["items"])


ASKED: dict[str, Ask] = {
    "append": append,
    "proof": prove,
    "filtered page of events": filter_events,
    "page with two filters": filter_twice,
    "access log of a resident": read_access_log,
}


def measured(trails: list[Grown], rounds: int) -> dict[str, list[float]]:
    """Return the median milliseconds of each question, a number for each trail."""
    return {name: _medians(ask, trails, rounds) for name, ask in ASKED.items()}


def _medians(ask: Ask, trails: list[Grown], rounds: int) -> list[float]:
    chance = random.Random(11)
    times: list[list[float]] = [[] for _ in trails]
    for number in range(rounds + rounds // 10):
        for taken, grown in zip(times, trails, strict=True):
            began = time.perf_counter()
            ask(grown, chance)
            if number >= rounds // 10:  # the first tenth warms up
                taken.append((time.perf_counter() - began) * 1000)
    return [statistics.median(taken) for taken in times]
