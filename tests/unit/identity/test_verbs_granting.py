"""No escalation: who gives which role to whom, where."""

from dataclasses import replace

import pytest

from app.access.agent import Agent, Grant
from app.core.errors import ForbiddenError, InvalidRequestError, VersionConflictError
from app.core.identifiers import new_id
from app.identity import table
from app.identity.accounts import AmendAccount
from app.identity.assignments import Assignment
from app.identity.defaults import DEFAULT_ROLES
from app.identity.granting import check_grants, may_admit
from app.identity.new_accounts import CreateAccount
from app.identity.recognising import Role, permissions_of
from app.identity.shift_rows import NewShift
from tests.support.world import World

CREATE = "POST /v1/users"
AMEND = "PATCH /v1/users/{user_id}"

# Written out, not computed: what each may give at their own home. Everything else is refused.
ALL_AGENCY = {"agency_carer", "agency_nurse", "visiting_professional"}
CARE_STAFF = {"nurse", "senior_carer", "medicines_carer", "carer", "kitchen", "activities"}
GIVES = {
    "registered_manager": ALL_AGENCY
    | CARE_STAFF
    | {"registered_manager", "deputy_manager", "administrator", "privacy_officer", "auditor"},
    "deputy_manager": ALL_AGENCY | CARE_STAFF | {"deputy_manager"},
    "nurse": {"agency_carer", "agency_nurse"},
    "senior_carer": {"agency_carer", "agency_nurse"},
    "it_admin": {"it_admin"},
}


def creation(*assignments, kind=None, username="n.newby", shift=None):
    kind = kind or DEFAULT_ROLES[assignments[0]["role"]]["user_kind"]
    return CreateAccount(username, "Nadia Newby", kind, list(assignments), "$hash", "shown-once", shift)


def at(home, role="carer", **narrower):
    return {"role": role, "home_id": home} | narrower


def why(world: World, work, operation, who) -> str:
    error = world.refusal(work, operation, who)
    assert type(error) is ForbiddenError
    assert world.entry()["out"] == "deny"
    return error.why


@pytest.mark.parametrize("granter", sorted(GIVES))
def test_which_role_gives_which(world, granter):
    """Nobody grants a role that holds a permission they lack, but for the admission of agency staff."""
    person = world.person(granter)
    given = set()
    for role in DEFAULT_ROLES:
        work = creation(at(world.home, role), username=f"new.{role}")
        outcome = world.do(work, CREATE, person)
        if not isinstance(outcome, ForbiddenError):
            given.add(role)
            assert outcome.answer.payload["assignments"] == [at(world.home, role)]

    assert len(DEFAULT_ROLES) == 15
    assert given == GIVES[granter]


@pytest.mark.parametrize("role", sorted(set(DEFAULT_ROLES) - set(GIVES)))
def test_all_others_create_nobody(world, role):
    """A role without `users:manage` and `agency:admit` creates no account at all."""
    person = world.person(role)

    assert why(world, creation(at(world.home), username="someone"), CREATE, person) == "no-permission"


def test_it_creates_accounts_and_a_manager_assigns(world):
    """IT creates an account without assignments and may not assign care; the manager then does."""
    it_admin, manager = world.person("it_admin", None), world.person("registered_manager", None)
    created = world.answer(creation(kind="staff"), CREATE, it_admin).payload

    assert why(world, AmendAccount(created["id"], 1, None, [at(world.home)]), AMEND, it_admin) == "escalation"
    world.answer(AmendAccount(created["id"], 1, "Nadia Newton"), AMEND, it_admin)
    shown = world.answer(AmendAccount(created["id"], 2, None, [at(world.home)]), AMEND, manager).payload

    assert (shown["display_name"], shown["assignments"]) == ("Nadia Newton", [at(world.home)])


