"""The composition root: knows everyone, holds no logic.

`assemble` puts together what every process needs (commands, server, tests); `serve_http` adds the
HTTP application. Everything that differs between them is handed in: settings, clock, randomness.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, Engine
from starlette.types import ASGIApp

from app.access.door import Door
from app.access.turn import Turn
from app.access.visit import Visit, Visited
from app.alerts.state_kinds import ALERT_KINDS
from app.alerts.watching import Watching
from app.audit.checkpoint import Notary
from app.audit.divergence import check_start
from app.audit.guard_file import Guards
from app.audit.schema_digest import refuse_changed_schema
from app.core.clock import Clock, SystemClock
from app.core.entropy import Entropy, SystemEntropy
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.http.factory import application
from app.http.presenting import Desk
from app.identity.adopting import adopt_roles
from app.identity.folding import fold_while_serving
from app.identity.password_policy import NONE_BREACHED, BreachedPasswords
from app.identity.passwords import PasswordPool
from app.identity.recognising import Recogniser
from app.identity.tokens import TokenReader, TokenSigner
from app.incidents.known import open_incidents
from app.incidents.state_kinds import INCIDENT_KINDS
from app.jobs.scheduler import Job, Scheduler
from app.operations.disk_watch import DiskWatch
from app.operations.keys_watch import KeysWatch
from app.operations.readings import Readings
from app.operations.replication import ReplicationWatch
from app.residents.gathering import Gathering
from app.residents.state_kinds import RESIDENT_KINDS
from app.storage.definitions import forbid_definitions
from app.storage.engine import assert_durable, open_engine
from app.storage.forgetting import forget
from app.storage.guard import carrying, fence
from app.storage.reserve import Reserve
from app.storage.schema import SERVICE_ROLE, refuse_powerful_role, refuse_unknown_schema
from app.trail.clock_watch import ClockWatch
from app.trail.housekeeping import Housekeeping
from app.trail.rotation import KeysInUse
from app.trail.self_check import Means
from app.trail.self_checking import SelfCheck
from app.trail.state_kinds import IDENTITY_KINDS
from app.vault.keepers import keyring_for
from app.vault.keyring import Keyring
from app.vault.sealing import DataKey
from app.vault.signing_keys import SigningFiles
from app.webhooks.addresses import judge_url
from app.webhooks.delivering import Delivering
from app.webhooks.state_kinds import WEBHOOK_KINDS

ALL_KINDS = (*IDENTITY_KINDS, *RESIDENT_KINDS, *WEBHOOK_KINDS, *ALERT_KINDS, *INCIDENT_KINDS)
"""Every kind of row that the trail vouches for."""


@dataclass(slots=True)
class Service:
    """A put-together service. `turn` serves commands; a server opens `door`, which has one of its own."""

    settings: Settings
    clock: Clock
    entropy: Entropy
    engine: Engine
    keyring: Keyring
    turn: Turn
    signing: KeysInUse
    notary: Notary
    guards: Guards
    token_seed: bytes
    repeat_key: bytes
    reserve: Reserve | None = None


Waiting = Callable[[Visit], Visited]
"""Takes a visit of a job's thread through the door, and waits for what comes of it."""
Recurring = Callable[[Service, Callable[[], None], Waiting], tuple[Job, ...]]
"""Makes the recurring jobs of a service, given what signs every chain that moved, and the door."""


def no_jobs(_service: Service, _sign: Callable[[], None], _visit: Waiting) -> tuple[Job, ...]:
    """Return no jobs: for a process that only answers."""
    return ()


