"""One asks, another approves: a resident's key is destroyed, and what is left of them stays provable."""

import pytest
from sqlalchemy import text

from app.access.policy import Question
from app.access.visit import System, Visited
from app.access.work import Answer, Work
from app.core.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    SealBrokenError,
    StepUpRequiredError,
)
from app.core.identifiers import SYSTEM
from app.identity.repeats import FORGET_ANSWERS, ForgetOutdated
from app.identity.table import idempotency
from app.residents.amending import amend
from app.residents.boxes import key_of, unseal_personal
from app.residents.erasing import ApproveErasure, AskErasure
from app.residents.holding import HOLD, LIFT, SetHold
from app.residents.leaving import RemoveResident
from app.residents.records import ListRecords
from app.residents.register import ReadResident, SearchResidents
from app.residents.retention import RetentionHoldError
from app.residents.subject_lookup import SubjectLookup
from app.trail.events import AccessLog
from tests.unit.residents.conftest import APPROVE, ASK, NUMBER

READ = "GET /v1/residents/{resident_id}"
ALL_BASES = ("court_order", "never_our_record", "retention_ended")


# --- what an erasure does -----------------------------------------------------------------------


def test_an_erasure_destroys_the_key_and_what_leads_to_the_person(provider):
    """After the second person's word the row holds no key, no box and no index; the entry says what was."""
    resident = provider.admit()
    before = provider.row("resident", id=resident)

    answer = provider.erase(resident)

    after = provider.row("resident", id=resident)
    emptied = ("wrapped_key", "identity", "identifiers", "room", "source")
    indexes = ("nhs_index", "family_index", "family_birth_index", "source_index", "source_digest")
    assert all(before[name] for name in ("wrapped_key", "identity", "nhs_index", "family_index"))
    assert [] == [name for name in (*emptied, *indexes) if after[name]]
    assert ("approved", 1, provider.manager.id) == tuple(
        answer[name] for name in ("status", "records", "approved_by")
    )
    entry = provider.world.entry()
    told = entry["erased"]
    assert ("resident.erase", "ok", [resident], 1) == tuple(entry[k] for k in ("act", "out", "subs", "n"))
    assert (provider.officer.id, provider.manager.id) == (told["asked_by"], told["approved_by"])
    assert ("retention_ended", answer["id"], 1) == (told["basis"], told["id"], len(told["keys"]))


def test_what_was_erased_is_gone_for_every_reader(provider):
    """Resident, records and searches are as if nobody had been there; the access log goes on."""
    resident = provider.admit()
    provider.erase(resident)
    world, manager = provider.world, provider.manager

    gone = {
        READ: ReadResident(resident),
        "GET /v1/residents/{resident_id}/records": ListRecords(resident, None, None, None, 50, None),
        ASK: AskErasure(resident, "court_order", "again", with_deleted=True),
    }
    refused = [world.refusal(work, operation, manager) for operation, work in gone.items()]
    found = world.answer(SearchResidents(family_name="Example"), "POST /v1/residents/search", manager)
    looked_up = world.answer(
        SubjectLookup(nhs_number=NUMBER), "POST /v1/audit/subject-lookup", provider.officer
    )
    log = world.answer(
        AccessLog(resident), "GET /v1/residents/{resident_id}/access-log", provider.officer
    ).payload

    assert [NotFoundError] * 3 == [type(one) for one in refused]
    assert ([], []) == (found.payload["items"], looked_up.payload["resident_ids"])
    assert {"resident.create", "resident.erase_request", "resident.erase"} <= {
        item["act"] for item in log["items"]
    }


def test_the_same_person_may_come_again(provider):
    """The NHS number of somebody erased is free."""
    first = provider.admit()
    provider.erase(first)

    assert first != provider.admit()


def test_rows_and_lines_agree_after_an_erasure(provider):
    """`audit verify --state` finds the stub, the records, the erasure and the hold as their entries say."""
    resident, other = provider.admit(), provider.admit(number=None)
    provider.world.answer(SetHold(other, True, "inquiry"), HOLD, System("cli", provider.world.org))
    provider.ask(resident, "court_order")
    provider.erase(resident)

    assert [] == provider.findings()


def test_the_check_of_the_trail_lists_erasures_with_both_people(provider):
    """`audit verify` names each erasure, its entry and the two people."""
    resident = provider.admit()
    provider.erase(resident)

    seq = len(provider.world.entries()) - 1
    people = f"{provider.officer.id} asked, {provider.manager.id} approved"
    told = f"resident {resident} was erased under entry #{seq} (retention_ended): {people}"
    assert told in provider.chain().checked


