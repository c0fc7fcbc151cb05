"""The append: the only way into the trail, and only the door may take it.

Head rows are locked last in a transaction and in the order of their organisations, so that turns of
several processes wait for each other only from here to their commit and cannot wait in a circle.

A crash before the commit leaves neither entry nor change; a crash after it leaves both. The head
moves only if it still has the size it was read with: two writers can never extend one chain twice.

Source: AUDIT-1 (ASVS 5.0 16.2.1, 16.4.2); format in app/audit/README.md.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from app.audit import line, merkle, table
from app.audit.entry import Draft, SealedName, SealedValue, Stamp, name_values
from app.core.clock import spell

_head = table.head.c
_HEADS = select(table.head).where(_head.org.in_(bindparam("orgs", expanding=True))).order_by(_head.org)
_HEADS_LOCKED = _HEADS.with_for_update()

_MOVE = (
    update(table.head)
    .where(_head.org == bindparam("of"), _head.size == bindparam("was"))
    .values(size=bindparam("size"), leaf=bindparam("leaf"), ts=bindparam("ts"), peaks=bindparam("peaks"))
)

# One round trip: the head moves and the lines are stored, or neither. The count says which. Arrays go in
# binary (%b): as text, escaping the lines cost the client five times as much as the rest of the statement.
_APPEND_AT_ONCE = """
    WITH moved AS (
        UPDATE audit_head h SET size = m.size, leaf = m.leaf, ts = m.ts, peaks = m.peaks
        FROM unnest(%(orgs)b::text[], %(was)b::bigint[], %(sizes)b::bigint[],
                    %(heads)b::bytea[], %(times)b::text[], %(peaks)b::bytea[])
             AS m(org, was, size, leaf, ts, peaks)
        WHERE h.org = m.org AND h.size = m.was RETURNING 1
    ), stored AS (
        INSERT INTO audit_event (org, seq, line, leaf)
        SELECT * FROM unnest(%(line_orgs)b::text[], %(seqs)b::bigint[],
                             %(lines)b::bytea[], %(leaves)b::bytea[])
    )
    SELECT count(*) FROM moved
"""


class ChainMovedError(RuntimeError):
    """The head of a chain is not where it was read: nothing may be committed on it."""


class ChainMissingError(RuntimeError):
    """An organisation without a chain. Made with the organisation, so this is damage."""


class _Growth:
    """One chain while lines are added to it."""

    def __init__(self, head: Row[Any]) -> None:
        self.org: str = head.org
        self.was: int = head.size
        self.size: int = head.size
        self.leaf: bytes = bytes(head.leaf)
        self.ts: str = head.ts
        self.peaks = merkle.unpack(bytes(head.peaks), head.size)
        self.rows: list[dict[str, Any]] = []
        self.values: list[dict[str, Any]] = []
        self.names: list[dict[str, Any]] = []

    def add(self, draft: Draft, ts: str) -> Stamp:
        seq = self.size
        if draft.seal is not None:
            self._keep(seq, draft.event, draft.seal(seq))
        if draft.name is not None:
            self._keep_name(seq, draft.name(seq))
        self.ts = max(self.ts, ts)  # a clock that stepped back never makes the trail run backwards
        spliced = line.splice(self.org, seq, self.ts, self.leaf.hex(), line.canonical(draft.event))
        self.leaf = merkle.leaf_hash(spliced)
        merkle.append(self.peaks, self.size, self.leaf)
        self.size += 1
        self.rows.append({"org": self.org, "seq": seq, "line": spliced, "leaf": self.leaf})
        return Stamp(self.org, seq, self.leaf)

    def _keep(self, seq: int, event: dict[str, Any], values: Sequence[SealedValue]) -> None:
        name_values(event, values)
        for n, value in enumerate(values):
            place = {"org": self.org, "seq": seq, "n": n, "field": value.field, "side": value.side}
            self.values.append(place | {"owner": value.owner, "ct": value.box})

    def _keep_name(self, seq: int, name: SealedName) -> None:
        self.names.append({"org": self.org, "seq": seq, "user_id": name.user_id, "ct": name.box})


def append(connection: Connection, drafts: Sequence[Draft], at: datetime) -> list[Stamp]:
    """Append entries to their chains, in order, and return where each stands.

    Raises:
        ChainMovedError: Another writer extended the chain although its head row was locked.
        ChainMissingError: An organisation has no chain.
    """
    ts = spell(at)
    orgs = sorted({draft.org for draft in drafts})
    locked = _HEADS if connection.dialect.name == "sqlite" else _HEADS_LOCKED
    chains = {row.org: _Growth(row) for row in connection.execute(locked, {"orgs": orgs})}
    if len(chains) != len(orgs):
        raise ChainMissingError("an organisation has no chain")
    stamps = [chains[draft.org].add(draft, ts) for draft in drafts]
    grown = list(chains.values())
    if connection.dialect.name == "sqlite":
        _store_one_by_one(connection, grown)
    else:
        _store_at_once(connection, grown)
    _store_beside(connection, grown)
    return stamps


def _store_one_by_one(connection: Connection, grown: list[_Growth]) -> None:
    moves = [
        {
            "of": g.org,
            "was": g.was,
            "size": g.size,
            "leaf": g.leaf,
            "ts": g.ts,
            "peaks": merkle.pack(g.peaks),
        }
        for g in grown
    ]
    if connection.execute(_MOVE, moves).rowcount != len(grown):
        raise ChainMovedError("the head of a chain moved")
    connection.execute(insert(table.event), [row for g in grown for row in g.rows])


def _store_at_once(connection: Connection, grown: list[_Growth]) -> None:
    rows = [row for g in grown for row in g.rows]
    arrays = {
        "orgs": [g.org for g in grown],
        "was": [g.was for g in grown],
        "sizes": [g.size for g in grown],
        "heads": [g.leaf for g in grown],
        "times": [g.ts for g in grown],
        "peaks": [merkle.pack(g.peaks) for g in grown],
        "line_orgs": [row["org"] for row in rows],
        "seqs": [row["seq"] for row in rows],
        "lines": [row["line"] for row in rows],
        "leaves": [row["leaf"] for row in rows],
    }
    if connection.exec_driver_sql(_APPEND_AT_ONCE, arrays).scalar_one() != len(grown):
        raise ChainMovedError("the head of a chain moved")


def _store_beside(connection: Connection, grown: list[_Growth]) -> None:
    for target, rows in (
        (table.value, [row for g in grown for row in g.values]),
        (table.name, [row for g in grown for row in g.names]),
    ):
        if rows:
            connection.execute(insert(target), rows)


def found(connection: Connection, org: str, at: datetime) -> None:
    """Start the chain of a new organisation: no lines, no peaks, the genesis value as `prev`."""
    connection.execute(
        insert(table.head).values(
            org=org, size=0, leaf=bytes.fromhex(line.genesis(org)), ts=spell(at), peaks=b""
        )
    )
    connection.execute(insert(table.indexed).values(org=org, size=0))


def heads(connection: Connection, orgs: Sequence[str] | None = None) -> dict[str, Row[Any]]:
    """Return the head rows by organisation."""
    rows = connection.execute(select(table.head) if orgs is None else _HEADS, {"orgs": orgs} if orgs else {})
    return {row.org: row for row in rows}
