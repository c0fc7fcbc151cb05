"""`caretrail audit ...`: verify what is stored, export it, sign it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from app.access.operations import operation
from app.access.visit import VisitRefusedError
from app.audit.checkpoint import Notary, newest
from app.audit.database_check import check_database
from app.audit.database_report import DatabaseReport
from app.audit.guard_file import Guards
from app.commands.calling import Caller, present, sign_what_moved
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.clock import SystemClock
from app.core.entropy import SystemEntropy
from app.core.errors import InvalidRequestError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.identity.table import organisation
from app.main import Service
from app.residents.state_kinds import RESIDENT_KINDS
from app.storage.engine import open_engine
from app.storage.guard import carrying
from app.storage.snapshot import Snapshot
from app.trail.checkpoints import NewestCheckpoint
from app.trail.exporting import begin as begin_export
from app.trail.state_check import check_state
from app.trail.state_kinds import IDENTITY_KINDS
from app.vault.keyring import Keyring
from app.vault.provider import ROOT_KEY, FileKeys
from app.vault.signing_keys import SigningFiles

UNREADABLE = 3
CHECKPOINT = operation("GET", "/v1/audit/checkpoint")


def verify(*, state: bool = False, as_json: bool) -> int:
    """Check everything the database holds of the trail, and return the verifier's exit code.

    It starts no service: a database that was set back is refused by a service, and told of here.

    Args:
        state: Compare every row with its entry, too.
        as_json: Print the report as one line of JSON.
    """
    try:
        settings = begin()
        also = _state_check(settings) if state else None
        keys = SigningFiles(settings.keys_dir).load(SystemClock().now())
        notary = Notary(settings.deployment, *keys.seeds, retired=keys.retired)
        engine = open_engine(settings.database_url.get_secret_value(), patient=True)
    except StartRefusedError as refused:
        remark(f"caretrail: {refused}")
        return UNREADABLE
    report = check_database(engine, notary, Guards(settings.guard_dir, notary), also)
    print(report.as_json() if as_json else report.as_text())
    return report.exit_code


def _state_check(settings: Settings) -> Callable[[Snapshot, DatabaseReport], None]:
    """Return the comparison of all rows with the trail. It takes the root key, and opens only to compare."""
    keyring = Keyring(FileKeys(settings.keys_dir).secret(ROOT_KEY), SystemEntropy())

    def compare(snapshot: Snapshot, report: DatabaseReport) -> None:
        check_state(snapshot, report, keyring, (*IDENTITY_KINDS, *RESIDENT_KINDS), SystemClock().now())

    return compare


def checkpoint(org: str | None) -> None:
    """Sign every chain, or one, as it stands, and print the notes. They cover the entry of this, too."""
    with open_service(begin()) as service:
        sign_what_moved(service)
        for chain in _chains(service, org):
            work = NewestCheckpoint(service.notary, service.guards)
            present(service, chain, CHECKPOINT, work, "caretrail audit checkpoint")
            sign_what_moved(service)
            with service.engine.connect() as connection, carrying(connection, "audit"):
                row = newest(connection, chain)
            if row is not None:
                result(row.note, row.note, as_json=False)


def export(out: Path, org: str | None) -> None:
    """Write a chain with its proofs and the verifier to a zip; `out` is there only when it is whole.

    Raises:
        InvalidRequestError: The file is there already, or which chain is meant is not clear.
    """
    if out.exists():
        raise InvalidRequestError(detail=f"{out} is there already: give another name")
    with open_service(begin()) as service:
        chain = _one_chain(service, org)
        sign_what_moved(service)  # in steps, however far behind: the export then signs only what is new
        _write_whole(service, chain, out)
        sign_what_moved(service)
        vkey = service.notary.vkeys(chain)[0]
    result(str(out), str(out), as_json=False)
    remark(f"Whoever checks it needs, from you and not with the file, this key:\n  {vkey}")


def _write_whole(service: Service, chain: str, out: Path) -> None:
    part = out.with_name(f"{out.name}.part")
    try:
        asyncio.run(_write_export(service, chain, part))
        part.replace(out)
    except VisitRefusedError as refused:
        raise refused.error from refused
    finally:
        part.unlink(missing_ok=True)


async def _write_export(service: Service, chain: str, part: Path) -> None:
    caller = Caller(service, chain, "caretrail audit export")
    begun = await begin_export(caller.do, service.notary, service.guards)
    with part.open("wb") as file:
        async for piece in begun.stream():
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def _chains(service: Service, org: str | None) -> list[str]:
    """Return the chain that was named, or all of them; the deployment's own is the last."""
    with service.engine.connect() as connection, carrying(connection, "audit"):
        found = connection.execute(select(organisation.c.id).order_by(organisation.c.id)).scalars()
        there = [*found, SYSTEM]
    if org is not None and org not in there:
        raise InvalidRequestError(detail=f"there is no chain of this name; there are {', '.join(there)}")
    return there if org is None else [org]


def _one_chain(service: Service, org: str | None) -> str:
    """Return the chain that was named, or that of the only organisation."""
    chains = _chains(service, org)
    if org is None and len(chains) != 2:
        raise InvalidRequestError(
            detail=f"say which chain is meant, with --organisation: {', '.join(chains)}"
        )
    return chains[0]
