"""The watch at the door: never a hang, never a false success."""

import asyncio
import threading
from typing import Any

import pytest

from app.access.door import Door
from app.access.operations import operation
from app.access.visit import Session, Visit, Visited, VisitRefusedError, commit_begins
from app.access.work import Answer, Work
from app.core.clock import SystemClock
from app.core.errors import AuditUnavailableError, CaretrailError, OutcomeUnknownError

OPERATION = operation("GET", "/v1/residents")


def visit() -> Visit:
    return Visit(Session("s", "o"), OPERATION, Work())


class SlowTurn:
    """A turn that stops where it is told to, until its connection is cut."""

    def __init__(self, *, committing: bool = False, dies: bool = False, stuck: bool = True) -> None:
        self._commits = committing
        self._dies = dies
        self.served: list[list[Visit]] = []
        self.stuck = threading.Event()
        self.cut = threading.Event()
        if not stuck:
            self.cut.set()

    def serve(self, visits: list[Visit]) -> None:
        self.served.append(visits)
        if self._commits:
            commit_begins(visits)
        self.stuck.set()
        self.cut.wait(10)
        if self._dies:
            raise SystemExit
        for one in visits:
            one.outcome = Visited(Answer("late"), None, SystemClock().now())

    def abandon(self) -> None:
        self.cut.set()


class PromptTurn:
    """A turn that serves at once and remembers how many shared it."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go = threading.Event()

    def serve(self, visits: list[Visit]) -> None:
        self.go.wait(5)
        self.sizes.append(len(visits))
        for one in visits:
            one.outcome = Visited(Answer(id(one)), None, SystemClock().now())

    def abandon(self) -> None:
        raise AssertionError("nothing is late here")


async def refused_with(door: Door) -> CaretrailError:
    with pytest.raises(VisitRefusedError) as caught:
        await asyncio.wait_for(door.visit(visit()), 3)
    return caught.value.error


@pytest.mark.parametrize(
    ("committing", "expected"), [(False, AuditUnavailableError), (True, OutcomeUnknownError)]
)
def test_a_turn_that_overruns_is_answered_and_cut(committing, expected):
    """Past its deadline a turn is answered 503; `outcome-unknown` only if it was committing."""

    async def story() -> tuple[CaretrailError, bool]:
        turn = SlowTurn(committing=committing)
        door = Door(turn, deadline_s=0.2)
        door.open()
        error = await refused_with(door)
        cut = turn.cut.is_set()
        await door.close()
        return error, cut

    error, cut = asyncio.run(story())

    assert expected is type(error)
    assert cut


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_turn_thread_dies_everyone_is_answered_and_newcomers_too():
    """A dead thread means 503 at once, for who waits and for who comes."""

    async def story() -> list[type[CaretrailError]]:
        door = Door(SlowTurn(dies=True, stuck=False))
        door.open()
        errors = [type(await refused_with(door)), type(await refused_with(door))]
        await door.close()
        return errors

    assert [AuditUnavailableError] * 2 == asyncio.run(story())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("committing", "expected"), [(False, AuditUnavailableError), (True, OutcomeUnknownError)]
)
def test_of_a_turn_whose_thread_died_nobody_is_told_more_than_is_known(committing, expected):
    """Once the commit had begun, a thread that dies leaves the outcome unknown, and that is said."""

    async def story() -> type[CaretrailError]:
        door = Door(SlowTurn(committing=committing, dies=True, stuck=False))
        door.open()
        error = type(await refused_with(door))
        await door.close()
        return error

    assert expected is asyncio.run(story())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_waits_for_a_turn_that_no_thread_is_left_to_serve_is_answered():
    """Who came while the thread was in its last turn is in no turn: the watch answers."""

    async def story() -> tuple[list[type[CaretrailError]], int]:
        turn = SlowTurn(dies=True)
        door = Door(turn)
        door.open()
        first = asyncio.ensure_future(refused_with(door))
        await asyncio.to_thread(turn.stuck.wait, 5)
        others = [asyncio.ensure_future(refused_with(door)) for _ in range(2)]
        await asyncio.sleep(0.05)
        turn.cut.set()
        errors = [type(error) for error in await asyncio.gather(first, *others)]
        await door.close()
        return errors, len(turn.served)

    assert ([AuditUnavailableError] * 3, 1) == asyncio.run(story())


class UncuttableTurn(SlowTurn):
    """A stuck turn whose connection cannot be cut, but for the last time."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.left = failures

    def abandon(self) -> None:
        self.left -= 1
        if self.left >= 0:
            raise ConnectionError("the connection was lost meanwhile")
        super().abandon()


