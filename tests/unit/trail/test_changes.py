"""Two versions of a record are compared, and held against what the trail says of them."""

import pytest
from sqlalchemy import text

from app.access.visit import System
from app.core.errors import ForbiddenError, HiddenError, NotFoundError, SealBrokenError
from app.residents import comparing
from app.residents.comparing import CompareVersions
from app.residents.recording import MakeRecord
from tests.support.unprotected import removal
from tests.unit.trail.state_scene import RECORDS, Scene, household

VERSION = f"GET {RECORDS}/{{record_id}}/versions/{{version}}"


@pytest.fixture
def scene(any_world) -> Scene:
    """A household on each database; `note` has three versions, `wrong` was removed in its second."""
    return household(any_world)


def compared(scene: Scene, version: int, other: int, name: str = "note", who=None, **more):
    """Return what a comparison answers."""
    who = who or System("cli", scene.world.org)
    work = CompareVersions(scene.ids["ada"], scene.ids[name], version, other, **more)
    return scene.world.answer(work, VERSION, who).payload


def refused(scene: Scene, version: int, other: int, who=None):
    """Return the error a comparison is refused with."""
    who = who or System("cli", scene.world.org)
    work = CompareVersions(scene.ids["ada"], scene.ids["note"], version, other)
    return scene.world.refusal(work, VERSION, who)


def unprotected(scene: Scene, *statements: str, **more) -> None:
    """Change tables of the trail past the door, which takes its protection away first."""
    if scene.world.engine.dialect.name == "sqlite":
        scene.world.looking(lambda c: [c.execute(text(s)) for s in removal("sqlite")])
    scene.tamper(*statements, **more)


def test_what_changed_is_told_beside_the_version(scene):
    """The version is shown as without the comparison, with each field before and after."""
    told = compared(scene, 3, 2)

    assert (3, 2, {"text": "amended 2"}) == (told["version"], told["compared_with"], told["body"])
    assert [{"field": "text", "before": "amended 1", "after": "amended 2"}] == told["changed"]
    assert "it was wrong" == told["amendment_reason"]


def test_versions_far_apart_and_either_way_round(scene):
    """Any two versions are compared, in the direction asked for; a version with itself differs by nothing."""
    far = {c["field"]: (c["before"], c["after"]) for c in compared(scene, 3, 1)["changed"]}
    back = {c["field"]: (c["after"], c["before"]) for c in compared(scene, 1, 3)["changed"]}

    assert far == back
    assert ("the note", "amended 2") == far["text"]
    assert {"text", "occurred_at"} == set(far)
    assert [] == compared(scene, 2, 2)["changed"]


def test_what_was_entered_in_error_is_told(scene):
    """A removal is a version too: what changed is that it is deleted."""
    told = compared(scene, 2, 1, "wrong", with_deleted=True)

    assert [{"field": "deleted", "before": False, "after": True}] == told["changed"]


def test_the_entries_that_vouch_are_named(scene):
    """Both versions come with number and leaf of the entry that made them, so that it can be proven."""
    entries = compared(scene, 3, 1)["entries"]
    events = scene.world.entries()

    assert [1, 3] == [one["version"] for one in entries]
    assert ["record.create", "record.update"] == [events[one["seq"]]["act"] for one in entries]
    assert scene.last("record", "note") == entries[1]["seq"]


def test_one_entry_in_the_trail(scene):
    """A comparison is one entry, as reading versions is: the record, the version, two items disclosed."""
    since = len(scene.world.entries())
    compared(scene, 3, 2)
    [entry] = scene.world.entries()[since:]

    assert ("record.versions", "ok", 2) == (entry["act"], entry["out"], entry["n"])
    assert {"t": "record", "id": scene.ids["note"], "ver": 3, "cat": "daily_note"} == entry["obj"]
    assert [scene.ids["ada"]] == entry["subs"]


