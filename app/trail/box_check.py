"""What is sealed beside the lines against the hashes in them: values before and after, reasons, names.

A line holds SHA-256 of each box that belongs to it, and of each name with its salt. So a box that was
exchanged, moved, added or taken away is told without opening anything. Names are opened where a key is at
hand, because their hash is of what is inside.

An erasure destroys the key and leaves the boxes; one may also be gone where a later entry says that its
resident was erased. Without such an entry it is missing.

Source: AUDIT-2, promise P5.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from app.access.drafting import beside
from app.audit.verify import BROKEN, Erasures, TamperedError, is_erasure, shown
from app.core.errors import AlteredRow, SealBrokenError
from app.storage.snapshot import Snapshot
from app.trail.state_kinds import Keys
from app.vault.sealing import fingerprint

CHANGED, MISSING, NAME = "CIPHERTEXT", "VALUE MISSING", "IDENTITY"
MOST_STRAYS = 1000
_BOXES = (
    "SELECT seq, n, field, side, owner, ct FROM audit_value"
    " WHERE org = ? AND seq >= ? AND seq < ? ORDER BY seq, n"
)
_NAMES = (
    "SELECT n.seq, n.user_id, n.ct, a.wrapped_key FROM audit_name n"
    " LEFT JOIN account a ON a.org = n.org AND a.id = n.user_id"
    " WHERE n.org = ? AND n.seq >= ? AND n.seq < ? ORDER BY n.seq"
)
_BEYOND = "SELECT min(seq) FROM {table} WHERE org = ? AND (seq >= ? OR seq < 0)"
_TELLING = (b'"chg":[', b'"reason_h":"', b'"name_h":"', b'"act":"resident.erase"')
_SIDES = {"b": "the value before of {}", "a": "the value after of {}", "r": "the reason"}
_BATCH = 64
Find = Callable[[TamperedError, AlteredRow], None]
_Place = tuple[int, int]


class _Due(NamedTuple):
    """A box that a line names: what it is, its hash, and who may own it."""

    field: str
    side: str
    hash: str
    named: frozenset[str]
    subs: tuple[str, ...]

    @property
    def what(self) -> str:
        return _SIDES[self.side].format(shown(self.field))


class _Name(NamedTuple):
    """A name that a line names: whose, and SHA-256(salt || name)."""

    user: str
    hash: str


class _Gone(NamedTuple):
    """Boxes that are not there, of the same residents."""

    boxes: int
    first: int
    last: int
    what: str


class BoxCheck:
    """Holds what is sealed beside the lines of one chain against them, taken in their order.

    Attributes:
        boxes: How many the lines name.
        erased: How many of them were erased, by the number of the erasure's entry; known at the end.
    """

    def __init__(self, org: str, find: Find, keys: Callable[[Snapshot], Keys | None] | None = None) -> None:
        """Begin before the first line.

        Args:
            org: Whose chain.
            find: Takes what is found.
            keys: Returns the organisation's keys, to open names with; None: they are not opened.
        """
        self._org, self._find, self._keys = org, find, keys
        self._gone: dict[tuple[str, ...], _Gone] = {}
        self._erased: dict[str, int] = {}
        self._erasures = Erasures()
        self._strays: list[tuple[int, str, str]] = []  # where, what is wrong with it, its hash
        self._wanted: dict[str, int] = {}
        self._owned: dict[str, int] = {}
        self.boxes = 0
        self.erased: dict[int, int] = {}

    def take(self, snapshot: Snapshot, start: int, lines: Sequence[bytes]) -> None:
        """Take the next lines, and compare what is kept beside them."""
        boxes: dict[_Place, _Due] = {}
        names: dict[int, _Name] = {}
        for seq, e in _telling(start, lines):
            try:
                boxes |= {(seq, n): due for n, due in enumerate(_named_by(e, self._org))}
                if is_erasure(e) and not self._erasures.repeats(e):
                    self._erased |= dict.fromkeys(e.get("subs", ()), seq)
                elif e["act"] == "identity.set":
                    names[seq] = _Name(e["obj"]["id"], e["name_h"])
            except BROKEN:
                continue  # no line of ours: the check of the lines says so
        self._boxes(snapshot, start, start + len(lines), boxes)
        self._names(snapshot, start, start + len(lines), names)

    # --- values and reasons -------------------------------------------------------------------

    def _boxes(self, snapshot: Snapshot, start: int, end: int, due: dict[_Place, _Due]) -> None:
        self.boxes += len(due)
        for batch in snapshot.rows(_BOXES, self._org, start, end, batch=_BATCH):
            for seq, n, field, side, owner, ct in batch:
                if ct is not None:
                    self._judge(seq, due.pop((seq, n), None), (field, side, owner), ct)
        for (seq, _), one in due.items():
            self._wanted.setdefault(one.hash, seq)
            gone = self._gone.get(one.subs, _Gone(0, seq, seq, one.what))
            self._gone[one.subs] = _Gone(gone.boxes + 1, gone.first, seq, gone.what)

    def _judge(self, seq: int, due: _Due | None, kept: tuple[str, str, str], ct: Any) -> None:
        hash_ = fingerprint(ct) if isinstance(ct, bytes) else ""
        if due is None:
            self._stray(seq, "a sealed value is kept here that the line does not name", hash_)
        elif hash_ != due.hash:
            self._wanted.setdefault(due.hash, seq)
            self._stray(seq, f"{due.what} is not the one the line names", hash_)
        elif kept[:2] != (due.field, due.side) or kept[2] not in due.named:
            self._tell(CHANGED, f"{due.what} is kept as another field's or another owner's", seq)
        else:
            self._owned[kept[2]] = self._owned.get(kept[2], 0) + 1

    def _stray(self, seq: int, text: str, hash_: str) -> None:
        if len(self._strays) < MOST_STRAYS:
            self._strays.append((seq, text, hash_))

    # --- names --------------------------------------------------------------------------------

    def _names(self, snapshot: Snapshot, start: int, end: int, due: dict[int, _Name]) -> None:
        keys = self._keys(snapshot) if due and self._keys is not None else None
        for batch in snapshot.rows(_NAMES, self._org, start, end, batch=_BATCH):
            for seq, user, ct, wrapped in batch:
                name = due.pop(seq, None)
                if name is None or user != name.user:
                    self._tell(NAME, "a name is kept here that the line does not name", seq)
                elif keys is not None and not self._opens(keys, seq, name, ct, wrapped):
                    self._tell(
                        NAME, "the name kept here is not the one the line names, or does not open", seq
                    )
        for seq in due:
            self._tell(NAME, "the name that the line names is missing", seq)

    def _opens(self, keys: Keys, seq: int, name: _Name, ct: Any, wrapped: Any) -> bool:
        place = beside(self._org, name.user, name.user, "name", 0, seq)
        try:
            return fingerprint(keys.owner(name.user, wrapped).unseal(ct, place)) == name.hash
        except (SealBrokenError, *BROKEN):
            return False

    # --- the end ------------------------------------------------------------------------------

    def finish(self, snapshot: Snapshot, size: int) -> None:
        """Tell what is wrong, now that it is known who was erased and what belongs where."""
        self.erased = {seq: self._owned.get(who, 0) for who, seq in self._erased.items()}
        for seq, text, hash_ in self._strays:
            at = self._wanted.get(hash_)
            self._tell(CHANGED, text if at is None else f"{text}: it belongs elsewhere, to #{at}", seq)
        for subs, gone in self._gone.items():
            by = min(
                (self._erased[one] for one in subs if self._erased.get(one, -1) > gone.last), default=None
            )
            if by is not None:
                self.erased[by] = self.erased.get(by, 0) + gone.boxes
            else:
                more = f", and {gone.boxes - 1} more up to #{gone.last}" if gone.boxes > 1 else ""
                self._tell(MISSING, f"{gone.what} is not there{more}, no erasure recorded", gone.first)
        for table in ("audit_value", "audit_name"):
            [[(seq,)]] = snapshot.rows(_BEYOND.format(table=table), self._org, size)
            if seq is not None:
                self._tell(CHANGED, f"something is sealed in {table} where there is no line", seq)

    def _tell(self, kind: str, text: str, seq: int) -> None:
        row = AlteredRow("audit_name" if kind == NAME else "audit_value", str(seq))
        self._find(TamperedError(kind, text, seq), row)


def _telling(start: int, lines: Sequence[bytes]) -> Iterator[tuple[int, Any]]:
    """Yield the entries that have something beside them, or say that it went; only they are read."""
    for seq, line in enumerate(lines, start):
        if any(sign in line for sign in _TELLING):
            with contextlib.suppress(*BROKEN):
                yield seq, orjson.loads(line)["e"]


def _named_by(e: Any, org: str) -> list[_Due]:
    """Return the boxes a line names, in the order in which they are kept beside it."""
    subs = tuple(e.get("subs", ()))
    named = frozenset({org, *subs, e.get("obj", {}).get("id", ""), e.get("actor", {}).get("id", "")})
    due = [
        _Due(change["f"], side, change[side], named, subs)
        for change in e.get("chg", ())
        for side in ("b", "a")
        if side in change
    ]
    if "reason_h" in e:
        due.append(_Due("", "r", e["reason_h"], named, subs))
    return due
