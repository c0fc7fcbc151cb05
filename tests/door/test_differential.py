"""Turns of 64 against turns of 1: the same answers, the same entries, and nobody meets another's data.

Random histories of 64 people in every role and two organisations, each resident with canaries of their
own, are played in the turns the door forms and then, in the order the trail tells, one visit at a time.
`tests/campaigns/differential.py` plays many more.
"""

import os
from collections.abc import Callable

import pytest

from app.access.door import share_a_turn
from app.access.turn import Turn
from app.core.errors import AuditUnavailableError, OutcomeUnknownError
from tests.support import cast
from tests.support.broken_turns import (
    FailuresForgotten,
    RefusalsForgotten,
    RefusalUndone,
    ShiftedFacts,
    ShiftedResults,
    crowd,
    let_facts_decide_repeats,
    let_facts_decide_versions,
)
from tests.support.cast import Original
from tests.support.comparing import differences
from tests.support.histories import REPETITION, RIVALRY, SHARED, Playwright
from tests.support.playing import Memory, Place, Played, Player, Take

VISITS = 300
AUDIT_FAILED = {AuditUnavailableError.slug, OutcomeUnknownError.slug}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def dialect(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def original(dialect, request, tmp_path_factory) -> Original:
    """The database every history begins with."""
    if dialect == "sqlite":
        return cast.on_sqlite(tmp_path_factory.mktemp("original"))
    return cast.on_postgresql(request.getfixturevalue("postgresql_url"), f"differential_{os.getpid()}")


def play(
    original: Original,
    seed: int,
    take: Take = share_a_turn,
    turn: type[Turn] = Turn,
    mend: Callable[[], None] = lambda: None,
    shared: dict[str, int] = SHARED,
) -> tuple[Played, list[str]]:
    """Play a history in turns of a kind, then alone as it should be; return the first and what differs."""
    batches = Playwright(original.cast, seed, shared).write(VISITS)
    memory = Memory()
    together = Player(original.copy(turn), original.cast, memory).in_turns(batches, take)
    mend()
    alone = Player(original.copy(), original.cast, memory).alone(batches, together.turns)
    assert not alone.leaks
    return together, differences(together, alone)


def failed(played: Played) -> list[Place]:
    """Return the visits whose turn itself failed: a double that only raises differs, and proves nothing."""
    return [place for place, seen in played.seen.items() if seen.outcome in AUDIT_FAILED]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_turn_gives_what_its_visits_give_one_after_another(original, seed):
    """Answers, entries and rows are those of the same visits served alone, and no canary goes astray."""
    together, unlike = play(original, seed)

    assert [] == unlike
    assert [] == together.leaks
    assert len(together.seen) >= VISITS


def test_the_histories_have_what_they_are_to_show(original):
    """There are turns of 64, every kind of outcome, both organisations and canaries in the answers."""
    cast_of = original.cast
    played = [
        Player(original.copy(), cast_of, Memory()).in_turns(
            Playwright(cast_of, seed).write(VISITS), share_a_turn
        )
        for seed in (1, 2)
    ]

    assert max(len(places) for one in played for _, places in one.turns) == 64
    outcomes = {seen.outcome for one in played for seen in one.seen.values()}
    assert {"ok", "forbidden", "not-found", "version-conflict", "credentials-refused"} <= outcomes
    assert all(len(played[0].chains[org]) > 150 for org in original.cast.homes)
    assert any("zq" in repr(seen.payload) for one in played for seen in one.seen.values())


@pytest.mark.parametrize(("seed", "shared"), [(5, SHARED), (6, RIVALRY), (7, REPETITION)])
def test_the_conditional_writes_hold_where_the_door_keeps_nobody_apart(original, seed, shared):
    """Two changes of one row, or two uses of one key, in one turn end as if one had come after the other."""
    together, unlike = play(original, seed, crowd, shared=shared)

    assert [] == unlike
    assert [] == together.leaks


@pytest.mark.parametrize("broken", [ShiftedResults, ShiftedFacts])
def test_mixed_up_people_are_found(original, broken):
    """Answers or facts shifted by one show as differences and as canaries with the wrong caller."""
    together, unlike = play(original, 1, turn=broken)

    assert [] == failed(together)
    assert unlike
    assert together.leaks


@pytest.mark.parametrize("broken", [RefusalUndone, FailuresForgotten, RefusalsForgotten])
def test_forgotten_refusals_and_failures_are_found(original, broken):
    """A turn that undoes what a refusal wrote, or drops its entry, differs from visits served alone."""
    together, unlike = play(original, 1, turn=broken)

    assert [] == failed(together)
    assert unlike


def test_facts_that_decide_repeats_are_found(original, monkeypatch):
    """An idempotency key that only the gathered facts know of makes one thing twice."""
    let_facts_decide_repeats(monkeypatch)

    _, unlike = play(original, 7, crowd, mend=monkeypatch.undo, shared=REPETITION)

    assert unlike


def test_facts_that_decide_versions_are_found(original, dialect, monkeypatch):
    """A version that only the gathered facts know of lets two changes of it pass."""
    let_facts_decide_versions(monkeypatch, dialect)

    _, unlike = play(original, 6, crowd, mend=monkeypatch.undo, shared=RIVALRY)

    assert unlike
