"""Who was discharged becomes a resident again: they came back, or the discharge was a mistake."""

import pytest

from app.access.visit import System, Visited
from app.core.errors import ConflictError, ForbiddenError, InvalidRequestError, VersionConflictError
from app.residents.amending import AmendResident
from app.residents.history import ReadResidentChanges
from app.residents.leaving import DischargeResident
from app.residents.register import ListResidents, ReadResident, SearchResidents
from app.residents.retention import RetentionHoldError
from app.residents.reviewing import DUE, REVIEW, ListDue, Review
from tests.unit.residents.conftest import NUMBER

AMEND = "PATCH /v1/residents/{resident_id}"
DISCHARGE = "POST /v1/residents/{resident_id}/discharge"
READ = "GET /v1/residents/{resident_id}"
LEFT = "2026-02-01"
BACK = {"status": "resident"}


@pytest.fixture
def gone(provider):
    """Somebody who was discharged a month ago, in two versions."""
    return provider.admit(left_on=LEFT)


def amend(provider, resident, was, patch, who=None):
    """Return what comes of a merge patch."""
    return provider.world.do(AmendResident(resident, was, patch), AMEND, who or provider.manager)


def cli(provider):
    """Return the command line of the provider."""
    return System("cli", provider.world.org)


def discharge(provider, resident, day, reason="moved"):
    """Return what comes of a discharge."""
    return provider.world.do(DischargeResident(resident, day, reason), DISCHARGE, provider.manager)


def life(outcome):
    """Return status, admission and discharge of an answer."""
    assert isinstance(outcome, Visited), (outcome, getattr(outcome, "errors", None))
    return [outcome.answer.payload[name] for name in ("status", "admitted_on", "discharged_on", "version")]


def pointers(outcome):
    """Return where a request is refused."""
    assert isinstance(outcome, InvalidRequestError), outcome
    return [pointer for pointer, _ in outcome.errors]


# --- back ---------------------------------------------------------------------------------------------


def test_a_discharge_by_mistake_is_taken_back(provider, gone):
    """Without a day of admission status and discharge are undone, and the admission stays."""
    taken_back = amend(provider, gone, 2, BACK)

    assert ["resident", "2012-01-05", None, 3] == life(taken_back)
    assert [] == provider.findings()


def test_somebody_who_died_by_mistake_lives(provider):
    """A death that was recorded of the wrong person is taken back, too."""
    resident = provider.admit(left_on=None)
    assert isinstance(discharge(provider, resident, LEFT, "died"), Visited)

    assert ["resident", "2012-01-05", None, 3] == life(amend(provider, resident, 2, BACK))


@pytest.mark.parametrize(
    ("day", "comes"), [("2026-01-31", False), (LEFT, True), ("2026-03-02", True), ("2026-03-03", False)]
)
def test_somebody_comes_back_between_the_discharge_and_today(provider, gone, day, comes):
    """A readmission lies neither before the discharge nor in the future."""
    outcome = amend(provider, gone, 2, BACK | {"admitted_on": day})

    if comes:
        assert ["resident", day, None, 3] == life(outcome)
    else:
        assert ["/admitted_on"] == pointers(outcome)
    assert [] == provider.findings()


def test_somebody_comes_back_to_another_home(provider, gone):
    """A readmission may name home and room, as any amendment may."""
    world = provider.world
    patch = BACK | {"admitted_on": "2026-03-01", "home_id": world.other_home, "room": "21"}
    shown = amend(provider, gone, 2, patch)

    assert ["resident", "2026-03-01", None, 3] == life(shown)
    assert (world.other_home, "21") == (shown.answer.payload["home_id"], shown.answer.payload["room"])


def test_a_wrong_day_of_discharge_is_taken_back_and_recorded_again(provider, gone):
    """The day and the reason of the second discharge count; nobody is discharged twice in between."""
    assert isinstance(discharge(provider, gone, "2026-01-20"), ConflictError)
    amend(provider, gone, 2, BACK)

    assert ["discharged", "2012-01-05", "2026-01-20", 4] == life(discharge(provider, gone, "2026-01-20"))


def test_whoever_is_a_resident_has_no_discharge_to_take_back(provider):
    """Taking back what is not there is a conflict, whatever else the patch names; a stale version is told."""
    resident = provider.admit(left_on=None)
    refused = [amend(provider, resident, 1, BACK | more) for more in ({}, {"admitted_on": "2030-01-01"})]

    assert [ConflictError, ConflictError] == [type(one) for one in refused]
    assert isinstance(amend(provider, resident, 7, BACK), VersionConflictError)


