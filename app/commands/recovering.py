"""`caretrail audit recover`: go on after the newer database, or the guard, was lost for good.

It shows what is lost, asks, enters it into the trail, does again what ended in the lost part
(`ending_again`), and only then begins the guard anew. Stop the service first: one that still runs on the
lost database is not told.
"""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import typer

from app.audit.checkpoint import START, Checkpoint, SignerUnknownError
from app.audit.divergence import Divergence, divergences, refuse_broken_chain
from app.commands.calling import Caller, present, sign_what_moved
from app.commands.ending_again import Plan, end_again, plans, words
from app.commands.opening import open_service
from app.commands.reasons import check_reason
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.clock import spell
from app.core.errors import InvalidRequestError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.main import Service
from app.storage.guard import carrying
from app.trail.checkpoints import HOUSEKEEPING, ReadAgain, SignHead
from app.trail.housekeeping import READ_AT_ONCE
from app.trail.recovering import RECOVER, RecordRecovery

_COMMAND = "caretrail audit recover"


def recover(reason: str, *, yes: bool, without_ledger: bool = False, as_json: bool) -> None:
    """Record that what guard or database no longer have is lost for good, and let the service start.

    Args:
        reason: What happened; sealed.
        yes: It is meant: do not ask.
        without_ledger: It is meant, too, where no ledger says what ended in the lines that are lost.
        as_json: Write the result as JSON.

    Raises:
        InvalidRequestError: There is no reason, nobody to ask whether it is meant, or no whole ledger.
        StartRefusedError: The database is damaged in itself: no recovery mends that.
    """
    check_reason(reason)
    with open_service(begin(), recovering=True) as service:
        found = _found(service)
        ended: list[dict[str, Any]] = []
        if found:
            planned = plans(service, found)
            _show(service, found, planned)
            _ask(planned, yes=yes, without_ledger=without_ledger)
            ended = _record(service, found, planned, reason.strip())
        told = [_told(service, one) for one in found]
    lines = [*map(_line, told), *map(words, ended)]
    result({"recovered": told, "ended": ended}, "\n".join(lines) or _NOTHING, as_json=as_json)


_NOTHING = "database and guard tell of the same chains: there is nothing to recover"


def _found(service: Service) -> list[Divergence]:
    """Return what is to be recorded, all of it, or refuse: half a recovery would hide the rest."""
    with service.engine.connect() as connection, carrying(connection, "recover"), connection.begin():
        found = divergences(connection, service.guards)
        for one in found:
            if not one.mendable:
                raise StartRefusedError(f"{one.told} {one.advice}")
            if one.size is not None:
                refuse_broken_chain(connection, one.org)
    return found


def _show(service: Service, found: list[Divergence], planned: list[Plan]) -> None:
    for one in found:
        remark(f"{one.told}\n  the database: {_database(one)}\n  the guard:    {_guard(service, one)}")
    for plan in planned:
        remark("\n  ".join([f"chain {plan.org}, what ended:", *plan.told]))
    remark(
        "What the guard knows and the database has not cannot come back after this. Every auditor will read"
        " that it was lost, and that you said so."
    )


def _database(one: Divergence) -> str:
    return "no such chain" if one.size is None else f"{one.size} lines, the last of {one.ts}"


def _guard(service: Service, one: Divergence) -> str:
    if one.orphan is None:
        return "no checkpoint that counts"
    moved = datetime.fromtimestamp(service.guards.path(one.org).stat().st_mtime, UTC)
    return f"{one.orphan.size} lines, noted at {spell(moved)}"


def _ask(planned: list[Plan], *, yes: bool, without_ledger: bool) -> None:
    if not (yes or sys.stdin.isatty()):
        raise InvalidRequestError(detail="nothing was recorded: say --yes if it is lost for good")
    if not yes and not typer.confirm("Is it lost for good?", err=True):
        raise InvalidRequestError(detail="nothing was recorded")
    short = [plan.org for plan in planned if not plan.complete]
    if not short or without_ledger:
        return
    if yes or not typer.confirm("Is the ledger of what ended lost for good, too?", err=True):
        raise InvalidRequestError(detail=_SHORT.format(chains=", ".join(short)))


_SHORT = (
    "nothing was recorded: no ledger covers what is lost of the chain {chains}, and one that is found"
    " afterwards cannot be applied any more. Put the folder `ended` back, beside the guard or with the"
    " backups, and run it again; say --without-ledger if it is lost for good, too"
)


def _record(
    service: Service, found: list[Divergence], planned: list[Plan], reason: str
) -> list[dict[str, Any]]:
    """Enter it, do again what ended, then begin the guards anew; return what was done again.

    Broken off in between, the start is refused as before.
    """
    work = RecordRecovery(service.guards, found)
    present(service, SYSTEM, RECOVER, work, f"{reason} ({_COMMAND})")
    ended = [end_again(service, plan) for plan in planned]
    for one in found:
        signed = None if one.size is None else asyncio.run(_signed_anew(service, one.org))
        kept = service.guards.supersede(one.org, signed)
        if kept is not None:
            remark(f"The old guard file is kept as {kept}: give it to whoever asks what was lost.")
    sign_what_moved(service)
    return ended


async def _signed_anew(service: Service, org: str) -> Checkpoint:
    """Return a checkpoint of a chain read from its first line on; the old guard says nothing about it."""
    caller, reached = Caller(service, org, _COMMAND), START
    while True:
        further = (await caller.do(HOUSEKEEPING, ReadAgain(reached, READ_AT_ONCE))).answer.payload
        if further.size - reached.size < READ_AT_ONCE:
            break
        reached = further
    visited = await caller.do(HOUSEKEEPING, SignHead(service.notary, reached))
    signed: Checkpoint | None = visited.answer.payload
    if signed is None:  # the keys were replaced since the start: the old guard stays
        raise SignerUnknownError
    return signed


def _told(service: Service, one: Divergence) -> dict[str, Any]:
    guard = service.guards.read(one.org)
    return {
        "organisation": one.org,
        "how": one.how,
        "lines_before": one.size,
        "lines_orphaned": one.orphan.size if one.orphan is not None else None,
        "guard_now": guard.size if guard is not None else None,
    }


def _line(told: dict[str, Any]) -> str:
    if told["guard_now"] is None:
        return f"chain {told['organisation']}: gone; recorded in the chain {SYSTEM}"
    now = f"its guard holds {told['guard_now']} lines now"
    return f"chain {told['organisation']}: recorded ({told['how']}); {now}"
