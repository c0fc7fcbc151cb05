"""The self-check reads everything again and again, and tells what it finds once."""

import asyncio
import logging

import pytest

from app.access.pauses import LONGEST_S
from app.access.visit import System
from app.core import lasting
from app.core.clock import monotonic
from app.core.identifiers import SYSTEM
from app.residents.amending import AmendResident
from app.residents.recording import MakeRecord
from app.trail import self_check, self_checking
from app.trail.self_check import Means, Round
from app.trail.self_checking import SelfCheck
from app.trail.state_ledger import Share
from app.vault.keyring import Keyring
from tests.support.at_once import at_once
from tests.unit.trail.state_scene import ALL_TABLES, KINDS, RECORDS, Scene, household
from tests.unit.trail.test_housekeeping import keeper, look
from tests.unit.trail.test_state_check import count

AMEND = "PATCH /v1/residents/{resident_id}"


@pytest.fixture
def scene(any_world, notary, guards) -> Scene:
    """A household whose chains are signed."""
    made = household(any_world)
    look(keeper(any_world, notary, guards, lambda: 100.0))
    return made


@pytest.fixture
def means(scene, notary) -> Means:
    world = scene.world
    keyring = Keyring(world._root, world.entropy)
    return Means(world.engine, keyring, notary, KINDS, lambda: world.now, world.entropy)


def checker(scene, means, most=7, now=monotonic) -> SelfCheck:
    return SelfCheck(at_once(scene.world), means, most, now=now)


def whole_round(check: SelfCheck) -> int:
    """Go on to the end of the present round and return how many pieces that took."""

    async def run() -> int:
        number, pieces = check._round.number, 0
        while check._round.number == number:
            await check.piece()
            pieces += 1
            assert pieces < 500
        return pieces

    return asyncio.run(run())


def walked(means, most=7, number=0) -> Round:
    """Return a round that was walked to its end."""
    round_ = Round(means, number, most)
    assert all(step is None for step in round_.walk())
    return round_


def alarms(scene) -> list[tuple]:
    """Return the objects of all entries `integrity.fail`."""
    names = {id_: name for name, id_ in scene.ids.items()}
    told = [e["obj"] for e in scene.world.entries() if e["act"] == "integrity.fail"]
    return [(obj["t"], names.get(obj["id"], obj["id"])) for obj in told]


@pytest.mark.parametrize("most", [1, 7, 500])
def test_a_round_reads_every_line_and_every_row(scene, means, most):
    """Whatever the size of a piece, all lines and all rows were checked at the end, and nobody is accused."""
    round_ = walked(means, most)
    lines = sum(len(scene.world.entries(org)) for org in (scene.world.org, SYSTEM))

    assert (lines, sum(count(scene, table) for table in ALL_TABLES)) == (round_.lines, round_.rows)
    assert [] == round_.found


def test_rounds_follow_each_other_and_say_so(scene, means, caplog):
    """Each round is a line of the log; the gauges tell how far the present one is, and of nobody."""
    caplog.set_level(logging.INFO)
    check = checker(scene, means)
    assert whole_round(check) > 5
    whole_round(check)
    done = [record for record in caplog.records if record.message == "self-check-round"]

    assert [(0, 33, 0), (1, 33, 0)] == [(r.round, r.rows, r.findings) for r in done]
    assert check.healthy
    assert check.gauges() == {
        "audit_verified_size": 0,
        "audit_verified_rows": 0,
        "audit_self_check_rounds": 2,
        "audit_self_check_findings": 0,
    }
    assert [] == alarms(scene)


def test_an_altered_row_is_told_of_once_until_it_is_mended(scene, means):
    """Rounds find the row again and again; one entry is made; a whole round without a finding ends it."""
    check = checker(scene, means)
    before = scene.row("record", "plain")["author"]
    scene.tamper("UPDATE record SET author = 'somebody' WHERE id = :plain")
    for _ in range(2):
        whole_round(check)
        assert not check.healthy
    assert [("record", "plain")] == alarms(scene)
    assert 1 == check.gauges()["audit_self_check_findings"]

    scene.tamper("UPDATE record SET author = :before WHERE id = :plain", before=before)
    whole_round(check)
    assert check.healthy


