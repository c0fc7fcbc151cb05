"""The entries that say: from here on a commit waits for no standby, and from here on for these again.

`replication.degrade` is written before anything is changed, and committed on the one server that is there
(`synchronous_commit = local`): it could not wait for the standby that is away. `replication.restore` is
written after, and waits: that it stands says that a standby has it.

Source: promises P3 and P4.
"""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection, text

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit import indexing, reading
from app.audit.reading import Wanted
from app.core.identifiers import SYSTEM

DEGRADE = Operation("*", "*", "system", "self", "replication.degrade", 200)
RESTORE = Operation("*", "*", "system", "self", "replication.restore", 200)
MEMBER = "replication"
_HERE_ONLY = text("SET LOCAL synchronous_commit TO local")


@dataclass
class RecordReplication(Work):
    """Enter whom commits waited for, and whom they wait for now.

    Attributes:
        was: The server's setting before.
        now: And from here on; empty for nobody.
    """

    was: str
    now: str
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Prepare the entry."""
        if not self.now:
            opened.execute(_HERE_ONLY)
        opened.note.object = (MEMBER, None)
        opened.note.members[MEMBER] = {"was": self.was, "now": self.now}
        return Answer()


@dataclass
class ReadReplication(Work):
    """Look whom commits waited for before they waited for nobody."""

    silent = True
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Return the names, as far as entries tell; None if the newest is no `replication.degrade`."""
        connection = opened.connection()
        opened.execute(_HERE_ONLY)  # the index may be brought up to date for it
        while indexing.catch_up(connection, SYSTEM, indexing.LONGEST_PIECE):
            pass
        degraded, restored = (_newest(connection, one.act) for one in (DEGRADE, RESTORE))
        if degraded is None or (restored is not None and restored[0] > degraded[0]):
            return Answer(None)
        told = degraded[1][MEMBER]["was"] or (restored[1][MEMBER]["now"] if restored is not None else "")
        return Answer(str(told))


def _newest(connection: Connection, act: str) -> tuple[int, dict[str, Any]] | None:
    found = reading.page(connection, SYSTEM, Wanted(act=act), None, 1).entries
    return (found[0].seq, orjson.loads(found[0].line)["e"]) if found else None
