"""Shifts behind the door, and what happens to the sessions that hang on them."""

import pytest

from app.access.visit import System
from app.core.errors import (
    ConflictError,
    ForbiddenError,
    HiddenError,
    InvalidRequestError,
    NotFoundError,
    ShiftOverError,
)
from app.core.identifiers import new_id
from app.identity import table
from app.identity.accounts import DeactivateAccount, ReactivateAccount
from app.identity.own_session import ReadSession
from app.identity.shift_rows import NewShift
from app.identity.shifts import INACTIVE, AmendShift, CancelShift, CreateShift, ListShifts
from tests.support.world import Person, World

CREATE = "POST /v1/users/{user_id}/shifts"
LIST = "GET /v1/users/{user_id}/shifts"
AMEND = "PATCH /v1/users/{user_id}/shifts/{shift_id}"
CANCEL = "DELETE /v1/users/{user_id}/shifts/{shift_id}"
SESSION = "GET /v1/sessions/current"


@pytest.fixture
def nurse(world: World) -> Person:
    return world.person("nurse")


def agency(world: World, **options) -> Person:
    return world.person("agency_carer", shift_hours=0, signed_in=False, **options)


def entering(world: World, who: Person, *, since: float = -1, hours: float = 8, **changed) -> CreateShift:
    when = NewShift(world.later(hours=since), world.later(hours=hours), "Sample Agency")
    given = {"user_id": who.id, "home_id": world.home, "role": "agency_carer", "when": when}
    return CreateShift(**(given | changed))


def on_shift(world: World) -> tuple[Person, str]:
    """Return somebody of an agency at work, and their shift: 8:00 to 17:00."""
    person = agency(world)
    shift_id = world.shift(person)
    world.sign_in(person)
    return person, shift_id


def test_entered_shift_is_shown_and_bound(world, nurse):
    """A new shift is shown as entered; its entry holds the version and digest of its row."""
    person = agency(world)

    answer = world.answer(entering(world, person), CREATE, nurse)

    row = world.rows(table.shift)[0]
    assert answer.payload == {
        "id": row["id"],
        "user_id": person.id,
        "home_id": world.home,
        "role": "agency_carer",
        "starts_at": "2026-03-02T08:00:00.000000Z",
        "ends_at": "2026-03-02T17:00:00.000000Z",
        "agency": "Sample Agency",
        "cancelled": False,
        "version": 1,
    }
    entry = world.entry()
    assert (entry["act"], entry["obj"]) == ("shift.create", {"t": "shift", "id": row["id"], "ver": 1})
    assert entry["state"] == bytes(row["state"]).hex()


def test_shift_matches_an_assignment(world):
    """Role and home of a shift are those of one assignment of the user; any other pair is invalid."""
    manager = world.person("registered_manager", None)
    person = world.person(
        assignments=[
            {"role": "agency_carer", "home_id": world.home},
            {"role": "agency_nurse", "home_id": world.other_home},
        ],
        signed_in=False,
        shift_hours=0,
    )

    for role, home in (("agency_carer", world.other_home), ("agency_nurse", world.home)):
        work = entering(world, person, role=role, home_id=home)
        assert isinstance(world.refusal(work, CREATE, manager), InvalidRequestError)
    assert world.answer(entering(world, person), CREATE, manager).version == 1


@pytest.mark.parametrize(("hours", "valid"), [(-1, False), (-2, False), (23, True), (23.001, False)])
def test_shift_ends_after_it_starts_and_lasts_a_day_at_most(world, nurse, hours, valid):
    """A shift that began an hour ago ends later than that, and within 24 hours of its start."""
    outcome = world.do(entering(world, agency(world), hours=hours), CREATE, nurse)

    assert isinstance(outcome, InvalidRequestError) is not valid


def test_planner_of_one_home(world, nurse):
    """A visible user's shift at another home is forbidden; a user seen nowhere is not found."""
    both = world.person(
        assignments=[
            {"role": "agency_carer", "home_id": world.home},
            {"role": "agency_carer", "home_id": world.other_home},
        ],
        signed_in=False,
        shift_hours=0,
    )
    hidden = agency(world, home=world.other_home)

    forbidden = world.refusal(entering(world, both, home_id=world.other_home), CREATE, nurse)
    assert (type(forbidden), forbidden.why) == (ForbiddenError, "home-out-of-scope")
    for unseen, error in ((hidden.id, HiddenError), (new_id(), NotFoundError)):
        work = entering(world, both, user_id=unseen)
        assert type(world.refusal(work, CREATE, nurse)) is error