@pytest.mark.parametrize("what", ["set back", "deleted", "inserted"])
def test_what_no_digest_of_its_own_shows_is_found(scene, means, what):
    """A row whose own digest is right, or that is gone, is found by what the trail says."""
    if what == "set back":
        scene.set_back("shift", "shift")
    elif what == "deleted":
        scene.tamper("DELETE FROM shift WHERE id = :shift")
    else:
        scene.tamper(
            "INSERT INTO role SELECT org, 'mine', about, user_kind, permissions, version, state FROM role"
            " WHERE name = 'auditor'"
        )
    whole_round(check := checker(scene, means))

    assert not check.healthy
    assert [("role", "mine") if what == "inserted" else ("shift", "shift")] == alarms(scene)


def test_a_changed_line_is_found(scene, means):
    """A line that is not what its successor names is told of by its number, and the rows are left alone."""
    if scene.world.engine.dialect.name == "sqlite":
        scene.tamper("DROP TRIGGER audit_event_update")
    scene.tamper("UPDATE audit_event SET line = :line WHERE seq = 3 AND org = :org", org=scene.world.org,
                 line=b"{}")  # fmt: skip
    round_ = walked(means)

    assert [("audit_event", "3")] == [(one.row.kind, one.row.id) for one in round_.found]
    assert "CANON" == round_.found[0].finding.kind


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("UPDATE audit_head SET size = size + 1 WHERE org = :org", "SEQ"),
        ("UPDATE audit_head SET peaks = leaf WHERE org = :org", "HEAD"),
        ("UPDATE audit_checkpoint SET root = :other WHERE org = :org", "CHECKPOINT"),
    ],
)
def test_a_changed_head_or_checkpoint_is_found(scene, means, change, kind):
    """The end of the lines is the head, and the root at a signed size is the signed one."""
    if scene.world.engine.dialect.name == "sqlite":
        scene.tamper("DROP TRIGGER audit_checkpoint_update", "DROP TRIGGER audit_head_update")
    scene.tamper(change, org=scene.world.org, other=bytes(32))

    assert [kind] == [one.finding.kind for one in walked(means).found]


def test_a_service_that_works_meanwhile_is_not_accused(scene, means):
    """Rows that come, and change, between any two pieces - before or behind the walk - are not accused."""
    world, cli, version = scene.world, System("cli", scene.world.org), 2
    round_, changed = Round(means, 0, 5), 0
    for step, _ in enumerate(round_.walk()):
        if step % 3 == 0:
            patch = AmendResident(scene.ids["ada"], version, {"room": str(step)})
            world.answer(patch, AMEND, cli)
            version, changed = version + 1, changed + 1
        who = scene.ids["ada" if step % 2 else "bob"]
        work = MakeRecord(who, "daily_note", world.later(minutes=-5), {"text": f"at {step}"})
        if changed < 40:
            world.answer(work, f"POST {RECORDS}", cli)
            world.person("carer", signed_in=False)

    assert 10 < changed
    assert [] == round_.found


def test_a_checker_that_does_not_follow_the_chain_accuses_a_busy_service(scene, means, monkeypatch):
    """Were the ledger not brought up to each snapshot, rows written meanwhile would look inserted."""
    world, round_ = scene.world, Round(means, 0, 5)
    came = False
    for _ in round_.walk():
        if round_.rows and not came:
            monkeypatch.setattr(self_check._Lines, "take", lambda _lines, _snapshot: False)
            came = bool(world.person("carer", signed_in=False))

    assert came
    assert "row without an entry" in str([str(one.finding) for one in round_.found])


def test_a_large_organisation_is_checked_in_shares(scene, means, monkeypatch):
    """With little room each round keeps some rows in mind; within some rounds a set-back row is found."""
    monkeypatch.setattr(self_check, "MOST_KEPT", 5)
    assert [[]] * 8 == [walked(means, number=n).found for n in range(8)]
    scene.set_back("shift", "shift")
    # the round whose share the row is of, however many parts there are: ids differ from run to run
    own = next(n for n in range(1024) if Share(n, 1024).has(scene.ids["shift"]))
    found = [walked(means, number=n).found for n in range(own, own + 16)]

    assert found[0]
    assert not found[1]
    assert {("shift", scene.ids["shift"])} == {(o.row.kind, o.row.id) for one in found for o in one}


def test_rows_judged_alone_are_held_against_their_own_digest(scene, means, monkeypatch):
    """A row whose entry was not kept in mind is still judged by its digest, in every round."""
    monkeypatch.setattr(Share, "has", lambda _share, row: row != scene.ids["home"])
    scene.tamper("UPDATE home SET name = 'Elsewhere' WHERE id = :home")
    round_ = walked(means)

    assert ["row differs from its own digest, version 1"] == [
        str(one.finding).split(": ", 2)[2] for one in round_.found
    ]


