"""A resident's or a record's row that was changed behind the service's back opens nothing to anybody."""

import pytest

from app.access.visit import System
from app.core.errors import HiddenError
from app.exchange.subject_works import EXPORT, ReadRecords
from app.residents.comparing import CompareVersions
from app.residents.correcting import AmendRecord, RemoveRecord
from app.residents.recording import MakeRecord
from app.residents.records import ListRecords, ListVersions, ReadRecord
from app.residents.table import record_version
from tests.unit.trail.state_scene import RECORDS, Scene, household

RECORD = f"{RECORDS}/{{record_id}}"
VERSIONS = f"GET {RECORD}/versions"
VERSION = f"{VERSIONS}/{{version}}"
BODY = {"text": "by somebody else"}


@pytest.fixture
def scene(each_world) -> Scene:
    """A household on each database."""
    return household(each_world)


def alarms(scene: Scene) -> list[tuple]:
    """Return which rows the trail says were altered."""
    names = {id_: name for name, id_ in scene.ids.items()}
    told = [entry["obj"] for entry in scene.world.entries() if entry["act"] == "integrity.fail"]
    return [(obj["t"], names.get(obj["id"], obj["id"])) for obj in told]


def on_records(scene: Scene) -> dict:
    """Return what a nurse does with the records of somebody: works by their operations."""
    ada, note, at = scene.ids["ada"], scene.ids["note"], scene.world.later(minutes=-3)
    return {
        f"GET {RECORDS}": ListRecords(ada, None, None, None, 50, None),
        f"GET {RECORD}": ReadRecord(ada, note),
        VERSIONS: ListVersions(ada, note),
        VERSION: CompareVersions(ada, note, 2, 1),
        f"POST {RECORDS}": MakeRecord(ada, "daily_note", at, BODY),
        f"PUT {RECORD}": AmendRecord(ada, note, 3, at, BODY, "it was wrong"),
        f"DELETE {RECORD}": RemoveRecord(ada, note, 3),
    }


def test_moving_a_resident_in_the_database_opens_their_records_to_nobody(scene):
    """Whoever works at the other home is refused every record, to read or to write, and the trail says so."""
    world = scene.world
    manager = world.person("registered_manager", world.other_home)
    for operation, work in on_records(scene).items():
        assert isinstance(world.refusal(work, operation, manager, reason="wrong"), HiddenError)
    before = len(world.rows(record_version))
    scene.tamper("UPDATE resident SET home_id = :there WHERE id = :ada", there=world.other_home)

    met = [world.refusal(work, op, manager, reason="wrong") for op, work in on_records(scene).items()]

    assert [("integrity", "state-broken")] * 7 == [(refused.slug, refused.why) for refused in met]
    assert [("resident", "ada")] == alarms(scene)
    assert before == len(world.rows(record_version))


def test_an_altered_resident_is_refused_before_anything_else_is_said(scene):
    """A dose of a medicine that is not there is refused as altered, not as a dose: nothing is told of it."""
    nurse = scene.world.person("nurse")
    dose = {"medication_id": "none", "given_at": scene.world.later(minutes=-1)}
    work = MakeRecord(scene.ids["ada"], "medication_administration", scene.world.later(minutes=-1), dose)
    scene.tamper("UPDATE resident SET unit = 'West' WHERE id = :ada")

    assert "state-broken" == scene.world.refusal(work, f"POST {RECORDS}", nurse).why


def test_a_record_under_another_category_shows_none_of_its_versions(scene):
    """Who may read what it was made to look like is refused the list, and each version by its number."""
    world, ids = scene.world, scene.ids
    carer = world.person("carer")
    at, body = world.later(minutes=-5), {"name": "Morphine", "dose": "5 mg", "route": "oral"}
    body |= {"frequency": "daily", "status": "active"}
    work = MakeRecord(ids["ada"], "medication", at, body)
    made = world.answer(work, f"POST {RECORDS}", world.person("nurse")).payload["id"]
    scene.ids["dose"] = made
    scene.tamper("UPDATE record SET category = 'daily_note' WHERE id = :dose")

    listed = world.refusal(ListVersions(ids["ada"], made), VERSIONS, carer)
    one = world.refusal(ListVersions(ids["ada"], made, 1), VERSION, carer)
    compared = world.refusal(CompareVersions(ids["ada"], made, 1, 1), VERSION, carer)

    assert ["state-broken"] * 3 == [listed.why, one.why, compared.why]
    assert [("record", "dose")] == alarms(scene)


@pytest.mark.parametrize(
    ("version", "altered", "why"),
    [
        (1, "recorded_by = 'somebody-else'", "state-broken"),
        (1, "recorded_at = '2020-01-01T00:00:00.000000Z'", "state-broken"),
        (1, "recorded_at = '2027-01-01T00:00:00.000000Z'", "entry-missing"),
        (1, "late = NOT late", "state-broken"),
        (3, "recorded_by = 'somebody-else'", "state-broken"),
        (3, "recorded_at = '2027-01-01T00:00:00.000000Z'", "state-broken"),
        (3, "deleted = NOT deleted", "state-broken"),
    ],
)
def test_a_version_is_shown_only_as_its_entry_says(scene, version, altered, why):
    """Who recorded it and when is not believed of a row that was changed; what is not shown hides nothing."""
    world, of_note = scene.world, (scene.ids["ada"], scene.ids["note"])
    carer = world.person("carer")
    assert 3 == len(world.answer(ListVersions(*of_note), VERSIONS, carer).payload["items"])
    scene.tamper(f"UPDATE record_version SET {altered} WHERE record_id = :note AND version = {version}")

    listed = world.refusal(ListVersions(*of_note), VERSIONS, carer)
    one = world.refusal(ListVersions(*of_note, version), VERSION, carer)

    assert [why, why] == [listed.why, one.why]
    assert [("record", "note")] == alarms(scene)
    assert 2 == world.answer(ListVersions(*of_note, 2), VERSION, carer).payload["version"]


def test_a_copy_of_the_whole_record_holds_no_altered_version(scene):
    """Whoever writes everything out for the resident stops at a version that is not what its entry says."""
    scene.tamper("UPDATE record_version SET recorded_by = 'x' WHERE record_id = :note AND version = 1")
    work = ReadRecords(scene.ids["ada"], "daily_note", None, 10)

    assert "state-broken" == scene.world.refusal(work, EXPORT, System("cli", scene.world.org)).why
