"""Real processes judge one trail: killed at any moment, or several at once, they tell what one would."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.access.visit import System, Visit, Visited
from app.access.work import Work
from app.alerts.history import found_since
from app.alerts.judging import JUDGE
from app.alerts.table import alert, judged
from app.audit.table import head
from tests.support.forking import ROOT
from tests.support.served import Database, Deployment
from tests.support.world import START

ACCOUNTS, FAILURES = 25, 9
KILLS = 4


@pytest.fixture
def world(each_database: Database, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment with a trail nobody judged: many accounts, each tried too often, from different places."""
    world = Deployment.on(each_database, tmp_path)
    people = [world.person("carer", signed_in=False) for _ in range(ACCOUNTS)]
    for n, person in enumerate(people):
        for _ in range(FAILURES):
            world.try_sign_in(person.username, "not the password", address=f"198.51.100.{n}")
            world.pass_time(seconds=7)
    yield world
    world.close()


def started(world: Deployment, ahead: int = 0, piece: int = 5) -> subprocess.Popen[bytes]:
    """Start a process that judges this deployment."""
    asked = [str(world.folder), world.url, str(ahead), str(piece)]
    return subprocess.Popen([sys.executable, "-m", "tests.support.judging_process", *asked], cwd=ROOT)


def place(world: Deployment) -> int:
    """Return up to where the organisation's chain was judged."""
    query = select(judged.c.seq).where(judged.c.org == world.org, judged.c.chain == world.org)
    return int(world.looking(lambda c: c.execute(query).scalar()) or 0)


def size(world: Deployment) -> int:
    """Return how long the organisation's chain is."""
    query = select(head.c.size).where(head.c.org == world.org)
    return int(world.looking(lambda c: c.execute(query).scalar_one()))


def told(world: Deployment) -> Counter[tuple[str, str, tuple[int, ...], int]]:
    """Return what alerts tell: rule, subject, entries, and how many findings were folded into one."""
    rows = [row for row in world.rows(alert) if row["org"] == world.org]
    return Counter(
        (row["rule"], row["subject"], tuple(seq for _, seq in json.loads(row["entries"])), row["findings"])
        for row in rows
    )


def expected(world: Deployment) -> Counter[tuple[str, str, tuple[int, ...], int]]:
    """Return what judging everything in one go finds."""

    async def do(work: Work) -> Any:
        visit = Visit(System("test", world.org), JUDGE, work)
        world.turn.serve([visit])
        assert isinstance(visit.outcome, Visited), visit.outcome
        return visit.outcome.answer.payload

    found = asyncio.run(found_since(do, world.org, START))
    return Counter((one.rule, one.subject, one.entries, 1) for one in found)


def raised(world: Deployment) -> int:
    """Return how many entries tell of an alert."""
    return sum(entry["act"] == "alert.raise" for entry in world.entries())


def test_killed_at_any_moment_nothing_is_skipped_or_told_twice(world):
    """Processes are killed amid judging, one after the other; the last one finishes what they left."""
    for number in range(KILLS):
        before = place(world)
        process = started(world, ahead=30 * number)
        deadline = time.monotonic() + 120
        while place(world) < before + 20 and time.monotonic() < deadline:
            time.sleep(0.002)
        process.kill()
        process.wait(30)
        assert before < place(world) < size(world), "it was to be killed amid its work"
    last = started(world, ahead=30 * KILLS)

    assert 0 == last.wait(240)
    assert place(world) == size(world)
    assert told(world) == expected(world)
    assert ACCOUNTS == raised(world) == len(told(world))


def test_several_at_once_tell_what_one_would(world):
    """Three processes judge at the same time: one has the chain, and what is told is told once."""
    together = [started(world, piece=20) for _ in range(3)]

    assert [0, 0, 0] == [one.wait(240) for one in together]
    assert place(world) == size(world)
    assert told(world) == expected(world)
    assert ACCOUNTS == raised(world)
