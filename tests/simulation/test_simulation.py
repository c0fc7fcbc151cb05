"""The simulated home, and the report made of it: a slice of twelve days, gross misuse only."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import pytest
from sqlalchemy import select

from app.audit.table import event
from app.detection.finding import Finding
from tests.simulation.misusing import NOT_MEASURED, SCENARIOS, TOLD_BY
from tests.simulation.reporting import broken_goals, lines, numbers, seen
from tests.simulation.simulating import Simulated, scratch, simulate
from tests.simulation.watching import Watcher
from tests.support.world import World

DAYS, QUIET_DAYS, SEED = 12, 9, 7
NEED_A_HABIT = {("outside_place", "residents of the other home, while at this one")}
"""Misuse that twelve days are too short for: where somebody works is known after ten days at work."""
pytestmark = pytest.mark.timeout(900)
_ID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_COMPARED = ("act", "out", "why", "actor", "obj", "homes", "subs", "n", "dev", "purpose", "src")


class Slice(NamedTuple):
    """Twelve days, and what was told of them."""

    simulated: Simulated
    findings: list[Finding]


@pytest.fixture(scope="module")
def twelve_days() -> Iterator[Slice]:
    """Twelve days of one seed, judged by the real consumer."""
    with scratch() as folder, Watcher() as watcher:
        simulated = simulate(SEED, folder, DAYS, quiet_until=QUIET_DAYS, sizes=("gross",), look=watcher.look)
        yield Slice(simulated, watcher.findings)
        simulated.world.close()


def test_a_simulated_home_is_refused_nothing_it_did_not_mean_to_be(twelve_days: Slice):
    """Of all answers to honest deeds not one is unforeseen."""
    assert dict(twelve_days.simulated.surprises) == {}


def test_a_day_has_as_many_entries_as_the_report_says(twelve_days: Slice):
    """A day of 60 beds leaves between 1,200 and 2,000 entries."""
    assert 1_200 < twelve_days.simulated.entries / DAYS < 2_000


def test_every_kind_of_misuse_is_injected_and_labelled(twelve_days: Slice):
    """Each scenario left entries of its own, but for the backup that was not made."""
    misuse = twelve_days.simulated.misuse

    assert sorted((one.kind, one.variant) for one in misuse) == sorted(
        (one.kind, one.variant) for one in SCENARIOS if "gross" in one.sizes
    )
    assert [one.kind for one in misuse if not one.entries] == ["backup_overdue"]
    assert {one.kind for one in misuse} == TOLD_BY.keys()


def test_all_gross_misuse_is_told(twelve_days: Slice):
    """What a manager would call gross is found, but for what needs a habit of more than twelve days."""
    cases = seen(*twelve_days).cases

    assert {(case.kind, case.variant) for case in cases if not case.found} <= NEED_A_HABIT


def test_a_rule_that_is_switched_off_shows_in_the_report(twelve_days: Slice):
    """Without its rule a kind has no recall, and the report says which goal that misses."""
    for rule in ("bulk-reading", "failed-sign-ins", "mass-change", "trail-check"):
        [kind] = [kind for kind, rules in TOLD_BY.items() if rule in rules]
        left = [finding for finding in twelve_days.findings if finding.rule != rule]
        found = numbers([seen(twelve_days.simulated, left)], [], {})

        assert found["recall"][kind] == 0
        assert any(kind in goal for goal in broken_goals(found))


def test_an_alert_about_nothing_injected_is_counted_as_false(twelve_days: Slice):
    """A finding that rests on an honest entry is one false alert more."""
    before = seen(*twelve_days).false
    honest = Finding(
        "refusals", "medium", "user:x", "x", "2026-03-09T12:00:00.000000Z", "x", (5,), "Nothing."
    )

    after = seen(twelve_days.simulated, [*twelve_days.findings, honest]).false

    assert len(after) == len(before) + 1


def test_the_report_says_where_its_numbers_hold_and_what_it_does_not_measure(twelve_days: Slice):
    """Recall and false alerts are claimed on our simulator only, and gaps are named."""
    text = "\n".join(lines(numbers([seen(*twelve_days)], [], {})))

    assert text.count("on our simulator") >= 3
    assert [kind for kind in NOT_MEASURED if kind not in text] == []


def test_a_seed_gives_the_same_home_again():
    """Two runs of a seed leave the same entries, but for ids; another seed leaves others."""
    first, again, other = (_a_day(seed) for seed in (1, 1, 2))

    assert len(first) > 1_200
    assert first == again
    assert first != other


def _a_day(seed: int) -> list[Any]:
    with scratch() as folder:
        simulated = simulate(seed, folder, 1, quiet_until=1, sizes=())
        entries = _without_ids(simulated.world)
        simulated.world.close()
    return entries


def _without_ids(world: World) -> list[Any]:
    """Return what the entries say, each id as the number of its first occurrence."""
    wanted = select(event.c.line).where(event.c.org == world.org).order_by(event.c.seq)
    numbers_of: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers_of.setdefault(found[0], f"id {len(numbers_of)}")

    told = []
    for line in world.looking(lambda connection: connection.execute(wanted).scalars().all()):
        whole = orjson.loads(bytes(line))
        kept = {name: whole["e"].get(name) for name in _COMPARED} | {"ts": whole["c"]["ts"]}
        told.append(_ID.sub(number, orjson.dumps(kept).decode()))
    return told
