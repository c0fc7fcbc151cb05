"""What the trail says of rows: the newest version of each, its keyed digest, and the entry that says so.

Filled from the lines of one chain in their order. A row takes some hundred bytes here; whoever has no room
for all of them keeps a share (`Share`) and takes the others next time.
"""

import sys
from collections.abc import Iterable
from struct import Struct
from typing import Any, NamedTuple
from zlib import crc32

import orjson

_SAID = Struct(">QI32s")
_STATE = b'"state":"'
_NAME = b'"act":"identity.set"'
_HEX_DIGITS = 64
REWRAP = "key.rewrap"
"""The act under which owners' keys are wrapped anew: their rows get another digest and keep their version."""


class Said(NamedTuple):
    """What an entry says of a row: its number, the version it made, the digest of that version."""

    seq: int
    version: int
    state: bytes


class Told(NamedTuple):
    """The same as it stands in a line: the digest in hexadecimal digits."""

    seq: int
    version: int
    state: str


class Named(NamedTuple):
    """An identity entry: its number, and SHA-256(salt || name) of the name it sets."""

    seq: int
    name_hash: str


class Share:
    """Which rows are kept in mind: one part of `parts`, told by their ids. A ledger may split it further."""

    def __init__(self, turn: int = 0, parts: int = 1) -> None:
        self._turn, self.parts = turn, parts

    def has(self, row: Any) -> bool:
        """Say whether a row is of this share."""
        return self.parts == 1 or crc32(str(row).encode("utf-8", "replace")) % self.parts == self._part

    def halve(self) -> None:
        """Keep half of it."""
        self.parts *= 2

    @property
    def _part(self) -> int:
        return self._turn % self.parts


class Ledger:
    """What the lines taken so far say of rows, and of people's names, and whose the records are.

    Attributes:
        faults: Entries that contradict each other: (number, sentence).
        altered: Rows found not to be what their entries say; nothing can be judged by their columns.
    """

    def __init__(self, kinds: Iterable[str], histories: Iterable[str], share: Share, most: int = 0) -> None:
        """Begin before line 0.

        Args:
            kinds: Which objects have rows to compare, as entries name them (`obj.t`).
            histories: Of which of them every version is to be kept in mind, not only the newest.
            share: Which rows to keep in mind.
            most: How many rows to keep in mind at most; 0 for all.
        """
        self._rows: dict[str, dict[str, bytes]] = {kind: {} for kind in kinds}
        self._histories = frozenset(histories)
        self._names: dict[str, Named] = {}
        self._residents: dict[str, str] = {}
        self._share, self._most, self._count = share, most, 0
        self.faults: list[tuple[int, str]] = []
        self.altered: set[Any] = set()

    def take(self, start: int, lines: Iterable[bytes]) -> None:
        """Take the next lines, the first of which has the number `start`."""
        for seq, line in enumerate(lines, start):
            if _STATE in line or _NAME in line:
                self._take(seq, line)

    def _take(self, seq: int, line: bytes) -> None:
        try:
            event = orjson.loads(line)["e"]
            for further in event.get("rows", ()):  # what an erasure changes beside its object
                said = Told(seq, further["ver"], further["state"])
                self._take_row(further["t"], further["id"], said, again=event["act"] == REWRAP)
            match event:
                case {"state": str(state), "obj": {"t": str(kind), "id": str(row), "ver": int(version)}}:
                    self._take_row(kind, row, Told(seq, version, state))
                    self._take_resident(kind, row, event)
                case {"act": "identity.set", "obj": {"id": str(user)}, "name_h": str(name_hash)}:
                    if self._share.has(user):
                        self._names[user] = Named(seq, name_hash)
        except (ValueError, LookupError, TypeError):
            return  # no line of ours: the check of the lines says so

    def _take_row(self, kind: str, row: str, said: Told, *, again: bool = False) -> None:
        if kind in self._rows and len(said.state) == _HEX_DIGITS and self._share.has(row):
            self._keep(kind, row, Said(said.seq, said.version, bytes.fromhex(said.state)), again=again)

    def _take_resident(self, kind: str, row: str, event: dict[str, Any]) -> None:
        """Keep in mind whose row it is: whom the entry that made it concerns."""
        match event:
            case {"subs": [str(resident)]} if kind in self._histories and self._share.has(row):
                self._residents.setdefault(row, sys.intern(resident))

    def _keep(self, kind: str, row: str, said: Said, *, again: bool) -> None:
        rows = self._rows[kind]
        before = rows.get(row)
        known = Said._make(_SAID.unpack(before[-_SAID.size :])) if before else Said(0, 0, b"")
        due = known.version if again else known.version + 1
        if said.version != due:
            text = f"{kind} {row}: this entry makes version {said.version}, version {due} is due"
            self.faults.append((said.seq, text))
        packed = _SAID.pack(said.seq, said.version & 0xFFFFFFFF, said.state)
        rows[row] = (before or b"") + packed if kind in self._histories else packed
        if before is None:
            self._count += 1
            if self._most and self._count > self._most:
                self._split()

    def _split(self) -> None:
        """Keep half of the rows in mind, the others in other rounds."""
        self._share.halve()
        for kind, rows in self._rows.items():
            self._rows[kind] = {row: said for row, said in rows.items() if self._share.has(row)}
        self._names = {user: named for user, named in self._names.items() if self._share.has(user)}
        self._residents = {row: one for row, one in self._residents.items() if self._share.has(row)}
        self._count = sum(map(len, self._rows.values()))

    # --- asking -------------------------------------------------------------------------------

    def has(self, row: Any) -> bool:
        """Say whether what the trail says of a row was kept in mind."""
        return self._share.has(row)

    def newest(self, kind: str, row: Any) -> Said | None:
        """Return what the newest entry says of a row; None if there is no entry."""
        packed = self._rows[kind].get(row)
        return Said._make(_SAID.unpack(packed[-_SAID.size :])) if packed else None

    def of_version(self, kind: str, row: Any, version: int) -> Said | None:
        """Return what the entry says that made a version of a row; None if there is no such entry."""
        packed = self._rows[kind].get(row, b"")
        for said in _SAID.iter_unpack(packed):
            if said[1] == version:
                return Said._make(said)
        return None

    def rows(self, kind: str) -> Iterable[str]:
        """Return the ids of all rows of a kind: each is there, or its newest entry removed it."""
        return self._rows[kind]

    def name(self, user: Any) -> Named | None:
        """Return the newest identity entry of a person."""
        return self._names.get(user)

    def resident(self, row: Any) -> str | None:
        """Return whose a row with a history is, as the entry says that made it; None if that is not known."""
        return self._residents.get(row)
