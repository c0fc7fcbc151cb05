"""`caretrail audit reindex`: make anew what searches, access logs and proofs are read from."""

import asyncio
from typing import Any

from sqlalchemy.exc import DBAPIError

from app.commands.auditing import chains_of
from app.commands.calling import Caller, index_lines, present, sign_what_moved
from app.commands.opening import NOT_OWNER, engine_at, first_line, open_service
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.errors import StartRefusedError
from app.main import Service
from app.trail.checkpoints import HOUSEKEEPING, WriteTiles
from app.trail.rederiving import REINDEX, RecordReindex, remove_derived

TILES_AT_ONCE = 1024
_COMMAND = "caretrail audit reindex"
_NOT_DONE = (
    "nothing was made anew: {why}. What searches, access logs and proofs are read from stands as it was;"
    " that it was to be made anew is an entry already."
)


def reindex(org: str | None, *, as_json: bool) -> None:
    """Remove the index and the inner nodes of every chain, or one, and build them from the lines.

    Works beside a running service; until it is done, searches, access logs and proofs are refused. An entry
    says that it was done: what was wrong before cannot be seen afterwards, so verify first.

    Raises:
        InvalidRequestError: There is no such chain.
        StartRefusedError: The database did not let go of what was there.
    """
    settings = begin()
    with open_service(settings) as service:
        chains = chains_of(service, org)
        lines = {chain: present(service, chain, REINDEX, RecordReindex(), _COMMAND) for chain in chains}
        _remove(settings.owner_database_url.get_secret_value(), chains)
        for chain in chains:
            asyncio.run(_build(service, chain))
        sign_what_moved(service)
    told: list[dict[str, Any]] = [{"organisation": chain, "lines": lines[chain]} for chain in chains]
    text = "\n".join(f"chain {chain}: made anew from {lines[chain]} lines" for chain in chains)
    result({"reindexed": told}, text, as_json=as_json)
    remark("`caretrail audit verify --state` now says whether it agrees with the lines.")


def _remove(owner_url: str, chains: list[str]) -> None:
    try:
        with engine_at(owner_url) as engine:
            remove_derived(engine, chains)
    except DBAPIError as error:
        why = NOT_OWNER if getattr(error.orig, "sqlstate", "") == "42501" else first_line(error)
        raise StartRefusedError(_NOT_DONE.format(why=why)) from error


async def _build(service: Service, chain: str) -> None:
    caller = Caller(service, chain, _COMMAND)
    await index_lines(caller)
    while (await caller.do(HOUSEKEEPING, WriteTiles(TILES_AT_ONCE))).answer.payload:
        pass
