"""Records whose time is over: the schedule, the queue, who decides, and what an erasure makes of it."""

from datetime import date

import pytest
from sqlalchemy import text

from app.access.visit import System, Visited
from app.core.errors import ConflictError, ForbiddenError, InvalidRequestError, SealBrokenError
from app.residents.erasing import AskErasure
from app.residents.holding import HOLD, SetHold
from app.residents.retention import RetentionHoldError
from app.residents.retention_schedule import READ_SCHEDULE, SET_RULE, ReadSchedule, SetRule
from app.residents.reviewing import APPROVE, DUE, REVIEW, Agree, ListDue, Review
from tests.unit.residents.conftest import ASK

LATER = date(2030, 1, 1)


def do(provider, work, operation):
    """Do a work as the command line does, and return what it answers."""
    return provider.world.answer(work, operation, System("cli", provider.world.org)).payload


def refused(provider, work, operation):
    """Return how a work of the command line is refused."""
    return provider.world.refusal(work, operation, System("cli", provider.world.org))


def due(provider):
    """Return whose records are due for review, with the standing decision."""
    found = do(provider, ListDue(), DUE)["due"]
    return {one["resident_id"]: one["review"] and one["review"]["decision"] for one in found}


def review(provider, resident, decision, until=None, who="jo"):
    """Propose what becomes of a record."""
    return do(provider, Review(resident, decision, until, "appraised", who), REVIEW)


def asked(provider, resident):
    """Return the outcome of asking for an erasure because retention ended."""
    return provider.world.do(AskErasure(resident, "retention_ended", "x"), ASK, provider.officer)


# --- the schedule -------------------------------------------------------------------------------


def test_an_organisation_without_a_schedule_has_the_default(provider):
    """Eight years after the end of care, as edition 0, with its source."""
    told = do(provider, ReadSchedule(), READ_SCHEDULE)

    assert [("care_record", 8, 0)] == [(r["what"], r["years"], r["edition"]) for r in told["in_force"]]
    assert ([], True) == (told["earlier"], bool(told["in_force"][0]["source"]))


@pytest.mark.parametrize(("years", "kept"), [(9, True), (6, False)])
def test_an_erasure_respects_the_organisations_schedule(provider, years, kept):
    """Whoever left eight and a half years ago is kept under nine years, and not under six."""
    resident = provider.admit(left_on="2017-09-01")
    do(provider, SetRule("care_record", years, "our policy"), SET_RULE)

    assert kept == isinstance(asked(provider, resident), RetentionHoldError)
    assert ({} if kept else {resident: None}) == due(provider)
    assert [] == provider.findings()


def test_a_schedule_is_asked_again_when_an_erasure_is_approved(provider):
    """A longer period set between asking and approving holds."""
    resident = provider.admit(left_on="2017-09-01")
    erasure = provider.ask(resident)
    do(provider, SetRule("care_record", 10, "a new contract"), SET_RULE)

    assert isinstance(provider.approve(erasure["id"]), RetentionHoldError)


@pytest.mark.parametrize(("what", "kept"), [("daily_note", True), ("incident_report", False)])
def test_a_rule_for_a_category_counts_for_who_has_such_records(provider, what, kept):
    """The whole record stays as long as the longest rule for anything in it."""
    resident = provider.admit()
    do(provider, SetRule(what, 20, "serious incidents"), SET_RULE)

    assert kept == isinstance(asked(provider, resident), RetentionHoldError)


@pytest.mark.parametrize(("what", "years"), [("care_record", 5), ("care_record", 101), ("shoes", 8)])
def test_a_schedule_has_floors_and_knows_its_words(provider, what, years):
    """Less than the law needs, more than a life, and unknown kinds are refused."""
    assert isinstance(refused(provider, SetRule(what, years, "x"), SET_RULE), InvalidRequestError)


def test_earlier_editions_are_kept(provider):
    """Each change is an entry and a row of its own; the newest counts."""
    for years in (10, 7):
        do(provider, SetRule("care_record", years, "x"), SET_RULE)

    told = do(provider, ReadSchedule(), READ_SCHEDULE)
    assert [(7, 2)] == [(r["years"], r["edition"]) for r in told["in_force"]]
    assert [(10, 1)] == [(r["years"], r["edition"]) for r in told["earlier"]]
    acts = [entry["act"] for entry in provider.world.entries()]
    assert 2 == acts.count("retention.schedule")


# --- the queue ----------------------------------------------------------------------------------


def test_only_whose_time_is_over_is_due(provider):
    """Due is who left long enough ago, is not held and is not erased; the entry names them."""
    here, recent = (
        provider.admit(left_on=None, number=None),
        provider.admit(left_on="2020-01-01", number=None),
    )
    held, over = provider.admit(number=None), provider.admit(number=None)
    gone = provider.admit(number=None)
    do(provider, SetHold(held, True, "inquiry"), HOLD)
    provider.erase(gone)

    assert {over: None} == due(provider)
    assert ("retention.due", [over]) == tuple(provider.world.entry()[k] for k in ("act", "subs"))
    assert {here, recent, held}.isdisjoint(due(provider))


