"""What SQLite keeps in a column whatever its type: found when rows are compared, refused on reading."""

import pytest

from app.identity.directory import ListRoles, ReadAccount, ReadMe
from app.identity.homes import ListHomes
from app.identity.shifts import ListShifts
from app.residents.comparing import CompareVersions
from app.residents.records import ListRecords, ListVersions, ReadRecord
from app.residents.register import ListResidents, ReadResident
from tests.unit.trail.state_scene import RECORDS, Scene, household

ME = "GET /v1/users/me"
HEX = "lower(hex({0}))"
"""A sealed value, or a digest, written as the text of its own digits."""
ALTERED = {
    "a record that no query finds": ("record", "note", "deleted = ''", "record note", 3),
    "a record that is neither": ("record", "note", "deleted = 'x'", "record note", 3),
    "a record that is twice so": ("record", "note", "late = 2", "record note", 3),
    "a resident whom no query finds": ("resident", "ada", "deleted = ''", "resident ada", 2),
    "an account that is neither": ("account", "agency", "active = 'x'", "user agency", 2),
    "a second factor": ("account", "agency", "totp_confirmed = ''", "user agency", 2),
    "a password to be changed": ("account", "agency", "password_change_required = 'x'", "user agency", 2),
    "a shift that is neither": ("shift", "shift", "cancelled = ''", "shift shift", 2),
    "a body": ("record", "note", f"body = {HEX.format('body')}", "record note", 3),
    "an identity": ("resident", "ada", f"identity = {HEX.format('identity')}", "resident ada", 2),
    "a resident's key": ("resident", "ada", f"wrapped_key = {HEX.format('wrapped_key')}", "resident ada", 2),
    "a key that is a number": ("resident", "ada", "wrapped_key = 7", "resident ada", 2),
    "a room that was none": ("resident", "bob", "room = 9e999", "resident bob", 1),
    "a digest": ("record", "note", f"state = {HEX.format('state')}", "record note", 3),
    "a digest that is a number": ("record", "note", "state = 99999999999", "record note", 3),
    "a category": ("record", "note", "category = CAST(category AS BLOB)", "record note", 3),
    "a home that has a code": ("home", "home", "ods_code = 9e999", "home home", 1),
}


@pytest.fixture
def scene(world) -> Scene:
    """A household in a file."""
    return household(world)


@pytest.mark.parametrize("what", ALTERED)
def test_a_value_of_another_type_is_told(scene, what):
    """Also one that JSON spells as the honest value, and a yes or no that is neither."""
    table, name, change, shown, version = ALTERED[what]
    scene.tamper(f"UPDATE {table} SET {change} WHERE id = :{name}")
    seq = scene.last(shown.split()[0], name)

    assert f"STATE: {shown}: row differs from entry #{seq}, version {version}" in scene.told()


def reads(scene: Scene) -> dict:
    """Return how one reads each kind of row: operations and works."""
    ada, note, agency = scene.ids["ada"], scene.ids["note"], scene.ids["agency"]
    return {
        "record": [
            (f"GET {RECORDS}", ListRecords(ada, None, None, None, 50, None)),
            (f"GET {RECORDS}/{{record_id}}", ReadRecord(ada, note)),
            (f"GET {RECORDS}/{{record_id}}/versions", ListVersions(ada, note)),
        ],
        "resident": [
            ("GET /v1/residents", ListResidents(None, None, 50, None)),
            ("GET /v1/residents/{resident_id}", ReadResident(ada)),
        ],
        "user": [("GET /v1/users/{user_id}", ReadAccount(agency))],
        "shift": [("GET /v1/users/{user_id}/shifts", ListShifts(agency))],
        "home": [("GET /v1/homes", ListHomes())],
        "role": [("GET /v1/roles", ListRoles())],
    }