def assemble(
    settings: Settings,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    *,
    recovering: bool = False,
) -> Service:
    """Return a service on an existing database, or refuse to start with a sentence that says why.

    Args:
        settings: What the operator chose.
        clock: Where instants come from.
        entropy: Where randomness comes from.
        recovering: Do not ask whether guard and database agree: for the command that records a loss.
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    keyring = keyring_for(settings, entropy)
    signing = KeysInUse(SigningFiles(settings.keys_dir), settings.deployment, clock)
    guards = Guards(settings.guard_dir, signing.notary)
    engine = open_engine(settings.database_url.get_secret_value())
    fence(engine)
    forbid_definitions(engine)
    with engine.connect() as connection, carrying(connection, "start"), connection.begin():
        assert_durable(connection)
        refuse_unknown_schema(connection)
        refuse_powerful_role(connection)
        refuse_changed_schema(connection, SERVICE_ROLE)
        keyring.check(connection)
        if not recovering:
            check_start(connection, guards)
        address, token, repeat = (
            _derived(keyring, connection, purpose, clock) for purpose in ("address", "token", "repeat")
        )
    recogniser = Recogniser(keyring, second_factor_required=settings.second_factor == "required")
    reserve = Reserve.beside(settings.database_url.get_secret_value())
    known = None if recovering else guards
    turn = Turn(engine, keyring, Gathering(recogniser), clock, entropy, address, reserve, known)
    return Service(
        settings,
        clock,
        entropy,
        engine,
        keyring,
        turn,
        signing,
        signing.notary,
        guards,
        token,
        repeat,
        reserve,
    )


def _derived(keyring: Keyring, connection: Connection, purpose: str, clock: Clock) -> bytes:
    key: DataKey = keyring.organisation(connection, SYSTEM, clock.now())
    return key.derive(f"caretrail/v1 {purpose}")


def desk(service: Service, passwords: PasswordPool | None = None) -> Desk:
    """Return what the HTTP layer shares, with a closed door; open it in the event loop that serves."""
    settings = service.settings
    signer = TokenSigner(service.token_seed, settings.deployment)
    token = settings.metrics_token
    return Desk(
        door=Door(service.turn),
        tokens=TokenReader(signer.public_key, settings.deployment),
        signer=signer,
        passwords=passwords or PasswordPool(service.entropy),
        clock=service.clock,
        repeat_key=service.repeat_key,
        deployment=settings.deployment,
        entropy=service.entropy,
        notary=service.notary,
        guards=service.guards,
        forget=partial(forget, service.engine),
        breached=BreachedPasswords.read(listed) if (listed := settings.breached_passwords) else NONE_BREACHED,
        idle_caps=settings.session_caps,
        second_factor_required=settings.second_factor == "required",
        metrics_token=token.get_secret_value().encode() if token else None,
        judge_url=partial(judge_url, loopback=settings.webhooks_allow_loopback),
    )


def self_check(service: Service, door: Door) -> SelfCheck:
    """Return what checks trail and rows while a process serves. It runs beside, with a keyring of its own."""
    settings = service.settings
    keyring = keyring_for(settings, service.entropy)
    means = Means(service.engine, keyring, service.notary, ALL_KINDS, service.clock.now, service.entropy)
    return SelfCheck(door.visit, means, settings.self_check_rows)


def housekeeping(service: Service, door: Door) -> Housekeeping:
    """Return what keeps the trail in order while a process serves."""
    return Housekeeping(
        door.visit,
        service.notary,
        service.guards,
        anchors=service.settings.anchors_dir,
        backups=service.settings.backup_dir,
        refresh=service.signing.refresh,
    )


def readings(
    service: Service, shared: Desk, checking: SelfCheck, standbys: Callable[[], Mapping[str, int]]
) -> Readings:
    """Return what takes the readings for `/metrics` in this process."""
    return Readings(
        shared.door.visit,
        service.settings,
        checking.gauges,
        shared.sound,
        lambda: shared.unrecognised,
        standbys,
    )


def scheduler(service: Service, door: Door, keeping: Housekeeping, recurring: Recurring) -> Scheduler:
    """Return what runs the recurring jobs of a deployment in this process."""
    loop = asyncio.get_running_loop()

    def sign() -> None:
        """Sign what moved; called in a job's thread."""
        asyncio.run_coroutine_threadsafe(keeping.look(last=True), loop).result()

    def visit(one: Visit) -> Visited:
        """Take a visit through the door; called in a job's thread."""
        return asyncio.run_coroutine_threadsafe(door.visit(one), loop).result()

    return Scheduler(door.visit, recurring(service, sign, visit))


def http(service: Service, shared: Desk, recurring: Recurring = no_jobs) -> ASGIApp:
    """Return the HTTP application of a service. Its door opens and closes with the server.

    Args:
        service: The service.
        shared: What its routes share.
        recurring: Which jobs it runs on the side.
    """

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        """Open the door and keep the trail in order while the server runs."""
        shared.door.open()
        await adopt_roles(shared.door.visit)
        await shared.forget()  # an erasure may have been the last thing before a crash
        keeping = housekeeping(service, shared.door)
        keeping.start()
        checking = self_check(service, shared.door)
        checking.start()
        renewing = KeysWatch(service.keyring, service.clock.now)
        renewing.start()
        watch = DiskWatch(shared.door.visit, service.settings, service.reserve)
        await watch.look()
        watch.start()
        shared.sound = lambda: all(
            (
                keeping.healthy,
                checking.healthy,
                not service.keyring.outdated,
                renewing.healthy,
                not watch.full,
            )
        )
        standbys = ReplicationWatch(service.settings.database_url.get_secret_value(), service.turn.abandon)
        standbys.start()
        shared.metrics = readings(service, shared, checking, standbys.gauges).text
        clock = ClockWatch(shared.door.visit, service.clock.now)
        beside = (fold_while_serving(shared.door.visit), clock.run())
        tasks = [asyncio.create_task(one) for one in beside]
        jobs = scheduler(service, shared.door, keeping, recurring)
        jobs.start()
        watching = Watching(shared.door.visit, service.clock.now, open_incidents)
        delivering = Delivering(shared.door.visit, service.settings)
        if service.settings.jobs == "serve":
            watching.start()
            delivering.start()
        yield
        for task in tasks:
            task.cancel()
        await delivering.stop()
        await watching.stop()
        await jobs.stop()
        await standbys.stop()
        await watch.stop()
        await renewing.stop()
        await checking.stop()
        await keeping.stop()
        await shared.door.close()
        service.turn.close()
        service.engine.dispose()  # SQLite then merges its write-ahead log into the one file
        shared.passwords.close()

    over_tls = bool(service.settings.tls_cert) or service.settings.behind_tls_proxy
    return application(shared, lifespan, over_tls=over_tls)
