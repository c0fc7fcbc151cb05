"""A deployment that is served: migrated database, keys in files, the real server on a port of its own.

    with Served(Deployment.on(database, tmp_path)) as served:
        carer = served.world.person("carer")
        served.ask("GET", "/v1/users/me", carer)

People come from the world (`World.person`), requests go over a real connection, and the trail is read
from the database behind the server's back. Server and world share one clock, which stands until
`served.world.pass_time(...)`. Nothing is a double of our own code but that clock and the cost of Argon2.
"""

import asyncio
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Self

import argon2.profiles
import httpx2
import orjson
import uvicorn
import uvloop
from argon2 import Parameters
from sqlalchemy import Connection, select

from app.audit import log as trail
from app.audit.table import event
from app.commands.protocol import BoundedProtocol
from app.core.entropy import SystemEntropy
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.identity.passwords import PasswordHashes, PasswordPool
from app.identity.tokens import TokenSigner
from app.main import Service, assemble, desk
from app.serving import http
from app.storage.engine import open_engine
from app.storage.migration import migrate
from app.vault.keyring import Keyring
from app.vault.provider import ROOT_KEY, SIGNING_KEY, FileKeys
from tests.support.light_client import Client, OneOfMany, Request
from tests.support.world import Person, World

FIRST_PORT, LAST_PORT = 20_000, 32_767
"""Below the ports the system gives to clients: nothing else takes one in between."""
AT_ONCE = 12
"""How many requests of a crowd are under way at a time."""
_ports = count(FIRST_PORT)
_names = count()


class Database(NamedTuple):
    """Where a database is, for who makes its tables and for who serves from it."""

    kind: str
    owner: str
    service: str


@dataclass
class Deployment(World):
    """A world on a migrated database, founded as `caretrail init` does it.

    Attributes:
        owner: The URL of the login that makes the tables.
        folder: Where the keys are.
        cost: What an Argon2 costs.
    """

    owner: str = ""
    folder: Path = field(default_factory=Path)
    detection: bool = False
    """Off: its alerts would be entries, and rows, that a test of something else did not ask for."""
    cost: Parameters = field(default_factory=lambda: argon2.profiles.CHEAPEST)

    def __post_init__(self) -> None:
        """Migrate, make keys, bind the database to them, enter an organisation and its homes."""
        self.entropy = SystemEntropy()  # type: ignore[assignment] # ids of two processes must differ
        self.hashes = PasswordHashes(self.entropy, self.cost)
        self.settings = Settings(
            data_dir=self.folder,
            database_url=self.url,
            deployment="test.example",
            second_factor="required" if self.second_factor_required else "optional",
            webhooks_allow_loopback=True,
            detection="on" if self.detection else "off",
        )
        owner = open_engine(self.owner or self.url, patient=True)
        migrate(owner)
        with owner.begin() as connection:
            self._bind(connection)
        owner.dispose()
        service = self.assembled()
        self.engine, self.keyring, self.turn = service.engine, service.keyring, service.turn
        self.org = self.found("Sample Care")
        self.home = self.open_home(self.org, "Rosewood House")
        self.other_home = self.open_home(self.org, "Elm Court")
        self.other_org = self.found("Other Care")
        self.foreign_home = self.open_home(self.other_org, "Foreign Grange")

    def _bind(self, connection: Connection) -> None:
        keys = FileKeys(self.settings.keys_dir)
        for name in (ROOT_KEY, SIGNING_KEY):
            keys.create(name, self.entropy)
        Keyring(keys.secret(ROOT_KEY), self.entropy).found(connection, self.now)
        trail.found(connection, SYSTEM, self.now)

    @classmethod
    def on(cls, database: Database, folder: Path, **options: Any) -> Self:
        """Return a new deployment on an empty database."""
        return cls(database.service, owner=database.owner, folder=folder / f"d{next(_names)}", **options)

    def assembled(self) -> Service:
        """Return the service of another process on this database."""
        return assemble(self.settings, self.clock, self.entropy)

    def close(self) -> None:
        """Let go of the database."""
        if self.turn._connection is not None:
            self.turn._connection.close()
        self.engine.dispose()


@dataclass(slots=True)
class Ask:
    """One request to come.

    Attributes:
        who: A person, a token, or nobody.
        json: The body; one that is made from the answers so far is a function of them.
    """

    method: str
    path: str
    who: Person | str | None = None
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    params: dict[str, str] | None = None

    @classmethod
    def to(cls, operation: str, who: Person | str | None = None, json: Any = None) -> Self:
        """Return a request to an operation by its name: `GET /v1/users/me`."""
        method, path = operation.split(" ")
        return cls(method, path, who, json)


class Line(NamedTuple):
    """One stored line of the trail."""

    org: str
    seq: int
    leaf: bytes
    e: dict[str, Any]

    @property
    def receipt(self) -> str:
        """Return what `Audit-Event` must say of it."""
        return f"{self.org}/{self.seq}/{self.leaf.hex()[:16]}"


