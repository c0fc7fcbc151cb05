"""The service as a process of its own: `caretrail serve` on a deployment, to be used, ended or killed."""

import os
import random
import signal
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Self

import httpx2

from app.identity.tokens import TokenSigner
from tests.support.light_client import Client, Request
from tests.support.nursery import NURSERY
from tests.support.served import Database, Deployment
from tests.support.world import Person

READY_S = 60


class Scene:
    """A deployment of the present day, with people signed in, for servers in processes of their own.

    Attributes:
        folder: Where logs go.
        world: The deployment; what it does is done by this process, like a command beside the service.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self.world = Deployment.on(database, folder)
        self.world.clock.advance(datetime.now(UTC) - timedelta(seconds=5) - self.world.now)
        self.folder = folder
        self._numbers = count()
        service = self.world.assembled()
        self._signer = TokenSigner(service.token_seed, self.world.settings.deployment)
        service.engine.dispose()

    @property
    def owner_url(self) -> str:
        """Return the URL of the login that may read everything."""
        return self.world.owner or self.world.url

    def token(self, person: Person) -> str:
        """Return an access token for the session a person has."""
        assert person.session is not None
        now = self.world.now
        return self._signer.issue(
            person.session.id, person.session.org, person.id, now, now + timedelta(hours=12)
        )

    def serve(self, *, answers_early: bool = False, **settings: str) -> "ServerProcess":
        """Start a server and wait until it is ready; one that answers too early is broken on purpose."""
        environment = {
            "CARETRAIL_DATA_DIR": str(self.world.settings.data_dir),
            "CARETRAIL_DATABASE_URL": self.world.url,
            "CARETRAIL_DEPLOYMENT": self.world.settings.deployment,
            **{f"CARETRAIL_{name.upper()}": value for name, value in settings.items()},
        }
        return ServerProcess.start(
            environment, self.folder / f"server-{next(self._numbers)}.log", answers_early=answers_early
        )

    def close(self) -> None:
        """Let go of the database."""
        self.world.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class ServerProcess:
    """A server that answers, and the file it logs to."""

    pid: int
    port: int
    log: Path

    @classmethod
    def start(cls, environment: dict[str, str], log: Path, *, answers_early: bool) -> Self:
        """Start one at a free port; another port is tried when somebody else was quicker."""
        for _ in range(5):
            port = _free_port()
            settings = environment | {"CARETRAIL_PORT": str(port)}
            server = cls(NURSERY.start(settings, log, answers_early=answers_early), port, log)
            if server._answers():
                return server
            server.kill()
            if b"cannot listen" not in log.read_bytes():
                break
        raise AssertionError(log.read_text()[-2000:])

    @property
    def url(self) -> str:
        """Return where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def _answers(self) -> bool:
        deadline = time.monotonic() + READY_S
        while not NURSERY.ended(self.pid, wait=False) and time.monotonic() < deadline:
            if self.ready():
                return True
            time.sleep(0.05)
        return False

    def ready(self) -> bool:
        """Say whether it would serve."""
        try:
            with Client(self.port) as client:
                return client.ask(Request("GET", "/health/ready", {})).status_code == 200
        except httpx2.HTTPError:
            return False

    def client(self, **options: Any) -> httpx2.Client:
        """Return a client of it."""
        # Plain HTTP: loading the certificates there are would cost more than most of its requests
        return httpx2.Client(base_url=self.url, timeout=30, verify=False, **options)

    def kill(self) -> None:
        """Kill it: no handler runs, nothing is written any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator does; whoever is inside is answered first."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if not NURSERY.ended(self.pid, wait=False):
            os.kill(self.pid, how)
            NURSERY.ended(self.pid, wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _free_port() -> int:
    """Return a port below those the system gives to clients, at which nobody listens."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")
