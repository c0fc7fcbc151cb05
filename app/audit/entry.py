"""An entry before it has its place in a chain.

A draft holds ids, names of fields and codes, never values and never names of people. What must be
kept beside the line - reasons, values before and after, a person's name - is sealed only when the
position is known, because the seal is bound to it; the line then holds the hash of each box.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from app.core.identifiers import new_id

VERSION = 1
Side = Literal["b", "a", "r"]


class SealedValue(NamedTuple):
    """One box beside a line: `b` before, `a` after, `r` the reason."""

    field: str
    side: Side
    owner: str
    box: bytes
    hash: str


class SealedName(NamedTuple):
    """A person's salted name beside an identity entry."""

    user_id: str
    box: bytes


@dataclass(slots=True)
class Draft:
    """One entry to append.

    Attributes:
        org: The chain it goes to.
        event: The members of `e` known so far; absent means empty.
        seal: Called with the position; returns the boxes to keep beside the line.
        name: Called with the position; returns the sealed name of an identity entry.
        then: Called with the position; returns a statement and parameters to run after the append,
            for a row that has to know where its entry stands.
    """

    org: str
    event: dict[str, Any]
    seal: Callable[[int], Sequence[SealedValue]] | None = None
    name: Callable[[int], SealedName] | None = None
    then: Callable[[int], tuple[Any, dict[str, Any]]] | None = None


class Stamp(NamedTuple):
    """Where an entry came to stand: the receipt `Audit-Event: chain/seq/leaf`."""

    org: str
    seq: int
    leaf: bytes

    def header(self) -> str:
        """Return the receipt as the contract spells it."""
        return f"{self.org}/{self.seq}/{self.leaf[:8].hex()}"


def begin(act: str, out: str, actor: dict[str, Any]) -> dict[str, Any]:
    """Return the members every entry has."""
    return {"v": VERSION, "id": new_id(), "act": act, "out": out, "actor": actor}


def name_values(event: dict[str, Any], values: Sequence[SealedValue]) -> None:
    """Put the hashes of sealed values into an event: `chg` by field, `reason_h` for the reason."""
    changes: dict[str, dict[str, str]] = {}
    for value in values:
        if value.side == "r":
            event["reason_h"] = value.hash
        else:
            changes.setdefault(value.field, {"f": value.field})[value.side] = value.hash
    if changes:
        event["chg"] = list(changes.values())