def test_planner_of_one_unit(world):
    """Whoever plans one unit enters shifts for those assigned to it, not for the whole home's."""
    planner = world.person(assignments=[{"role": "nurse", "home_id": world.home, "unit": "Garden"}])
    garden = world.person(
        assignments=[{"role": "agency_carer", "home_id": world.home, "unit": "Garden"}],
        signed_in=False,
        shift_hours=0,
    )

    assert world.answer(entering(world, garden), CREATE, planner).version == 1
    assert isinstance(world.refusal(entering(world, agency(world)), CREATE, planner), HiddenError)


def test_planner_of_one_unit_plans_no_role_beyond_it(world):
    """Somebody seen in one's unit gets no shift in a role they hold for the whole home."""
    planner = world.person(assignments=[{"role": "nurse", "home_id": world.home, "unit": "Garden"}])
    person = world.person(
        assignments=[
            {"role": "agency_carer", "home_id": world.home, "unit": "Garden"},
            {"role": "agency_nurse", "home_id": world.home},
        ],
        signed_in=False,
        shift_hours=0,
    )

    error = world.refusal(entering(world, person, role="agency_nurse"), CREATE, planner)

    assert (type(error), error.why) == (ForbiddenError, "unit-out-of-scope")
    assert world.answer(entering(world, person), CREATE, planner).version == 1


def test_deactivated_person_gets_no_shift(world, nurse):
    """Who was deactivated is reactivated first; whoever may not see the account is told nothing of it."""
    person, stranger = agency(world), world.person("nurse", world.other_home)
    cli = System("cli", world.org)
    world.answer(DeactivateAccount(person.id, "left"), "POST /v1/users/{user_id}/deactivate", cli)

    refused = world.refusal(entering(world, person), CREATE, nurse)
    assert (type(refused), refused.why, refused.detail) == (ConflictError, "not-active", INACTIVE)
    assert "reactivate" in INACTIVE
    assert world.entry()["out"] == "fail"
    assert type(world.refusal(entering(world, person), CREATE, stranger)) is HiddenError
    assert type(world.refusal(entering(world, person, role="agency_nurse"), CREATE, nurse)) is (
        InvalidRequestError
    )
    assert world.rows(table.shift) == []
    world.answer(ReactivateAccount(person.id, "back"), "POST /v1/users/{user_id}/reactivate", cli)
    assert world.answer(entering(world, person), CREATE, nurse).version == 1


def test_managing_users_alone_enters_no_shift(world):
    """IT reads a user and may not enter a shift: the permission is held nowhere."""
    it_admin = world.person("it_admin", None)

    error = world.refusal(entering(world, agency(world)), CREATE, it_admin)

    assert (type(error), error.why) == (ForbiddenError, "no-permission")


def test_list_shows_the_shifts_of_ones_own_homes(world, nurse):
    """Shifts are listed latest first and page by page, those at other homes not at all."""
    both = world.person(
        assignments=[
            {"role": "agency_carer", "home_id": world.home},
            {"role": "agency_carer", "home_id": world.other_home},
        ],
        signed_in=False,
        shift_hours=0,
    )
    late, early = (world.shift(both, since=since) for since in (1, 2))
    elsewhere = world.shift(both, home=world.other_home)
    manager = world.person("registered_manager", None)

    first = world.answer(ListShifts(both.id, 1), LIST, nurse).payload
    second = world.answer(ListShifts(both.id, 1, first["next_cursor"]), LIST, nurse).payload
    everything = world.answer(ListShifts(both.id), LIST, manager).payload

    assert [item["id"] for item in first["items"] + second["items"]] == [late, early]
    assert second["next_cursor"] is None
    assert {item["id"] for item in everything["items"]} == {late, early, elsewhere}


def test_shift_of_another_home_is_hidden(world, nurse):
    """A planner neither changes nor cancels a shift at a home that is not theirs: it is not found."""
    both = world.person(
        assignments=[
            {"role": "agency_carer", "home_id": world.home},
            {"role": "agency_carer", "home_id": world.other_home},
        ],
        signed_in=False,
        shift_hours=0,
    )
    elsewhere = world.shift(both, home=world.other_home)
    other = agency(world)

    assert type(world.refusal(CancelShift(both.id, elsewhere), CANCEL, nurse)) is HiddenError
    assert type(world.refusal(CancelShift(other.id, elsewhere), CANCEL, nurse)) is NotFoundError
    assert type(world.refusal(CancelShift(both.id, new_id()), CANCEL, nurse)) is NotFoundError
    assert [row["cancelled"] for row in world.rows(table.shift)] == [False]


