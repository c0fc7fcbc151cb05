"""Works of the background that keep failing with an entry: tried once a minute, whoever has them done."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.access.operation import Operation
from app.access.pauses import LONGEST_S, Pauses
from app.access.visit import Visit, Visited, VisitRefusedError
from app.access.work import Answer, Work
from app.audit.entry import Stamp
from app.core.errors import AuditUnavailableError, ConflictError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.identity.folding import FORGET_EVERY_S, fold_while_serving
from app.identity.past_sessions import ForgetSessions
from app.identity.repeats import ForgetOutdated
from app.identity.throttling import FoldThrottled
from app.jobs import scheduler
from app.jobs.past_runs import ForgetRuns
from app.jobs.scheduler import Job, Scheduler
from app.jobs.works import ClaimDue, PlanJobs
from app.operations import disk_watch
from app.operations.disk_watch import DiskWatch, TellOfDisk, WasFull
from app.storage.reserve import Reserve
from app.trail.clock_watch import ClockWatch, NewestInstant, RecordStep
from app.webhooks import delivering
from app.webhooks.claiming import AnyDue, ClaimMessages
from app.webhooks.delivering import Delivering
from app.webhooks.settling import PruneMessages
from tests.support.world import START

AN_HOUR_S = 3600
MOST_IN_AN_HOUR = AN_HOUR_S // LONGEST_S + 8
"""Once a minute, and the first few."""
FORGETTING = (ForgetOutdated, ForgetSessions, ForgetRuns)
ANSWERS: dict[type[Work], Any] = dict.fromkeys((*FORGETTING, PruneMessages), 0)
ANSWERS |= {AnyDue: True, ClaimMessages: []}


class Hour:
    """An hour that passes when somebody waits, and the works that are tried in it."""

    def __init__(self, fails: type[Work], *, entered: bool = True) -> None:
        self.seconds = 0.0
        self.tried: Counter[type[Work]] = Counter()
        self._fails = fails
        self._stamp = Stamp(SYSTEM, 7, b"leaf") if entered else None

    def now(self) -> float:
        return self.seconds

    async def wait(self, seconds: float) -> None:
        self.seconds += seconds
        if self.seconds > AN_HOUR_S:
            raise asyncio.CancelledError

    async def visit(self, visit: Visit) -> Visited:
        self.tried[type(visit.work)] += 1
        if isinstance(visit.work, self._fails):
            error = ConflictError() if self._stamp is not None else AuditUnavailableError()
            raise VisitRefusedError(error, self._stamp)
        return Visited(Answer(ANSWERS.get(type(visit.work))), None, START)


class Disk(Reserve):
    """A reserve that is in use, or there."""

    def __init__(self, *, spent: bool) -> None:
        super().__init__(Path("nowhere"))
        self.spent = spent

    def keep(self) -> bool:
        return not self.spent


def folding(hour: Hour, _: Settings) -> Callable[[], Awaitable[Any]]:
    return lambda: fold_while_serving(hour.visit, hour.now)


def watching_the_clock(hour: Hour, _: Settings) -> Callable[[], Awaitable[Any]]:
    """The clock is set back by ten seconds, once."""
    started = START + timedelta(hours=1)
    says = iter([started, started])
    return ClockWatch(hour.visit, lambda: next(says, started - timedelta(seconds=10)), hour.now).run


def repeated(look: Callable[[], Awaitable[Any]], hour: Hour, every: float) -> Callable[[], Awaitable[Any]]:
    async def run() -> None:
        while True:
            await look()
            await hour.wait(every)

    return run


def delivery(hour: Hour, settings: Settings) -> Callable[[], Awaitable[Any]]:
    one = Delivering(hour.visit, settings, now=hour.now)
    return repeated(one.look, hour, delivering.LOOK_EVERY_S)


def scheduling(hour: Hour, _: Settings) -> Callable[[], Awaitable[Any]]:
    job = Job("backup", "0 * * * *", Operation("*", "*", "system", "self", "backup.create", 200), vars)
    return repeated(Scheduler(hour.visit, (job,), now=hour.now).look, hour, scheduler.LOOK_EVERY_S)


def disk(hour: Hour, settings: Settings, *, spent: bool) -> Callable[[], Awaitable[Any]]:
    one = DiskWatch(hour.visit, settings, Disk(spent=spent), now=hour.now)
    return repeated(one.look, hour, disk_watch.LOOK_EVERY_S)


def full_disk(hour: Hour, settings: Settings) -> Callable[[], Awaitable[Any]]:
    return disk(hour, settings, spent=True)


def roomy_disk(hour: Hour, settings: Settings) -> Callable[[], Awaitable[Any]]:
    return disk(hour, settings, spent=False)


class Failing(NamedTuple):
    """What keeps failing, whose it is, and how often something else is done in the hour all the same."""

    work: type[Work]
    of: Callable[[Hour, Settings], Callable[[], Awaitable[Any]]]
    other: type[Work] | None = None
    at_least: int = 0


FAILING = [
    Failing(FoldThrottled, folding, ForgetOutdated, AN_HOUR_S // int(FORGET_EVERY_S) - 1),
    Failing(ForgetOutdated, folding, FoldThrottled, AN_HOUR_S),
    Failing(ForgetSessions, folding, ForgetRuns, AN_HOUR_S // int(FORGET_EVERY_S) - 1),
    Failing(ForgetRuns, folding, ForgetSessions, AN_HOUR_S // int(FORGET_EVERY_S) - 1),
    Failing(NewestInstant, watching_the_clock),
    Failing(RecordStep, watching_the_clock),
    Failing(PruneMessages, delivery, ClaimMessages, AN_HOUR_S - int(MOST_IN_AN_HOUR)),
    Failing(AnyDue, delivery, PruneMessages, 1),
    Failing(ClaimMessages, delivery, AnyDue, AN_HOUR_S),
    Failing(PlanJobs, scheduling),
    Failing(ClaimDue, scheduling, PlanJobs, 1),
    Failing(TellOfDisk, full_disk),
    Failing(WasFull, roomy_disk),
]


def run(failing: Failing, hour: Hour, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the hour pass."""
    monkeypatch.setattr(asyncio, "sleep", hour.wait)
    monkeypatch.setattr(disk_watch, "spaces", lambda _settings: [])
    going = failing.of(hour, Settings(data_dir=folder))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(going())  # type: ignore[arg-type]


