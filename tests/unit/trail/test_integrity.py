"""A row that was changed behind the service's back is refused where it is read, and the trail says so."""

import pytest

from app.access.visit import System
from app.core.errors import CaretrailError, SealBrokenError
from app.identity import recognising, table
from app.identity.accounts import AmendAccount
from app.identity.directory import ReadMe
from app.identity.new_accounts import CreateAccount
from app.identity.recognising import Recogniser
from app.identity.shifts import CancelShift
from app.residents.records import ListRecords, ReadRecord
from app.residents.register import ReadResident
from tests.support.world import CREATE_USER, World
from tests.unit.trail.state_scene import RECORDS, Scene, household

ME = "GET /v1/users/me"
RECORD = f"GET {RECORDS}/{{record_id}}"
RESIDENT = "GET /v1/residents/{resident_id}"


@pytest.fixture
def scene(any_world) -> Scene:
    """A household on each database."""
    return household(any_world)


def met(scene: Scene, since: int) -> list[tuple]:
    """Return act, outcome, code and object of the entries since a number."""
    names = {id_: name for name, id_ in scene.ids.items()}
    told = []
    for entry in scene.world.entries()[since:]:
        obj = entry.get("obj", {})
        named = names.get(obj.get("id"), obj.get("id"))
        told.append((entry["act"], entry["out"], entry.get("why"), obj.get("t"), named))
    return told


def alarm(kind: str, name: str) -> tuple:
    """Return what the entry about an altered row says."""
    return ("integrity.fail", "fail", "state-broken", kind, name)


def test_an_altered_record_is_refused_and_told_of_once(scene):
    """Each reader is refused with an entry of their own; the row is told of once, naming table and id."""
    world = scene.world
    nurse = world.person("nurse")
    scene.tamper("UPDATE record SET late = (1 = 1) WHERE id = :plain")
    since = len(world.entries())
    work = ReadRecord(scene.ids["ada"], scene.ids["plain"])
    refused = [world.refusal(work, RECORD, nurse) for _ in range(3)]
    listed = world.refusal(
        ListRecords(scene.ids["ada"], None, None, None, 50, None, False), f"GET {RECORDS}", nurse
    )

    assert [("integrity", "state-broken")] * 4 == [(e.slug, e.why) for e in (*refused, listed)]
    read = ("record.read", "fail", "state-broken", "record", "plain")
    acts = met(scene, since)
    assert [read, alarm("record", "plain"), read, read] == acts[:4]
    assert 1 == sum(act[0] == "integrity.fail" for act in acts)
    told = world.entries()[since + 1]
    assert ({"id": "system:integrity", "kind": "system"}, [scene.ids["ada"]]) == (told["actor"], told["subs"])


def test_a_process_that_starts_anew_tells_again(scene):
    """What one process told of is told again by the next: the row is still altered."""
    scene.tamper("UPDATE resident SET unit = 'West' WHERE id = :bob")
    cli, work = System("cli", scene.world.org), ReadResident(scene.ids["bob"])
    for _ in range(2):
        since = len(scene.world.entries())
        scene.world.refusal(work, RESIDENT, cli)
        assert alarm("resident", "bob") in met(scene, since)
        scene.world.turn.close()
        scene.world.turn = scene.world._new_turn()


@pytest.mark.parametrize(
    "change", ["wrapped_key = profile", "assignments = '[]'", "kind = 'staff'", "state = profile"]
)
def test_nobody_acts_with_an_altered_account(scene, change):
    """From the next request on, whatever was changed in the row: no answer, an alarm, no way to sign in."""
    world = scene.world
    carer = world.person("carer")
    world.answer(ReadMe(), ME, carer)
    scene.ids["carer"] = carer.id
    change = change.replace("'[]'", "'[ ]'").replace("'staff'", "'agency'")
    scene.tamper(f"UPDATE account SET {change} WHERE id = :carer")
    since = len(world.entries())
    world.refusal(ReadMe(), ME, carer)
    (own, told) = met(scene, since)

    assert ("user.read", "fail") == own[:2]
    assert alarm("user", "carer") == told
    world.pass_time(minutes=1)
    outcome = world.try_sign_in(carer.username, otp=world.otp(carer))
    assert isinstance(outcome, SealBrokenError)