def test_shortened_shift_ends_its_session(world, nurse):
    """A session ends with its shift when the shift is shortened, whatever its token says."""
    person, shift_id = on_shift(world)

    world.answer(AmendShift(person.id, shift_id, ends_at=world.later(minutes=5)), AMEND, nurse)
    shown = world.answer(ReadSession(), SESSION, person).payload
    world.pass_time(minutes=5)

    assert (shown["ends_at"], shown["ends_because"]) == ("2026-03-02T09:05:00.000000Z", "shift")
    error = world.refusal(ReadSession(), SESSION, person)
    assert (type(error), world.entry()["out"]) == (ShiftOverError, "deny")


def test_shift_shortened_into_the_past_acts_on_the_next_request(world, nurse):
    """A shift that is made to have ended already ends its sessions at once."""
    person, shift_id = on_shift(world)

    world.answer(AmendShift(person.id, shift_id, ends_at=world.later(minutes=-1)), AMEND, nurse)

    assert isinstance(world.refusal(ReadSession(), SESSION, person), ShiftOverError)


def test_extended_shift_needs_a_new_sign_in(world, nurse):
    """No session's end ever moves later: an extended shift is for those who sign in anew."""
    person, shift_id = on_shift(world)

    world.answer(AmendShift(person.id, shift_id, ends_at=world.later(hours=10)), AMEND, nurse)

    assert world.answer(ReadSession(), SESSION, person).payload["ends_at"] == "2026-03-02T17:00:00.000000Z"
    assert world.sign_in(person).body["session"]["ends_at"] == "2026-03-02T19:00:00.000000Z"


@pytest.mark.parametrize("ended_by", ["shortened", "moved"])
def test_sessions_do_not_revive_with_their_shift(world, nurse, ended_by):
    """A session cut off by a change of its shift stays over when the change is taken back."""
    person, shift_id = on_shift(world)
    change = {"ends_at": world.later(seconds=-1)} if ended_by == "shortened" else {}
    if ended_by == "moved":
        change = {"starts_at": world.later(minutes=1)}
    world.answer(AmendShift(person.id, shift_id, **change), AMEND, nurse)
    back = AmendShift(person.id, shift_id, world.later(hours=-1), world.later(hours=8))

    world.answer(back, AMEND, nurse)
    world.pass_time(seconds=30)

    assert isinstance(world.refusal(ReadSession(), SESSION, person), ShiftOverError)
    world.sign_in(person)


def test_cancelled_shift_ends_its_sessions_and_no_others(world, nurse):
    """Cancelling a shift ends the sessions of that shift at once, and nobody else's."""
    person, shift_id = on_shift(world)
    other, _ = on_shift(world)

    world.answer(CancelShift(person.id, shift_id), CANCEL, nurse)

    entry = world.entry()
    assert ({c["f"] for c in entry["chg"]}, entry["obj"]["ver"]) == ({"cancelled", "sessions_shortened"}, 2)
    assert isinstance(world.refusal(ReadSession(), SESSION, person), ShiftOverError)
    world.answer(ReadSession(), SESSION, other)


def test_cancelled_shift_stays_cancelled(world, nurse):
    """A cancelled shift is listed as such and can be neither changed nor cancelled again."""
    person, shift_id = on_shift(world)
    world.answer(CancelShift(person.id, shift_id), CANCEL, nurse)

    later = AmendShift(person.id, shift_id, ends_at=world.later(hours=9))
    assert isinstance(world.refusal(later, AMEND, nurse), ConflictError)
    assert isinstance(world.refusal(CancelShift(person.id, shift_id), CANCEL, nurse), ConflictError)
    (listed,) = world.answer(ListShifts(person.id), LIST, nurse).payload["items"]
    assert (listed["cancelled"], listed["version"]) == (True, 2)


def test_amended_times_are_checked_together(world, nurse):
    """A new start is judged with the old end: the shift still has to end after it starts."""
    person = agency(world)
    shift_id = world.shift(person)

    beyond = AmendShift(person.id, shift_id, starts_at=world.later(hours=8))
    assert isinstance(world.refusal(beyond, AMEND, nurse), InvalidRequestError)
    world.answer(AmendShift(person.id, shift_id, starts_at=world.later(hours=7)), AMEND, nurse)
    assert [c["f"] for c in world.entry()["chg"]] == ["starts_at"]
