"""What is sealed beside the lines is held against the hashes in them: values, reasons, names."""

import pytest
from sqlalchemy import text

from app.audit import table
from app.audit.entry import Draft, begin
from app.audit.log import append
from app.residents.erasing import ApproveErasure, AskErasure
from app.trail import box_check
from tests.unit.residents.conftest import APPROVE, ASK
from tests.unit.trail.derived_scene import both, derive, derived_household, number, report, told, unlock
from tests.unit.trail.state_scene import Scene


@pytest.fixture
def scene(any_world) -> Scene:
    """A household with some hundred entries, all of them in the index, its nodes written."""
    return derived_household(any_world)


def test_boxes_exchanged_between_two_residents_are_told(scene):
    """A value that belongs to another line is told, and where it belongs (row 18)."""
    unlock(scene, "audit_value")
    one, other = number(scene, "record.create", "first"), number(scene, "record.create", "second")
    scene.tamper("CREATE TABLE kept AS SELECT * FROM audit_value")
    for here, there in ((one, other), (other, one)):
        scene.tamper(
            f"UPDATE audit_value SET ct = (SELECT ct FROM kept WHERE org = :org AND seq = {there} AND n = 0)"
            f" WHERE org = :org AND seq = {here} AND n = 0",
            org=scene.world.org,
        )
    scene.tamper("DROP TABLE kept")

    assert [
        f"CIPHERTEXT #{here}: {value} is not the one the line names: it belongs elsewhere, to #{there}"
        for value in [_first_value(scene, one)]
        for here, there in ((one, other), (other, one))
    ] == both(scene)


def _first_value(scene: Scene, seq: int) -> str:
    return f"the value after of {scene.world.entries()[seq]['chg'][0]['f']}"


@pytest.mark.parametrize("n", [0, -1])
def test_a_value_or_reason_taken_away_is_missed(scene, n):
    """A box that is gone without an erasure is missed (row 19)."""
    unlock(scene, "audit_value")
    seq = number(scene, "record.create", "first")
    query = text("SELECT max(n) FROM audit_value WHERE org = :org AND seq = :seq")
    last = scene.world.looking(lambda c: c.execute(query, {"org": scene.world.org, "seq": seq}).scalar_one())
    what = "the reason" if n else _first_value(scene, seq)
    scene.tamper(f"DELETE FROM audit_value WHERE seq = {seq} AND n = {last if n else 0}")

    assert [f"VALUE MISSING #{seq}: {what} is not there, no erasure recorded"] == both(scene)


def test_a_value_gone_with_an_erasure_is_not_missed(scene):
    """An entry `resident.erase` that names the resident makes missing values right, and is named."""
    unlock(scene, "audit_value")
    world, seq = scene.world, number(scene, "record.create", "first")
    scene.tamper(f"DELETE FROM audit_value WHERE seq = {seq}")
    assert 1 == len(both(scene))
    erased = begin("resident.erase", "ok", {"id": "system:test", "kind": "system"}) | {
        "subs": [scene.ids["ada"]]
    }
    [stamp] = world.looking(lambda c: append(c, [Draft(world.org, erased)], world.now))
    world.looking(lambda c: derive(c, world.org))

    assert [] == both(scene)
    assert len(world.entries()) == stamp.seq + 1


def test_an_erasure_leaves_the_boxes_and_is_named(scene):
    """Nothing is missed of a resident erased by two people; how many values went with them is told."""
    world, ada = scene.world, scene.ids["ada"]
    officer, manager = (
        world.person(role, None, name="Officer") for role in ("privacy_officer", "registered_manager")
    )
    asked = world.answer(AskErasure(ada, "court_order", "a court"), ASK, officer).payload["id"]
    world.answer(ApproveErasure(asked), APPROVE, manager)
    seq = len(world.entries()) - 1
    world.looking(lambda c: derive(c, world.org))

    assert [] == both(scene)
    [text_] = [one for one in report(scene).checked if "sealed values are named" in one]
    kept = sum(row["owner"] == ada for row in world.rows(table.value))
    assert f"; {kept} erased under entry #{seq}" in text_


