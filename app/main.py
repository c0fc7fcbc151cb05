"""The composition root: knows everyone, holds no logic.

`assemble` puts together what every process needs (commands, server, tests); `desk` adds what the HTTP
layer shares. Everything that differs between them is handed in: settings, clock, randomness.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine

from app.access.door import Door
from app.access.turn import Turn
from app.alerts.state_kinds import ALERT_KINDS
from app.audit.checkpoint import Notary
from app.audit.divergence import Divergence, check_start, divergences
from app.audit.guard_file import Guards
from app.audit.schema_digest import refuse_changed_schema
from app.audit.signing_key import refuse_foreign_key
from app.core.clock import Clock, SystemClock
from app.core.entropy import Entropy, SystemEntropy
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.http.presenting import Desk
from app.identity.password_policy import BreachedPasswords
from app.identity.passwords import PasswordPool
from app.identity.recognising import Recogniser
from app.identity.tokens import TokenReader, TokenSigner
from app.incidents.state_kinds import INCIDENT_KINDS
from app.jobs.one_by_one import Waiting
from app.jobs.scheduler import Job
from app.residents.gathering import Gathering
from app.residents.state_kinds import RESIDENT_KINDS
from app.storage.definitions import forbid_definitions
from app.storage.engine import assert_durable, open_engine
from app.storage.forgetting import forget
from app.storage.guard import carrying, fence
from app.storage.reserve import Reserve
from app.storage.schema import SERVICE_ROLE, refuse_powerful_role, refuse_unknown_schema
from app.trail.rotation import KeysInUse
from app.trail.state_kinds import IDENTITY_KINDS
from app.vault.keepers import keyring_for
from app.vault.keyring import Keyring
from app.vault.sealing import DataKey
from app.vault.signing_keys import SigningFiles
from app.webhooks.addresses import judge_url
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
    files = SigningFiles(settings.keys_dir)
    signing = KeysInUse(files, settings.deployment, clock)
    guards = Guards(settings.guard_dir, signing.notary)
    engine = open_engine(settings.database_url.get_secret_value())
    with ExitStack() as refused:
        refused.callback(engine.dispose)
        address, token, repeat = _looked_over(engine, keyring, signing, files, clock)
        if not recovering:
            check_start(partial(_diverging, engine, guards))
        refused.pop_all()
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


def _looked_over(
    engine: Engine, keyring: Keyring, signing: KeysInUse, files: SigningFiles, clock: Clock
) -> tuple[bytes, bytes, bytes]:
    """Refuse a database that is not ours to serve, and return the keys of addresses, tokens and repeats."""
    fence(engine)
    forbid_definitions(engine)
    with engine.connect() as connection, carrying(connection, "start"), connection.begin():
        assert_durable(connection)
        refuse_unknown_schema(connection)
        refuse_powerful_role(connection)
        refuse_changed_schema(connection, SERVICE_ROLE)
        keyring.check(connection)
        refuse_foreign_key(partial(_rows, connection), signing.notary, files.to_come())
        address = _derived(keyring, connection, "address", clock)
        token = _derived(keyring, connection, "token", clock)
        return address, token, _derived(keyring, connection, "repeat", clock)


def _diverging(engine: Engine, guards: Guards) -> list[Divergence]:
    with engine.connect() as connection, carrying(connection, "start"), connection.begin():
        return divergences(connection, guards)


def _rows(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(statement)]


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
        breached=BreachedPasswords.read(settings.breached_passwords),
        idle_caps=settings.session_caps,
        second_factor_required=settings.second_factor == "required",
        metrics_token=token.get_secret_value().encode() if token else None,
        judge_url=partial(judge_url, loopback=settings.webhooks_allow_loopback),
    )
