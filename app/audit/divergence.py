"""Where database and guard do not tell of one and the same chain: asked at every start.

The database has to be what the guard knows, or a continuation of it. Where it is not - it was set back,
its lines were written anew, a guard is lost or damaged - nothing starts. The newer database is put back;
if it is lost for good, `caretrail audit recover` records that in the trail, from what is found here.

What no recovery mends is told apart (`Divergence.mendable`): a database whose own parts contradict each
other is no restored backup, but a damaged one.

Source: AUDIT-2, promise P5.
"""

import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row

from app.audit import checkpoint, log, merkle
from app.audit.checkpoint import START, ChainNotExtendedError, Checkpoint, Progress
from app.audit.guard_file import HOW_TO_RECOVER, Guards
from app.core.errors import StartRefusedError

READ_AT_ONCE = 1 << 16
LOOKS, LOOK_EVERY_S = 5, 0.2
_PUT_BACK = f"Nothing was written. Put the newer database back. {HOW_TO_RECOVER}"
_GUARD_BACK = (
    "Without it a database that was set back cannot be told from the present one. Put the guard folder back."
    f" {HOW_TO_RECOVER}"
)
_DAMAGED = "Nothing was written. No recovery can mend that: put a whole backup of the database back."

How = Literal["rollback", "fork", "guard-lost", "guard-damaged", "damaged"]


class Divergence(NamedTuple):
    """One chain of which database and guard tell different things.

    Attributes:
        org: The chain.
        how: In one word.
        told: In a sentence, without what to do.
        advice: What to do.
        size: How many lines the database has; None where it has no such chain.
        ts: When the last of them was written.
        orphan: The guard's checkpoint, where there is one that counts.
    """

    org: str
    how: How
    told: str
    advice: str
    size: int | None
    ts: str | None = None
    orphan: Checkpoint | None = None

    @property
    def mendable(self) -> bool:
        """Say whether a recovery may be recorded."""
        return self.how != "damaged"


def check_start(look: Callable[[], list[Divergence]]) -> None:
    """Refuse to start on a database that is not what the guard knows, or a continuation of it.

    Args:
        look: Return the divergences there are now, in a transaction of its own: on SQLite another process
            that starts could not finish what it is waited for while this one holds the database.

    Raises:
        StartRefusedError: The database was set back, was rewritten, or a guard is lost or damaged.
    """
    for _ in range(LOOKS):
        found = look()
        if not any(one.how == "guard-lost" for one in found):
            break
        time.sleep(LOOK_EVERY_S)  # another process that starts now may have signed and not written it yet
    for one in found:
        raise StartRefusedError(f"{one.told} {one.advice}")


def divergences(connection: Connection, guards: Guards) -> list[Divergence]:
    """Return the chains of which database and guard tell different things; the connection is in a turn."""
    chains = sorted({*guards.chains(), *log.heads(connection)})
    found = [_compared(connection, guards, org) for org in chains]
    return [one for one in found if one is not None]


def refuse_broken_chain(connection: Connection, org: str) -> None:
    """Refuse to record a recovery in a chain whose own lines do not lead to its head.

    Raises:
        StartRefusedError: They do not.
    """
    head, reached = log.heads(connection, [org])[org], START
    try:
        while reached.size < head.size:
            reached = checkpoint.reread(connection, org, reached, READ_AT_ONCE)
    except ChainNotExtendedError as error:
        raise StartRefusedError(
            f"the chain {org} contradicts itself in the database ({error.why}). {_DAMAGED}"
        ) from error


def _compared(connection: Connection, guards: Guards, org: str) -> Divergence | None:
    """Compare one chain. Its head is read last: a service beside it may sign and move the guard meanwhile."""
    try:
        guard = guards.read(org)
        newest = checkpoint.newest(connection, org)
        head = _head(connection, org)
    except StartRefusedError as refused:
        head = _head(connection, org)
        size, ts = (head.size, head.ts) if head is not None else (None, None)
        return Divergence(org, "guard-damaged", str(refused), "", size, ts)
    if head is None:
        told = f"ROLLBACK: the guard knows the chain {org}, the database has no such chain."
        return Divergence(org, "rollback", told, _PUT_BACK, None, None, guard)
    return _beyond_itself(newest, head) or _against_guard(connection, guard, head)


def _head(connection: Connection, org: str) -> Row[Any] | None:
    return log.heads(connection, [org]).get(org)


def _beyond_itself(newest: Row[Any] | None, head: Row[Any]) -> Divergence | None:
    if newest is None or newest.size <= head.size:
        return None
    told = (
        f"ROLLBACK: the chain {head.org} has {head.size} lines, a checkpoint in the database was signed"
        f" over {newest.size}."
    )
    return Divergence(head.org, "damaged", told, _DAMAGED, head.size, head.ts)


def _against_guard(connection: Connection, guard: Checkpoint | None, head: Row[Any]) -> Divergence | None:
    if guard is None:
        return _lost(connection, head)
    if guard.size > head.size:
        told = (
            f"ROLLBACK: the guard of the chain {head.org} holds {guard.size} lines, the database {head.size}."
        )
        return Divergence(head.org, "rollback", told, _PUT_BACK, head.size, head.ts, guard)
    try:
        _follow(connection, guard, head)
    except ChainNotExtendedError as error:
        told = (
            f"ROLLBACK: the chain {head.org} is not the one the guard knows; its first {guard.size} lines or"
            f" those after them were written anew ({error.why})."
        )
        return Divergence(head.org, "fork", told, _PUT_BACK, head.size, head.ts, guard)
    return None


def _lost(connection: Connection, head: Row[Any]) -> Divergence | None:
    if checkpoint.newest(connection, head.org) is None:
        return None  # never signed: there is nothing to guard yet
    told = f"the chain {head.org} has checkpoints but no guard file."
    return Divergence(head.org, "guard-lost", told, _GUARD_BACK, head.size, head.ts)


def _follow(connection: Connection, guard: Checkpoint, head: Row[Any]) -> None:
    """Take the lines after the guard's into its peaks; at the end they must be the head's."""
    if len(bytes(head.peaks)) != merkle.HASH_BYTES * int(head.size).bit_count():
        raise ChainNotExtendedError("the head is damaged")
    reached = Progress(guard.size, guard.peaks)
    while True:
        reached = checkpoint.reread(connection, guard.org, reached, READ_AT_ONCE)
        if reached.size >= head.size:
            return
