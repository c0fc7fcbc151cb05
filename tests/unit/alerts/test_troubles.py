"""What cannot be judged: the other chains go on, somebody is told, and it is tried again."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.access.visit import Visit, Visited, VisitRefusedError
from app.alerts import troubles, watched, watching
from app.alerts.judging import Conclude, Survey
from app.alerts.table import alert
from app.alerts.watching import Watching
from app.core.errors import AuditUnavailableError, CaretrailError
from app.detection.judging import judge as judge_rules
from tests.support.world import Person, World

RULE = "failed-sign-ins"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of its own for each test."""
    with World.at(tmp_path) as world:
        yield world


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that have gone by for detection."""
    gone = [0.0]
    monkeypatch.setattr(troubles, "monotonic", lambda: gone[0])
    return gone


@pytest.fixture
def other(world: World) -> str:
    """Another organisation, judged after the world's own or before."""
    return world.found("Other Care")


class Consumer:
    """A consumer of a world; `refusing` are organisations whose pieces cannot be ended."""

    def __init__(self, world: World) -> None:
        self.refusing: dict[str, VisitRefusedError] = {}
        self.tries = 0
        self._world = world
        self.watching = Watching(self._visit, lambda: world.now, hurry=True)

    async def _visit(self, one: Visit) -> Visited:
        org = getattr(one.credential, "org", "")
        if isinstance(one.work, Conclude | Survey) and org in self.refusing:
            self.tries += 1
            raise self.refusing[org]
        self._world.turn.serve([one])
        assert isinstance(one.outcome, Visited), one.outcome
        return one.outcome

    def look(self) -> None:
        """Look a few times."""
        for _ in range(3):
            asyncio.run(self.watching.look())


def guess(world: World, person: Person, times: int = 9) -> None:
    """Try a wrong password for somebody."""
    for _ in range(times):
        world.try_sign_in(person.username, "not the password", address="198.51.100.9")
        world.pass_time(seconds=20)


def judged(world: World) -> set[str]:
    """Return the organisations that were told of guessing."""
    return {row["org"] for row in world.rows(alert) if row["rule"] == RULE}


def refused(*, recorded: bool = True) -> VisitRefusedError:
    """Return a refusal, with an entry or without."""
    error: CaretrailError = CaretrailError(why="state-broken") if recorded else AuditUnavailableError()
    stamp: Any = object() if recorded else None
    return VisitRefusedError(error, stamp)


def test_one_that_fails_leaves_the_others_judged(
    world: World, other: str, seconds: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """The others hear within the look; after a minute somebody has to look; once it works all is well."""
    carers = world.person("carer"), world.person("carer", None, org=other)
    consumer = Consumer(world)
    consumer.refusing[world.org] = refused()
    for carer in carers:
        guess(world, carer)
    with caplog.at_level(logging.ERROR, troubles.logger.name):
        consumer.look()
        assert {other} == judged(world)
        assert consumer.watching.healthy
        seconds[0] += 61
        consumer.look()
    assert ["detection-put-off"] == [one.message for one in caplog.records]
    assert not consumer.watching.healthy
    behind = consumer.watching.gauges()["detection_lines_behind"]
    assert behind > len(world.entries(world.org)) / 2, "what was not judged is counted"

    consumer.refusing.clear()
    seconds[0] += 600
    consumer.look()
    assert consumer.watching.healthy
    assert {world.org, other} == judged(world)
    consumer.look()
    assert 0 == consumer.watching.gauges()["detection_lines_behind"]


@pytest.mark.parametrize(("recorded", "tries"), [(True, 8), (False, 60)])
def test_what_leaves_entries_is_tried_ever_less_often(
    world: World, seconds: list[float], recorded: bool, tries: int
) -> None:
    """In ten minutes a handful of entries; while the database is away every ten seconds, at no cost."""
    consumer = Consumer(world)
    world.person("carer")
    consumer.refusing[world.org] = refused(recorded=recorded)
    for _ in range(600):
        asyncio.run(consumer.watching.look())
        seconds[0] += 1

    assert tries - 2 <= consumer.tries <= tries


def test_where_nothing_can_be_asked_all_waits(world: World, seconds: list[float]) -> None:
    """Whoever cannot even find out what is behind tries again after a pause."""
    carer = world.person("carer")
    consumer = Consumer(world)
    consumer.refusing["system"] = refused(recorded=False)
    guess(world, carer)
    consumer.look()
    assert (1, set()) == (consumer.tries, judged(world))
    consumer.refusing.clear()
    seconds[0] += 11
    consumer.look()
    assert {world.org} == judged(world)


def test_a_rule_that_breaks_stops_its_chain_and_not_the_loop(
    world: World, other: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop goes on, the others are judged, health says no; when the rule works again so does all."""
    carers = world.person("carer"), world.person("carer", None, org=other)
    for carer in carers:
        guess(world, carer)
    right, broken = judge_rules, [True]

    def judge(state: Any, events: Any, facts: Any, settings: Any) -> Any:
        if broken and events and events[0].chain == world.org:
            raise ZeroDivisionError
        return right(state, events, facts, settings)

    monkeypatch.setattr(watched, "judge", judge)
    monkeypatch.setattr(troubles, "PUT_OFF_S", 0.05)
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 0.02)
    consumer = Consumer(world).watching

    async def until(done: set[str]) -> None:
        async with asyncio.timeout(20):
            while judged(world) != done:
                await asyncio.sleep(0.02)

    async def run() -> None:
        consumer.start()
        await until({other})
        assert not consumer.healthy
        broken.clear()
        await until({other, world.org})
        await asyncio.sleep(0.1)
        assert consumer.healthy
        await consumer.stop()

    with caplog.at_level(logging.CRITICAL, troubles.logger.name):
        asyncio.run(run())
    assert ["detection-stopped"] == [one.message for one in caplog.records]


def test_catching_up_does_not_hide_what_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command or a simulation that judges everything is told what could not be judged."""

    def judge(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(watched, "judge", judge)
    world.person("carer")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Consumer(world).watching.catch_up())


def test_what_one_process_cannot_judge_another_takes_at_once(world: World, seconds: list[float]) -> None:
    """A process that fails at a chain lets go of it: its lease is not prolonged by the others it judges."""
    carer = world.person("carer")
    first, second = Consumer(world), Consumer(world)
    first.look()
    guess(world, carer)
    first.refusing[world.org] = refused()
    first.look()
    assert set() == judged(world)

    second.look()

    assert {world.org} == judged(world)
