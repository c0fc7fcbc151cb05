"""What rules leave alone, what is told again, and what counts only in its own chain."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core.clock import spell
from app.core.identifiers import SYSTEM
from app.detection.event import Event, read
from app.detection.facts import Facts, Happened, Written
from app.detection.judging import judge_time
from tests.unit.detection.scene import ORG, Scene

HOUR = 3600.0


@pytest.mark.parametrize(
    ("rule", "act", "out"),
    [
        ("trail-check", "integrity.fail", "fail"),
        ("schema-change", "schema.change", "ok"),
        ("detection-weakened", "alert.rule_set", "ok"),
    ],
)
def test_what_a_hostile_administrator_does_is_told_each_time(rule, act, out):
    """The fifth altered row, and the fifth rule that is switched off, is told as the first was."""
    scene = Scene().only(rule)
    found = [len(scene.happens(act, None, out=out, object_id=f"x{n}")) for n in range(5)]

    assert [1] * 5 == found


def test_nothing_is_told_again_before_its_time():
    """The same is told again after its quiet hours, or at once when it has doubled."""
    scene = Scene().only("refusals")
    told = []
    for n in range(45):
        if scene.happens("record.list", out="deny", why="no-permission", object_id="r"):
            told.append(n + 1)
    assert [10, 20, 40] == told

    scene.at += timedelta(hours=11)
    for _ in range(12):
        scene.happens("record.list", out="deny", why="no-permission", object_id="r")
    assert 3 == len(scene.found)

    scene.at += timedelta(hours=2)
    for _ in range(12):
        scene.happens("record.list", out="deny", why="no-permission", object_id="r")
    assert 4 == len(scene.found)


def test_people_are_told_of_apart():
    """What is held back about one person is told about another."""
    scene = Scene().only("deactivated-sign-in")
    for who in ("ann", "ann", "ann", "bob"):
        scene.happens("auth.login", who, out="deny", why="inactive", session=None)

    assert ["user:ann", "user:ann", "user:bob"] == [finding.subject for finding in scene.found]


def test_a_rule_that_is_off_is_silent():
    """An organisation that switches a rule off hears nothing of it."""
    scene = Scene()
    setting = scene.settings["deactivated-sign-in"]
    scene.settings["deactivated-sign-in"] = replace(setting, enabled=False)
    scene.happens("auth.login", out="deny", why="inactive", session=None)

    assert [] == scene.rules


def test_the_system_chain_tells_only_what_concerns_everybody():
    """A failed backup is told from the system's chain; a step of the clock tells each chain itself."""
    system, own = Scene(chain=SYSTEM), Scene(chain=ORG)
    for scene in (system, own):
        scene.happens("clock.step", None, members={"clock": {"back_s": 600}})
        scene.happens("backup.create", None, out="fail", why="not-written")

    assert ["backup-failed"] == system.rules
    assert ["clock-step", "backup-failed"] == own.rules


def test_what_the_throttle_refused_counts():
    """One entry of the throttle tells of many attempts at an account; each counts."""
    scene = Scene().only("failed-sign-ins")
    scene.happens("auth.login", out="deny", why="wrong-password", session=None)
    found = scene.happens(
        "auth.throttled", None, out="deny", why="too-many-attempts", object_id="ann", count=7
    )

    assert [8] == [finding.figures["failures"] for finding in found]
    assert ["ann"] == [finding.user_id for finding in found]


def test_a_sleeping_session_is_no_refusal():
    """A screen that fell asleep, or a session that ended, tells nothing about who touches it."""
    scene = Scene()
    for why in ("session-idle", "session-locked", "session-ended", "otp-missing", "password-change-required"):
        for _ in range(12):
            scene.happens("record.list", out="deny", why=why, object_id="r")

    assert [] == scene.rules


def test_a_resident_with_the_name_who_is_cared_for_like_others_is_left_alone():
    """Six openings are nothing where the others get as many."""
    scene = Scene().only("family-name")
    scene.facts = Facts(kin={"ann": frozenset({"kin"})})
    for _ in range(7):
        for resident in ("kin", "r1", "r2", "r3", "r4", "r5"):
            scene.opens(resident)

    assert [] == scene.rules


@pytest.mark.parametrize(
    ("occurred_h", "known_h", "told"),
    [(-2, -1, 1), (-0.5, -1, 0), (-100, -1, 0), (-2, 1, 0), (-2, -8 * 24, 0)],
    ids=["late", "in time", "long before", "not known yet", "long ago"],
)
def test_only_late_words_about_the_time_before_an_incident_count(occurred_h, known_h, told):
    """What matters was late, is of the three days before, and was written within a week of the report."""
    scene = Scene().only("late-entries")
    at = scene.at.timestamp()
    written = {f"x{n}": Written(at + occurred_h * HOUR, at) for n in range(4)}
    fell = min(known_h, 0) * HOUR + at
    happened = Happened(max(fell, at - HOUR) if known_h > -24 else fell, at + known_h * HOUR)
    scene.facts = Facts(incidents={"r": (happened,)}, records=written)
    for n in range(4):
        scene.happens("record.create", object_id=f"x{n}", about=["r"])

    assert told == len(scene.rules)


def test_two_sessions_on_one_device_are_one_place():
    """To sign out and in again on a named device, to and fro, is no second place; nor is one change."""
    scene = Scene().only("two-devices")
    for n in range(10):
        scene.opens("r", session=f"s{n % 2}", device="tablet")
    scene.opens("r", session="s2", device="phone")

    assert [] == scene.rules


