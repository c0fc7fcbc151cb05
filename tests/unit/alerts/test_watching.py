"""The consumer: nothing judged twice, no entry without a finding, nobody moves the place unseen."""

import asyncio

import pytest
from sqlalchemy import insert, update

from app.access.visit import System
from app.alerts.judging import JUDGE, Conclude, Survey, Take
from app.alerts.table import alert, habit_day, judged, told
from app.alerts.watching import Watching
from app.core.identifiers import SYSTEM
from app.jobs.table import job, job_run
from app.operations.database_facts import waiting_to_be_judged
from app.storage.snapshot import open_snapshot
from tests.support.at_once import at_once


@pytest.fixture
def world(each_world):
    """A world on each database."""
    return each_world


def watching(world, **more):
    """Return a consumer of a world, as a process of its own would have it."""
    return Watching(at_once(world), lambda: world.now, hurry=True, **more)


def judge(watch):
    """Judge everything there is."""
    asyncio.run(watch.catch_up())


def guess(world, person, times):
    """Try a wrong password for somebody."""
    for _ in range(times):
        world.try_sign_in(person.username, "not the password", address="198.51.100.9")
        world.pass_time(seconds=20)


def raised(world, rule="failed-sign-ins"):
    """Return the alerts of a rule."""
    return [row for row in world.rows(alert) if row["rule"] == rule]


def test_a_finding_is_one_alert_and_one_entry(world):
    """A burst is told once, however often is looked; and the entry of the alert makes no other."""
    carer = world.person("carer")
    watch = watching(world)
    judge(watch)
    before = len(world.entries())
    guess(world, carer, 9)
    for _ in range(4):
        judge(watch)

    (one,) = raised(world)
    acts = [entry["act"] for entry in world.entries()[before:]]
    assert (1, f"user:{carer.id}") == (one["findings"], one["subject"])
    assert ["auth.login"] * 9 + ["alert.raise"] == acts


def test_looking_makes_no_entry(world):
    """Where nothing is found, no chain grows by a line."""
    world.person("carer")
    before = {org: len(world.entries(org)) for org in (world.org, SYSTEM)}
    watch = watching(world)
    for _ in range(3):
        judge(watch)
        world.pass_time(minutes=1)

    assert before == {org: len(world.entries(org)) for org in (world.org, SYSTEM)}
    assert {(world.org, world.org), (world.org, SYSTEM)} == {
        (r["org"], r["chain"]) for r in world.rows(judged)
    }


def test_what_another_process_goes_on_with_is_not_told_again(world):
    """A process that begins anew knows the windows of the one before, and what it told."""
    carer = world.person("carer")
    guess(world, carer, 5)
    first = watching(world)
    judge(first)
    asyncio.run(first.stop())
    guess(world, carer, 4)
    judge(watching(world.beside()))
    assert 1 == len(raised(world)), "five before and four after are nine"

    world.pass_time(minutes=6)
    guess(world, carer, 3)
    judge(watching(world.beside()))

    (one,) = raised(world)
    assert 1 == one["findings"]
    assert 1 == len([row for row in world.rows(told) if row["rule"] == "failed-sign-ins"])


def test_while_one_holds_a_chain_another_leaves_it_alone(world):
    """The lease says who judges; when it is over, whoever looks next takes the chain."""
    judge(watching(world))
    taken = world.answer(Take(world.org, "other"), JUDGE, System("detection", world.org)).payload
    assert taken is None
    world.pass_time(seconds=16)

    taken = world.answer(Take(world.org, "other"), JUDGE, System("detection", world.org)).payload

    assert taken is not None
    free = {one.place.chain: one.free for one in survey(world)}
    assert {world.org: False, SYSTEM: True} == free


@pytest.mark.parametrize(("seconds", "held"), [(3 * 86400, False), (1000 * 86400, False), (45, True)])
def test_who_was_killed_while_the_clock_was_ahead_holds_no_chain(world, seconds, held):
    """When that is put right, whoever looks takes it; of a clock within a minute a lease is honoured."""
    system = System("detection", world.org)
    world.pass_time(seconds=seconds)
    assert world.answer(Take(world.org, "killed"), JUDGE, system).payload is not None
    world.pass_time(seconds=-seconds)
    anew = world.beside()
    free = {one.place: one.free for one in survey(anew)}[world.org, world.org]
    with open_snapshot(world.engine) as view:
        [waits] = waiting_to_be_judged(view, world.now)
    taken = anew.answer(Take(world.org, "other"), JUDGE, system).payload

    assert (not held, held, held) == (free, waits.held, taken is None)


def survey(world):
    """Return what a third process sees."""
    return world.answer(Survey("third"), JUDGE, System("detection", SYSTEM)).payload