CHANGED = {
    "a key that comes back": "UPDATE resident SET wrapped_key = :key WHERE id = :id",
    "an index that comes back": "UPDATE resident SET family_index = :key WHERE id = :id",
    "a stub elsewhere": "UPDATE resident SET home_id = 'x' WHERE id = :id",
    "another asker": "UPDATE erasure SET asked_by = 'x' WHERE resident_id = :id",
    "an erasure that is gone": "DELETE FROM erasure WHERE resident_id = :id",
    "a record that is gone": "DELETE FROM record WHERE resident_id = :id",
    "a record's digest": "UPDATE record SET state = :key WHERE resident_id = :id",
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_change_behind_the_services_back_is_found(provider, what):
    """What is left of an erased resident is bound to the trail like any row."""
    resident = provider.admit()
    provider.erase(resident)
    named = {"id": resident, "key": b"k" * 32}
    given = {name: value for name, value in named.items() if f":{name}" in CHANGED[what]}
    provider.world.looking(lambda c: c.execute(text(CHANGED[what]), given))

    assert provider.findings()


def test_a_live_resident_cannot_be_passed_off_as_erased(provider):
    """A key that is taken away without an entry is found: nobody erases with the database alone."""
    resident = provider.admit()
    taken = text("UPDATE resident SET wrapped_key = :none, deleted = (1 = 1) WHERE id = :id")
    provider.world.looking(lambda c: c.execute(taken, {"none": b"", "id": resident}))

    assert provider.findings()


def test_a_repeated_call_about_somebody_erased_shows_nothing(provider):
    """The answer stored for a repeat is emptied with the person it is about; others' answers stay."""
    resident, other = provider.admit(), provider.admit(number=None)
    world, manager = provider.world, provider.manager
    for one in (resident, other):
        world.answer(AskErasure(one, "court_order", "x"), ASK, manager, key=f"key {one}")
    provider.erase(resident)

    assert b"" == provider.row("idempotency", key=f"key {resident}")["answer"]
    repeated = world.answer(AskErasure(other, "court_order", "x"), ASK, manager, key=f"key {other}")
    assert other == repeated.payload["resident_id"]


@pytest.mark.parametrize(("hours", "kept"), [(25, False), (24, False), (23, True)])
def test_nothing_is_left_of_what_is_kept_no_longer(provider, hours, kept):
    """Stored answers older than 24 hours are gone after an erasure, whomever they are about.

    The erasure empties those about its resident, housekeeping removes the others.
    """
    resident, other = provider.admit(), provider.admit(number=None)
    world = provider.world
    for one in (resident, other):
        world.answer(AskErasure(one, "court_order", "x"), ASK, provider.manager, key=f"older {one}")
    world.pass_time(hours=hours)
    for person in (provider.manager, provider.officer):
        world.sign_in(person)
    provider.erase(resident)
    assert [other] == [row["subject"] for row in world.rows(idempotency) if row["answer"]]
    world.answer(ForgetOutdated(), FORGET_ANSWERS, System("repeats", SYSTEM))

    left = {row["subject"]: b"" != row["answer"] for row in world.rows(idempotency)}
    assert left == ({resident: False, other: True} if kept else {})


# --- who may, and when --------------------------------------------------------------------------


def test_nobody_approves_what_they_asked_for(provider):
    """The asker is refused with 403 and an entry that names the resident; nothing is erased."""
    resident = provider.admit()
    asked = provider.ask(resident, who=provider.manager)

    refused = provider.approve(asked["id"], provider.manager)

    assert (ForbiddenError, "own-request") == (type(refused), refused.why)
    entry = provider.world.entry()
    assert ("deny", [resident]) == (entry["out"], entry["subs"])
    assert provider.row("resident", id=resident)["wrapped_key"]
    assert isinstance(provider.approve(asked["id"], provider.officer), Visited)


@pytest.mark.parametrize("basis", ALL_BASES)
@pytest.mark.parametrize(
    ("left_on", "held", "kept"),
    [
        (None, False, True),
        ("2018-03-03", False, True),
        ("2018-03-02", False, False),
        ("2018-03-02", True, True),
    ],
)
def test_what_must_be_kept_is_kept(provider, basis, left_on, held, kept):
    """409 while care goes on, until 8 years after its end and under a hold - for the end of retention."""
    resident, world = provider.admit(left_on=left_on), provider.world
    if held:
        world.answer(SetHold(resident, True, "inquiry"), HOLD, System("cli", world.org))

    outcome = world.do(AskErasure(resident, basis, "x"), ASK, provider.officer)

    assert (kept and basis == "retention_ended") == isinstance(outcome, RetentionHoldError)
    assert ("fail" if isinstance(outcome, RetentionHoldError) else "ok") == world.entry()["out"]


def test_a_lifted_hold_holds_no_longer(provider):
    """A hold can be lifted; a second one of the same kind is refused."""
    resident, world = provider.admit(), provider.world
    cli = System("cli", world.org)
    world.answer(SetHold(resident, True, "inquiry"), HOLD, cli)
    assert isinstance(world.refusal(SetHold(resident, True, "again"), HOLD, cli), ConflictError)
    world.answer(SetHold(resident, False, "it ended"), LIFT, cli)

    assert "approved" == provider.erase(resident)["status"]
    assert [] == provider.findings()


def test_a_hold_between_asking_and_approving_holds(provider):
    """Whether a record must be kept is asked again when the erasure is approved."""
    resident, world = provider.admit(), provider.world
    asked = provider.ask(resident)
    world.answer(SetHold(resident, True, "inquiry"), HOLD, System("cli", world.org))

    assert isinstance(provider.approve(asked["id"]), RetentionHoldError)
    assert [resident] == world.entry()["subs"]


class TakeBackIn(Work):
    """Let somebody who had left live here again, as a later version of the service may."""

    def __init__(self, resident_id: str) -> None:
        self.resident_id = resident_id

    changes = True

    def question(self, *_given):
        return Question()

    def perform(self, opened):
        row = opened.facts.resident
        key = key_of(opened, row)
        personal = unseal_personal(key, row)
        amend(opened, key, row, row._replace(status="resident", discharged_on=None), personal, personal)
        return Answer(None)


def test_who_came_back_is_not_erased(provider):
    """Somebody who lives here again when the erasure is approved is kept."""
    resident, world = provider.admit(), provider.world
    asked = provider.ask(resident)
    world.answer(TakeBackIn(resident), "PATCH /v1/residents/{resident_id}", System("cli", world.org))

    assert isinstance(provider.approve(asked["id"]), RetentionHoldError)
    assert provider.row("resident", id=resident)["wrapped_key"]


def test_a_forged_end_of_care_does_not_erase(provider):
    """A row whose dates were changed behind the service's back is refused as altered."""
    resident, world = provider.admit(left_on="2025-01-01"), provider.world
    early = text("UPDATE resident SET discharged_on = '2013-01-01' WHERE id = :id")
    world.looking(lambda c: c.execute(early, {"id": resident}))

    refused = world.refusal(AskErasure(resident, "retention_ended", "x"), ASK, provider.officer)

    assert isinstance(refused, SealBrokenError)
    assert "integrity.fail" in [entry["act"] for entry in world.entries()]


@pytest.mark.parametrize(("days", "done"), [(30, True), (30.001, False)])
def test_what_nobody_approved_for_thirty_days_is_over(provider, days, done):
    """An erasure waits thirty days for its second person."""
    asked = provider.ask(provider.admit())
    provider.world.pass_time(days=days)
    provider.world.sign_in(provider.manager)

    outcome = provider.approve(asked["id"])

    assert done == isinstance(outcome, Visited)
    assert done or outcome.why == "erasure-expired"


def test_both_need_a_fresh_second_factor(provider):
    """After five minutes asking and approving want a code; nothing is done without one."""
    resident, world = provider.admit(), provider.world
    asked = provider.ask(resident)
    world.pass_time(minutes=5, seconds=1)

    assert isinstance(provider.approve(asked["id"]), StepUpRequiredError)
    again = world.refusal(AskErasure(resident, "court_order", "x"), ASK, provider.officer)
    assert isinstance(again, StepUpRequiredError)
    assert provider.row("resident", id=resident)["wrapped_key"]


def test_a_command_is_none_of_the_two_people(provider):
    """The service itself neither asks nor approves."""
    resident, world = provider.admit(), provider.world
    asked, cli = provider.ask(resident), System("cli", world.org)

    assert isinstance(world.refusal(AskErasure(resident, "court_order", "x"), ASK, cli), ForbiddenError)
    assert isinstance(world.refusal(ApproveErasure(asked["id"]), APPROVE, cli), ForbiddenError)


def test_who_was_entered_in_error_can_be_erased(provider):
    """A resident marked as entered in error is there for an erasure that says so, and for no other."""
    resident, world = provider.admit(), provider.world
    world.answer(RemoveResident(resident, 2), "DELETE /v1/residents/{resident_id}", provider.manager)
    basis = "never_our_record"

    assert isinstance(world.refusal(AskErasure(resident, basis, "x"), ASK, provider.officer), NotFoundError)
    asked = world.answer(AskErasure(resident, basis, "x", with_deleted=True), ASK, provider.officer).payload
    assert isinstance(provider.approve(asked["id"]), Visited)
    assert [] == provider.findings()


def test_a_command_is_told_that_people_decide(provider):
    """It has every permission: what is refused is that nobody is signed in."""
    work = AskErasure(provider.admit(), "court_order", "by hand")
    error = provider.world.refusal(work, ASK, System("cli", provider.world.org))

    assert ("person-needed", True) == (error.why, error.detail.startswith("Two people who are signed in"))
