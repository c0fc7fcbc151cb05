"""The append: the only way into the trail, and only the door may take it.

Head rows are locked last in a transaction and in the order of their organisations, so that turns of
several processes wait for each other only from here to their commit and cannot wait in a circle.

A crash before the commit leaves neither entry nor change; a crash after it leaves both. The head
moves only if it still has the size it was read with: two writers can never extend one chain twice.

Source: AUDIT-1 (ASVS 5.0 16.2.1, 16.4.2); format in app/audit/README.md.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from app.audit import line, merkle, table
from app.audit.entry import Draft, SealedName, SealedValue, Stamp, name_values
from app.audit.stored import HeadRow
from app.core.clock import spell
from app.storage import together

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
        WHERE (SELECT count(*) FROM moved) = cardinality(%(orgs)b::text[])
    )
    SELECT count(*) FROM moved
"""


_EVENTS = insert(table.event)
_VALUES = insert(table.value)
_NAMES = insert(table.name)


class ChainMovedError(RuntimeError):
    """The head of a chain is not where it was read: nothing may be committed on it."""


class ChainMissingError(RuntimeError):
    """An organisation without a chain. Made with the organisation, so this is damage."""


class _Growth:
    """One chain while lines are added to it."""

    def __init__(self, head: HeadRow) -> None:
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


class _Grown(NamedTuple):
    stamps: list[Stamp]
    chains: list[_Growth]


def append(connection: Connection, drafts: Sequence[Draft], at: datetime) -> list[Stamp]:
    """Append entries to their chains, in order, and return where each stands.

    Args:
        connection: Where they go, in a transaction.
        drafts: The entries.
        at: The instant of the turn.

    Raises:
        ChainMovedError: Another writer extended the chain although its head row was locked.
        ChainMissingError: An organisation has no chain.
    """
    return append_to(connection, drafts, at, locked_heads(connection, {draft.org for draft in drafts}))


def append_to(
    connection: Connection, drafts: Sequence[Draft], at: datetime, locked: Sequence[HeadRow]
) -> list[Stamp]:
    """Append entries to the chains whose heads this transaction locked.

    Raises:
        ChainMovedError: Another writer extended one all the same.
    """
    stamps = _extended(connection, _grown(locked, drafts, at))
    if stamps is None:
        raise ChainMovedError("the head of a chain moved")
    return stamps


def append_where_read(
    connection: Connection, drafts: Sequence[Draft], at: datetime, head: HeadRow
) -> list[Stamp] | None:
    """Append entries to the one chain they are for, if its head is still as it was read without a lock.

    None, and nothing is done, where another process moved it.
    """
    return _extended(connection, _grown([head], drafts, at))


def one_statement_stores(drafts: Sequence[Draft]) -> bool:
    """Say whether `append_where_read` needs no transaction around it: nothing is stored beside the lines."""
    return not any(draft.seal or draft.name for draft in drafts)


def locked_heads(connection: Connection, orgs: Collection[str]) -> list[HeadRow]:
    """Have nobody else append to these chains until the transaction ends, and return where they stand.

    Raises:
        ChainMissingError: An organisation has no chain.
    """
    wanted = _HEADS if connection.dialect.name == "sqlite" else _HEADS_LOCKED  # it has one writer
    found = [HeadRow._make(row) for row in connection.execute(wanted, {"orgs": sorted(orgs)})]
    if len(found) != len(orgs):
        raise ChainMissingError("an organisation has no chain")
    return found


def lock(connection: Connection, orgs: Collection[str]) -> None:
    """Have nobody append to these chains until the transaction ends."""
    if orgs and connection.dialect.name != "sqlite":  # there the one writer has all of them
        connection.execute(_HEADS_LOCKED, {"orgs": sorted(orgs)})


def _grown(heads: Sequence[HeadRow], drafts: Sequence[Draft], at: datetime) -> _Grown:
    ts = spell(at)
    chains = {head.org: _Growth(head) for head in heads}
    return _Grown([chains[draft.org].add(draft, ts) for draft in drafts], list(chains.values()))


def _extended(connection: Connection, grown: _Grown) -> list[Stamp] | None:
    """Store what chains have grown by; None, and nothing done, if a head has moved."""
    store = _store_one_by_one if connection.dialect.name == "sqlite" else _store_at_once
    if not store(connection, grown.chains):
        return None
    _store_beside(connection, grown.chains)
    return grown.stamps


def _store_one_by_one(connection: Connection, grown: list[_Growth]) -> bool:
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
    if together.write(connection, _MOVE, moves) != len(grown):
        raise ChainMovedError("the head of a chain moved")  # within one writer's transaction: damage
    together.write(connection, _EVENTS, [row for g in grown for row in g.rows])
    return True


def _store_at_once(connection: Connection, grown: list[_Growth]) -> bool:
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
    moved: int = connection.exec_driver_sql(_APPEND_AT_ONCE, arrays).scalar_one()
    return moved == len(grown)


def _store_beside(connection: Connection, grown: list[_Growth]) -> None:
    for target, rows in (
        (_VALUES, [row for g in grown for row in g.values]),
        (_NAMES, [row for g in grown for row in g.names]),
    ):
        if rows:
            together.write(connection, target, rows)


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
    asked: tuple[Any, ...] = (select(table.head),) if orgs is None else (_HEADS, {"orgs": orgs})
    rows = connection.execute(*asked)
    return {row.org: row for row in rows}
