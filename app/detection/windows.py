"""What happened lately: counts over the last minutes or hours, that forget what is older by themselves.

Everything in a window follows from the lines of its span, so after a restart it is filled again by reading
those lines once more.
"""

import math
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from app.detection.finding import MOST_ENTRIES

MINUTE, HOUR = 60.0, 3600.0
SPANS: dict[str, float] = {
    "opened": HOUR,
    "cared": 12 * HOUR,
    "duty": 12 * HOUR,
    "listed": HOUR,
    "exported": 24 * HOUR,
    "refused": HOUR,
    "grabbed": 24 * HOUR,
    "off_shift": 12 * HOUR,
    "failed": HOUR,
    "sprayed": 15 * MINUTE,
    "guessed": 15 * MINUTE,
    "inactive": 24 * HOUR,
    "used": 10 * MINUTE,
    "came": 24 * HOUR,
    "granted": 24 * HOUR,
    "unseated": 24 * HOUR,
    "amended": HOUR,
    "removed": HOUR,
    "written": 24 * HOUR,
    "broken": 24 * HOUR,
    "emergency": 24 * HOUR,
    "exempted": 24 * HOUR,
    "failed_backup": 24 * HOUR,
}
"""The windows, each kept for every person, source or resident it is about."""
LONGEST = max(SPANS.values())
MOST_ITEMS = 5000
"""A window holds no more; beyond it the oldest goes, and a count says at least so many."""
PAUSES: dict[str, float] = {"duty": 4 * HOUR}
"""Windows that begin anew after such a pause: another duty begins then."""
MOST_GONE_THROUGH = 200
"""As many of a window whose items are gone through one by one, with each entry anew."""
FEW: frozenset[str] = frozenset({"used"})
"""The windows of which that is so."""


class Item(NamedTuple):
    """One thing that happened: when, in which entry, to whom, and how often if an entry tells of several."""

    at: float
    seq: int
    key: str
    weight: int = 1


class Recent:
    """One window."""

    __slots__ = ("_items", "_keys", "_most", "_pause", "_span", "_weight")

    def __init__(self, span: float, most: int = MOST_ITEMS, pause: float = math.inf) -> None:
        self._span, self._most, self._pause = span, most, pause
        self._items: deque[Item] = deque()
        self._keys: Counter[str] = Counter()
        self._weight = 0

    def add(self, item: Item) -> None:
        """Take one in, and let go of what is too old by then."""
        if self._items and item.at - self._items[-1].at >= self._pause:
            self._clear()
        self._items.append(item)
        self._keys[item.key] += 1
        self._weight += item.weight
        self.forget(item.at)
        if len(self._items) > self._most:
            self._drop()

    def forget(self, at: float) -> None:
        """Let go of what is not within the span any more."""
        while self._items and self._items[0].at <= at - self._span:
            self._drop()

    def _clear(self) -> None:
        self._items.clear()
        self._keys.clear()
        self._weight = 0

    def _drop(self) -> None:
        item = self._items.popleft()
        self._weight -= item.weight
        self._keys[item.key] -= 1
        if not self._keys[item.key]:
            del self._keys[item.key]

    def __len__(self) -> int:
        return len(self._items)

    @property
    def ends(self) -> tuple[Item, ...]:
        """Return the oldest item and the newest."""
        return (self._items[0], self._items[-1]) if self._items else ()

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[Item]:
        return reversed(self._items)

    @property
    def total(self) -> int:
        """Return how often it happened."""
        return self._weight

    @property
    def distinct(self) -> int:
        """Return how many different keys it happened to."""
        return len(self._keys)

    @property
    def keys(self) -> tuple[str, ...]:
        """Return those keys, in the order in which they came."""
        return tuple(self._keys)

    def times(self, key: str) -> int:
        """Return how often it happened to one."""
        return self._keys[key]

    def seqs(self, wanted: Callable[[Item], bool]) -> tuple[int, ...]:
        """Return the entries of those items that are wanted, in order."""
        return tuple(dict.fromkeys(item.seq for item in self if wanted(item)))

    def only(self, wanted: Callable[[Item], bool]) -> "Recent":
        """Return a window of those items that are wanted. It goes through all of them."""
        some = Recent(self._span, self._most)
        for item in self:
            if wanted(item):
                some.add(item)
        return some

    def newest(self, wanted: Callable[[Item], bool] = lambda _: True) -> tuple[int, ...]:
        """Return the newest entries of it that are wanted, as many as a finding names."""
        found: dict[int, None] = {}
        for item in reversed(self):
            if wanted(item):
                found[item.seq] = None
            if len(found) == MOST_ENTRIES:
                break
        return tuple(reversed(found))


class Windows:
    """All windows of a chain."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], Recent] = {}

    def add(self, name: str, subject: str, item: Item) -> None:
        """Note something in the window `name` of a subject."""
        window = self._all.get((name, subject))
        if window is None:
            window = self._all[name, subject] = _new(name)
        window.add(item)

    def of(self, name: str, subject: str, at: float) -> Recent:
        """Return a window as of an instant."""
        window = self._all.get((name, subject))
        if window is None:
            return _new(name)
        window.forget(at)
        return window

    def sweep(self, at: float) -> None:
        """Let go of windows in which nothing is left."""
        for window in self._all.values():
            window.forget(at)
        self._all = {place: window for place, window in self._all.items() if len(window)}

    def __len__(self) -> int:
        return len(self._all)


def _new(name: str) -> Recent:
    most = MOST_GONE_THROUGH if name in FEW else MOST_ITEMS
    return Recent(SPANS[name], most, PAUSES.get(name, math.inf))
