"""One person who reads as fast as they can: no entry costs more for it, or nobody else is judged in time."""

import tracemalloc
from dataclasses import replace

import pytest

from app.detection.facts import Shift
from app.detection.windows import MOST_GONE_THROUGH, MOST_ITEMS, Recent
from tests.unit.detection.scene import Scene

ENTRIES = 2 * MOST_ITEMS
PER_ENTRY = 2 * MOST_GONE_THROUGH
"""Items gone through for an entry, on average: 250 residents of evidence and of places, not 5,000 items."""
BYTES_AN_OPENING = 240
"""Three windows hold an opening: its item, instant and place in the chain once, and no name of its own."""


class Steps:
    """Counts every item of a window that is gone through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        for name in ("__iter__", "__reversed__"):
            monkeypatch.setattr(Recent, name, self._counted(getattr(Recent, name)))

    def _counted(self, walk):
        def counted(window: Recent):
            for item in walk(window):
                self.count += 1
                yield item

        return counted


@pytest.fixture
def steps(monkeypatch) -> Steps:
    """The items that are gone through from here on."""
    return Steps(monkeypatch)


def busy(scene: Scene, sessions: int = 1) -> set[str]:
    """Let somebody open record after record, 250 residents in turn; return the rules that told of it."""
    for n in range(ENTRIES):
        scene.opens(f"r{n % 250}", after_s=0.05, session=f"s{n % sessions}")
    return {one.rule for one in scene.found}


def test_bulk_reading_costs_the_same_at_every_entry(steps):
    """Ten thousand openings within minutes are told of without going through them anew each time."""
    assert {"bulk-reading"} == busy(Scene())
    assert steps.count <= PER_ENTRY * ENTRIES


def test_two_sessions_cost_the_same_at_every_entry(steps):
    """To and fro between two sessions is counted over the last uses only."""
    assert {"bulk-reading", "two-devices"} == busy(Scene(), sessions=2)
    assert steps.count <= PER_ENTRY * ENTRIES


def test_strange_hours_and_no_shift_cost_the_same_at_every_entry(steps):
    """Nor does it help to read at night, or off the rota."""
    scene = Scene()
    scene.worked("ann", 20, hours=1 << 3)
    day = 24 * 3600
    scene.facts = replace(
        scene.facts,
        shifts={"ann": (Shift(scene.at.timestamp() + day, scene.at.timestamp() + 2 * day, "home"),)},
    )

    assert {"bulk-reading", "unusual-hours", "off-rota"} == busy(scene)
    assert steps.count <= PER_ENTRY * ENTRIES


def test_residents_of_elsewhere_cost_the_same_at_every_entry(steps):
    """Nor to read in another home."""
    scene = Scene()
    scene.worked("ann", 20, places={"home/a": 10})
    scene.facts = replace(scene.facts, places={f"r{n}": "home/a" if n % 3 else "other/b" for n in range(250)})

    assert {"bulk-reading", "outside-place"} <= busy(scene)
    assert steps.count <= PER_ENTRY * ENTRIES


def test_all_windows_share_what_they_hold_of_an_opening():
    """A chain of many people is held in memory by it, so what is opened must not be held again and again."""
    scene = Scene()
    scene.opens("r0")
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for n in range(MOST_ITEMS - 1):
        scene.opens(f"0190a000-0000-7000-8000-{n % 250:012}", after_s=0.5)  # spelled anew, as by each line
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert len(scene.state.windows.of("opened", "ann", scene.at.timestamp())) == MOST_ITEMS
    assert held <= BYTES_AN_OPENING * MOST_ITEMS
