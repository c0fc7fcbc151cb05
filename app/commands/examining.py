"""`caretrail doctor`: looks at everything an operator answers for, changes nothing, says what to do."""

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards, KnownGuards
from app.audit.signing_key import PUT_BACK, foreign_key
from app.commands.serving import refuse_exposed, tls_context
from app.commands.starting import begin
from app.commands.telling import result
from app.commands.usable import refuse_unusable
from app.core.clock import SystemClock
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.operations.database_checks import NEEDS_DATABASE, check_another_schema, check_database
from app.operations.database_facts import DatabaseFacts, look_at_database
from app.operations.detection_checks import check_detection
from app.operations.finding import Finding, exit_code, failed, ok, unknown
from app.operations.host_checks import check_host
from app.operations.host_facts import HostFacts, look_at_host
from app.operations.job_checks import check_jobs
from app.operations.own_works import Trouble, check_own_works, troubles
from app.operations.server_checks import among_servers
from app.operations.webhook_checks import check_endpoints
from app.storage.engine import open_engine
from app.storage.servers import ServerState, survey_several
from app.storage.snapshot import UNREADABLE, Snapshot, open_snapshot
from app.vault.signing_keys import SigningFiles

_DOWN = (
    "Start it, or look at CARETRAIL_DATABASE_URL. If it is lost or damaged: see Bringing a backup back. A new"
    " one wants `caretrail migrate` or `init`."
)


def doctor(*, as_json: bool) -> int:
    """Tell the findings, and return the exit code: 0, 1 something failed, 2 it would not start like this.

    Works beside a running service and without one. Nothing is written, the database is opened read-only.

    Raises:
        StartRefusedError: A setting is not what it takes, or names a file that cannot be used.
    """
    settings = begin()
    refuse_unusable(settings)
    host = look_at_host(settings, SystemClock().now(), _exposed(settings))
    found = among_servers(_database(settings, host), _servers(settings))
    findings = [*check_host(host, settings, SystemClock().now()), *found]
    code = exit_code(findings)
    told = {"exit_code": code, "checks": [one.as_json() for one in findings]}
    result(told, "\n".join(one.as_text() for one in findings), as_json=as_json)
    return code


def _exposed(settings: Settings) -> str | None:
    """Return why the service would refuse to listen like this.

    A certificate without its key is enough here: when it ends is asked, and the key is for who serves alone.
    """
    if settings.tls_cert is not None and settings.tls_key is None:
        return None
    try:
        refuse_exposed(settings)
        if settings.tls_cert is not None:
            tls_context(settings)
    except StartRefusedError as refused:
        return str(refused)
    return None


def _servers(settings: Settings) -> list[ServerState]:
    with suppress(StartRefusedError):  # a URL that cannot be used is told of with the database
        return survey_several(settings.database_url.get_secret_value())
    return []


def _database(settings: Settings, host: HostFacts) -> list[Finding]:
    try:
        facts, foreign, failing = _looked_at(settings)
    except (*UNREADABLE, StartRefusedError, UnicodeDecodeError) as error:
        told = f"it cannot be read: {(str(error).splitlines() or [type(error).__name__])[0]}"
        down = [failed("database", told, _DOWN, stops=True)]
        return down + [unknown(name, "the database cannot be read") for name in NEEDS_DATABASE]
    at = SystemClock().now()
    if not facts.readable:
        return [ok("database", "it answers"), *check_another_schema(facts, at)]
    checked = check_database(facts, host.keyring, at)
    if foreign is not None:  # then the guard is not ours either: that is the consequence, not the cause
        wrong = failed("trail", foreign, PUT_BACK, stops=True)
        checked = [wrong if one.name == wrong.name else one for one in checked]
    found = [ok("database", "it answers"), *checked]
    judged = check_detection(facts.unjudged, settings.detection, at)
    found += [*check_jobs(facts.jobs, at), check_endpoints(facts.endpoints, host.mute, at), judged]
    return [*found, check_own_works(failing, at)]


def _looked_at(settings: Settings) -> tuple[DatabaseFacts, str | None, list[Trouble]]:
    """Return the facts, why the signing key is not the one of this database, and what keeps failing."""
    notary, to_come = _signing(settings)
    guards = KnownGuards(Guards(settings.guard_dir, notary))
    engine = open_engine(settings.database_url.get_secret_value())
    try:
        facts = look_at_database(engine, guards, SystemClock())
        if not facts.readable:
            return facts, None, []
        with open_snapshot(engine) as view:
            unknown_key = not notary.keys(SYSTEM)
            foreign = None if unknown_key else foreign_key(partial(_rows, view), notary, to_come)
            return facts, foreign, troubles(view)
    finally:
        engine.dispose()


def _rows(view: Snapshot, statement: str) -> Iterator[tuple[Any, ...]]:
    return (tuple(row) for batch in view.rows(statement) for row in batch)


def _signing(settings: Settings) -> tuple[Notary, bytes | None]:
    """Return whose guards count. Without the signing key none does, and the trail check says so."""
    files = SigningFiles(settings.keys_dir)
    try:
        keys, to_come = files.load(SystemClock().now()), files.to_come()
    except StartRefusedError:
        return Notary(settings.deployment), None
    return Notary(settings.deployment, *keys.seeds, retired=keys.retired), to_come
