"""The composition root: knows everyone, holds no logic.

`assemble` puts together what every process needs (commands, server, tests); `serve_http` adds the
HTTP application. Everything that differs between them is handed in: settings, clock, randomness.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine
from starlette.types import ASGIApp

from app.access.door import Door
from app.access.turn import Turn
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
from app.identity.folding import fold_while_serving
from app.identity.password_policy import NONE_BREACHED, BreachedPasswords
from app.identity.passwords import PasswordPool
from app.identity.recognising import Recogniser
from app.identity.tokens import TokenReader, TokenSigner
from app.residents.gathering import Gathering
from app.residents.state_kinds import RESIDENT_KINDS
from app.storage.definitions import forbid_definitions
from app.storage.engine import assert_durable, open_engine
from app.storage.guard import carrying, fence
from app.storage.schema import SERVICE_ROLE, refuse_powerful_role, refuse_unknown_schema
from app.trail.housekeeping import Housekeeping
from app.trail.rotation import KeysInUse
from app.trail.self_check import Means
from app.trail.self_checking import SelfCheck
from app.trail.state_kinds import IDENTITY_KINDS
from app.vault.keyring import Keyring
from app.vault.provider import ROOT_KEY, FileKeys
from app.vault.sealing import DataKey
from app.vault.signing_keys import SigningFiles


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
    keys = FileKeys(settings.keys_dir)
    keyring = Keyring(keys.secret(ROOT_KEY), entropy)
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
    turn = Turn(engine, keyring, Gathering(recogniser), clock, entropy, address)
    return Service(
        settings, clock, entropy, engine, keyring, turn, signing, signing.notary, guards, token, repeat
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
        breached=BreachedPasswords.read(listed) if (listed := settings.breached_passwords) else NONE_BREACHED,
        idle_caps=settings.session_caps,
        second_factor_required=settings.second_factor == "required",
        metrics_token=token.get_secret_value().encode() if token else None,
    )


def self_check(service: Service, door: Door) -> SelfCheck:
    """Return what checks trail and rows while a process serves. It runs beside, with a keyring of its own."""
    settings = service.settings
    keyring = Keyring(FileKeys(settings.keys_dir).secret(ROOT_KEY), service.entropy)
    kinds = (*IDENTITY_KINDS, *RESIDENT_KINDS)
    means = Means(service.engine, keyring, service.notary, kinds, service.clock.now)
    return SelfCheck(door.visit, means, settings.self_check_rows)


def http(service: Service, shared: Desk) -> ASGIApp:
    """Return the HTTP application of a service. Its door opens and closes with the server."""

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        """Open the door and keep the trail in order while the server runs."""
        shared.door.open()
        keeping = Housekeeping(
            shared.door.visit,
            service.notary,
            service.guards,
            anchors=service.settings.anchors_dir,
            refresh=service.signing.refresh,
        )
        keeping.start()
        checking = self_check(service, shared.door)
        checking.start()
        shared.sound = lambda: keeping.healthy and checking.healthy
        shared.gauges = checking.gauges
        folding = asyncio.create_task(fold_while_serving(shared.door.visit))
        yield
        folding.cancel()
        await checking.stop()
        await keeping.stop()
        await shared.door.close()
        service.turn.close()
        service.engine.dispose()  # SQLite then merges its write-ahead log into the one file
        shared.passwords.close()

    over_tls = bool(service.settings.tls_cert) or service.settings.behind_tls_proxy
    return application(shared, lifespan, over_tls=over_tls)