@pytest.mark.parametrize(
    ("narrower", "wider"),
    [
        ({}, {"home_id": None}),
        ({}, {"home_id": "other"}),
        ({"unit": "Garden"}, {}),
        ({"unit": "Garden"}, {"unit": "Attic"}),
        ({"resident_ids": ["a", "b"]}, {}),
        ({"resident_ids": ["a", "b"]}, {"resident_ids": ["a", "c"]}),
    ],
)
def test_no_assignment_is_wider_than_its_giver(world, narrower, wider):
    """A manager of a home, a unit or named residents gives roles within that, and nowhere beyond."""
    names = {"a": new_id(), "b": new_id(), "c": new_id(), "other": world.other_home}

    def place(limits):
        plain = at(world.home, "deputy_manager") | limits
        if "resident_ids" in plain:
            plain["resident_ids"] = sorted(names[n] for n in plain["resident_ids"])
        plain["home_id"] = names.get(plain["home_id"], plain["home_id"])
        return plain

    deputy = world.person(assignments=[place(narrower)])

    assert why(world, creation(place(wider) | {"role": "carer"}), CREATE, deputy) == "scope-too-wide"
    within = creation(place(narrower) | {"role": "carer"})
    assert world.answer(within, CREATE, deputy).payload["assignments"] == [
        place(narrower) | {"role": "carer"}
    ]


def test_nobody_changes_their_own_assignments(world):
    """Even a manager of everything neither adds to nor takes from their own assignments."""
    manager = world.person("registered_manager", None)
    mine = at(None, "registered_manager")

    for changed in ([mine, at(world.home)], []):
        work = AmendAccount(manager.id, 1, None, changed)
        assert why(world, work, AMEND, manager) == "own-assignments"
        stale = AmendAccount(manager.id, 7, None, changed)
        assert why(world, stale, AMEND, manager) == "own-assignments", "before anything about the version"
    unchanged = world.refusal(AmendAccount(manager.id, 7, "New Name", [mine]), AMEND, manager)
    assert type(unchanged) is VersionConflictError
    same = world.answer(AmendAccount(manager.id, 1, "New Name", [mine]), AMEND, manager).payload
    assert (same["display_name"], same["assignments"]) == ("New Name", [mine])


def test_only_what_changes_is_judged(world):
    """A home's manager changes what somebody is there and leaves untouched what they are elsewhere."""
    deputy = world.person("deputy_manager")
    elsewhere = at(world.other_home, "nurse")
    person = world.person(assignments=[at(world.home), elsewhere], signed_in=False)

    kept = AmendAccount(person.id, 1, None, [elsewhere, at(world.home, "senior_carer")])
    assert world.answer(kept, AMEND, deputy).version == 2
    dropped = AmendAccount(person.id, 2, None, [at(world.home, "senior_carer")])
    assert why(world, dropped, AMEND, deputy) == "scope-too-wide"


def test_taking_away_is_judged_like_giving(world):
    """A role with permissions one lacks can no more be taken away than given."""
    deputy = world.person("deputy_manager")
    manager = world.person("registered_manager", signed_in=False)

    assert why(world, AmendAccount(manager.id, 1, None, []), AMEND, deputy) == "escalation"


def test_break_glass_is_held_by_who_reads_everything(world):
    """`emergency:use` counts as held by those who read the clinical categories anyway, and by them only."""
    reader = world.person(assignments=[at(world.home, "deputy_manager")])
    it_admin = world.person("it_admin")

    assert "emergency:use" not in DEFAULT_ROLES["deputy_manager"]["system"]
    assert world.answer(creation(at(world.home)), CREATE, reader).version == 1
    assert why(world, creation(at(world.home), username="other"), CREATE, it_admin) == "escalation"


@pytest.mark.parametrize("missing", ["allergy:read", "identity:read", "document:read"])
def test_break_glass_is_not_held_by_who_reads_less(missing):
    """Somebody who cannot read one clinical category does not give what break-glass would open."""
    all_of_it = Grant("giver", permissions_of(DEFAULT_ROLES["deputy_manager"]), "home")
    less = replace(all_of_it, may=all_of_it.may - {missing})
    roles = {"role": Role("role", "staff", '{"records": {}, "system": ["emergency:use"]}')}

    check_grants(Agent("org", "giver", "user", (all_of_it,)), [Assignment("role", "home")], roles)
    with pytest.raises(ForbiddenError):
        check_grants(Agent("org", "giver", "user", (less,)), [Assignment("role", "home")], roles)


def test_permissions_add_up_only_where_both_hold(world):
    """Roles at one home add up there; a permission held at another home counts for nothing here."""
    apart = world.person(assignments=[at(world.home, "it_admin"), at(world.other_home, "registered_manager")])

    assert why(world, creation(at(world.home)), CREATE, apart) == "escalation"
    assert world.answer(creation(at(world.other_home)), CREATE, apart).version == 1