def test_who_may_not_read_the_record_sees_nothing(scene):
    """Without read on the category 403, at another home 404; the right to read the trail is no help."""
    world = scene.world
    refusals = [
        refused(scene, 3, 2, who)
        for who in (
            world.person("auditor", None),
            world.person("kitchen"),
            world.person("carer", world.other_home),
        )
    ]

    assert [ForbiddenError, HiddenError, HiddenError] == [type(error) for error in refusals]
    assert "amended 2" == compared(scene, 3, 2, who=world.person("carer"))["body"]["text"]


@pytest.mark.parametrize(("version", "other"), [(4, 3), (3, 4), (9, 9)])
def test_a_version_that_is_not_there_is_not_found(scene, version, other):
    """A comparison with a version that never was is 404."""
    assert isinstance(refused(scene, version, other), NotFoundError)


def test_among_many_entries_of_one_instant_the_right_one_is_found(scene):
    """The instant leads to the first line of a turn; the entry is found however many lie before it."""
    world, cli = scene.world, System("cli", scene.world.org)
    for n in range(300):
        work = MakeRecord(scene.ids["ada"], "daily_note", world.later(), {"text": f"{n}"})
        scene.ids[f"n{n}"] = world.answer(work, f"POST {RECORDS}", cli).payload["id"]

    for name in ("n0", "n299"):
        assert scene.last("record", name) == compared(scene, 1, 1, name)["entries"][0]["seq"]


# --- changed behind the service's back -------------------------------------------------------------------

TAMPERINGS = {
    "a version's time": ("UPDATE record_version SET late = (1 = 1) WHERE record_id = :note AND version = 2",),
    "a version is gone": ("DELETE FROM record_version WHERE record_id = :note AND version = 2",),
    "a version's author": (
        "UPDATE record_version SET recorded_by = 'somebody' WHERE record_id = :note AND version = 3",
    ),
    "a sealed value is gone": ("DELETE FROM audit_value WHERE seq = :at AND side = 'b'",),
    "a sealed value is another": (
        "UPDATE audit_value SET ct = (SELECT o.ct FROM audit_value o WHERE o.org = audit_value.org"
        " AND o.seq = audit_value.seq AND o.side = 'a') WHERE seq = :at AND side = 'b'",
    ),
    "a sealed value was put in": (
        "INSERT INTO audit_value (org, seq, n, field, side, owner, ct)"
        " SELECT org, seq, 99, 'mood', side, owner, ct FROM audit_value WHERE seq = :at AND side = 'a'",
    ),
    "the entry is another's": (
        "UPDATE audit_event SET line = (SELECT line FROM audit_event o WHERE"
        " o.org = audit_event.org AND o.seq = 0) WHERE seq = :at",
    ),
}


@pytest.mark.parametrize("wrong", TAMPERINGS)
def test_what_does_not_agree_with_the_trail_is_refused_and_told_of(scene, wrong):
    """A version, or a value beside its entry, that was changed past the door: no answer, and an alarm."""
    world = scene.world
    statements = [s.replace(":at", str(scene.last("record", "note"))) for s in TAMPERINGS[wrong]]
    unprotected(scene, *statements)
    since = len(world.entries())
    error = refused(scene, 3, 2)
    own, alarm = world.entries()[since:]

    assert isinstance(error, SealBrokenError)
    assert ("record.versions", "fail") == (own["act"], own["out"])
    assert ("integrity.fail", scene.ids["note"]) == (alarm["act"], alarm["obj"]["id"])


def test_a_reader_that_trusts_the_rows_tells_of_an_altered_version(scene, monkeypatch):
    """Without the comparison with the trail the altered version is shown: the check is what refuses it."""
    unprotected(scene, *TAMPERINGS["a version's author"])
    monkeypatch.setattr(comparing._Comparison, "vouched", lambda *_: comparing.Change(0, "", {}))

    assert "somebody" == compared(scene, 3, 2)["recorded_by"]
