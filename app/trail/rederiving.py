"""Making anew what is derived from the lines: the index, the inner nodes.

It is an operator's act, with the login that owns the tables: the service's own may not remove nodes. What
is removed is built again by whoever comes first, this command or a service that runs; until then searches
and proofs are refused, never short.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, func, select, text, update

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit import table

REINDEX = Operation("*", "*", "system", "self", "audit.reindex", 200)
_LOCKS = ("LOCK TABLE audit_tile IN ACCESS EXCLUSIVE MODE",)  # who read it waits, or writes a hole


@dataclass
class RecordReindex(Work):
    """Enter that what is derived from a chain's lines was made anew, before it is."""

    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Note how many lines it is made from."""
        query = select(table.head.c.size).where(table.head.c.org == opened.org)
        opened.note.object = ("audit_index", opened.org)
        opened.note.count = opened.execute(query).scalar_one()
        return Answer(opened.note.count)


def remove_derived(engine: Engine, orgs: list[str]) -> int:
    """Remove what is derived from the lines of some chains, all of it or nothing; return how many rows.

    Args:
        engine: With a login that owns the tables; not the service's own, which asks for a receipt.
        orgs: Whose chains.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            for lock in _LOCKS:
                connection.execute(text(lock))
        return sum(_remove(connection, org) for org in orgs)


def _remove(connection: Connection, org: str) -> int:
    # first how far the index is: whoever takes lines into it holds this row
    moved = connection.execute(update(table.indexed).where(table.indexed.c.org == org).values(size=0))
    if not moved.rowcount:
        connection.execute(table.indexed.insert().values(org=org, size=0))
    removed = 0
    for one in (table.index, table.tile):
        removed += connection.execute(select(func.count()).where(one.c.org == org)).scalar_one()
        connection.execute(delete(one).where(one.c.org == org))
    return removed