@pytest.mark.parametrize(
    ("act", "out", "whom"),
    [
        ("resident.erase", "ok", "bob"),
        ("resident.erase", "deny", "ada"),
        ("resident.erase", "fail", "ada"),
        ("resident.erase_request", "ok", "ada"),
    ],
)
def test_another_erasure_or_a_refused_one_excuses_nothing(scene, act, out, whom):
    """A value is missed although somebody else was erased, or an erasure was only asked for or refused."""
    unlock(scene, "audit_value")
    world, seq = scene.world, number(scene, "record.create", "first")
    scene.tamper(f"DELETE FROM audit_value WHERE seq = {seq} AND n = 0")
    erased = begin(act, out, {"id": "system:test", "kind": "system"}) | {"subs": [scene.ids[whom]]}
    world.looking(lambda c: append(c, [Draft(world.org, erased)], world.now))
    world.looking(lambda c: derive(c, world.org))

    assert ["VALUE MISSING"] == [one.partition(" #")[0] for one in both(scene)]


CHANGES = {
    "ct": ("ct = :other", "is not the one the line names"),
    "field": ("field = 'other'", "is kept as another field's or another owner's"),
    "side": ("side = 'b'", "is kept as another field's or another owner's"),
    "owner": ("owner = 'other'", "is kept as another field's or another owner's"),
}


@pytest.mark.parametrize("column", CHANGES)
def test_a_changed_box_is_told(scene, column):
    """Whatever of a box is changed is told by the number of its line."""
    unlock(scene, "audit_value")
    change, words = CHANGES[column]
    seq = number(scene, "record.create", "first")
    scene.tamper(f"UPDATE audit_value SET {change} WHERE seq = {seq} AND n = 0", other=b"\x01" * 40)

    assert [f"CIPHERTEXT #{seq}: {_first_value(scene, seq)} {words}"] == both(scene)


@pytest.mark.parametrize("seq", [5, 100_000])
def test_a_box_that_no_line_names_is_told(scene, seq):
    """A box beside a line that names none, or beside no line, is surplus."""
    unlock(scene, "audit_value")
    scene.tamper(
        "INSERT INTO audit_value (org, seq, n, field, side, owner, ct)"
        f" VALUES (:org, {seq}, 77, 'room', 'a', :ada, :other)",
        org=scene.world.org,
        other=b"\x01" * 40,
    )
    words = "a sealed value is kept here that the line does not name" if seq == 5 else (
        "something is sealed in audit_value where there is no line"
    )  # fmt: skip

    assert [f"CIPHERTEXT #{seq}: {words}"] == both(scene)


NAMES = {
    "DELETE FROM audit_name": "the name that the line names is missing",
    "UPDATE audit_name SET ct = :other": "the name kept here is not the one the line names, or does not open",
    "UPDATE audit_name SET user_id = :manager": "a name is kept here that the line does not name",
}


@pytest.mark.parametrize("change", NAMES)
def test_an_earlier_name_is_held_against_its_line(scene, change):
    """Of every identity entry, not only the newest of a person, the name beside it is compared."""
    unlock(scene, "audit_name")
    seq = number(scene, "identity.set", "agency")
    first = next(n for n, e in enumerate(scene.world.entries()) if e["act"] == "identity.set"
                 and e["obj"]["id"] == scene.ids["agency"])  # fmt: skip
    assert first < seq
    scene.tamper(f"{change} WHERE org = :org AND seq = {first}", org=scene.world.org, other=b"\x01" * 60)
    found = [one for one in told(scene) if "does not name" in one or "IDENTITY" in one]

    assert f"IDENTITY #{first}: {NAMES[change]}" in found


def test_a_checker_that_trusts_what_is_stored_misses_an_exchanged_box(scene, monkeypatch):
    """Were the hash not that of the box itself, a changed value would pass."""
    unlock(scene, "audit_value")
    seq = number(scene, "record.create", "first")
    scene.tamper(f"UPDATE audit_value SET ct = :other WHERE seq = {seq} AND n = 0", other=b"\x01" * 40)
    assert 1 == len(told(scene))
    monkeypatch.setattr(box_check.BoxCheck, "_stray", lambda *_: None)

    assert [] == told(scene)