def test_one_entry_tells_the_return_and_the_history_keeps_the_reason(provider, gone):
    """A return is one `resident.update`; what the discharge said is still told, with its reason."""
    world = provider.world
    before = len(world.entries())
    amend(provider, gone, 2, BACK | {"admitted_on": "2026-03-01"})
    entries = world.entries()[before:]
    told = world.answer(ReadResidentChanges(gone, 1), READ, provider.manager).payload["changes"]

    assert [("resident.update", "ok", 3, [gone])] == [
        (one["act"], one["out"], one["obj"]["ver"], one["subs"]) for one in entries
    ]
    assert [
        (2, "discharge_reason", None, "moved"),
        (2, "discharged_on", None, LEFT),
        (2, "status", "resident", "discharged"),
        (3, "admitted_on", "2012-01-05", "2026-03-01"),
        (3, "discharged_on", LEFT, None),
        (3, "status", "discharged", "resident"),
    ] == sorted(
        (change["version"], one["field"], one["before"], one["after"])
        for change in told
        for one in change["changed"]
    )


def test_who_takes_a_discharge_back_may_also_record_one(provider, gone):
    """`identity:update` alone is not enough: whoever may not discharge is refused and nothing changes."""
    nurse = provider.world.person("nurse")
    refused = amend(provider, gone, 2, BACK, nurse)
    renamed = amend(provider, gone, 2, {"room": "9"}, nurse)

    assert isinstance(refused, ForbiddenError), refused
    assert ["discharged", "2012-01-05", LEFT, 3] == life(renamed)


# --- days of admission -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "taken"), [(LEFT, True), ("2026-02-02", False)])
def test_nobody_came_after_they_left(provider, gone, day, taken):
    """A day of admission that is corrected alone does not lie after the discharge."""
    outcome = amend(provider, gone, 2, {"admitted_on": day})

    if taken:
        assert ["discharged", LEFT, LEFT, 3] == life(outcome)
    else:
        assert ["/admitted_on"] == pointers(outcome)


# --- what hangs on it ------------------------------------------------------------------------------------


def test_carers_see_somebody_again_who_came_back(provider, gone):
    """After the thirty days a carer finds nobody; after the return they read, list and find the resident."""
    world = provider.world
    world.pass_time(days=40)
    carer = world.person("carer")
    world.sign_in(provider.manager)

    def seen():
        works = {
            "GET /v1/residents": ListResidents(None, "resident", 50, None),
            "POST /v1/residents/search": SearchResidents(nhs_number=NUMBER),
        }
        read = isinstance(world.do(ReadResident(gone), READ, carer), Visited)
        found = [world.answer(work, name, carer).payload["items"] for name, work in works.items()]
        return [read, *([one["id"] for one in items] for items in found)]

    before = seen()
    amend(provider, gone, 2, BACK)

    assert [False, [], []] == before
    assert [True, [gone], [gone]] == seen()


def test_an_erasure_that_waits_is_not_approved_for_a_resident(provider):
    """Care goes on again: retention has not ended, neither for the erasure under way nor for another."""
    resident = provider.admit()
    erasure = provider.ask(resident)
    amend(provider, resident, 2, BACK)

    assert isinstance(provider.approve(erasure["id"]), RetentionHoldError)
    assert ["resident", "2012-01-05", None, 3] == life(
        provider.world.do(ReadResident(resident), READ, provider.manager)
    )


def test_what_was_proposed_about_a_record_ends_with_the_return(provider):
    """A proposal to destroy stands no longer, even once they leave again; nobody who is here is due."""
    world, resident = provider.world, provider.admit()
    proposed = Review(resident, "destroy", None, "appraised", "jo")
    world.answer(proposed, REVIEW, cli(provider))

    def due():
        found = world.answer(ListDue(), DUE, cli(provider)).payload["due"]
        return {one["resident_id"]: one["review"] and one["review"]["decision"] for one in found}

    told = [due()]
    for change in (
        lambda: amend(provider, resident, 2, BACK),
        lambda: discharge(provider, resident, "2017-06-01"),
    ):
        assert isinstance(change(), Visited)
        told.append(due())

    assert [{resident: "destroy"}, {}, {resident: None}] == told
    assert [] == provider.findings()


def test_a_proposal_to_keep_outlives_the_return(provider):
    """What was proposed to be kept waits on for somebody to agree."""
    resident = provider.admit()
    world = provider.world
    world.answer(Review(resident, "preserve", None, "history", "jo"), REVIEW, cli(provider))
    amend(provider, resident, 2, BACK)

    waiting = world.answer(ListDue(), DUE, cli(provider)).payload["waiting"]
    assert [(resident, "proposed")] == [(one["resident_id"], one["status"]) for one in waiting]
