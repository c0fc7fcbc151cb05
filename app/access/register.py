"""What a turn has to know about people and rows: the layers above say it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from app.access.opened import Opened, PendingChange
from app.access.visit import Visit
from app.access.work import Answer, Facts


class Register(Protocol):
    """What a turn has to know about people and rows; `main` says who knows it."""

    def gather(self, connection: Connection, visits: Sequence[Visit], at: datetime) -> list[Facts]:
        """Return the facts of each visit, in order: steps 2 and 3."""
        ...

    def keep(self, connection: Connection, facts: Sequence[Facts]) -> bool:
        """Say whether whom changes are about is still there, and have it stay so until the turn ends."""
        ...

    def touch(self, connection: Connection, sessions: Sequence[str], at: datetime) -> None:
        """Note that these sessions were active."""
        ...

    def replay(self, opened: Opened) -> Answer:
        """Return what of the stored answer of a repeated call may be shown now, or raise or refuse."""
        ...

    def remember(self, opened: Opened, answer: Answer) -> PendingChange:
        """Return the write that keeps an answer for a repeat."""
        ...
