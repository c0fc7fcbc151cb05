"""Who may share a turn."""

from collections import deque
from dataclasses import dataclass

from app.access.door import MOST_BYTES, MOST_VISITS, share_a_turn
from app.access.operations import operation
from app.access.visit import Session, Visit
from app.access.work import Repeat, Work


@dataclass
class Touch(Work):
    row: str | None = None

    def touches(self) -> str | None:
        return self.row


@dataclass
class Alone(Work):
    alone = True


OPERATION = operation("PUT", "/v1/residents/{resident_id}/records/{record_id}")


def visit(work: Work, key: str | None = None, size: int = 0) -> Visit:
    repeat = Repeat(key, "r") if key else None
    return Visit(Session("s", "o"), OPERATION, work, repeat=repeat, bytes=size)


def test_everyone_who_waits_shares_a_turn_up_to_its_size():
    """A turn takes at most 64 visits and leaves the rest waiting in order."""
    waiting = deque(visit(Touch(str(n))) for n in range(70))
    expected = list(waiting)

    assert expected[:MOST_VISITS] == share_a_turn(waiting)
    assert expected[MOST_VISITS:] == list(waiting)


def test_two_changes_of_one_row_never_share_a_turn():
    """The second change keeps its place at the front for the next turn."""
    first, second, other = visit(Touch("a")), visit(Touch("a")), visit(Touch("b"))
    waiting = deque([first, second, other])

    assert [first, other] == share_a_turn(waiting)
    assert [second] == list(waiting)


def test_two_uses_of_one_idempotency_key_never_share_a_turn():
    """A repeat waits until the first use is committed."""
    first, second = visit(Touch("a"), "key"), visit(Touch("b"), "key")
    waiting = deque([first, second])

    assert [first] == share_a_turn(waiting)


def test_a_work_that_wants_to_be_alone_is():
    """What touches accounts or sessions shares its turn with nobody, and is not overtaken for long."""
    before, alone, after = visit(Touch("a")), visit(Alone()), visit(Touch("b"))
    waiting = deque([before, alone, after])

    assert [[before], [alone], [after]] == [share_a_turn(waiting) for _ in range(3)]


def test_a_turn_takes_a_bounded_number_of_bytes():
    """Large bodies are spread over turns; a single larger one still gets its turn."""
    half = MOST_BYTES // 2 + 1
    waiting = deque([visit(Touch("a"), size=half), visit(Touch("b"), size=half)])

    assert [1, 1] == [len(share_a_turn(waiting)) for _ in range(2)]
    assert 1 == len(share_a_turn(deque([visit(Touch("c"), size=MOST_BYTES * 3)])))