def test_a_row_judged_alone_cannot_say_that_nothing_is_its_digest(scene, means, monkeypatch):
    """Whose key does not open has no digest to be compared: an empty one in the row is not it."""
    monkeypatch.setattr(Share, "has", lambda _share, row: row != scene.ids["ada"])
    on_sqlite = scene.world.engine.dialect.name == "sqlite"
    empty, damaged = ("x''", "x'0102'") if on_sqlite else ("''", "'\\x0102'")
    scene.tamper(f"UPDATE resident SET wrapped_key = {damaged}, state = {empty} WHERE id = :ada")
    round_ = walked(means)

    assert "row differs from its own digest, version 2" in {
        str(one.finding).split(": ", 2)[2] for one in round_.found
    }


def test_a_database_that_cannot_be_read_is_tried_again(scene, means, caplog):
    """A round that could not go on begins anew, and the failure is logged once."""
    check = checker(scene, means)
    scene.tamper("ALTER TABLE audit_head RENAME TO audit_head_away")
    asyncio.run(check.piece())
    asyncio.run(check.piece())
    scene.tamper("ALTER TABLE audit_head_away RENAME TO audit_head")
    whole_round(check)

    assert 1 == sum(record.message == "self-check-failed" for record in caplog.records)
    assert check.healthy


class DefectError(Exception):
    """Something nobody thought of."""


def test_a_round_that_a_defect_broke_off_is_no_whole_round(scene, means, monkeypatch, caplog):
    """It begins anew after a pause: what was not reached is not told of as sound."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(lasting, "AGAIN_S", 0.05)
    monkeypatch.setattr(self_checking, "PIECE_EVERY_S", 0.0)
    monkeypatch.setattr(self_checking, "SHARE_OF_A_CORE", 0)
    scene.tamper("UPDATE record SET author = 'somebody' WHERE id = :plain")
    breaks = [DefectError, DefectError]

    def now():
        if breaks:
            raise breaks.pop()
        return scene.world.now

    async def run() -> None:
        check = checker(scene, means._replace(now=now))
        check.start()
        async with asyncio.timeout(20):
            while not check.gauges()["audit_self_check_rounds"]:
                await asyncio.sleep(0.01)
        await check.stop()

    asyncio.run(run())
    rounds = [record for record in caplog.records if record.message == "self-check-round"]

    assert (0, 1) == (rounds[0].round, rounds[0].findings)
    told = [(r.kind, r.cause) for r in caplog.records if r.message == "broken-off"]
    assert [("self-check", "DefectError")] * 2 == told


def test_it_starts_and_stops_with_the_service(scene, means, monkeypatch):
    """It runs by itself until it is stopped; with no rows a piece it does not run at all."""
    monkeypatch.setattr(self_checking, "PIECE_EVERY_S", 0.0)

    async def run(most: int) -> SelfCheck:
        check = checker(scene, means, most)
        check.start()
        while most and not check.gauges()["audit_verified_size"]:
            await asyncio.sleep(0.01)
        await check.stop()
        return check

    assert asyncio.run(run(500)).gauges()["audit_verified_size"] > 30
    assert 0 == asyncio.run(run(0)).gauges()["audit_verified_size"]


def test_what_cannot_be_told_is_tried_once_a_minute_and_not_forgotten(
    scene, means, time, monkeypatch, caplog
):
    """While each try leaves an entry of its failure; no round ends before the trail is told."""
    check = checker(scene, means, 500, time)
    scene.tamper("UPDATE record SET author = 'somebody' WHERE id = :plain")

    async def an_hour():
        for _ in range(3600):
            time.seconds += 1
            await check.piece()

    with monkeypatch.context() as broken:
        broken.setattr(self_checking.TellAltered, "perform", fail)
        asyncio.run(an_hour())
    tries = sum(e["out"] == "fail" and e["act"] == "audit.housekeeping" for e in scene.world.entries())
    untold, rounds = alarms(scene), check.gauges()["audit_self_check_rounds"]
    time.seconds += LONGEST_S
    whole_round(check)

    assert LONGEST_S / 2 <= tries <= 60 + 8
    assert ([], 0) == (untold, rounds)
    assert [("record", "plain")] == alarms(scene)
    assert 1 == sum(one.message == "self-check-found" for one in caplog.records)


def fail(_work, _opened):
    raise RuntimeError