def test_a_piece_that_another_process_ended_is_not_ended_again(world):
    """The place moves from where it stood and for its holder alone; else nothing at all is written."""
    judge(watching(world))
    system = System("detection", world.org)
    world.pass_time(seconds=16)
    seq = world.answer(Take(world.org, "other"), JUDGE, system).payload.seq
    tries = [
        Conclude(world.org, "somebody", seq, seq + 1),
        Conclude(world.org, "other", seq - 1, seq + 1),
        Conclude(world.org, "other", seq, seq + 1),
        Conclude(world.org, "other", seq, seq + 1),
    ]

    assert [False, False, True, False] == [world.answer(one, JUDGE, system).payload for one in tries]


def test_a_place_moved_past_the_service_is_told_and_all_is_judged_again(world):
    """Whoever moves the place on in the database, to hide what they did, is found by its digest."""
    carer = world.person("carer")
    judge(watching(world))
    guess(world, carer, 9)
    further = update(judged).where(judged.c.chain == world.org).values(seq=len(world.entries()))
    world.looking(lambda connection: connection.execute(further))
    world.pass_time(seconds=16)
    judge(watching(world.beside()))

    told_of = [entry for entry in world.entries() if entry["act"] == "integrity.fail"]
    assert [("detection_judged", world.org)] == [(e["obj"]["t"], e["obj"]["id"]) for e in told_of]
    assert 1 == len(raised(world))
    assert 1 == len(raised(world, "trail-check"))


SILENCE = {
    "a row that holds everything back": insert(told).values(
        rule="trail-check",
        subject="chain",
        until="2999-01-01T00:00:00.000000Z",
        size=1_000_000_000,
        state=bytes(32),
    ),
    "a day that makes much look usual": insert(habit_day).values(
        user_id="01a00000-0000-7000-8000-000000000001",
        day="2026-03-01",
        roles="",
        places="{}",
        state=bytes(32),
        **dict.fromkeys(("gap", "hours", "listed", "amendments", "removals", "outside"), 0),
        records=100_000,
        residents=100_000,
    ),
}


@pytest.mark.parametrize("what", SILENCE)
def test_nobody_holds_anything_back_in_the_database(world, what):
    """A row put there by somebody else counts for nothing, is removed, and is told of."""
    judge(watching(world))
    more = {"org": world.org} | ({"chain": world.org} if "holds" in what else {})
    world.looking(lambda connection: connection.execute(SILENCE[what].values(more)))
    world.pass_time(seconds=16)
    judge(watching(world.beside()))

    assert 1 == len(raised(world, "trail-check"))
    assert [] == [row for row in world.rows(told) if row["until"].startswith("2999")]
    assert [] == [row for row in world.rows(habit_day) if row["records"] == 100_000]


def test_a_long_trail_is_caught_up_with_in_pieces(world):
    """A trail nobody judged is taken in bounded pieces; a look does not take all of it."""
    carer = world.person("carer")
    guess(world, carer, 9)
    watch = watching(world, piece=1)

    assert asyncio.run(watch.look()), "20 pieces of one line are not all of it"
    assert [20] == [row["seq"] for row in world.rows(judged) if row["chain"] == world.org]
    judge(watch)

    assert 1 == len(raised(world))
    places = {row["chain"]: row["seq"] for row in world.rows(judged)}
    assert {world.org: len(world.entries()), SYSTEM: len(world.entries(SYSTEM))} == places


def test_days_are_kept_for_habits(world):
    """What a person's day came to is stored: counts and hours, and nothing that is read."""
    nurse = world.person("nurse")
    judge(watching(world))

    (day,) = [row for row in world.rows(habit_day) if row["user_id"] == nurse.id]
    assert ("2026-03-02", "nurse", -1, 0) == (day["day"], day["roles"], day["gap"], day["records"])


def test_a_backup_that_is_overdue_is_told_when_time_passes(world):
    """36 hours after the last good backup every organisation is told, once; before that nobody is."""
    other = world.found("Other Care")
    at = world.later()
    due = {"org": SYSTEM, "name": "backup", "cron": "30 2 * * *", "due_at": at}
    run = {
        "org": SYSTEM,
        "id": "r",
        "job": "backup",
        "due_at": at,
        "started_at": at,
        "runner": "x",
        "missed": 0,
    }
    world.looking(
        lambda c: (c.execute(job.insert(), due), c.execute(job_run.insert(), run | DONE | {"ended_at": at}))
    )
    watch = watching(world)
    world.pass_time(hours=35)
    judge(watch)
    assert [] == raised(world, "backup-overdue")
    for _ in range(3):
        world.pass_time(minutes=61)
        judge(watch)

    assert {world.org, other} == {row["org"] for row in raised(world, "backup-overdue")}
    assert [1, 1] == [row["findings"] for row in raised(world, "backup-overdue")]


DONE = {"outcome": "ok", "result": "{}"}
