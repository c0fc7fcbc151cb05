"""When the disk is full: what is still served, from the room that was kept back for it.

Nobody reads or writes a record on the last of the room: the entries would use it up, and then nothing could
be recorded at all. What is left is for signing in and out, for streams to say that they ended, and for
whoever looks at the trail, exports it and makes room.

Source: promise P3.
"""

import sqlite3

from app.access.visit import System, Visit
from app.core.errors import AuditUnavailableError
from app.storage.reserve import Reserve

WHY = "disk-full"
SERVED = ("auth.", "audit.")
"""How the acts begin that are served."""
ENDS = ".end"
JOBS = "jobs.keeping"
_NO_ROOM = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


class Scarcity:
    """Gives the reserve back when there is no room, and says who is served until there is."""

    def __init__(self, reserve: Reserve | None) -> None:
        """Take the reserve, None where the database has a disk of its own."""
        self._reserve = reserve

    def admitted(self, visits: list[Visit]) -> list[Visit]:
        """Return the visits that are served now; the others are answered, and nothing is done for them."""
        if self._reserve is None or not self._reserve.spent:
            return visits
        for visit in visits:
            if not is_served(visit):
                visit.outcome, visit.stamp = AuditUnavailableError(why=WHY), None
        return [visit for visit in visits if is_served(visit)]

    def relieved(self, error: Exception) -> bool:
        """Say whether an error was for want of room, and there is some now."""
        code = getattr(getattr(error, "orig", None), "sqlite_errorcode", None)
        return code in _NO_ROOM and self._reserve is not None and self._reserve.release()


def is_served(visit: Visit) -> bool:
    """Say whether a visit is served from the last of the room. A new job is none: a backup wants much."""
    act = visit.operation.act
    if isinstance(visit.credential, System):
        return act != JOBS
    return act.startswith(SERVED) or act.endswith(ENDS)
