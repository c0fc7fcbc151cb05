"""A record put under somebody whose key cannot judge it: nobody's, or an erased resident's."""

import pytest

from app.residents.reapplying import Erased, erased_of, reapply
from app.trail.self_check import Means
from app.trail.state_ledger import Ledger, Share
from app.vault.keyring import Keyring
from tests.unit.trail.state_scene import KINDS, Scene, household
from tests.unit.trail.stories import admit
from tests.unit.trail.test_housekeeping import keeper, look
from tests.unit.trail.test_self_check import alarms, checker, walked, whole_round

NOBODY = "01a20686-0000-7000-8000-000000000001"
ELSEWHERE = "it stands under another resident than its entries say"
MOVE = {
    "record": "UPDATE record SET resident_id = :to WHERE id = :note",
    "a version": "UPDATE record_version SET resident_id = :to WHERE record_id = :note AND version = 1",
    "all versions": "UPDATE record_version SET resident_id = :to WHERE record_id = :note",
}
MOVED = [("record",), ("a version",), ("all versions",), ("record", "all versions")]
"""The first version has no sealed reason: nothing of it has to open."""


def erased(scene: Scene, name: str) -> Erased:
    """Have a resident of the scene erased, and return what the ledger beside the guard would say of it."""
    world, ids = scene.world, scene.ids
    told = {
        "erasure": NOBODY, "id": ids[name], "basis": "retention_ended", "asked_by": ids["manager"],
        "approved_by": ids["agency"], "at": world.later(minutes=-1), "records": 1, "seq": 7,
    }  # fmt: skip
    found = erased_of(world.org, told, None)
    assert 1 == reapply(world.turn, [found])
    return found


@pytest.fixture
def scene(any_world) -> Scene:
    """A household, one of whom was erased, and somebody who was not."""
    made = household(any_world)
    made.ids["eve"] = admit(any_world, any_world.home, "Else")
    erased(made, "bob")
    return made


@pytest.fixture
def means(scene, notary, guards) -> Means:
    """What the self-check of it works with."""
    world = scene.world
    look(keeper(world, notary, guards, lambda: 100.0))
    keyring = Keyring(world._root, world.entropy)
    return Means(world.engine, keyring, notary, KINDS, lambda: world.now, world.entropy)


def test_records_of_the_erased_are_not_accused(scene):
    """Nothing makes their digests anew, and they stand where their entries say."""
    assert [] == scene.told()


@pytest.mark.parametrize("to", ["nobody", "bob"])
@pytest.mark.parametrize("what", MOVED, ids=" and ".join)
def test_a_record_or_version_moved_out_of_sight_is_told(scene, what, to):
    """Where no key can make the digest anew, the trail still says whose the record is."""
    for one in what:
        scene.tamper(MOVE[one], to=scene.ids.get(to, NOBODY))

    assert f"STATE: record note: {ELSEWHERE}" in scene.told()


@pytest.mark.parametrize("what", ["a version", "all versions"])
def test_versions_moved_to_somebody_else_are_told(scene, what):
    """A version without its record beside it is judged by whose its record is."""
    scene.tamper(MOVE[what], to=scene.ids["eve"])

    assert f"STATE: record note: {ELSEWHERE}" in scene.told()


def test_a_record_of_the_erased_is_told_that_was_moved_to_nobody(scene):
    """Nor can somebody hide what an erasure left."""
    scene.tamper("UPDATE record SET resident_id = :to WHERE id = :other", to=NOBODY)

    assert [f"STATE: record other: {ELSEWHERE}"] == scene.told()


@pytest.mark.parametrize("to", ["nobody", "bob"])
@pytest.mark.parametrize("what", ["record", "a version"])
def test_the_self_check_tells_of_it_once(scene, means, what, to):
    """A serving process finds it, too, and enters it."""
    scene.tamper(MOVE[what], to=scene.ids.get(to, NOBODY))
    check = checker(scene, means)
    for _ in range(2):
        whole_round(check)

    assert [("record", "note")] == alarms(scene)
    assert not check.healthy


def test_a_large_organisation_is_told_of_it_in_a_later_round(scene, means, monkeypatch):
    """A round that did not keep in mind whose the record is leaves it to the one that does."""
    monkeypatch.setattr("app.trail.self_check.MOST_KEPT", 2)
    assert [] == walked(means).found
    scene.tamper(MOVE["record"], to=NOBODY)
    # the round whose share the record is of, however many parts there are: ids differ from run to run
    own = next(n for n in range(1024) if Share(n, 1024).has(scene.ids["note"]))
    told = [[str(one.finding) for one in walked(means, number=n).found] for n in range(own, own + 8)]

    assert [f"STATE: record {scene.ids['note']}: {ELSEWHERE}"] == told[0]
    assert [] == told[1]
    assert {*told[0]} == {one for round_ in told for one in round_}


def test_where_an_erasure_points_to_is_compared(scene):
    """Its number is that of the entry that carried it out; nobody else's, nor none."""
    seq = scene.last("resident", "bob")
    for other, shown in ((None, "none"), (3, "#3")):
        scene.tamper("UPDATE erasure SET entry = :other", other=other)
        told = f"STATE: erasure {NOBODY}: the row points to entry {shown}, the chain's is #{seq}"
        assert [told] == scene.told()


def test_whose_a_record_is_says_the_entry_that_made_it():
    """Not a later one, and no entry that concerns several."""
    ledger = Ledger({"record"}, {"record"}, Share())
    line = '{"e":{"act":"record.write","obj":{"t":"record","id":"%s","ver":%d},"state":"%s","subs":%s}}'
    made = [("r", 1, '["ada"]'), ("r", 2, '["bob"]'), ("s", 1, '["ada","bob"]')]
    ledger.take(0, [(line % (row, version, "00" * 32, subs)).encode() for row, version, subs in made])

    assert ["ada", None, None] == [ledger.resident(row) for row in "rst"]
