"""A command's commit is watched to its end, whatever becomes of the watching."""

import threading

from app.access.operations import operation
from app.access.visit import Session, Visit, commit_begins
from app.access.without_door import serve
from app.access.work import Work


class StuckTurn:
    """A turn whose commits end only when its connection is cut, which fails so many times."""

    def __init__(self, *, failures: int = 0, commits: int = 1) -> None:
        self._failures, self._commits = failures, commits
        self._cut = threading.Event()
        self.cuts = 0
        self.came_back = 0

    def serve(self, visits: list[Visit]) -> None:
        for _ in range(self._commits):
            commit_begins(visits)
            self.came_back += self._cut.wait(5)
            self._cut.clear()

    def abandon(self) -> None:
        self.cuts += 1
        if self.cuts <= self._failures:
            raise ConnectionError("the connection was lost meanwhile")
        self._cut.set()


def served(turn: StuckTurn) -> tuple[int, int]:
    """Serve a visit; return how often the connection was cut and how many commits came back."""
    visit = Visit(Session("s", "o"), operation("GET", "/v1/residents"), Work())
    serve(turn, visit, patience_s=0.1)
    return turn.cuts, turn.came_back


def test_a_stuck_commit_is_cut():
    """Past its patience the connection is cut, once."""
    assert (1, 1) == served(StuckTurn())


def test_a_cut_that_failed_is_tried_again(caplog):
    """A watch that meets an error says so and goes on."""
    assert (3, 1) == served(StuckTurn(failures=2))
    assert 2 == sum(record.message == "commit-not-cut" for record in caplog.records)


def test_a_second_commit_is_watched_as_the_first():
    """What is tried once more after a cut may be stuck as well."""
    assert (2, 2) == served(StuckTurn(commits=2))
