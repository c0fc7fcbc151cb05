"""Taking back who was answered already, before the commit begins."""

from app.access.operations import operation
from app.access.visit import Session, Visit, commit_begins, withdraw
from app.access.work import Work

OPERATION = operation("GET", "/v1/residents")


def visit() -> Visit:
    return Visit(Session("s", "o"), OPERATION, Work())


def test_a_commit_does_not_begin_when_one_was_taken_back():
    """One visit that was answered 503 stops the commit of its turn; the others may be taken back still."""
    taken, other = visit(), visit()
    assert withdraw(taken)

    assert not commit_begins([taken, other])
    assert not commit_begins([other, taken])
    assert ("withdrawn", "open") == (taken.fate, other.fate)
    assert withdraw(other)


def test_nobody_is_taken_back_once_the_commit_has_begun():
    """From then on nobody knows what comes of it, so nobody is told that nothing did."""
    visits = [visit(), visit()]

    assert commit_begins(visits)
    assert [False, False] == [withdraw(one) for one in visits]
    assert ["committing", "committing"] == [one.fate for one in visits]
