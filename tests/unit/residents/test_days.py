"""Days of residents are those of British clocks: in summer they begin at 23:00 UTC of the day before."""

from datetime import date, datetime

import pytest

from app.access.visit import System, Visited
from app.core.errors import ConflictError, InvalidRequestError
from app.residents.access_requests import (
    EXTEND,
    LIST,
    OPEN,
    ExtendRequest,
    ListRequests,
    OpenRequest,
)
from app.residents.admission import AdmitResident
from app.residents.amending import AmendResident
from app.residents.leaving import DischargeResident
from app.residents.register import ReadResident
from app.residents.retention import RetentionHoldError
from app.residents.reviewing import DUE, REVIEW, ListDue, Review

NIGHTS = pytest.mark.parametrize(
    ("instant", "today", "tomorrow"),
    [
        ("2026-07-01T23:30:00Z", "2026-07-02", "2026-07-03"),
        ("2026-07-01T22:30:00Z", "2026-07-01", "2026-07-02"),
        ("2026-12-01T23:30:00Z", "2026-12-01", "2026-12-02"),
        ("2026-03-28T23:30:00Z", "2026-03-28", "2026-03-29"),
        ("2026-03-29T23:30:00Z", "2026-03-30", "2026-03-31"),
        ("2026-10-24T23:30:00Z", "2026-10-25", "2026-10-26"),
        ("2026-10-25T23:30:00Z", "2026-10-25", "2026-10-26"),
    ],
)


def at(provider, instant):
    """Let it be an instant, and return the world and its command line."""
    world = provider.world
    world.clock.advance(datetime.fromisoformat(instant) - world.now)
    return world, System("cli", world.org)


def taken(outcome):
    """Say whether something was done; refused it is for its content."""
    assert isinstance(outcome, Visited | InvalidRequestError), outcome
    return isinstance(outcome, Visited)


@NIGHTS
def test_today_is_not_the_future(provider, instant, today, tomorrow):
    """Admission, discharge, a corrected admission and a request may be of today, and not of tomorrow."""
    world, cli = at(provider, instant)
    home, name, born = world.home, {"given_name": "A", "family_name": "B"}, {"date_of_birth": "1938-04-05"}
    resident = provider.admit(left_on=None)

    def did(work, operation):
        return taken(world.do(work, operation, cli))

    both = (tomorrow, today)
    came = [did(AdmitResident(home, None, None, name, born, d), "POST /v1/residents") for d in both]
    mended = [
        did(AmendResident(resident, 1, {"admitted_on": d}), "PATCH /v1/residents/{resident_id}") for d in both
    ]
    asked = [did(OpenRequest(resident, date.fromisoformat(d)), OPEN) for d in both]
    left = [
        did(DischargeResident(resident, d, "home"), "POST /v1/residents/{resident_id}/discharge")
        for d in both
    ]

    assert [[False, True]] * 4 == [came, mended, asked, left]


@pytest.mark.parametrize(
    ("instant", "sees"), [("2026-05-31T22:59:00Z", True), ("2026-05-31T23:00:00Z", False)]
)
def test_thirty_days_end_at_midnight_of_british_clocks(provider, instant, sees):
    """Whoever left on 1 May is seen by carers until 31 May is over."""
    world, _ = at(provider, "2026-05-02T09:00:00Z")
    resident = provider.admit(left_on="2026-05-01")
    at(provider, instant)

    outcome = world.do(ReadResident(resident), "GET /v1/residents/{resident_id}", world.person("carer"))
    assert sees == isinstance(outcome, Visited)


@pytest.mark.parametrize(
    ("instant", "kept"), [("2026-06-30T22:59:00Z", True), ("2026-06-30T23:00:00Z", False)]
)
def test_retention_ends_at_midnight_of_british_clocks(provider, instant, kept):
    """A record that is kept until 1 July is due, proposed and erased from that day's first minute."""
    resident = provider.admit(left_on="2018-07-01")
    world, cli = at(provider, instant)
    world.sign_in(provider.officer)
    due = world.answer(ListDue(), DUE, cli).payload["due"]
    proposed = world.do(Review(resident, "destroy", None, "appraised", "jo"), REVIEW, cli)

    assert ([] if kept else [resident]) == [one["resident_id"] for one in due]
    assert kept == isinstance(proposed, RetentionHoldError)


def test_a_record_is_kept_on_until_a_day_after_today(provider):
    """In a summer night the new day is today already: until then is no time to keep anything."""
    resident = provider.admit()
    world, cli = at(provider, "2026-07-01T23:30:00Z")
    days = [date(2026, 7, 2), date(2026, 7, 3)]
    works = [Review(resident, "continue", day, "x", "jo") for day in days]

    assert [False, True] == [taken(world.do(work, REVIEW, cli)) for work in works]


@pytest.mark.parametrize(
    ("instant", "left", "extends"), [("2026-07-01T22:30:00Z", 0, True), ("2026-07-01T23:30:00Z", -1, False)]
)
def test_a_month_is_over_at_midnight_of_british_clocks(provider, instant, left, extends):
    """A request that is due on 1 July is late, and cannot be extended, from the first minute of 2 July."""
    resident = provider.admit(left_on=None)
    world, cli = at(provider, "2026-06-01T09:00:00Z")
    request = world.answer(OpenRequest(resident, date(2026, 6, 1)), OPEN, cli).payload
    at(provider, instant)
    [listed] = world.answer(ListRequests(), LIST, cli).payload
    outcome = world.do(ExtendRequest(request["id"], "complex"), EXTEND, cli)

    assert (left, extends) == (listed["days_left"], isinstance(outcome, Visited))
    assert extends or isinstance(outcome, ConflictError)


@pytest.mark.parametrize(
    ("day", "opens"), [("2026-03-01", False), ("2026-03-02", True), ("2026-04-04", True)]
)
def test_a_request_may_be_older_than_the_return_of_somebody(provider, day, opens):
    """Who came back was known here before: a request counts since they were first recorded."""
    world, resident = provider.world, provider.admit(left_on="2026-03-02")
    _, cli = at(provider, "2026-04-06T09:00:00Z")
    back = {"status": "resident", "admitted_on": "2026-04-05"}
    world.sign_in(provider.manager)
    world.answer(AmendResident(resident, 2, back), "PATCH /v1/residents/{resident_id}", provider.manager)

    assert opens == taken(world.do(OpenRequest(resident, date.fromisoformat(day)), OPEN, cli))
