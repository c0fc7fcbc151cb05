"""The throttle of sign-ins."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.identity.throttle import (
    ACCOUNT,
    SOURCE,
    Counter,
    Limit,
    admit,
    is_spent,
    read_failures,
    reported,
    spell_failures,
    succeeded,
    wait_after,
)

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
# Gaps between steps: none, little, and just below, at and above every limit of the rule.
EDGES = [m * MINUTE + d for m in (1, 4, 5, 10, 15, 60, 65) for d in (-TICK, timedelta(0), TICK)]
GAPS = st.sampled_from([timedelta(0), TICK, SECOND, 20 * SECOND, *EDGES])


def fail(times: int, at: datetime = START, limit: Limit = ACCOUNT, counter: Counter | None = None) -> Counter:
    for _ in range(times):
        verdict = admit(counter, at, limit)
        assert verdict.allowed
        counter = verdict.counter
    return counter or Counter()


@pytest.mark.parametrize(("limit", "failures"), [(ACCOUNT, 10), (SOURCE, 50)])
def test_failures_up_to_the_limit(limit, failures):
    """An account may fail ten times at once, a source fifty times; the next attempt waits 5 minutes."""
    counter = fail(failures, limit=limit)

    verdict = admit(counter, START, limit)

    assert (verdict.allowed, verdict.retry_after_s) == (False, 300)
    assert not admit(counter, START + 5 * MINUTE - TICK, limit).allowed
    assert admit(counter, START + 5 * MINUTE, limit).allowed


def test_window_slides():
    """A failure counts for exactly five minutes, not for the rest of some window."""
    counter = fail(5)
    counter = fail(4, START + 4 * MINUTE, counter=counter)

    assert admit(fail(1, START + 5 * MINUTE - TICK, counter=counter), START + 5 * MINUTE).allowed is False
    fail(5, START + 5 * MINUTE, counter=counter)
    fail(9, START + 9 * MINUTE, counter=counter)


def test_occasional_failures_never_wait():
    """Ten failures spread over more than five minutes are no reason to slow anybody down."""
    counter = None
    for n in range(100):
        counter = fail(1, START + n * 34 * SECOND, counter=counter)

    assert counter.waits == 0
    assert len(counter.failures) <= 9


def test_waits_grow_to_fifteen_minutes():
    """After a wait an account has one attempt, and each failure then waits longer: 5, 10, 15, 15."""
    counter, at, waits = fail(10), START, []
    for _ in range(5):
        verdict = admit(counter, at)
        waits.append(verdict.retry_after_s)
        at += verdict.retry_after_s * SECOND
        counter = fail(1, at, counter=verdict.counter)

    assert waits == [300, 600, 900, 900, 900]
    assert wait_after(1_000_000) == 15 * MINUTE


def test_source_has_five_attempts_after_a_wait():
    """A home behind one address may try five times after a wait, not once."""
    counter = fail(50, limit=SOURCE)
    counter = fail(5, START + 5 * MINUTE, SOURCE, counter)

    assert admit(counter, START + 5 * MINUTE, SOURCE).retry_after_s == 600


def test_waits_are_forgotten_after_an_hour():
    """An hour after the last wait an account may fail ten times again, not before."""
    counter = fail(10)
    over = START + 5 * MINUTE

    assert admit(fail(1, over + 60 * MINUTE - TICK, counter=counter), over + 60 * MINUTE).allowed is False
    fail(10, over + 60 * MINUTE, counter=counter)


def test_success_gives_back_its_own_attempt_only():
    """After a success the other failures of the window still count."""
    counter = fail(8)
    verdict = admit(counter, START + SECOND)
    counter = succeeded(verdict.counter, START + SECOND)

    assert counter.failures == (START,) * 8
    fail(2, START + SECOND, counter=counter)
    assert not admit(fail(2, START + SECOND, counter=counter), START + SECOND).allowed


def test_success_gives_back_one_of_several_at_one_instant():
    """Of attempts admitted at the same instant only the successful one is given back."""
    assert succeeded(fail(3), START).failures == (START, START)


def test_clock_put_back_does_not_keep_failures_alive():
    """Failures and refusals that lie in the future count as of now, so they are over in their time."""
    tomorrow = START + 24 * HOUR
    counter = fail(1, START, counter=fail(5, tomorrow))
    fail(10, START + 5 * MINUTE, counter=counter)

    refused = admit(admit(fail(10, tomorrow), tomorrow).counter, START).counter
    assert (refused.refused_since, refused.blocked_until) == (START, START + 15 * MINUTE)
    assert reported(refused, START + MINUTE)[0] == 2


def test_success_of_the_last_attempt_lifts_the_wait_it_caused():
    """Who gets the password right at the tenth attempt is not made to wait afterwards."""
    counter = fail(10)
    assert not admit(counter, START).allowed

    counter = succeeded(counter, START)

    assert (counter.blocked_until, counter.waits) == (None, 0)
    assert admit(counter, START).allowed


def test_success_forgets_earlier_waits():
    """Who signs in after a wait may fail ten times again."""
    counter = fail(10)
    over = START + 5 * MINUTE
    counter = succeeded(fail(1, over, counter=counter), over)

    fail(10, over, counter=counter)


def test_success_whose_attempt_was_forgotten_gives_nothing_back():
    """A success that comes after its attempt was forgotten takes no other failure away."""
    counter = fail(3)

    assert succeeded(counter, START + SECOND).failures == counter.failures
    assert succeeded(Counter(), START).failures == ()
    assert succeeded(fail(10), START - SECOND).blocked_until is not None


def test_parallel_attempts_share_the_limit():
    """Of a thousand attempts at one instant ten are let through."""
    counter, allowed = None, 0
    for _ in range(1000):
        verdict = admit(counter, START)
        counter, allowed = verdict.counter, allowed + verdict.allowed

    assert allowed == 10
    assert (counter.refused, counter.refused_since, counter.version) == (990, START, 1000)


def test_every_counter_to_be_stored_has_the_next_version():
    """The version rises by one with each, so that the conditional write notices what came between."""
    counter = fail(10)
    refused = admit(counter, START).counter

    assert counter.version == 10
    assert refused.version == 11
    assert succeeded(refused, START).version == 12
    assert reported(refused, START + MINUTE)[1].version == 12


def test_refusals_are_reported_when_their_minute_is_over():
    """Refused attempts become one report, a minute after the first of them, and are told once."""
    counter = fail(10)
    for seconds in (1, 30, 60):
        counter = admit(counter, START + seconds * SECOND).counter

    assert reported(counter, START + 61 * SECOND - TICK) == (0, counter)
    count, after = reported(counter, START + 61 * SECOND)
    assert count == 3
    assert reported(after, START + 600 * SECOND) == (0, after)
    assert replace(after, refused=3, refused_since=START + SECOND, version=13) == counter
    assert reported(Counter(), START) == (0, Counter())


def test_row_is_spent_when_nothing_in_it_counts():
    """A row may be deleted once failures, waits and refusals are all over and told."""
    counter = fail(3)
    waited = fail(10)
    refused = admit(waited, START).counter

    assert not is_spent(counter, START + 5 * MINUTE - TICK)
    assert is_spent(counter, START + 5 * MINUTE)
    assert not is_spent(waited, START + 65 * MINUTE - TICK)
    assert is_spent(waited, START + 65 * MINUTE)
    assert not is_spent(refused, START + 65 * MINUTE)
    assert is_spent(reported(refused, START + 65 * MINUTE)[1], START + 65 * MINUTE)


def test_failures_survive_storing():
    """The stored text gives the same instants back."""
    counter = fail(2, START + TICK, counter=fail(1))

    assert spell_failures(counter) == (
        "2026-03-01T10:00:00.000000Z 2026-03-01T10:00:00.000001Z 2026-03-01T10:00:00.000001Z"
    )
    assert read_failures(spell_failures(counter)) == counter.failures
    assert read_failures(spell_failures(Counter())) == ()


STEPS = st.lists(
    st.tuples(
        GAPS, st.sampled_from(["attempt", "attempt", "attempt", "success", "report"]), st.integers(0, 20)
    ),
    min_size=20,
    max_size=120,
)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.sampled_from([ACCOUNT, Limit(3, 1), Limit(6, 5), SOURCE]))
def test_no_five_minutes_hold_more_failures_than_the_limit(steps, limit):
    """Whatever attempts, late successes and reports come in between, the limit of the window holds."""
    counter, at = None, START
    under_way: list[datetime] = []
    for gap, step, which in steps:
        at += gap
        if step == "attempt":
            verdict = admit(counter, at, limit)
            counter = verdict.counter
            under_way += [at] if verdict.allowed else []
        elif step == "success" and under_way and counter:
            counter = succeeded(counter, under_way.pop(which % len(under_way)), limit)
        elif counter:
            counter = reported(counter, at)[1]

    # What never succeeded is a failure.
    for first in under_way:
        assert sum(first <= failure < first + 5 * MINUTE for failure in under_way) <= limit.failures


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(GAPS | GAPS.map(lambda gap: -gap), st.booleans()), max_size=80),
    st.sampled_from([ACCOUNT, SOURCE, Limit(2, 1)]),
)
def test_nobody_waits_longer_than_fifteen_minutes(steps, limit):
    """Whatever happened before, even to the clock, who waits as told - 1 to 900 seconds - is let in."""
    counter, at = None, START
    for gap, success in steps:
        at += gap
        verdict = admit(counter, at, limit)
        counter = verdict.counter
        if verdict.allowed:
            assert verdict.retry_after_s == 0
            counter = succeeded(counter, at, limit) if success else counter
        else:
            assert 1 <= verdict.retry_after_s <= 900
            assert admit(counter, at + verdict.retry_after_s * SECOND, limit).allowed
