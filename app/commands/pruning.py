"""`caretrail audit prune`: take entries out of closed months whose time is over.

It may run beside a service. Whoever writes waits until it is done, and a turn that waits too long is refused:
choose a quiet hour. On PostgreSQL it takes the login that owns the tables.
"""

import asyncio
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from app.access.turn import Turn
from app.commands.auditing import chains_of, say_which
from app.commands.calling import Caller, index_lines, present, sign_what_moved
from app.commands.opening import NOT_OWNER, engine_at, first_line, open_service
from app.commands.reasons import check_reason
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.clock import spell
from app.core.errors import InvalidRequestError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.identity.recognising import Recogniser
from app.main import Service
from app.residents.gathering import Gathering
from app.storage.guard import carrying, fence
from app.trail.pruning import PRUNE, PruneChain, Taken

_NAMES = ("month", "first", "lines")
_OWNS = "SELECT pg_has_role(current_user, relowner, 'MEMBER') FROM pg_class WHERE relname = 'audit_event'"
_COMMAND = "caretrail audit prune"


def prune(before: str, reason: str, org: str | None, *, everybody: bool, as_json: bool) -> None:
    """Take out of chains what is before a day and need not be kept any more.

    Where there are several organisations it is each one's decision, with a reason of its own: one is named,
    or all are. The deployment's own chain goes with the only organisation, with all, or is named.

    Args:
        before: The day.
        reason: Who decided it, and why.
        org: Whose chain; None where there is one organisation only, or it is everybody's.
        everybody: Take it out of every chain.
        as_json: Tell it as one line of JSON.

    Raises:
        InvalidRequestError: There is no such day, no reason, or some of it has to be kept still; or it is not
            clear whose chain is meant.
        StartRefusedError: The database did not let anything be taken out; nothing was.
    """
    if everybody and org is not None:
        raise InvalidRequestError(detail="give either --organisation or --all")
    instant = _start_of(before)
    check_reason(reason)
    settings = begin()
    with open_service(settings) as service:
        chains = chains_of(service, org)
        if org is None and not everybody and len(chains) > 2:  # one organisation's, and the deployment's own
            raise InvalidRequestError(detail=f"{say_which(chains)}; --all takes every one of them")
        sign_what_moved(service)  # what goes was signed before
        work = PruneChain(instant, settings.trail_years)
        taken = {chain: _taken(service, settings, chain, work, reason.strip()) for chain in chains}
        for chain in chains:  # from its entry in the index everybody learns where a chain begins
            asyncio.run(index_lines(Caller(service, chain, _COMMAND)))
        sign_what_moved(service)
    told = [{"organisation": chain, **_told(one)} for chain, one in taken.items()]
    lines = "\n".join(_line(chain, one) for chain, one in taken.items())
    result({"pruned": told}, lines, as_json=as_json)
    remark("`caretrail audit verify` checks what is left. Older backups and exports hold the entries still.")


def _start_of(day: str) -> str:
    try:
        return spell(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC))
    except ValueError as error:
        raise InvalidRequestError(detail="give a day as 2018-04-01") from error


def _taken(service: Service, settings: Settings, chain: str, work: PruneChain, reason: str) -> Taken | None:
    with engine_at(settings.owner_database_url.get_secret_value()) as engine:
        fence(engine)
        address = _address_key(service, engine)
        recogniser = Recogniser(service.keyring, second_factor_required=True)
        turn = Turn(engine, service.keyring, Gathering(recogniser), service.clock, service.entropy, address)
        with closing(turn):
            found: Taken | None = present(
                replace(service, engine=engine, turn=turn), chain, PRUNE, work, f"{reason} ({_COMMAND})"
            )
            return found


def _address_key(service: Service, engine: Engine) -> bytes:
    """Return the key by which addresses are digested, as the owner of the tables; refuse anybody else."""
    try:
        with engine.connect() as connection, carrying(connection, _COMMAND), connection.begin():
            owns = connection.dialect.name == "sqlite" or connection.execute(text(_OWNS)).scalar()
            address_key = service.keyring.derived(connection, SYSTEM, "address", service.clock.now())
    except DBAPIError as error:
        raise StartRefusedError(f"nothing was pruned: {first_line(error)}") from error
    if not owns:
        raise StartRefusedError(f"nothing was pruned: {NOT_OWNER}")
    return address_key


def _told(taken: Taken | None) -> dict[str, Any]:
    return (
        {"month": None, "first": None, "lines": 0} if taken is None else dict(zip(_NAMES, taken, strict=True))
    )


def _line(chain: str, taken: Taken | None) -> str:
    if taken is None:
        return f"chain {chain}: nothing to prune"
    return f"chain {chain}: {taken.lines} lines up to {taken.month} are gone; it begins with #{taken.end} now"