@pytest.mark.parametrize("acted", [False, True])
def test_an_altered_shift_lets_nobody_in_or_stay(scene, acted):
    """A shift whose end was moved past the door ends its session, refuses the next, and is not amended.

    Whether or not the shift was found right before.
    """
    world = scene.world
    agency = world.person("agency_carer")
    if acted:
        world.answer(ReadMe(), ME, agency)
    shift = next(r for r in world.rows(table.shift) if r["user_id"] == agency.id)
    scene.ids["theirs"] = shift["id"]
    scene.tamper("UPDATE shift SET ends_at = '2026-03-03T08:00:00.000000Z' WHERE id = :theirs")
    since = len(world.entries())
    assert "state-broken" == world.refusal(ReadMe(), ME, agency).why
    assert alarm("shift", "theirs") in met(scene, since)
    cancel = CancelShift(agency.id, shift["id"])
    operation = "DELETE /v1/users/{user_id}/shifts/{shift_id}"
    assert "state-broken" == world.refusal(cancel, operation, System("cli", world.org)).why
    world.pass_time(minutes=1)
    outcome = world.try_sign_in(agency.username, otp=world.otp(agency))

    assert isinstance(outcome, SealBrokenError)


def test_an_altered_role_gives_nobody_anything(scene):
    """Who holds a role that was widened past the door is refused once it is read; others are not."""
    world = scene.world
    cook, carer, manager = (world.person(role) for role in ("kitchen", "carer", "registered_manager"))
    scene.tamper(
        "UPDATE role SET permissions = replace(permissions, 'read', 'update') WHERE name = 'kitchen'"
    )
    fresh = _anew(world)
    since = len(world.entries())

    assert "state-broken" == fresh.refusal(ReadMe(), ME, cook).why
    assert alarm("role", "kitchen") in met(scene, since)
    fresh.answer(ReadMe(), ME, carer)
    given = [{"role": "kitchen", "home_id": world.home}]
    create = CreateAccount("new.cook", "New Cook", "staff", given, "hash", "initial")
    assert "state-broken" == fresh.refusal(create, CREATE_USER, manager).why


def test_a_role_put_right_is_believed_again(scene):
    """Once the row is what the trail knows again its holders act, in the process that refused them too."""
    world = scene.world
    cook = world.person("kitchen")
    put = "UPDATE role SET permissions = replace(permissions, '{}', '{}') WHERE name = 'kitchen'"
    scene.tamper(put.format('"read"', '"rEAd"'))
    fresh = _anew(world)
    assert "state-broken" == fresh.refusal(ReadMe(), ME, cook).why

    scene.tamper(put.format('"rEAd"', '"read"'))

    fresh.answer(ReadMe(), ME, cook)


def _anew(world: World) -> World:
    world.turn.close()
    world.turn = world._new_turn()
    return world


def test_a_row_is_held_against_its_digest_once(world, monkeypatch):
    """Requests that find the rows as they were cost no digest; a row that changed costs one."""
    judged = []
    real = recognising.refuse_altered_account
    monkeypatch.setattr(
        recognising, "refuse_altered_account", lambda key, row: (judged.append(row.id), real(key, row))
    )
    carer = world.person("carer")
    for _ in range(5):
        world.answer(ReadMe(), ME, carer)
        world.pass_time(seconds=40)
    assert [carer.id] == judged
    renamed = AmendAccount(carer.id, 1, display_name="Other Name")
    world.answer(renamed, "PATCH /v1/users/{user_id}", System("cli", world.org))
    world.answer(ReadMe(), ME, carer)

    assert [carer.id] * 2 == judged


def test_a_recogniser_that_trusts_its_rows_lets_an_altered_one_act(scene, monkeypatch):
    """Without the check the widened account acts: the check is what refuses it."""
    world = scene.world
    carer = world.person("carer")
    scene.ids["carer"] = carer.id
    scene.tamper("UPDATE account SET created_by = 'someone' WHERE id = :carer")
    assert isinstance(world.do(ReadResident(scene.ids["bob"]), RESIDENT, carer), CaretrailError)
    monkeypatch.setattr(Recogniser, "_vouch", lambda *_: None)

    world.answer(ReadResident(scene.ids["bob"]), RESIDENT, carer)
