"""The index over the lines against the lines, both ways.

Who takes rows out of `audit_index` shortens searches and access logs, who adds some shows entries under
another's name, and no line changes. So the lists are made anew from the lines and compared. Of each list only
its length and one product are kept in mind: of (r - number) over its numbers, modulo a prime, with a random
`r`. Two lists with the same product are the same list, but for one chance in 2^100.

Source: AUDIT-2, promise P5.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from app.audit.indexing import LONGEST_PIECE, RESIDENT, lists_of
from app.audit.verify import BROKEN, TamperedError, shown
from app.core.entropy import Entropy
from app.core.errors import AlteredRow
from app.core.identifiers import is_id
from app.trail.state_ledger import Share

PRIME = (1 << 127) - 1
KIND = "INDEX"
ROWS = "SELECT kind, key, first, seqs FROM audit_index WHERE org = ? ORDER BY kind, key, first"
PAGE = (
    "SELECT kind, key, first, seqs FROM audit_index WHERE org = ?"
    " AND (kind, key, first) > (?, ?, ?) ORDER BY kind, key, first LIMIT ?"
)
BEFORE_ALL = ("", "", -1)
ROWS_AT_ONCE = 64
"""Each may hold 20,000 numbers."""
MEND = "`caretrail audit reindex` makes the index anew"
Key = tuple[str, str]
Find = Callable[[TamperedError, AlteredRow], None]
"""Takes a finding, and the row it is about."""


class _List(NamedTuple):
    """How long a list is, and its product."""

    length: int = 0
    product: int = 1


class IndexCheck:
    """Holds the index of one chain against its lines: first `take` the lines, then `compare` the rows."""

    def __init__(self, entropy: Entropy, upto: int, share: Share, most: int = 0) -> None:
        """Begin before line 0.

        Args:
            entropy: What nobody can guess.
            upto: How many lines the index was said to hold; what comes later is left to the next check.
            share: Which lists to keep in mind.
            most: How many lists to keep in mind at most; 0 for all.
        """
        self._at = int.from_bytes(entropy.bytes(16)) % PRIME
        self._upto, self._share, self._most = upto, share, most
        self._lists: dict[Key, _List] = {}
        self._missed: set[Key] | None = None
        self._key: Key | None = None
        self._found, self._last, self._sound = _List(), -1, True
        self.rows = 0

    def take(self, start: int, lines: Iterable[bytes]) -> None:
        """Take the next lines, the first of which has the number `start`."""
        for seq, line in enumerate(lines, start):
            if seq >= self._upto:
                return
            for key in _under(line):
                if self._share.has(key[1]):
                    self._keep(key, seq)

    def _keep(self, key: Key, seq: int) -> None:
        known = self._lists.get(key, _EMPTY)
        self._lists[key] = _List(known.length + 1, known.product * (self._at - seq) % PRIME)
        if self._most and len(self._lists) > self._most:
            self._share.halve()
            self._lists = {key: kept for key, kept in self._lists.items() if self._share.has(key[1])}

    # --- comparing ----------------------------------------------------------------------------

    def compare(self, rows: Iterable[tuple[Any, ...]], end: int, find: Find) -> None:
        """Compare the next rows, in the order of their keys.

        Args:
            rows: kind, key, first, seqs.
            end: How many lines the index holds as of now.
            find: Takes what is found.
        """
        if self._missed is None:
            self._missed = set(self._lists)
        for kind, key, first, seqs in rows:
            self.rows += 1
            if (kind, key) != self._key:
                self._judge(find)
                self._key, self._found, self._last, self._sound = (kind, key), _EMPTY, -1, True
            if self._sound and not self._read(first, str(seqs), end):
                self._sound = False
                self._tell(
                    find, (kind, key), f"the list from #{shown(first)} on is not as the service writes it"
                )

    def _read(self, first: Any, seqs: str, end: int) -> bool:
        """Read a list; say whether it has its form, without which nobody would find its numbers."""
        try:
            numbers = [int(seq) for seq in seqs.split(" ")]
        except ValueError:
            return False
        last = self._last
        if numbers[0] != first or numbers[-1] - first >= LONGEST_PIECE:
            return False
        count, product = self._found
        for number in numbers:
            if not last < number < end:
                return False
            last = number
            if number < self._upto:
                count, product = count + 1, product * (self._at - number) % PRIME
        self._found, self._last = _List(count, product), last
        return True

    def finish(self, find: Find) -> None:
        """Judge the last list, and miss those that have no row at all."""
        self._judge(find)
        self._key = None
        for key in sorted(self._lists if self._missed is None else self._missed):
            if self._share.has(key[1]):
                self._differs(find, key, self._lists[key], _EMPTY)

    def _judge(self, find: Find) -> None:
        key = self._key
        if key is None or not self._share.has(key[1]):
            return
        if self._missed is not None:
            self._missed.discard(key)
        due = self._lists.get(key, _EMPTY)
        if self._sound and self._found != due:
            self._differs(find, key, due, self._found)

    def _differs(self, find: Find, key: Key, due: _List, found: _List) -> None:
        more = found.length - due.length
        how = f"{more} too many" if more > 0 else f"{-more} missing" if more else "as many, but not the same"
        self._tell(find, key, f"the trail has {due.length} lines there, the index {found.length}: {how}")

    def _tell(self, find: Find, key: Key, text: str) -> None:
        kind, name = key
        found = TamperedError(KIND, f"{shown(kind)} {shown(name)}: {text}; {MEND}")
        resident = name if kind == RESIDENT and is_id(name) else None
        find(found, AlteredRow("audit_index", f"{shown(kind)}:{shown(name)}", resident))


_EMPTY = _List()


def _under(line: bytes) -> list[Key]:
    """Return the lists a line stands in; none, if it is no line of ours: the check of the lines says so."""
    try:
        return lists_of(orjson.loads(line)["e"])
    except BROKEN:
        return []
