"""Kill a real server while clients use it, then ask the database whether every promise held.

The clients live in this process and remember what was acknowledged; the server is another process
and dies by SIGKILL at a random moment. Whatever was acknowledged must be there: the entry of each answer
at the place its receipt names (P1), each change with its entry and the reverse (P2, P4), and a repeat
with the same key must have one effect.
"""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from app.access.visit import System
from app.identity.tokens import TokenSigner
from app.residents.admission import AdmitResident
from tests.support.rechecking import Stored, check_log, leaf
from tests.support.served import Database, Deployment

ROOT = Path(__file__).parents[2]
CLIENTS = 8
READY_S = 60


@dataclass
class Acknowledged:
    """An answer a client holds."""

    receipt: str
    record: str | None = None
    version: int = 0
    key: str = ""


@dataclass
class History:
    """What the clients know: answers they hold, and changes whose outcome they do not know."""

    answers: list[Acknowledged] = field(default_factory=list)
    unknown: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)


class Ground:
    """A deployment to kill servers on."""

    def __init__(self, database: Database, folder: Path) -> None:
        world = Deployment.on(database, folder)
        world.clock.advance(datetime.now(UTC) - world.now)
        nurse = world.person("nurse")
        assert nurse.session is not None
        self.residents = [self._resident(world) for _ in range(4)]
        service = world.assembled()
        signer = TokenSigner(service.token_seed, world.settings.deployment)
        now = datetime.now(UTC)
        self.token = signer.issue(nurse.session.id, nurse.session.org, now, now.replace(year=now.year + 1))
        service.engine.dispose()
        self.settings, self.url, self.owner = world.settings, world.url, world.owner or world.url
        world.close()
        self.history = History()
        self.numbers = count()

    @staticmethod
    def _resident(world: Deployment) -> str:
        work = AdmitResident(
            world.home,
            None,
            None,
            {"given_name": "A", "family_name": "B"},
            {"date_of_birth": "1940-01-01"},
            "2026-01-01",
        )
        made = world.answer(work, "POST /v1/residents", System("cli", world.org))
        return str(made.payload["id"])

    # --- the server ---------------------------------------------------------------------------

    def start(self, module: str = "app") -> "Server":
        """Start a server process on this deployment and wait until it is ready."""
        port = _free_port()
        environment = {
            **os.environ,
            "CARETRAIL_DATA_DIR": str(self.settings.data_dir),
            "CARETRAIL_DATABASE_URL": self.url,
            "CARETRAIL_DEPLOYMENT": self.settings.deployment,
            "CARETRAIL_PORT": str(port),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", module, "serve"],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        return Server(process, f"http://127.0.0.1:{port}")

    # --- the clients --------------------------------------------------------------------------

    async def use(self, server: "Server", seconds: float, kill: bool = True) -> None:
        """Use a server from several clients; kill it after a while, in the middle of everything."""
        async with httpx2.AsyncClient(base_url=server.url, timeout=10) as client:
            client.headers["Authorization"] = f"Bearer {self.token}"
            users = [asyncio.create_task(self._user(client, n)) for n in range(CLIENTS)]
            await asyncio.sleep(seconds)
            if kill:
                server.kill()
            else:
                for user in users:
                    user.cancel()
            await asyncio.gather(*users, return_exceptions=True)

    async def _user(self, client: httpx2.AsyncClient, n: int) -> None:
        chance = random.Random(n)
        notes: list[tuple[str, str, int]] = []
        while True:
            resident = chance.choice(self.residents)
            if not notes or chance.random() < 0.4:
                made = await self._write(client, resident)
                if made is not None:
                    notes.append(made)
            elif chance.random() < 0.5:
                await self._read(client, notes[-1])
            else:
                notes[-1] = await self._amend(client, notes[-1])

    async def _write(self, client: httpx2.AsyncClient, resident: str) -> tuple[str, str, int] | None:
        key = f"key-{next(self.numbers)}"
        body = {"category": "daily_note", "occurred_at": _now(), "body": {"text": f"note {key}"}}
        self.history.unknown[key] = {"resident": resident, "body": body}
        answer = await self.repeat(client, key)
        return (resident, answer.json()["id"], 1) if answer.status_code == 201 else None

    async def repeat(self, client: httpx2.AsyncClient, key: str) -> httpx2.Response:
        """Send a creation, for the first time or once more, and note what is known after it."""
        asked = self.history.unknown[key]
        path = f"/v1/residents/{asked['resident']}/records"
        answer = await client.post(path, json=asked["body"], headers={"Idempotency-Key": key})
        if answer.status_code == 201:
            self.history.keys[key] = answer.json()["id"]
            del self.history.unknown[key]
            self._hold(answer, answer.json()["id"], 1, key)
        return answer

    async def _read(self, client: httpx2.AsyncClient, note: tuple[str, str, int]) -> None:
        answer = await client.get(f"/v1/residents/{note[0]}/records/{note[1]}")
        if answer.status_code == 200:
            self._hold(answer)

    async def _amend(self, client: httpx2.AsyncClient, note: tuple[str, str, int]) -> tuple[str, str, int]:
        resident, record, version = note
        body = {"occurred_at": _now(), "body": {"text": f"after {version}"}, "amendment_reason": "more"}
        headers = {"If-Match": f'"{version}"'}
        path = f"/v1/residents/{resident}/records/{record}"
        answer = await client.put(path, json=body, headers=headers)
        if answer.status_code != 200:
            return note
        self._hold(answer, record, version + 1)
        return resident, record, version + 1

    def _hold(
        self, answer: httpx2.Response, record: str | None = None, version: int = 0, key: str = ""
    ) -> None:
        self.history.answers.append(Acknowledged(answer.headers["Audit-Event"], record, version, key))

    async def learn(self, server: "Server") -> None:
        """Repeat every creation whose outcome is unknown, with its key."""
        async with httpx2.AsyncClient(base_url=server.url, timeout=10) as client:
            client.headers["Authorization"] = f"Bearer {self.token}"
            for key in list(self.history.unknown):
                answer = await self.repeat(client, key)
                assert answer.status_code == 201, answer.text

    # --- the checker --------------------------------------------------------------------------

    def check(self) -> int:
        """Demand every promise of the database; return how many answers were checked."""
        chains = check_log(self.owner)
        for held in self.history.answers:
            org, seq, digest = held.receipt.split("/")
            lines = chains.get(org, [])
            assert int(seq) < len(lines), f"no entry for an answer a client holds: {held}"
            assert leaf(lines[int(seq)])[:8].hex() == digest, held
        self._check_changes([json.loads(line)["e"] for lines in chains.values() for line in lines])
        return len(self.history.answers)

    def _check_changes(self, entries: list[dict[str, Any]]) -> None:
        """Every version has exactly one entry and the reverse; no acknowledged version is missing."""
        stored = Stored(self.owner)
        versions = {(r["record_id"], r["version"]) for r in stored.rows("SELECT * FROM record_version")}
        told = [
            (e["obj"]["id"], e["obj"]["ver"])
            for e in entries
            if e["act"] in ("record.create", "record.update", "record.delete") and "chg" in e
        ]
        present = {r["id"]: r["version"] for r in stored.rows("SELECT id, version FROM record")}
        for held in self.history.answers:
            if held.record is not None:
                assert (held.record, held.version) in versions, f"lost: {held}"
        assert set(told) == versions
        assert {(i, n) for i, last in present.items() for n in range(1, last + 1)} == versions
        assert len(told) == len(set(told)), "two entries for one change"
        ids = list(self.history.keys.values())
        assert len(ids) == len(set(ids)), "one key, two effects"


class Server:
    """A server process."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.process, self.url = process, url
        deadline = time.monotonic() + READY_S
        while not self._ready():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(process.communicate()[1].decode()[-2000:])
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return httpx2.get(self.url + "/health/ready", timeout=1).status_code == 200
        except httpx2.HTTPError:
            return False

    def kill(self) -> None:
        """Kill it: no handler runs, nothing is written any more."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


def rounds(ground: Ground, number: int, seed: int, module: str = "app") -> int:
    """Kill a server `number` times, checking after each; return how many answers were checked."""
    chance = random.Random(seed)
    for _ in range(number):
        server = ground.start(module)
        try:
            asyncio.run(ground.learn(server))
            asyncio.run(ground.use(server, 0.2 + chance.random() * 1.3))
        finally:
            server.kill()
        ground.check()
    server = ground.start()
    try:
        asyncio.run(ground.learn(server))
    finally:
        server.kill()
    assert not ground.history.unknown
    return ground.check()


def _free_port() -> int:
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no free port")


def _now() -> str:
    return datetime.now(UTC).isoformat()
