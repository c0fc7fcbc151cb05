"""A server that is broken on purpose: it answers everyone, and only then commits (against P1).

Between the answer and the commit it takes the time of a slow disk. A checker of crashes that does not
notice what is then missing proves nothing.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.access.attempt import Attempt
from app.access.door import Door
from app.access.transaction import Transaction
from app.access.turn import Turn
from app.audit.entry import Stamp

SLOW_DISK_S = 0.05


def break_service() -> None:
    """Break the door of this process. There is no way back."""
    make, record = Door.__init__, Turn._record
    doors: list[Door] = []

    def made(self: Door, *given: Any, **named: Any) -> None:
        make(self, *given, **named)
        doors.append(self)

    def answered_first(
        self: Turn, connection: Any, transaction: Transaction, attempts: Sequence[Attempt], at: datetime
    ) -> list[Stamp | None]:
        transaction.begin()  # so that there is a commit to come
        stamps = record(self, connection, transaction, list(attempts), at)
        for attempt, stamp in zip(attempts, stamps, strict=True):
            attempt.settle(stamp, at)
        if doors:  # at the start something is entered before there is a door
            doors[0]._hand_over([attempt.visit for attempt in attempts])
        time.sleep(SLOW_DISK_S)
        return stamps

    Door.__init__ = made  # type: ignore[method-assign]
    Turn._record = answered_first  # type: ignore[method-assign]
