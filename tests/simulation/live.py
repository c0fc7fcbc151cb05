"""Time to alert: misuse over HTTP against a server process, and how long until there is an alert.

The time runs from the answer to the request that completed what the rule looks for - its entry is committed
then - to when the alert's row is there to be read, and to when it comes down the stream.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import httpx2
import orjson
from sqlalchemy import Connection, select

from app.alerts.table import alert
from app.audit.table import event
from tests.simulation.misusing import TOLD_BY
from tests.support.server_process import Scene, ServerProcess
from tests.support.world import Person

PATIENCE_S = 30.0
POLL_S = 0.02


class Trial(NamedTuple):
    """One misuse, and after how many seconds it was told; None: not within half a minute."""

    kind: str
    row_s: float | None
    stream_s: float | None


class Live:
    """A server process, somebody who listens, and those who misuse it."""

    def __init__(self, scene: Scene, server: ServerProcess) -> None:
        self.scene, self.world = scene, scene.world
        self._client = server.client()
        self._numbers = count()
        self._answered: dict[str, float] = {}
        self._told: list[tuple[str, float]] = []
        self._over = threading.Event()
        self._known: set[tuple[str, int]] = set()
        manager = self.person("registered_manager", home=None)
        self._listening = threading.Thread(target=self._listen, args=(server, self.scene.token(manager)))
        self._listening.start()

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        self._listening.join(60)
        assert not self._listening.is_alive(), "the listener did not stop"
        self._client.close()

    # --- acting -----------------------------------------------------------------------------------

    def person(self, role: str, **more: Any) -> Person:
        """Return somebody new, with a session that begins now."""
        self.world.clock.advance(datetime.now(UTC) - self.world.now)
        return self.world.person(role, **more)

    def ask(self, method: str, path: str, who: Person | str | None = None, **options: Any) -> httpx2.Response:
        """Send a request and note when it was answered."""
        request = f"live-{next(self._numbers)}"
        headers = {"X-Request-ID": request} | options.pop("headers", {})
        if who is not None:
            token = who if isinstance(who, str) else self.scene.token(who)
            headers["Authorization"] = f"Bearer {token}"
        answer = self._client.request(method, path, headers=headers, **options)
        self._answered[request] = time.monotonic()
        return answer

    def sign_in(self, person: Person, password: str | None = None, **more: Any) -> httpx2.Response:
        """Try to sign in."""
        body = {"username": person.username, "password": password or person.password} | more
        return self.ask("POST", "/v1/sessions", json=body)

    # --- listening --------------------------------------------------------------------------------

    def _listen(self, server: ServerProcess, token: str) -> None:
        """Note when each alert comes down the stream, until told to stop."""
        headers = {"Authorization": f"Bearer {token}"}
        client = httpx2.Client(base_url=server.url, timeout=httpx2.Timeout(30))
        with client, client.stream("GET", "/v1/alerts/stream", headers=headers) as answer:
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    shown = orjson.loads(line[5:])
                    found = shown.get("alert", shown).get("id")
                    self._told.append((str(found), time.monotonic()))
                if self._over.is_set():
                    return

    def _alerts(self) -> list[Any]:
        query = select(alert.c.id, alert.c.findings, alert.c.rule, alert.c.entries).where(
            alert.c.org == self.world.org
        )
        found: list[Any] = self.world.looking(lambda connection: connection.execute(query).all())
        return found

    def trial(self, kind: str, misuse: Callable[["Live"], None]) -> Trial:
        """Do a misuse and wait until a rule meant for it tells of it."""
        misuse(self)
        last = time.monotonic()
        while time.monotonic() - last < PATIENCE_S:
            for row in self._alerts():
                if (row.id, row.findings) not in self._known and row.rule in TOLD_BY[kind]:
                    seen = time.monotonic()
                    completed = self._completed(orjson.loads(row.entries)) or last
                    self._known |= {(one.id, one.findings) for one in self._alerts()}
                    return Trial(kind, seen - completed, self._streamed(row.id, completed))
            time.sleep(POLL_S)
        return Trial(kind, None, None)

    def _completed(self, places: list[Any]) -> float | None:
        """Return when the request was answered whose entry is the last an alert rests on."""
        org, seq = places[-1]

        def look(connection: Connection) -> bytes:
            query = select(event.c.line).where(event.c.org == org, event.c.seq == seq)
            return bytes(connection.execute(query).scalar_one())

        entry = orjson.loads(self.world.looking(look))["e"]
        return self._answered.get(entry.get("src", {}).get("rid", ""))

    def _streamed(self, alert_id: str, completed: float) -> float | None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for told, at in list(self._told):
                if told == alert_id and at > completed:
                    return at - completed
            time.sleep(POLL_S)
        return None