# --- decisions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("decision", "until"), [("continue", LATER), ("preserve", None)])
def test_that_a_record_is_kept_holds_at_once(provider, decision, until):
    """Before a second person agrees, and afterwards, it is neither due nor erased."""
    resident = provider.admit()
    made = review(provider, resident, decision, until)
    before = (due(provider), type(asked(provider, resident)))
    agreed = do(provider, Agree(made["id"], "bo"), APPROVE)

    assert ({}, RetentionHoldError) == before
    assert ({}, RetentionHoldError) == (due(provider), type(asked(provider, resident)))
    assert "approved" == agreed["status"]
    assert [] == provider.findings()


def test_a_record_that_was_kept_on_is_due_again(provider):
    """From the day of a decision to continue on, it is due again."""
    resident = provider.admit()
    review(provider, resident, "continue", date(2026, 3, 4))
    provider.world.pass_time(days=1)
    first = due(provider)
    provider.world.pass_time(days=1)

    assert ({}, {resident: "continue"}) == (first, due(provider))


def test_a_proposal_to_keep_is_listed_until_somebody_agrees(provider):
    """Whoever is to agree finds the proposal and its id, in the list and in the entry; then it is gone."""
    resident = provider.admit()
    first = review(provider, resident, "continue", LATER)
    second = review(provider, resident, "preserve")
    review(provider, provider.admit(number=None), "destroy")
    told = do(provider, ListDue(), DUE)
    [entry] = [one for one in provider.world.entries() if one["act"] == "retention.due"]
    do(provider, Agree(second["id"], "bo"), APPROVE)

    assert [first, second] == told["waiting"]
    assert ({resident, told["due"][0]["resident_id"]}, 3) == (set(entry["subs"]), entry["n"])
    assert [] == do(provider, ListDue(), DUE)["waiting"]


def test_nobody_undoes_alone_what_keeps_a_record(provider):
    """A weaker decision takes the place of a stronger one only when somebody else agrees."""
    resident = provider.admit()
    review(provider, resident, "preserve")
    weaker = review(provider, resident, "continue", date(2026, 3, 3), who="al")

    provider.world.pass_time(days=2)
    assert {} == due(provider)
    assert isinstance(refused(provider, Agree(weaker["id"], "al"), APPROVE), ForbiddenError)
    do(provider, Agree(weaker["id"], "bo"), APPROVE)
    assert {resident: "continue"} == due(provider)
    assert [] == provider.findings()


def test_a_command_destroys_nothing(provider):
    """A proposal to destroy is agreed to by nobody on the command line; two signed-in people carry it out."""
    resident = provider.admit()
    made = review(provider, resident, "destroy")
    assert {resident: "destroy"} == due(provider)
    assert isinstance(refused(provider, Agree(made["id"], "bo"), APPROVE), ForbiddenError)
    assert provider.row("resident", id=resident)["wrapped_key"]

    provider.erase(resident)

    assert "disposed" == provider.row("retention_review", id=made["id"])["status"]
    assert ({}, []) == (due(provider), provider.findings())


def test_to_destroy_is_proposed_only_when_the_time_is_over(provider):
    """While a record must be kept nobody proposes to destroy it; of a resident nothing is decided."""
    here, recent = (
        provider.admit(left_on=None, number=None),
        provider.admit(left_on="2020-01-01", number=None),
    )
    outcomes = [refused(provider, Review(one, "destroy", None, "x", "jo"), REVIEW) for one in (here, recent)]

    assert [ConflictError, RetentionHoldError] == [type(one) for one in outcomes]


@pytest.mark.parametrize(
    ("decision", "until"), [("continue", None), ("continue", date(2026, 3, 2)), ("destroy", LATER)]
)
def test_a_day_goes_with_continue_and_lies_ahead(provider, decision, until):
    """A decision to continue names a later day; the others name none."""
    work = Review(provider.admit(), decision, until, "x", "jo")

    assert isinstance(refused(provider, work, REVIEW), InvalidRequestError)


def test_reasons_and_names_are_sealed(provider):
    """Neither who looked nor why stands in the database."""
    made = review(provider, provider.admit(), "continue", LATER, who="jo-kanarie")
    row = provider.row("retention_review", id=made["id"])

    assert [] == [
        one
        for one in row.values()
        if b"kanarie" in str(one).encode()
        or b"appraised" in bytes(one if isinstance(one, bytes) else str(one).encode())
    ]


CHANGED = {
    "a decision": ("UPDATE retention_review SET decision = 'destroy'", "retention_review"),
    "a day": ("UPDATE retention_review SET until = '2020-01-01'", "retention_review"),
    "a review that is gone": ("DELETE FROM retention_review", None),
    "a rule": ("UPDATE retention_rule SET years = 6", "retention_rule"),
    "a rule that is gone": ("DELETE FROM retention_rule", None),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_forged_decision_is_found(provider, what):
    """A rule or review changed behind the service's back is refused on use and found by the check."""
    resident = provider.admit()
    do(provider, SetRule("care_record", 20, "x"), SET_RULE)
    review(provider, resident, "continue", LATER)
    statement, refuses = CHANGED[what]
    provider.world.looking(lambda c: c.execute(text(statement)))

    assert provider.findings()
    if refuses:
        assert isinstance(asked(provider, resident), SealBrokenError)
    assert not isinstance(asked(provider, resident), Visited)