def test_rights_within_care_are_no_far_reaching_ones():
    """Only rights that reach far are told, and only when they are given."""
    scene = Scene().only("privilege-change")
    scene.facts = Facts(powerful=frozenset({"boss"}))
    scene.happens("user.update", object_id="carer", fields=("assignments",))
    scene.happens("user.update", object_id="boss", fields=("display_name",))
    scene.happens("user.update", object_id="boss", fields=("assignments",), out="fail")
    scene.happens("role.create", None, object_id="carer")
    assert [] == scene.rules

    scene.happens("user.reactivate", object_id="boss", fields=("active",))

    assert [1] == [finding.figures["changes"] for finding in scene.found]


def test_rights_of_a_reviewer_that_change_are_told_each_time():
    """Whoever reviews and is deactivated, or given other roles, is told of; a new name of theirs is not."""
    scene = Scene().only("oversight-removed")
    scene.facts = Facts(reviewers=frozenset({"officer"}))
    scene.happens("user.update", object_id="officer", fields=("display_name",))
    scene.happens("user.update", object_id="officer", fields=("assignments",), out="deny")
    scene.happens("user.deactivate", object_id="carer", fields=("active",))
    assert [] == scene.rules

    scene.happens("user.update", object_id="officer", fields=("assignments",))
    scene.happens("user.deactivate", object_id="officer", fields=("active",))

    assert ["oversight-removed"] * 2 == scene.rules


def test_a_pack_in_all_its_formats_is_one_copy():
    """Formats of one incident's pack count once; packs of several incidents count."""
    scene = Scene().only("bulk-export", exports=3)
    for _ in range(5):
        scene.happens("incident.pack", object_id="one")
    scene.happens("incident.pack", object_id="another")
    assert [] == scene.rules

    scene.happens("audit.export", object_id="one")

    assert ["bulk-export"] == scene.rules


def test_residents_changed_or_discharged_count_as_changes():
    """A sweep over residents themselves is a mass change as one over records is."""
    for act in ("resident.update", "resident.discharge"):
        scene = Scene().only("mass-change")
        for n in range(30):
            scene.happens(act, object_id=f"r{n}", about=[f"r{n}"])
        assert "mass-change" in scene.rules, act


def test_nearly_everybody_of_a_home_is_too_many_only_where_no_habit_is_known():
    """A new carer is told of at four fifths of a home; who usually sees them all is not."""
    new, known = Scene().only("bulk-reading"), Scene().only("bulk-reading")
    known.worked("ann", 20, records=60, residents=60)
    for scene in (new, known):
        scene.facts = Facts(sizes={"home": 60})
        for n in range(60):
            scene.opens(f"r{n}", homes=("home",))

    assert (["bulk-reading"], []) == (new.rules, known.rules)


def test_an_account_never_used_is_dormant_from_its_making():
    """Somebody's first sign-in long after the account was made is told, soon after it is not."""
    for days, told in ((61, 1), (59, 0)):
        scene = Scene().only("dormant-sign-in")
        scene.facts = Facts(created={"ann": scene.at.timestamp() - days * 86400})
        scene.happens("auth.login")
        assert told == len(scene.rules)


def test_only_the_first_sign_in_after_a_long_time_is_told():
    """Whoever is back is back: the day after, nothing is told."""
    scene = Scene().only("dormant-sign-in")
    scene.worked("ann", 80)
    scene.state.habits.of("ann").days = scene.state.habits.of("ann").days[:1]
    for _ in range(3):
        scene.happens("auth.login")
        scene.at += timedelta(hours=20)

    assert 1 == len(scene.rules)


@pytest.mark.parametrize(("hours", "told"), [(35.9, 0), (36, 1), (None, 0)])
def test_a_backup_is_overdue_by_time_alone(hours, told):
    """36 hours after the last good one it is told; where none is planned, never."""
    scene = Scene(chain=SYSTEM).only("backup-overdue")
    at = scene.at.timestamp()
    facts = Facts(backup_at=at - hours * HOUR if hours is not None else None)
    event = Event(SYSTEM, 0, spell(scene.at), at, "time")

    found = [one for _ in range(2) for one in judge_time(scene.state, event, facts, scene.settings)]

    assert told == len(found)
    assert [()] * told == [finding.entries for finding in found]


def test_a_line_is_read_as_it_stands():
    """Every member of a line that a rule looks at is taken over; what is absent is empty."""
    line = (
        b'{"c":{"org":"o","prev":"p","seq":7,"ts":"2026-03-02T10:00:00.500000Z"},"e":{"act":"record.update",'
        b'"actor":{"id":"u","kind":"user","roles":["carer"]},"chg":[{"f":"body","a":"x"}],"dev":"d","homes":["h"],'
        b'"n":2,"obj":{"cat":"diet","id":"i","t":"record","ver":3},"out":"ok","sess":"s","src":{"ip_h":"z"},'
        b'"subs":["r"],"v":1}}'
    )
    event = read(line)

    assert ("o", 7, 1772445600.5, "record.update", "ok", "") == (
        *(event.chain, event.seq, event.at, event.act, event.out, event.why),
    )
    assert ("u", ("carer",), "s", "d", "z") == (
        *(event.person, event.roles, event.session, event.device, event.source),
    )
    assert ("i", "diet", ("h",), ("r",), 2, ("body",)) == (
        *(event.object_id, event.category),
        *(event.homes, event.residents, event.count, event.fields),
    )
    assert ("2026-03-02", 10, False) == (event.day, event.hour, event.opens)
