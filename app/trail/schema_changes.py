"""The entry that says: what protects the trail was changed by a migration, from this to that.

Looked for at each start of a service or a command, after the definitions were found to be those of this
version (`audit.schema_digest` refuses the start otherwise). Of several processes one writes it: they wait
for each other at the head of the chain.

Source: AUDIT-3 (ASVS 5.0 16.4.2).
"""

from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, bindparam, select

from app.access.drafting import further_entry
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit import indexing, reading, table
from app.audit.reading import Wanted
from app.audit.schema_digest import check_schema
from app.audit.schema_record import ACT, MEMBER
from app.core.identifiers import SYSTEM
from app.storage.schema import asking

CHANGE = Operation("*", "*", "system", "self", ACT, 200)
_HEAD = select(table.head.c.size).where(table.head.c.org == bindparam("org"))
_HEAD_LOCKED = _HEAD.with_for_update()


@dataclass
class RecordSchema(Work):
    """Enter the digest of the definitions that protect the trail, if it is another than the one entered last.

    Attributes:
        role: The role whose rights on the trail are expected, on PostgreSQL.
        revision: Where the schema is.
    """

    role: str
    revision: str
    silent = True  # its entry is the one beside it
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Prepare the entry if it is due; return whether it is."""
        connection = opened.connection()
        sqlite = connection.dialect.name == "sqlite"
        if connection.execute(_HEAD if sqlite else _HEAD_LOCKED, {"org": SYSTEM}).first() is None:
            return Answer(False)
        known, present = _newest(connection), _digest(connection, self.role)
        if known == present:
            return Answer(False)
        opened.note.org = SYSTEM
        opened.note.object = (MEMBER, self.revision)
        draft = further_entry(opened, CHANGE.act)
        was = {"was": known} if known is not None else {}
        draft.event[MEMBER] = {"digest": present, "revision": self.revision} | was
        opened.also.append(draft)
        return Answer(True)


def _newest(connection: Connection) -> str | None:
    while indexing.catch_up(connection, SYSTEM, indexing.LONGEST_PIECE):
        pass
    found = reading.page(connection, SYSTEM, Wanted(act=ACT), None, 1).entries
    return str(orjson.loads(found[0].line)["e"][MEMBER]["digest"]) if found else None


def _digest(connection: Connection, role: str) -> str:
    return check_schema(asking(connection), connection.dialect.name, role).digest
