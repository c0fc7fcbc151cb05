"""What a process has acknowledged, asked of every server it comes to.

After a fail-over the promoted server must have every line that was told of. If its replication lagged, or a
restored copy was put in its place, it has not: to go on there would begin a second history beside the first,
and the records it lost would be missed by nobody. So each new connection is asked for the last line of each
chain this process was told is committed, and for what the guard knows; where they are missing nobody is
served. Nothing of this is asked while a connection lasts.

Source: promises P4 and P5.
"""

import contextlib
import logging
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Engine, select, tuple_

from app.access.transaction import for_turns
from app.audit import table
from app.audit.divergence import divergences
from app.audit.entry import Stamp
from app.audit.guard_file import Guards
from app.storage.guard import carrying
from app.storage.servers import server_of

logger = logging.getLogger(__name__)

_event = table.event.c
_SET_BACK = ("rollback", "fork")
_ASKED_AT_ONCE = 500


class ServerSetBackError(RuntimeError):
    """The database lacks lines that were acknowledged, or has others in their places."""


class Witness:
    """Knows the newest acknowledged line of each chain, as far as this process wrote it."""

    def __init__(self, guards: Guards | None) -> None:
        """Take the guard files, where there are any: what other processes acknowledged stands there."""
        self._guards = guards
        self._seen: dict[str, Stamp] = {}
        self._told = False

    def saw(self, stamps: Iterable[Stamp | None]) -> None:
        """Note lines whose commit was acknowledged."""
        self._seen.update((stamp.org, stamp) for stamp in stamps if stamp is not None)

    def connect(self, engine: Engine) -> Connection:
        """Return a new connection for turns, to a server that has what is known.

        Raises:
            ServerSetBackError: It has not.
        """
        with contextlib.ExitStack() as refused:
            connection = refused.enter_context(for_turns(engine.connect()))
            self.ask(connection)
            connection.rollback()  # what SQLAlchemy began; a turn begins its own
            refused.pop_all()
        return connection

    def ask(self, connection: Connection) -> None:
        """Ask a new connection whether its server has what is known.

        Raises:
            ServerSetBackError: It has not.
        """
        if connection.dialect.name == "sqlite":
            return  # one file: it neither fails over nor is reached anew
        with carrying(connection, "witness"):
            lost = self._missing(connection) or self._set_back(connection)
        if not lost:
            self._told = False
            return
        if not self._told:  # once, not at every attempt
            line: Any = connection.connection.driver_connection
            told = {"chain": lost[0], "why": f"{len(lost)} chains", **server_of(line)}
            logger.critical("server-set-back", extra=told)
        self._told = True
        raise ServerSetBackError(f"acknowledged lines are missing from {len(lost)} chains")

    def _missing(self, connection: Connection) -> list[str]:
        stamps = list(self._seen.values())
        found: dict[tuple[str, int], bytes] = {}
        for start in range(0, len(stamps), _ASKED_AT_ONCE):
            places = [(stamp.org, stamp.seq) for stamp in stamps[start : start + _ASKED_AT_ONCE]]
            wanted = select(_event.org, _event.seq, _event.leaf).where(
                tuple_(_event.org, _event.seq).in_(places)
            )
            found |= {(org, seq): bytes(leaf) for org, seq, leaf in connection.execute(wanted)}
        return sorted(s.org for s in stamps if found.get((s.org, s.seq)) != s.leaf)

    def _set_back(self, connection: Connection) -> list[str]:
        if self._guards is None:
            return []
        return [one.org for one in divergences(connection, self._guards) if one.how in _SET_BACK]
