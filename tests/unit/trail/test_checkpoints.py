"""Checkpoints on demand, and subject look-ups."""

import pytest

from app.audit import merkle, verify
from app.audit.checkpoint import Checkpoint
from app.core.errors import CaretrailError, ForbiddenError
from app.residents.subject_lookup import SubjectLookup
from app.trail.checkpoints import HOUSEKEEPING, NewestCheckpoint, SurveyChains
from tests.unit.trail.stories import admit

CHECKPOINT = "GET /v1/audit/checkpoint"
LOOKUP = "POST /v1/audit/subject-lookup"


def test_it_covers_the_head_before_its_own_entry(any_world, notary, guards):
    """The newest checkpoint covers every line up to the entry of the request that asked for it."""
    auditor = any_world.person("auditor", None)
    note = any_world.answer(NewestCheckpoint(notary, guards), CHECKPOINT, auditor).payload
    said = verify.read_checkpoint(verify.open_note(note.encode(), notary.keys(any_world.org)))

    assert said.size == any_world.visit.stamp.seq
    assert any_world.entry()["obj"] == {"t": "audit_checkpoint", "id": str(said.size)}
    again = any_world.answer(NewestCheckpoint(notary, guards), CHECKPOINT, auditor).payload
    assert again.split("\n")[1] == str(said.size + 1), "made anew: the first request is covered now"


def test_only_organisation_wide_readers_get_one(world, notary, guards):
    """A checkpoint is of the whole organisation: `audit:read` at a home is not enough."""
    work = NewestCheckpoint(notary, guards)

    assert isinstance(world.refusal(work, CHECKPOINT, world.person("deputy_manager")), ForbiddenError)


def test_a_chain_that_does_not_continue_the_guard_is_not_signed(world, notary, guards):
    """Asking for a checkpoint of a chain that was written anew fails, and the failure is an entry."""
    auditor = world.person("auditor", None)
    size = len(world.entries())
    forged = [merkle.leaf_hash(b"%d" % n) for n in range(size)]
    peaks: list[bytes] = []
    for at, leaf in enumerate(forged):
        merkle.append(peaks, at, leaf)
    root = merkle.root(peaks)
    signed = notary.sign_checkpoint(world.org, size, root)
    guards.move(Checkpoint(world.org, notary.origin(world.org), size, root, tuple(peaks), signed))
    refusal = world.refusal(NewestCheckpoint(notary, guards), CHECKPOINT, auditor)

    assert refusal.why.startswith("chain-not-extended")
    assert world.entry()["out"] == "fail"


def test_the_works_of_the_housekeeping_are_for_the_service_alone(world):
    """No person has the permission that the housekeeping uses."""
    manager = world.person("registered_manager", None)

    assert isinstance(world.refusal(SurveyChains(), HOUSEKEEPING, manager), CaretrailError)


# --- subject look-up ------------------------------------------------------------------------------


@pytest.fixture
def residents(world):
    """A resident at each home, of the same name."""
    return [
        admit(world, world.home, "O'Neill", "9990000018"),
        admit(world, world.other_home, "O’NEILL"),
    ]


def lookup(world, who, **asked):
    return world.answer(SubjectLookup(**asked), LOOKUP, who).payload["resident_ids"]


def test_a_lookup_gives_ids_and_nothing_else(world, residents):
    """People who read the trail but no records find ids by NHS number, name, and name with birth date."""
    auditor = world.person("auditor", None)

    assert lookup(world, auditor, nhs_number="9990000018") == residents[:1]
    assert world.entry()["subs"] == residents[:1]
    assert sorted(lookup(world, auditor, family_name="o neill")) == sorted(residents)
    assert sorted(lookup(world, auditor, family_name="ONeill", date_of_birth="1938-04-05")) == sorted(
        residents
    )
    assert lookup(world, auditor, family_name="ONeill", date_of_birth="1938-04-06") == []
    assert world.entry()["n"] == 0


def test_a_lookup_reaches_as_far_as_the_right_to_read_the_trail(world, residents):
    """A reader of one home finds that home's residents only; nobody finds another organisation's."""
    deputy = world.person("deputy_manager")
    stranger = world.person("auditor", None, org=world.found("Other Care"))

    assert lookup(world, deputy, family_name="ONeill") == residents[:1]
    assert world.entry()["subs"] == residents[:1]
    assert lookup(world, stranger, family_name="ONeill") == []
    assert isinstance(
        world.refusal(SubjectLookup(family_name="ONeill"), LOOKUP, world.person("carer")), ForbiddenError
    )