@pytest.mark.parametrize(
    ("kind", "name", "altered"),
    [
        ("record", "note", f"body = {HEX.format('body')} WHERE id = :note"),
        ("record", "note", f"state = {HEX.format('state')} WHERE id = :note"),
        ("record", "note", "state = 99999999999 WHERE id = :note"),
        ("record", "note", "medication_id = 9e999 WHERE id = :note"),
        ("resident", "ada", f"identity = {HEX.format('identity')} WHERE id = :ada"),
        ("resident", "ada", f"wrapped_key = {HEX.format('wrapped_key')} WHERE id = :ada"),
        ("resident", "ada", "wrapped_key = 7 WHERE id = :ada"),
        ("resident", "ada", "state = 7 WHERE id = :ada"),
        ("account", "agency", f"profile = {HEX.format('profile')} WHERE id = :agency"),
        ("account", "agency", "state = 'x' WHERE id = :agency"),
        ("shift", "shift", "agency = 9e999 WHERE id = :shift"),
        ("shift", "shift", "state = 7 WHERE id = :shift"),
        ("home", "home", "ods_code = 9e999 WHERE id = :home"),
        ("home", "home", "state = 'x' WHERE id = :home"),
        ("role", "kitchen", f"state = {HEX.format('state')} WHERE name = 'kitchen'"),
    ],
)
def test_a_value_of_another_type_is_refused_and_told_of(scene, kind, name, altered):
    """Every way to read the row is refused as altered, and the trail names the row, once."""
    told = "user" if kind == "account" else kind
    manager = scene.world.person("registered_manager", None)
    for operation, work in reads(scene)[told]:
        scene.world.answer(work, operation, manager)
    scene.tamper(f"UPDATE {kind} SET {altered}")
    since = len(scene.world.entries())

    met = [scene.world.refusal(work, operation, manager) for operation, work in reads(scene)[told]]

    assert {"integrity"} == {refused.slug for refused in met}
    alarms = [entry["obj"] for entry in scene.world.entries()[since:] if entry["act"] == "integrity.fail"]
    assert [{"t": told, "id": scene.ids.get(name, name)}] == alarms


@pytest.mark.parametrize("change", ["active = 'x'", "totp_confirmed = 'x'", "password_change_required = ''"])
def test_nobody_acts_on_an_account_that_is_neither(scene, change):
    """A session of somebody whose account says neither yes nor no is refused as altered."""
    nurse = scene.world.person("nurse")
    scene.world.answer(ReadMe(), ME, nurse)
    scene.tamper(f"UPDATE account SET {change} WHERE id = :nurse", nurse=nurse.id)

    assert "state-broken" == scene.world.refusal(ReadMe(), ME, nurse).why


@pytest.mark.parametrize("change", [f"body = {HEX.format('body')}", "late = 'x'"])
def test_an_earlier_version_of_other_types_is_refused(scene, change):
    """It is judged with its own columns, by the digest in its entry."""
    ada, note = scene.ids["ada"], scene.ids["note"]
    work = CompareVersions(ada, note, 2, 1)
    operation, nurse = f"GET {RECORDS}/{{record_id}}/versions/{{version}}", scene.world.person("nurse")
    scene.world.answer(work, operation, nurse)
    scene.tamper(f"UPDATE record_version SET {change} WHERE record_id = :note AND version = 1")

    assert "state-broken" == scene.world.refusal(work, operation, nurse).why
    assert ["version 1"] == [one.split(", ")[-1] for one in scene.told() if "version kept differs" in one]


@pytest.mark.parametrize("column", ["occurred_at_estimated", "late", "deleted"])
def test_a_record_that_says_neither_yes_nor_no_is_refused(scene, column):
    """Whatever of a record it is; the query by its id finds the row whatever it says."""
    nurse = scene.world.person("nurse")
    work, operation = ReadRecord(scene.ids["ada"], scene.ids["note"]), f"GET {RECORDS}/{{record_id}}"
    scene.tamper(f"UPDATE record SET {column} = '' WHERE id = :note")

    assert "state-broken" == scene.world.refusal(work, operation, nurse).why
