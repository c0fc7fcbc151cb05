"""What changed in a resident's own row is told from the trail, to whoever may read it."""

import pytest
from sqlalchemy import text

from app.access.opened import FieldChange
from app.access.visit import System
from app.core.errors import HiddenError, NotFoundError, SealBrokenError
from app.residents.amending import AmendResident
from app.residents.history import ReadResidentChanges, leads_to
from app.residents.leaving import DischargeResident
from tests.unit.trail.stories import READ, admit

AMEND = "PATCH /v1/residents/{resident_id}"
DISCHARGE = "POST /v1/residents/{resident_id}/discharge"
PATCHES = (
    {"identity": {"family_name": "Renamed"}, "room": "12"},
    {"identifiers": {"date_of_birth": "1938-05-04"}},
    {"room": "14"},
)


@pytest.fixture
def world(each_world):
    """A provider on each database."""
    return each_world


@pytest.fixture
def resident(world):
    """A resident in five versions; another one lives beside them."""
    cli, found = System("cli", world.org), admit(world, world.home)
    other = admit(world, world.home, "Other")
    for was, patch in enumerate(PATCHES, 1):
        world.answer(AmendResident(found, was, patch), AMEND, cli)
        world.answer(AmendResident(other, was, {"room": str(was)}), AMEND, cli)
    world.answer(DischargeResident(found, "2026-02-01", "moved"), DISCHARGE, cli)
    return found


def changes(world, resident, who, since=0):
    """Return what is told since a version, as (version, field, before, after)."""
    told = world.answer(ReadResidentChanges(resident, since), READ, who).payload["changes"]
    return [
        (change["version"], one["field"], one["before"], one["after"])
        for change in told
        for one in change["changed"]
    ]


def test_each_change_is_told_with_the_values_before_and_after(world, resident):
    """Name, room, identifiers and status are told as they were and became, the newest change first."""
    manager = world.person("registered_manager")

    assert sorted(changes(world, resident, manager, since=1), key=lambda one: (-one[0], one[1])) == [
        (5, "discharge_reason", None, "moved"),
        (5, "discharged_on", None, "2026-02-01"),
        (5, "status", "resident", "discharged"),
        (4, "room", "12", "14"),
        (3, "date_of_birth", "1938-04-05", "1938-05-04"),
        (2, "family_name", "Example", "Renamed"),
        (2, "room", None, "12"),
    ]
    assert changes(world, resident, manager, since=4) == changes(world, resident, manager, since=1)[:3]
    assert changes(world, resident, manager, since=5) == []


def test_the_admission_is_a_change_from_nothing(world, resident):
    """Since version 0 the first values are told, too, each with nothing before it."""
    told = [one for one in changes(world, resident, world.person("registered_manager")) if one[0] == 1]

    assert (1, "family_name", None, "Example") in told
    assert {before for _, _, before, _ in told} == {None}


def test_each_change_names_its_entry(world, resident):
    """Number, leaf, instant and person are those of the line that made the version."""
    [newest] = world.answer(
        ReadResidentChanges(resident, 4), READ, world.person("registered_manager")
    ).payload["changes"]
    entry = world.entries()[newest["seq"]]

    assert ("resident.discharge", 5) == (entry["act"], entry["obj"]["ver"])
    assert newest["changed_by"] == entry["actor"]["id"]


def test_identifiers_are_told_to_whoever_may_read_them(world, resident):
    """The kitchen, which sees names and rooms, is told that of a version and no date of birth."""
    told = changes(world, resident, world.person("kitchen"))

    assert (2, "family_name", "Example", "Renamed") in told
    assert not {"date_of_birth", "nhs_number"} & {field for _, field, _, _ in told}


def test_whoever_may_not_read_the_resident_is_told_nothing(world, resident):
    """A carer of another home finds nothing; a version that is not there is not found."""
    elsewhere = world.person("carer", world.other_home)

    assert isinstance(world.refusal(ReadResidentChanges(resident, 1), READ, elsewhere), HiddenError)
    manager = world.person("registered_manager")
    assert isinstance(world.refusal(ReadResidentChanges(resident, 6), READ, manager), NotFoundError)


def test_reading_changes_is_one_entry_that_counts_them(world, resident):
    """The entry is a `resident.read` that names the resident and counts the row and each change."""
    before = len(world.entries())
    changes(world, resident, world.person("registered_manager", signed_in=True), since=2)
    entries = [one for one in world.entries()[before:] if one["act"] == "resident.read"]

    assert [(one["n"], one["subs"], one["obj"]["ver"]) for one in entries] == [(4, [resident], 5)]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("DELETE FROM audit_value WHERE seq = :seq AND field = 'room'", "values-differ"),
        ("UPDATE audit_value SET ct = :other WHERE seq = :seq AND field = 'room'", "values-differ"),
        ("DELETE FROM audit_index WHERE kind = 'act' AND key = 'resident.update'", "entry-missing"),
    ],
)
def test_what_does_not_agree_with_the_trail_is_not_told(world, resident, sql, why):
    """A value that is missing or another, or a version without its entry, is refused; the row is named."""
    manager = world.person("registered_manager")
    changes(world, resident, manager)
    seq = next(n for n, e in enumerate(world.entries()) if e.get("obj", {}).get("ver") == 2)
    given = {"seq": seq, "other": b"x"}
    world.looking(lambda c: c.execute(text(sql), {name: given[name] for name in given if f":{name}" in sql}))

    refused = world.refusal(ReadResidentChanges(resident, 1), READ, manager)

    assert isinstance(refused, SealBrokenError)
    assert (why, "resident", resident) == (refused.why, refused.row.kind, refused.row.id)


@pytest.mark.parametrize(
    ("changes", "agree"),
    [
        ([("room", "12", "14"), ("room", None, "12")], True),
        ([("room", "12", "14"), ("room", None, "13")], False),
        ([("room", "12", "15")], False),
        ([("unit", None, "East")], False),
        ([("discharge_reason", None, "moved"), ("room", None, "14")], True),
    ],
)
def test_changes_lead_to_the_row_without_a_gap(changes, agree):
    """Each value must be what the next change found there, the newest what stands in the row."""
    assert agree == leads_to({"room": "14"}, [[FieldChange(*one)] for one in changes])
