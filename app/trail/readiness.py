"""Whether a visit would be served: the door turns, the keys are there, the database takes a write."""

from sqlalchemy import bindparam, update

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit.table import indexed
from app.core.identifiers import SYSTEM

READY = Operation("GET", "/health/ready", "system", "self", "health.ready", 200)

# A write that changes nothing: on a full disk it fails as a line of the trail would.
_WRITE = update(indexed).where(indexed.c.org == bindparam("of")).values(size=indexed.c.size)


class ProbeReadiness(Work):
    """Go through a turn with a write that changes nothing. Makes no entry."""

    changes = True
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Have the write made with those of the turn."""
        opened.change(_WRITE, {"of": SYSTEM})
        return Answer()