# --- admission of agency staff ----------------------------------------------------------------


def test_night_nurse_admits_agency_with_a_shift(world):
    """The nurse in charge admits an agency nurse to her home, with a first shift, in one call."""
    nurse = world.person("nurse")
    shift = NewShift(world.later(hours=-1), world.later(hours=12), "Sample Agency")

    created = world.answer(creation(at(world.home, "agency_nurse"), shift=shift), CREATE, nurse).payload

    entered = world.rows(table.shift)[0]
    assert (entered["user_id"], entered["home_id"], entered["role"]) == (
        created["id"],
        world.home,
        "agency_nurse",
    )
    acts = [entry["act"] for entry in world.entries()[-3:]]
    assert acts == ["user.create", "identity.set", "shift.create"]
    last = world.entries()[-1]
    assert (last["state"], last["obj"]["id"]) == (bytes(entered["state"]).hex(), entered["id"])
    assert last["actor"]["id"] == nurse.id


def test_admission_is_for_ones_own_home(world):
    """Who admits agency staff does so at a home, and unit, of their own and nowhere else."""
    nurse = world.person("nurse")
    unit_nurse = world.person(assignments=[at(world.home, "nurse", unit="Garden")])

    for home in (world.other_home, None):
        assert why(world, creation(at(home, "agency_carer")), CREATE, nurse) == "scope-too-wide"
    assert why(world, creation(at(world.home, "agency_carer")), CREATE, unit_nurse) == "scope-too-wide"
    garden = at(world.home, "agency_carer", unit="Garden")
    assert world.answer(creation(garden), CREATE, unit_nurse).version == 1


def test_admission_is_for_agency_care_only(world):
    """`agency:admit` creates no staff, no visiting professional, and nobody without an assignment."""
    nurse = world.person("nurse")

    assert why(world, creation(at(world.home)), CREATE, nurse) == "scope-too-wide"
    visitor = creation(at(world.home, "visiting_professional"))
    assert why(world, visitor, CREATE, nurse) == "scope-too-wide"
    for kind in ("agency", "staff"):
        assert why(world, creation(kind=kind), CREATE, nurse) == "admission-without-home"
    assert [row["id"] for row in world.rows(table.account)] == [nurse.id]


def test_admission_is_to_a_home_and_of_agency_users():
    """Even a nurse of the whole organisation admits to one home, and never a member of staff."""
    nurse = Agent("org", "nurse", "user", (Grant("nurse", frozenset({"agency:admit"})),))

    assert may_admit(nurse, "agency", Assignment("agency_nurse", "home"))
    assert not may_admit(nurse, "agency", Assignment("agency_nurse"))
    assert not may_admit(nurse, "staff", Assignment("agency_nurse", "home"))


def test_kinds_are_checked_before_admission(world):
    """An agency account with a role for staff is invalid, whoever asks."""
    nurse = world.person("nurse")

    error = world.refusal(creation(at(world.home), kind="agency"), CREATE, nurse)

    assert isinstance(error, InvalidRequestError)


@pytest.mark.parametrize(
    ("assignments", "hours", "valid"),
    [(1, 13, True), (1, 13.001, False), (1, -2, False), (0, 8, False), (2, 8, False)],
)
def test_first_shift(world, assignments, hours, valid):
    """A first shift lasts at most 13 hours and needs the one home it is at; else nothing is written."""
    manager = world.person("registered_manager", None)
    places = [at(world.home, "agency_carer"), at(world.other_home, "agency_carer")][:assignments]
    shift = NewShift(world.later(), world.later(hours=hours))

    outcome = world.do(creation(*places, kind="agency", shift=shift), CREATE, manager)

    assert isinstance(outcome, InvalidRequestError) is not valid
    assert len(world.rows(table.shift)) == int(valid)
    assert len(world.rows(table.account)) == 1 + int(valid)


def test_first_shift_wants_the_right_to_enter_one(world):
    """IT, who may create accounts but enter no shifts, cannot give one in the same call."""
    it_admin = world.person("it_admin")
    shift = NewShift(world.later(), world.later(hours=8))

    assert why(world, creation(at(world.home, "it_admin"), shift=shift), CREATE, it_admin) == (
        "home-out-of-scope"
    )
    assert len(world.rows(table.account)) == 1