class Served:
    """A deployment behind a real server in a thread of this process."""

    def __init__(self, world: Deployment) -> None:
        self.world = world
        self._requests = count(1)
        self._start()

    def _start(self) -> None:
        service = self.world.assembled()
        self._engine = service.engine
        self._signer = TokenSigner(service.token_seed, service.settings.deployment)
        self.desk = desk(service, PasswordPool(service.entropy, self.world.cost))
        listening = _listen()
        self.port: int = listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            http(service, self.desk),
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="served")
        self._thread.start()
        self._client = Client(self.port)
        while not self._server.started:
            assert self._thread.is_alive(), "the server did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        """Shut the server down as a signal does; what is inside is answered first."""
        self._client.close()
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive(), "the server did not stop"
        self._engine.dispose()

    def restart(self) -> None:
        """Stop, and serve the same database with a new process's memory."""
        self.stop()
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.world.close()

    # --- people -----------------------------------------------------------------------------------

    def token(self, who: Person | str) -> str:
        """Return an access token for the session a person has in the world."""
        if isinstance(who, str):
            return who
        assert who.session is not None, "sign in first"
        now = self.world.now
        return self._signer.issue(who.session.id, who.session.org, who.id, now, now + timedelta(hours=12))

    def sign_in(self, person: Person, **more: Any) -> httpx2.Response:
        """Sign a person in over HTTP, with a one-time code not used yet unless `otp` says otherwise."""
        body = {"username": person.username, "password": person.password}
        if person.totp_secret is not None and not {"otp", "recovery_code"} & more.keys():
            more["otp"] = self.world.otp(person)
        body |= {name: value for name, value in more.items() if value is not None}
        return self.ask("POST", "/v1/sessions", json=body)

    # --- asking -----------------------------------------------------------------------------------

    def ask(self, method: str, path: str, who: Person | str | None = None, **more: Any) -> httpx2.Response:
        """Send one request. `more` are further members of `Ask`."""
        return self._client.ask(self._request(Ask(method, path, who, **more)))

    def ask_all(self, asks: Iterable[Ask]) -> list[httpx2.Response]:
        """Send many requests at once and return the answers in order."""
        return [answer for (answer,) in self.ask_chains([ask] for ask in asks)]

    def ask_chains(self, chains: Iterable[Sequence[Ask]]) -> list[list[httpx2.Response]]:
        """Send chains of requests: each chain in its order, many chains at once."""
        return uvloop.run(self._ask_chains([list(chain) for chain in chains]))

    async def _ask_chains(self, chains: list[list[Ask]]) -> list[list[httpx2.Response]]:
        waiting = deque(range(len(chains)))
        answers: list[list[httpx2.Response]] = [[] for _ in chains]

        async def one_after_another() -> None:
            async with OneOfMany(self.port) as one:
                while waiting:
                    number = waiting.popleft()
                    for ask in chains[number]:
                        answers[number].append(await one.ask(self._request(_made_of(ask, answers[number]))))

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
        return answers

    def _request(self, ask: Ask) -> Request:
        headers = {"X-Request-ID": f"r{self.port}-{next(self._requests)}"}
        if ask.who is not None:
            headers["Authorization"] = f"Bearer {self.token(ask.who)}"
        content = ask.content
        if ask.json is not None:
            content = orjson.dumps(ask.json)
            headers["Content-Type"] = "application/json"
        return Request(ask.method, ask.path, headers | ask.headers, content, ask.params)

    # --- the trail ----------------------------------------------------------------------------------

    def lines(self) -> list[Line]:
        """Return every line of every chain, read from the database itself."""
        wanted = select(event.c.org, event.c.seq, event.c.leaf, event.c.line).order_by(
            event.c.org, event.c.seq
        )
        rows = self.world.looking(lambda connection: connection.execute(wanted).all())
        return [Line(r.org, r.seq, bytes(r.leaf), orjson.loads(bytes(r.line))["e"]) for r in rows]

    def lines_by_request(self) -> dict[str, list[Line]]:
        """Return the lines that name a request, by its id."""
        found: defaultdict[str, list[Line]] = defaultdict(list)
        for line in self.lines():
            if "rid" in line.e.get("src", {}):
                found[line.e["src"]["rid"]].append(line)
        return found

    def lines_of(self, answer: httpx2.Response) -> list[Line]:
        """Return the lines of the request an answer belongs to."""
        return self.lines_by_request().get(answer.headers["X-Request-ID"], [])


def _made_of(ask: Ask, answers: list[httpx2.Response]) -> Ask:
    return replace(ask, json=ask.json(answers)) if callable(ask.json) else ask


def _listen() -> socket.socket:
    for port in _ports:
        assert port <= LAST_PORT, "no port is free"
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            continue
    raise AssertionError


__all__ = ["Ask", "Database", "Deployment", "Line", "Person", "Served"]