def test_the_watch_goes_on_when_a_connection_cannot_be_cut():
    """Who comes after a cut that failed is answered at the deadline as well, and it is tried again."""

    async def story() -> tuple[list[type[CaretrailError]], list[str], bool]:
        failures: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, told: failures.append(type(told["exception"]).__name__)
        )
        turn = UncuttableTurn(2)
        door = Door(turn, deadline_s=0.2)
        door.open()
        errors = [type(await refused_with(door)), type(await refused_with(door))]
        cut = await asyncio.to_thread(turn.cut.wait, 3)
        await door.close()
        return errors, failures, cut

    assert ([AuditUnavailableError] * 2, ["ConnectionError"] * 2, True) == asyncio.run(story())


def test_who_was_answered_while_waiting_is_in_no_later_turn():
    """An answered visit is left out of the turn it waited for, which serves the others."""

    async def story() -> tuple[list[type[CaretrailError]], Any, list[int]]:
        turn = SlowTurn()
        door = Door(turn, deadline_s=0.2)
        door.open()
        late = [asyncio.ensure_future(refused_with(door))]
        await asyncio.to_thread(turn.stuck.wait, 5)
        late += [asyncio.ensure_future(refused_with(door)) for _ in range(2)]
        errors = [type(error) for error in await asyncio.gather(*late)]
        answered = await door.visit(visit())
        await door.close()
        return errors, answered.answer.payload, [len(visits) for visits in turn.served if visits]

    assert ([AuditUnavailableError] * 3, "late", [1, 1]) == asyncio.run(story())


def test_a_full_room_refuses_newcomers_at_once():
    """The waiting room is bounded; who does not fit is told to come again."""

    async def story() -> CaretrailError:
        turn = PromptTurn()
        door = Door(turn, room=2)
        door.open()
        inside = [asyncio.ensure_future(door.visit(visit())) for _ in range(2)]
        await asyncio.sleep(0.05)
        error = await refused_with(door)
        turn.go.set()
        await asyncio.gather(*inside)
        await door.close()
        return error

    error = asyncio.run(story())

    assert ("busy", 2) == (error.why, error.retry_after)


def test_those_who_come_while_a_turn_runs_share_the_next_and_get_their_own_answer():
    """No timer: the turn under way is the batching window. No answer reaches another caller."""

    async def story() -> tuple[list[int], bool]:
        turn = PromptTurn()
        door = Door(turn)
        door.open()
        visits = [visit() for _ in range(41)]
        first = asyncio.ensure_future(door.visit(visits[0]))
        await asyncio.sleep(0.05)
        others = [asyncio.ensure_future(door.visit(v)) for v in visits[1:]]
        await asyncio.sleep(0.05)
        turn.go.set()
        answers = await asyncio.gather(first, *others)
        await door.close()
        own = all(answer.answer.payload == id(v) for v, answer in zip(visits, answers, strict=True))
        return turn.sizes, own

    sizes, own = asyncio.run(story())

    assert [1, 40] == sizes
    assert own


def test_a_caller_who_leaves_does_not_stop_the_turn():
    """The entry stands, the commit is never cancelled, and the next caller is served."""

    async def story() -> list[int]:
        turn = PromptTurn()
        door = Door(turn)
        door.open()
        leaving = asyncio.ensure_future(door.visit(visit()))
        await asyncio.sleep(0.05)
        leaving.cancel()
        turn.go.set()
        await door.visit(visit())
        await door.close()
        return turn.sizes

    assert [1, 1] == asyncio.run(story())


def test_closing_serves_who_is_inside_and_refuses_who_comes():
    """A graceful end leaves nobody waiting."""

    async def story() -> tuple[bool, CaretrailError]:
        turn = PromptTurn()
        door = Door(turn)
        door.open()
        inside = asyncio.ensure_future(door.visit(visit()))
        await asyncio.sleep(0.05)
        turn.go.set()
        await door.close()
        return isinstance(await inside, Visited), await refused_with(door)

    served, error = asyncio.run(story())

    assert served
    assert AuditUnavailableError is type(error)
