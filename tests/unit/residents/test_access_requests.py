"""Requests for access: their deadline, and who is told of it."""

from datetime import date

import pytest
from sqlalchemy import text

from app.access.visit import System
from app.core.errors import ConflictError, InvalidRequestError, NotFoundError, SealBrokenError
from app.residents.access_requests import (
    ANSWER,
    EXTEND,
    LIST,
    OPEN,
    AnswerRequest,
    ExtendRequest,
    ListRequests,
    OpenRequest,
    due_on,
)
from app.residents.admission import AdmitResident

ADMIT = "POST /v1/residents"
PERSON = ({"given_name": "Ada", "family_name": "Example"}, {"date_of_birth": "1938-04-05"})
TODAY = date(2026, 3, 2)


def do(provider, work, operation):
    """Do a work as the command line does, and return what it answers."""
    return provider.world.answer(work, operation, System("cli", provider.world.org)).payload


def refused(provider, work, operation):
    """Return how a work of the command line is refused."""
    return provider.world.refusal(work, operation, System("cli", provider.world.org))


@pytest.mark.parametrize(
    ("received", "months", "due"),
    [
        ("2026-03-02", 1, "2026-04-02"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-11-30", 3, "2027-02-28"),
        ("2026-10-01", 3, "2027-01-01"),
    ],
)
def test_a_month_ends_on_the_same_day_or_the_last(received, months, due):
    """The deadline is the day with the same number, or the last of a shorter month."""
    assert date.fromisoformat(due) == due_on(date.fromisoformat(received), months)


def test_a_request_is_opened_extended_and_answered_with_an_entry_each(provider):
    """Each step is an entry that names the resident; days are counted down; rows and lines agree."""
    resident = provider.admit()
    opened = do(provider, OpenRequest(resident, date(2026, 2, 20)), OPEN)
    extended = do(provider, ExtendRequest(opened["id"], "three thousand notes"), EXTEND)
    waiting = do(provider, ListRequests(), LIST)
    answered = do(provider, AnswerRequest(opened["id"]), ANSWER)

    assert ("open", "2026-03-20", 18) == tuple(opened[k] for k in ("status", "due_on", "days_left"))
    assert ("extended", "2026-05-20", 79) == tuple(extended[k] for k in ("status", "due_on", "days_left"))
    assert ([extended], ("answered", None)) == (waiting, (answered["status"], answered["days_left"]))
    assert ([], 1) == (do(provider, ListRequests(), LIST), len(do(provider, ListRequests(True), LIST)))
    told = [(e["act"], e.get("subs")) for e in provider.world.entries() if "resident.access" in e["act"]]
    acts = [f"resident.access_{name}" for name in ("request", "extend", "list", "answer")]
    assert [(act, [resident]) for act in acts] == told[:4]
    assert [] == provider.findings()
    assert b"three thousand" not in provider.row("access_request", id=opened["id"])["reason"]


@pytest.mark.parametrize(("days", "late"), [(31, False), (32, True)])
def test_an_extension_is_told_within_the_month(provider, days, late):
    """On the last day it can still be extended; a day later it is late, and says so."""
    opened = do(provider, OpenRequest(provider.admit(), TODAY), OPEN)
    provider.world.pass_time(days=days)

    [waiting] = do(provider, ListRequests(), LIST)
    assert 31 - days == waiting["days_left"]
    if late:
        assert isinstance(refused(provider, ExtendRequest(opened["id"], "x"), EXTEND), ConflictError)
    else:
        assert "2026-06-02" == do(provider, ExtendRequest(opened["id"], "x"), EXTEND)["due_on"]


def test_each_step_is_taken_once(provider):
    """A request is extended once and answered once; nobody asks tomorrow; an unknown one is not there."""
    resident = provider.admit()
    opened = do(provider, OpenRequest(resident, TODAY), OPEN)
    do(provider, ExtendRequest(opened["id"], "x"), EXTEND)
    again = refused(provider, ExtendRequest(opened["id"], "x"), EXTEND)
    do(provider, AnswerRequest(opened["id"]), ANSWER)
    twice = refused(provider, AnswerRequest(opened["id"]), ANSWER)
    tomorrow = refused(provider, OpenRequest(resident, date(2026, 3, 3)), OPEN)
    unknown = refused(provider, AnswerRequest(resident), ANSWER)

    kinds = [ConflictError, ConflictError, InvalidRequestError, NotFoundError]
    assert kinds == [type(one) for one in (again, twice, tomorrow, unknown)]


def test_the_same_request_is_not_opened_twice(provider):
    """A second one of the same day is refused while the first waits; another day or person is another."""
    resident, other = provider.admit(), provider.admit(number=None)
    opened = do(provider, OpenRequest(resident, TODAY), OPEN)
    twice = refused(provider, OpenRequest(resident, TODAY), OPEN)

    assert (ConflictError, "request-open") == (type(twice), twice.why)
    for work in (OpenRequest(resident, date(2026, 3, 1)), OpenRequest(other, TODAY)):
        assert "open" == do(provider, work, OPEN)["status"]
    do(provider, AnswerRequest(opened["id"]), ANSWER)
    assert "open" == do(provider, OpenRequest(resident, TODAY), OPEN)["status"]


@pytest.mark.parametrize("day", ["1899-12-31", "2012-01-04", "2018-05-24"])
def test_nobody_asked_before_they_could(provider, day):
    """A day before the admission, or before there was this clock, is refused: somebody mistyped it."""
    too_early = refused(provider, OpenRequest(provider.admit(), date.fromisoformat(day)), OPEN)
    later = do(provider, OpenRequest(provider.admit(number=None), date(2018, 5, 25)), OPEN)

    assert isinstance(too_early, InvalidRequestError)
    assert "2018-06-25" == later["due_on"]


def test_nobody_asked_before_their_admission(provider):
    """Somebody admitted last week did not ask the week before."""
    work = AdmitResident(provider.world.home, None, None, *PERSON, "2026-02-20")
    resident = provider.world.answer(work, ADMIT, System("cli", provider.world.org)).payload["id"]

    assert isinstance(refused(provider, OpenRequest(resident, date(2026, 2, 19)), OPEN), InvalidRequestError)
    assert "open" == do(provider, OpenRequest(resident, date(2026, 2, 20)), OPEN)["status"]


def test_the_most_urgent_comes_first(provider):
    """Requests are listed by their deadline."""
    days = ("2026-02-25", "2026-02-10", "2026-03-01")
    for number, day in enumerate(days):
        do(provider, OpenRequest(provider.admit(number=None), date.fromisoformat(day)), OPEN)
        assert number + 1 == len(do(provider, ListRequests(), LIST))

    assert sorted(days) == [one["received_on"] for one in do(provider, ListRequests(), LIST)]


def test_a_forged_deadline_is_refused(provider):
    """A deadline moved behind the service's back is refused, and found by the check."""
    do(provider, OpenRequest(provider.admit(), TODAY), OPEN)
    provider.world.looking(lambda c: c.execute(text("UPDATE access_request SET due_on = '2027-01-01'")))

    assert isinstance(refused(provider, ListRequests(), LIST), SealBrokenError)
    assert provider.findings()
