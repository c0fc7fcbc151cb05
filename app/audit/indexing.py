"""The index over the lines: who, where, about whom, what, how it ended.

It holds lists of numbers: for each piece of the trail, one row for each key found in it. Derived from the
lines alone, it can be rebuilt and proves nothing. It is written behind the trail, in pieces, so that an
append stays as cheap as it is; whoever asks lets it catch up first, in the same transaction, and so never
misses an entry.
"""

from collections.abc import Iterable
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, select, text, update

from app.audit import stored, table
from app.audit.log import ChainMissingError

RESIDENT, AGENT, HOME, ACT, OUT = "resident", "agent", "home", "act", "out"
"""The kinds of lists. One line stands in several of a kind, or in none."""

LONGEST_PIECE = 20_000
"""No list reaches further than so many lines after its first number."""

_indexed = table.indexed.c
_BEHIND = (
    select(table.head.c.size, _indexed.size.label("done"))
    .join_from(table.head, table.indexed, table.head.c.org == _indexed.org)
    .where(table.head.c.org == bindparam("org"))
)
_ACTS = text(
    """
    WITH RECURSIVE known (act) AS (
        SELECT min(key) FROM audit_index WHERE org = :org AND kind = 'act'
        UNION ALL
        SELECT (SELECT min(key) FROM audit_index WHERE org = :org AND kind = 'act' AND key > known.act)
        FROM known WHERE known.act IS NOT NULL
    )
    SELECT act FROM known WHERE act IS NOT NULL
    """
)
_DONE = select(_indexed.size).where(_indexed.org == bindparam("org"))
_DONE_LOCKED = _DONE.with_for_update()
_MOVE = (
    update(table.indexed)
    .where(_indexed.org == bindparam("of"), _indexed.size == bindparam("was"))
    .values(size=bindparam("size"))
)
# All lists of a piece in one parameter: much cheaper than a list of rows.
_INSERT = {
    "sqlite": text(
        """
        INSERT INTO audit_index (org, kind, key, first, seqs)
        SELECT :org, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(:lists)
        """
    ),
    "postgresql": text(
        """
        INSERT INTO audit_index (org, kind, key, first, seqs)
        SELECT :org, list ->> 0, list ->> 1, CAST(list ->> 2 AS bigint), list ->> 3
        FROM json_array_elements(CAST(:lists AS json)) AS list
        """
    ),
}


def postings(lines: Iterable[bytes], start: int) -> dict[tuple[str, str], list[int]]:
    """Return under which kinds and keys the lines from number `start` on are found, numbers ascending."""
    found: dict[tuple[str, str], list[int]] = {}
    for seq, line in enumerate(lines, start):
        for key in lists_of(orjson.loads(line)["e"]) if line else ():  # a pruned line stands in no list
            found.setdefault(key, []).append(seq)
    return found


def lists_of(event: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lists an entry stands in, by kind and key, each once."""
    under = [(AGENT, event["actor"]["id"]), (ACT, event["act"]), (OUT, event["out"])]
    under += {(RESIDENT, resident) for resident in event.get("subs", ())}
    under += {(HOME, home) for home in event.get("homes", ())}
    return under


def acts(connection: Connection, org: str) -> list[str]:
    """Return which acts there are in a chain as far as it is indexed: one look-up for each."""
    return list(connection.execute(_ACTS, {"org": org}).scalars())


def behind(connection: Connection, org: str) -> int:
    """Return how many lines of a chain are not in the index yet."""
    row = connection.execute(_BEHIND, {"org": org}).first()
    if row is None:
        raise ChainMissingError("an organisation has no chain")
    return int(row.size - row.done)


def catch_up(connection: Connection, org: str, most: int) -> int:
    """Take at most `most` further lines into the index; return how many are left out still.

    Two processes may try at once; the row that says how far the index has come is locked, so the
    second waits and goes on where the first ended.
    """
    if not behind(connection, org):
        return 0
    done = _DONE if connection.dialect.name == "sqlite" else _DONE_LOCKED
    start = connection.execute(done, {"org": org}).scalar_one()
    lines = stored.lines(connection, org, start, start + min(most, LONGEST_PIECE))
    if lines:
        found = sorted(postings(lines, start).items())
        lists = [(kind, key, seqs[0], " ".join(map(str, seqs))) for (kind, key), seqs in found]
        parameters = {"org": org, "lists": orjson.dumps(lists).decode()}
        connection.execute(_INSERT[connection.dialect.name], parameters)
        connection.execute(_MOVE, {"of": org, "was": start, "size": start + len(lines)})
    return behind(connection, org)
