"""The index over the lines: who, where, about whom, what, how it ended.

Derived from the lines alone, it can be rebuilt and proves nothing. It is written behind the trail, in
chunks, so that an append stays as cheap as it is; whoever asks lets it catch up first, in the same
transaction, and so never misses an entry.
"""

from collections.abc import Iterator

import orjson
from sqlalchemy import Connection, bindparam, select, text, update

from app.audit import stored, table
from app.audit.log import ChainMissingError

RESIDENT, AGENT, HOME, ACT, OUT = "resident", "agent", "home", "act", "out"
"""The kinds of postings. One line has several of a kind, or none."""

_indexed = table.indexed.c
_BEHIND = (
    select(table.head.c.size, _indexed.size.label("done"))
    .join_from(table.head, table.indexed, table.head.c.org == _indexed.org)
    .where(table.head.c.org == bindparam("org"))
)
_DONE = select(_indexed.size).where(_indexed.org == bindparam("org"))
_DONE_LOCKED = _DONE.with_for_update()
_MOVE = (
    update(table.indexed)
    .where(_indexed.org == bindparam("of"), _indexed.size == bindparam("was"))
    .values(size=bindparam("size"))
)
# All postings of a chunk in one parameter: much cheaper than a list of rows.
_INSERT = {
    "sqlite": text(
        """
        INSERT INTO audit_index (org, kind, key, seq)
        SELECT :org, value ->> 0, value ->> 1, value ->> 2 FROM json_each(:postings)
        """
    ),
    "postgresql": text(
        """
        INSERT INTO audit_index (org, kind, key, seq)
        SELECT :org, posting ->> 0, posting ->> 1, CAST(posting ->> 2 AS bigint)
        FROM json_array_elements(CAST(:postings AS json)) AS posting
        """
    ),
}


def postings(seq: int, line: bytes) -> Iterator[tuple[str, str, int]]:
    """Yield under what a line is found: kind, key and its number."""
    event = orjson.loads(line)["e"]
    for kind, keys in (
        (RESIDENT, event.get("subs", ())),
        (AGENT, (event["actor"]["id"],)),
        (HOME, event.get("homes", ())),
        (ACT, (event["act"],)),
        (OUT, (event["out"],)),
    ):
        for key in dict.fromkeys(keys):
            yield kind, key, seq


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
    lines = stored.lines(connection, org, start, start + most)
    found = [posting for seq, line in enumerate(lines, start) for posting in postings(seq, line)]
    if lines:
        parameters = {"org": org, "postings": orjson.dumps(found).decode()}
        connection.execute(_INSERT[connection.dialect.name], parameters)
        connection.execute(_MOVE, {"of": org, "was": start, "size": start + len(lines)})
    return behind(connection, org)