@pytest.mark.parametrize("failing", FAILING, ids=lambda one: one.work.__name__)
def test_an_hour_of_failures_leaves_an_entry_a_minute(
    failing: Failing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what does not fail goes on meanwhile as it did."""
    hour = Hour(failing.work)
    run(failing, hour, tmp_path, monkeypatch)

    assert MOST_IN_AN_HOUR / 2 <= hour.tried[failing.work] <= MOST_IN_AN_HOUR
    assert failing.other is None or hour.tried[failing.other] >= failing.at_least


@pytest.mark.parametrize("failing", FAILING, ids=lambda one: one.work.__name__)
def test_what_fails_without_an_entry_is_tried_at_every_look(
    failing: Failing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A database that is away costs nothing that stays; the log says it once, not at every look."""
    hour = Hour(failing.work, entered=False)
    run(failing, hour, tmp_path, monkeypatch)
    told = Counter(one.message for one in caplog.records if one.levelno >= logging.ERROR)
    assert told.pop("disk-full", 0) <= AN_HOUR_S // disk_watch.SAY_AGAIN_S + 1

    assert hour.tried[failing.work] >= AN_HOUR_S // max(scheduler.LOOK_EVERY_S, disk_watch.LOOK_EVERY_S)
    assert all(count == 1 for count in told.values()), told


def _fail(pauses: Pauses, failed: VisitRefusedError) -> None:
    with pytest.raises(VisitRefusedError), pauses.trying("this"):
        raise failed


@pytest.mark.parametrize(
    "failed",
    [
        VisitRefusedError(ConflictError(), Stamp(SYSTEM, 7, b"leaf")),
        VisitRefusedError(AuditUnavailableError(), None),
        PermissionError(),
    ],
)
def test_what_failed_when_it_was_last_tried_is_known(failed: Exception) -> None:
    """Whatever it left behind, until the same thing goes well; while something is tried nothing is said."""
    pauses, told = Pauses(Hour(Work).now), []
    with pauses.trying("this"):
        told.append(pauses.failing)
    with pytest.raises(type(failed)), pauses.trying("this"):
        raise failed
    for what in ("other", "this"):
        with pauses.trying(what):
            told.append(pauses.failing)

    assert ([False, True, True], False) == (told, pauses.failing)


def test_a_pause_doubles_and_ends_with_success() -> None:
    """Half a second first, a minute at most; another thing is not held up."""
    hour = Hour(Work)
    pauses, lengths = Pauses(hour.now), []
    failed = VisitRefusedError(ConflictError(), Stamp(SYSTEM, 7, b"leaf"))
    for _ in range(9):
        _fail(pauses, failed)
        began = hour.seconds
        while pauses.wait_for("this"):
            hour.seconds += 0.5
        lengths.append(hour.seconds - began)
    _fail(pauses, failed)
    other = pauses.wait_for("other")
    with pauses.trying("this"):
        pass

    assert [0.5, 1, 2, 4, 8, 16, 32, 60, 60] == lengths
    assert (False, False) == (other, pauses.wait_for("this"))
