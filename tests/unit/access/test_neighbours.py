"""When a head is compared as it was gathered, and when it is locked at once."""

from typing import Any

from app.access.attempt import Attempt
from app.access.neighbours import WARY_TURNS, Neighbours
from app.access.operations import OPERATIONS
from app.access.visit import System, Visit
from app.access.work import Facts, Work
from app.audit.entry import Draft, Stamp
from app.audit.stored import HeadRow

ORG, OTHER = "org", "other"


def head(size: int, org: str = ORG) -> HeadRow:
    return HeadRow(org, size, bytes(32), "", b"")


def attempts(*heads: HeadRow | None) -> list[Attempt]:
    visit = Visit(System("cli", ORG), OPERATIONS["GET /v1/homes"], Work())
    return [Attempt(visit, Facts(head=one)) for one in heads]


def drafts(*orgs: str) -> list[Draft]:
    return [Draft(org, {}) for org in orgs]


def stamps(*seqs: int) -> list[Stamp]:
    return [Stamp(ORG, seq, bytes(32)) for seq in seqs]


def turn(neighbours: Neighbours, gathered: int, written: int) -> bool:
    """Serve one turn of one entry; say whether its head was compared."""
    standing = neighbours.standing(attempts(head(gathered)), drafts(ORG))
    neighbours.left(stamps(written), standing)
    return standing is not None


def test_alone_a_process_compares_the_head_it_gathered():
    """Nobody else moves it: one statement, turn after turn."""
    neighbours = Neighbours()

    assert all(turn(neighbours, n, n) for n in range(3 * WARY_TURNS))


def test_only_the_head_of_the_chain_that_is_written_to_counts():
    """It may be gathered with any visit of the turn; with several chains all are locked."""
    neighbours = Neighbours()

    assert neighbours.standing(attempts(None, head(7, OTHER), head(5)), drafts(ORG, ORG)) == head(5)
    assert neighbours.standing(attempts(head(5)), drafts(OTHER)) is None
    assert neighbours.standing(attempts(head(5), head(7, OTHER)), drafts(ORG, OTHER)) is None


def test_a_head_that_stands_where_somebody_else_left_it_is_locked_for_a_while():
    """Another process appends: its next entry would most likely come between again."""
    neighbours = Neighbours()
    turn(neighbours, 0, 0)

    met: list[Any] = [turn(neighbours, n, n) for n in range(5, 5 + WARY_TURNS + 1)]

    assert met == [False] * WARY_TURNS + [True]


def test_a_head_that_moved_while_it_was_compared_is_locked_for_a_while():
    """What was gathered looked like one's own, and another process held the chain."""
    neighbours = Neighbours()
    turn(neighbours, 0, 0)
    turn(neighbours, 1, 9)

    met = [turn(neighbours, n, n) for n in range(10, 10 + WARY_TURNS + 1)]

    assert met == [False] * WARY_TURNS + [True]
