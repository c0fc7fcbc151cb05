"""The columns a row's digest is made over, each with the type it was declared with.

A digest is made over JSON, which spells some values of different types alike: bytes and the text of their
digits, nothing and infinity. SQLite keeps in a column whatever it is given, so a row is what its digest says
only if every value is also of its column's type. A yes or no is `0` or `1` there; anything else hides a row
from every query that asks for either, and is digested as it stands.

Source: promise P5.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Boolean, Integer, LargeBinary, String, Table

from app.vault.sealing import DataKey, StateKey

_HELD: Final[dict[type, type]] = {
    Boolean: bool,
    Integer: int,
    LargeBinary: bytes,
    String: str,
}
"""What a column of a type holds, if it holds anything. The others are kinds of these."""


_YES_OR_NO: Final[dict[object, object]] = {0: False, 1: True}


class BoundColumns:
    """The columns of one kind of row that its digest covers, in their order."""

    __slots__ = ("_flags", "_held", "_kind", "_known")

    def __init__(self, kind: str, table: Table, names: Iterable[str]) -> None:
        """Take them.

        Args:
            kind: What such a row is called in its digest.
            table: Where it is kept.
            names: Of its columns.
        """
        self._kind = kind
        self._held = tuple(_held_by(table, name) for name in names)
        self._flags = [place for place, held in enumerate(self._held) if held is bool]
        self._known: set[tuple[type, ...]] = set()

    def digest(self, key: DataKey | StateKey, row: Sequence[object]) -> bytes:
        """Return the keyed digest of a row's values.

        Of a row with a value that its column cannot hold it is one that no row as we write them has.
        """
        values = list(row)
        for place in self._flags:
            values[place] = _YES_OR_NO.get(values[place], values[place])
        if not self._hold(values):
            told = [(type(value).__name__, ascii(value)) for value in values]
            return key.state(f"{self._kind} of other types", told)
        return key.state(self._kind, values)

    def _hold(self, values: list[object]) -> bool:
        types = tuple(map(type, values))
        if types not in self._known:
            if not all(_fits(*one) for one in zip(values, self._held, strict=True)):
                return False
            self._known.add(types)
        return True


def _held_by(table: Table, name: str) -> type:
    return next(held for kind, held in _HELD.items() if isinstance(table.c[name].type, kind))


def _fits(value: object, held: type) -> bool:
    return value is None or (isinstance(value, held) and (held is bool or not isinstance(value, bool)))
