"""Facts beside the trail: who has the name of whom, where people live, who holds far-reaching rights."""

import pytest

from app.access.visit import System
from app.alerts.facts import GatherFacts, Kept
from app.alerts.judging import JUDGE
from app.core.clock import spell
from app.detection.event import Event
from app.detection.facts import Happened, Shift
from app.residents.admission import AdmitResident
from app.residents.recording import MakeRecord
from tests.support.world import World

RECORDS = "POST /v1/residents/{resident_id}/records"


@pytest.fixture
def world(tmp_path):
    """A world of its own for each test."""
    with World.at(tmp_path) as world:
        yield world


def admit(world, family, unit=None, day=1):
    """Admit somebody and return their id."""
    identity = {"given_name": "Ada", "family_name": family}
    work = AdmitResident(world.home, unit, None, identity, {"date_of_birth": f"1938-04-0{day}"}, "2025-01-01")
    return world.answer(work, "POST /v1/residents", System("cli", world.org)).payload["id"]


def event(world, act, who, *residents, fields=(), about=None):
    """Return an entry of now."""
    return Event(
        *(world.org, 0, spell(world.now), world.now.timestamp(), act),
        actor=who,
        kind="user",
        residents=residents,
        fields=fields,
        object_id=about,
    )


def gathered(world, *events, kept=None):
    """Return the facts about some entries."""
    work = GatherFacts(list(events), kept or Kept())
    return world.answer(work, JUDGE, System("detection", world.org)).payload


def test_a_family_name_is_compared_however_it_is_spelled(world):
    """The last word of a person's name is held against residents' names by its blind index."""
    person = world.person("carer", name="Bea O'")
    family = person.display_name.split()[-1]
    kin, other = admit(world, family.upper(), day=1), admit(world, "Other", day=2)
    facts = gathered(world, event(world, "record.read", person.id, kin, other))

    assert {person.id: frozenset({kin})} == facts.kin


def test_no_stored_column_tells_who_is_called_alike(world):
    """What is compared is computed and dropped: gathering writes nothing and makes no entry."""
    person = world.person("carer")
    before = len(world.entries())
    gathered(world, event(world, "record.read", person.id))

    assert before == len(world.entries())


def test_places_and_shifts_are_those_of_the_rows(world):
    """A resident's place is home and unit; shifts are those around the entries, cancelled ones left out."""
    nurse = world.person("agency_nurse", shift_hours=8)
    north, plain = admit(world, "Moss", "North"), admit(world, "Pike", day=2)
    facts = gathered(world, event(world, "record.read", nurse.id, north))

    assert {north: f"{world.home}/North", plain: world.home} == facts.places
    at = world.now.timestamp()
    assert {nurse.id: (Shift(at - 3600, at + 8 * 3600, world.home),)} == facts.shifts


def test_far_reaching_rights_are_those_of_the_roles(world):
    """Managers and overseers hold them, those who care do not; all accounts are known since their making."""
    manager, it = world.person("registered_manager", None), world.person("it_admin", None)
    carer = world.person("carer")
    facts = gathered(world, event(world, "auth.login", carer.id))

    assert frozenset({manager.id, it.id}) == facts.powerful
    assert {manager.id, it.id, carer.id} <= facts.created.keys()


def test_what_is_kept_is_read_again_when_an_entry_says_it_changed(world):
    """New rights count from the entry on that gives them; without one nothing is read twice."""
    kept = Kept()
    carer = world.person("carer")
    assert frozenset() == gathered(world, event(world, "auth.login", carer.id), kept=kept).powerful
    manager = world.person("registered_manager")
    assert frozenset() == gathered(world, event(world, "auth.login", carer.id), kept=kept).powerful

    made = event(world, "user.create", "x", fields=("assignments",), about=manager.id)

    assert frozenset({manager.id}) == gathered(world, made, kept=kept).powerful


def test_incidents_are_reports_of_the_last_week(world):
    """A report of an incident makes it known; records of that resident tell when they were first written."""
    nurse = world.person("nurse")
    resident = admit(world, "Moss")
    body = {"kind": "fall", "description": "Found on the floor."}
    note = MakeRecord(resident, "daily_note", world.later(hours=-3), {"text": "Slept."})
    made = world.answer(note, RECORDS, nurse).payload["id"]
    world.answer(MakeRecord(resident, "incident_report", world.later(hours=-1), body), RECORDS, nurse)
    wrote = event(world, "record.create", nurse.id, resident)
    at = world.now.timestamp()

    facts = gathered(world, wrote)

    assert {resident: (Happened(at - 3600, at),)} == facts.incidents
    assert {made} == facts.records.keys()
    world.pass_time(days=8)
    assert {} == gathered(world, event(world, "record.create", nurse.id, resident)).incidents
