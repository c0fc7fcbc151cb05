"""`caretrail audit ...`: verify what is stored, export it, sign it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Engine, select

from app.access.operations import operation
from app.access.visit import VisitRefusedError
from app.audit.checkpoint import Notary, newest
from app.audit.database_check import check_database
from app.audit.database_report import DatabaseReport
from app.audit.guard_file import Guards
from app.audit.verify import MalformedError, read_key
from app.commands.calling import Caller, present, sign_what_moved
from app.commands.opening import engine_at, open_service, refuse_no_file
from app.commands.retaining import organisation_of
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.commands.written_files import refuse_place, whole
from app.core.clock import SystemClock, spell
from app.core.entropy import SystemEntropy
from app.core.errors import InvalidRequestError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.identity.table import organisation
from app.main import ALL_KINDS, Service
from app.storage.guard import carrying
from app.storage.schema import is_older
from app.storage.snapshot import UNREADABLE as UNREADABLE_DATABASE
from app.storage.snapshot import Snapshot, open_snapshot
from app.trail import family
from app.trail.checkpoints import NewestCheckpoint
from app.trail.derived import check_derived
from app.trail.export_works import Filter
from app.trail.exporting import begin as begin_export
from app.trail.state_check import check_state
from app.vault.keepers import keyring_for
from app.vault.signing_keys import SigningFiles

UNREADABLE = 3
PATIENCE_S = 10.0
"""A service that runs signs each line within a second or two."""
_NOT_COMPARED = (
    "Only the lines were checked: --state compares rows, index, nodes and sealed values with them, too."
)
CHECKPOINT = operation("GET", "/v1/audit/checkpoint")


def verify(*, state: bool = False, keys: Sequence[str] = (), as_json: bool) -> int:
    """Check everything the database holds of the trail, and return the verifier's exit code.

    It starts no service: a database that was set back is refused by a service, and told of here.

    Args:
        state: Compare every row, what is derived from lines and what is sealed beside them, too.
        keys: Verifier keys from elsewhere; only what they signed counts then. Without them it is what the
            deployment's own key files say.
        as_json: Print the report as one line of JSON.
    """
    with ExitStack() as stack:
        try:
            settings = begin()
            refuse_no_file(settings)
            also = _further_checks(settings) if state else None
            notary = _notary(settings, keys)
            engine = stack.enter_context(engine_at(settings.database_url.get_secret_value()))
            older = _older_revision(engine)
        except StartRefusedError as refused:
            remark(f"caretrail: {refused}")
            if as_json:
                print(DatabaseReport(unreadable=str(refused)).as_json())
            return UNREADABLE
        guards = Guards(settings.guard_dir, notary)
        also, patience_s = (None, 0.0) if older else (also, PATIENCE_S)  # its tables are others
        report = check_database(engine, notary, guards, also, patience_s=patience_s)
    if older:
        report.judge_lines_only(older)
    print(report.as_json() if as_json else report.as_text())
    if not state and not as_json:
        remark(_NOT_COMPARED)
    return report.exit_code


def _older_revision(engine: Engine) -> str | None:
    """Return at which revision a schema is that still has to be migrated; None for any other."""
    try:
        with open_snapshot(engine) as view:
            rows = [row for batch in view.rows("SELECT version_num FROM alembic_version") for row in batch]
    except (*UNREADABLE_DATABASE, UnicodeDecodeError):  # the check of the lines says so
        return None
    return next((revision for (revision,) in rows if is_older(revision)), None)


def _notary(settings: Settings, given: Sequence[str]) -> Notary:
    """Return whose signatures count. A lost private key keeps nobody from checking.

    Raises:
        StartRefusedError: There is neither a key at hand nor one given, or what was given is none.
    """
    try:
        if publics := [read_key(vkey).public for vkey in given]:
            return Notary(settings.deployment, retired=publics)
    except MalformedError as error:
        raise StartRefusedError(f"what was given with --key {error}") from error
    try:
        keys = SigningFiles(settings.keys_dir).load(SystemClock().now())
    except StartRefusedError as refused:
        raise StartRefusedError(
            f"{refused}\nChecking takes only the public half of it: give that with --key, as it stands on"
            " each daily sheet and in the papers of each export. If the key is lost for good, nothing more"
            " can be signed in its name, and what was signed stays checkable."
        ) from refused
    return Notary(settings.deployment, *keys.seeds, retired=keys.retired)


def _further_checks(settings: Settings) -> Callable[[Snapshot, DatabaseReport], None]:
    """Return the comparison of all else with the lines. It takes the root key, and opens only to compare."""
    entropy, at = SystemEntropy(), SystemClock().now()
    keyring = keyring_for(settings, entropy)

    def compare(snapshot: Snapshot, report: DatabaseReport) -> None:
        check_derived(snapshot, report, entropy, keyring, at)
        check_state(snapshot, report, keyring, ALL_KINDS, at)

    return compare


def checkpoint(org: str | None) -> None:
    """Sign every chain, or one, as it stands, and print the notes. They cover the entry of this, too."""
    with open_service(begin()) as service:
        sign_what_moved(service)
        for chain in chains_of(service, org):
            work = NewestCheckpoint(service.notary, service.guards)
            present(service, chain, CHECKPOINT, work, "caretrail audit checkpoint")
            sign_what_moved(service)
            with service.engine.connect() as connection, carrying(connection, "audit"):
                row = newest(connection, chain)
            if row is not None:
                result(row.note, row.note, as_json=False)


def export(out: Path, org: str | None, family_of: str | None = None, until: str | None = None) -> None:
    """Write a chain with its proofs and the verifier to a zip; `out` is there only when it is whole.

    Args:
        out: The zip to write.
        org: Whose chain; None where there is one organisation only, or a resident tells it.
        family_of: A resident's id; the zip is then their access log, and tells of no other resident.
        until: Of that log, the first day that no longer belongs to it.

    Raises:
        InvalidRequestError: The file is there already or cannot be written, which chain is meant is not
            clear, or the day is none, or belongs to no such log.
    """
    if until is not None and family_of is None:
        raise InvalidRequestError(detail="--until goes with --family-of: a whole chain is exported as it is")
    refuse_place(out)
    chosen = Filter(resident_id=family_of, until=_day(until)) if family_of is not None else None
    with open_service(begin()) as service:
        chain = _one_chain(service, org) if family_of is None else _chain_of(service, family_of, org)
        sign_what_moved(service)  # in steps, however far behind: the export then signs only what is new
        _write_whole(service, chain, out, chosen)
        sign_what_moved(service)
        vkey = service.notary.vkeys(chain)[0]
    result(str(out), str(out), as_json=False)
    remark(f"Whoever checks it needs, from you and not with the file, this key:\n  {vkey}")


def _day(told: str | None) -> str | None:
    """Return the first instant of a day, in UTC."""
    try:
        return None if told is None else spell(datetime.combine(date.fromisoformat(told), time(), UTC))
    except ValueError as error:
        raise InvalidRequestError(detail="--until takes a day: 2026-04-01") from error


def _write_whole(service: Service, chain: str, out: Path, chosen: Filter | None) -> None:
    try:
        with whole(out) as file:
            asyncio.run(_write_export(service, chain, file, chosen))
    except VisitRefusedError as refused:
        raise refused.error from refused


async def _write_export(service: Service, chain: str, file: BinaryIO, chosen: Filter | None) -> None:
    caller = Caller(service, chain, "caretrail audit export")
    if chosen is None:
        begun = await begin_export(caller.do, service.notary, service.guards)
    else:
        begun = await family.begin(caller.do, service.notary, service.guards, "zip", chosen)
    async for piece in begun.stream():
        file.write(piece)


def chains_of(service: Service, org: str | None) -> list[str]:
    """Return the chain that was named, or all of them; the deployment's own is the last."""
    with service.engine.connect() as connection, carrying(connection, "audit"):
        found = connection.execute(select(organisation.c.id).order_by(organisation.c.id)).scalars()
        there = [*found, SYSTEM]
    if org is not None and org not in there:
        raise InvalidRequestError(detail=f"there is no chain of this name; there are {', '.join(there)}")
    return there if org is None else [org]


def _one_chain(service: Service, org: str | None) -> str:
    """Return the chain that was named, or that of the only organisation."""
    chains = chains_of(service, org)
    if org is None and len(chains) != 2:
        raise InvalidRequestError(detail=say_which(chains))
    return chains[0]


def _chain_of(service: Service, resident_id: str, org: str | None) -> str:
    """Return the chain that tells of a resident, whichever organisation they are with."""
    whose = organisation_of(service, resident_id)
    if org not in (None, whose):
        raise InvalidRequestError(detail="this resident is with another organisation than --organisation")
    return whose


def say_which(chains: Sequence[str]) -> str:
    """Return how to say which of several organisations is meant."""
    there = ", ".join(chain for chain in chains if chain != SYSTEM)
    of_its_own = f"; {SYSTEM} is the deployment's own chain" if SYSTEM in chains else ""
    return f"there are several organisations: give --organisation with one of {there}{of_its_own}"
