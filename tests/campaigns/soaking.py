"""What some twenty people do all day, over real connections and at a bounded rate: `tests.campaigns.soak`.

Each is a thread with a password, an authenticator and a session of their own. They sign in and out, mistype,
read, list, write, repeat, amend, are refused, and sometimes hang up in the middle. Every request has an id of
this run, and what was told of it is kept, so that the trail can be held against it afterwards. Nothing here
knows the application: the contract's routes, `http.client`, `json` and one-time codes.
"""

import http.client
import json
import random
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyotp

READING = {"resident": 20, "records": 15, "residents": 5, "note": 20, "missing": 2, "foreign": 2}
WRITING = {"create": 14, "repeat": 3, "amend": 8, "stale": 2, "refused": 3, "hang_up": 2}
ACTS = {
    "carer": READING | WRITING,
    "senior_carer": READING | WRITING,
    "nurse": READING | WRITING | {"search": 4},
    "agency_carer": READING | WRITING,
    "kitchen": {"resident": 20, "records": 10, "residents": 5, "refused": 3, "hang_up": 1},
    "registered_manager": READING | WRITING | {"refused": 0, "remove": 3, "alerts": 3, "access_log": 3},
    "auditor": {"events": 50, "access_log": 30, "checkpoint": 15, "refused": 5, "export": 2},
}
LOOKS = {
    "resident": "/v1/residents/{here}",
    "residents": "/v1/residents?limit=20",
    "records": "/v1/residents/{here}/records?limit=10",
    "missing": "/v1/residents/{here}/records/0190a000-0000-7000-8000-0000000000ff",
    "foreign": "/v1/residents/{there}",
    "refused": "/v1/residents/{here}/records?category=finance",
    "alerts": "/v1/alerts?limit=20",
    "access_log": "/v1/residents/{here}/access-log?limit=20",
    "events": "/v1/audit/events?limit=20",
    "checkpoint": "/v1/audit/checkpoint",
    "export": "/v1/audit/export?format=zip&from={since}",
}
EXPECTED = {
    **dict.fromkeys(("create", "repeat", "sign_in"), 201),
    **dict.fromkeys(("remove", "sign_out"), 204),
    **dict.fromkeys(("mistyped", "gone"), 401),
    **dict.fromkeys(("missing", "foreign"), 404),
    "refused": 403,
    "stale": 412,
}
"""How an operation is answered where that is not 200."""
SLOW = ("sign_in", "mistyped", "export", "stream")
"""What has a price of its own - Argon2, a file, a stream - and is no part of the percentiles."""
STAYS_S = (90, 240)
"""How long somebody stays signed in."""
EXPORTED_S = 10
"""How many of the last seconds an export in between is of: the same work from the first hour to the last."""
MOST_SURPRISES = 50
RUN = "soak-"


class Told(NamedTuple):
    """What was told of a request; the status is None when nobody waited for the answer."""

    op: str
    status: int | None = None
    receipt: str | None = None


class Ledger:
    """What everybody asked and was told, by request id."""

    def __init__(self) -> None:
        self.told: dict[str, Told] = {}
        self.surprises: list[str] = []
        self._took: list[float] = []
        self._lock = threading.Lock()

    def answered(self, rid: str, told: Told, took_ms: float) -> None:
        """Note what was told, and how long it took."""
        self.told[rid] = told
        if told.op not in SLOW:
            with self._lock:
                self._took.append(took_ms)
        if told.status != EXPECTED.get(told.op, 200):
            self.surprise(f"{told.op}: {told.status}, {rid}")

    def surprise(self, what: str) -> None:
        """Note what should not have happened."""
        if len(self.surprises) < MOST_SURPRISES:
            self.surprises.append(what)

    def interval(self) -> list[float]:
        """Return the milliseconds of all answers since the last call."""
        with self._lock:
            took, self._took = self._took, []
        return took


class Note(NamedTuple):
    """A note of somebody's own."""

    path: str
    version: int


@dataclass
class Account:
    """Somebody who can sign in, and whom they have to do with."""

    username: str
    password: str
    totp_secret: str
    role: str
    residents: list[str]
    elsewhere: list[str]


@dataclass
class Plan:
    """What all of them share; the rate is of each, a second."""

    seed: int
    rate: float
    port: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    stopping: threading.Event = field(default_factory=threading.Event)


class User(threading.Thread):
    """Somebody at work until told to stop."""

    def __init__(self, plan: Plan, number: int, account: Account) -> None:
        super().__init__(name=f"user-{number}")
        self.account, self._plan, self._number, self._ledger = account, plan, number, plan.ledger
        self._random = random.Random(f"{plan.seed} {number}")
        self._connection = http.client.HTTPConnection("127.0.0.1", plan.port, timeout=30)
        self._token = ""
        self._asked = self._last_step = 0
        self._notes: deque[Note] = deque(maxlen=50)
        self._created: tuple[str, Any, dict[str, str], str] | None = None

    def run(self) -> None:
        """Sign in, work for a while, sign out; again and again."""
        stays = self._random.uniform(20, STAYS_S[1])  # not all at once
        try:
            while not self._plan.stopping.is_set():
                self.sign_in()
                self._work(time.monotonic() + stays)
                self.sign_out()
                stays = self._random.uniform(*STAYS_S)
        except Exception as defect:
            self._ledger.surprise(f"{self.name} gave up: {defect!r}")
            raise

    def _work(self, until: float) -> None:
        acts = ACTS[self.account.role]
        due = time.monotonic() + self._random.random() / self._plan.rate
        while time.monotonic() < until and not self._plan.stopping.wait(max(0.0, due - time.monotonic())):
            [act] = self._random.choices(list(acts), list(acts.values()))
            self._look(act) if act in LOOKS else getattr(self, "_" + act)()
            due = max(due + self._random.uniform(0.5, 1.5) / self._plan.rate, time.monotonic() - 1)

    def sign_in(self) -> None:
        """Sign in with a code not used yet, perhaps after a wrong password."""
        names = {"username": self.account.username, "password": self.account.password}
        if self._random.random() < 0.1:
            self.send("mistyped", "POST", "/v1/sessions", names | {"password": "not this one at all"})
        while (step := int(time.time()) // 30) <= self._last_step:
            time.sleep(0.2)
        self._last_step = step
        names["otp"] = pyotp.TOTP(self.account.totp_secret).at(step * 30)
        signed_in = self.send("sign_in", "POST", "/v1/sessions", names)
        self._token = signed_in["access_token"] if signed_in else ""

    def sign_out(self) -> None:
        """Sign out, and find that the token opens nothing any more."""
        self.send("sign_out", "DELETE", "/v1/sessions/current")
        self.send("gone", "GET", "/v1/users/me")
        self._token = ""
        self._connection.close()

    def _look(self, act: str) -> None:
        here, there = (self._random.choice(ids) for ids in (self.account.residents, self.account.elsewhere))
        since = f"{datetime.now(UTC) - timedelta(seconds=EXPORTED_S):%Y-%m-%dT%H:%M:%SZ}"
        self.send(act, "GET", LOOKS[act].format(here=here, there=there, since=since))

    def _search(self) -> None:
        self.send("search", "POST", "/v1/residents/search", {"family_name": "Marlow7"})

    def _records(self) -> str:
        return f"/v1/residents/{self._random.choice(self.account.residents)}/records"

    def _create(self) -> None:
        path, word = self._records(), f"word-{self._number}-{self._asked}"
        body, key = {"category": "daily_note", **_written(word)}, {"Idempotency-Key": word}
        if made := self.send("create", "POST", path, body, key):
            self._created = path, body, key, made["id"]
            self._notes.append(Note(f"{path}/{made['id']}", 1))

    def _repeat(self) -> None:
        if self._created is not None:
            path, body, key, was = self._created
            told = self.send("repeat", "POST", path, body, key)
            if told and told["id"] != was:
                self._ledger.surprise("repeat: made another record")

    def _note(self) -> None:
        if self._notes:
            note = self._random.choice(self._notes)
            told = self.send("note", "GET", note.path)
            if told and told["version"] != note.version:
                self._ledger.surprise(f"note: version {told['version']} instead of {note.version}")

    def _amend(self) -> None:
        if self._notes:
            note = self._notes.popleft()
            if told := self._amended("amend", note, note.version):
                self._notes.append(note._replace(version=told["version"]))

    def _stale(self) -> None:
        for note in [one for one in self._notes if one.version > 1][:1]:
            self._amended("stale", note, note.version - 1)

    def _amended(self, op: str, note: Note, version: int) -> Any:
        body = {"amendment_reason": "it was wrong", **_written(f"amended by {self._number}")}
        return self.send(op, "PUT", note.path, body, {"If-Match": f'"{version}"'})

    def _remove(self) -> None:
        if self._notes:
            note = self._notes.popleft()
            headers = {"If-Match": f'"{note.version}"', "Audit-Reason": "wrong%20resident"}
            self.send("remove", "DELETE", note.path, None, headers)

    def _hang_up(self) -> None:
        """Break off: in the head of a request, in its body, before its answer, or in the middle of that."""
        where = self._random.choice(("head", "body", "waiting", "answer"))
        line = f"POST {self._records()}" if where == "body" else f"GET {self._records()}?limit=100"
        headers = {"Host": "caretrail", **self.headers("hang_up")}
        if where == "body":
            headers |= {"Content-Type": "application/json", "Content-Length": "300"}
        lines = [f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "\r\n"]
        head = "\r\n".join(lines).encode()
        with socket.create_connection(("127.0.0.1", self._plan.port), 30) as wire:
            wire.sendall(head[: len(head) // 2] if where == "head" else head)
            if where == "body":
                wire.sendall(b'{"category":')
            elif where == "answer":
                wire.recv(100)
            else:  # closing is a reset, not a polite end
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def headers(self, op: str) -> dict[str, str]:
        """Return the headers of the next request, which is noted before it is sent."""
        self._asked += 1
        rid = f"{RUN}{self._number}-{self._asked}"
        self._ledger.told[rid] = Told(op)
        return {"X-Request-ID": rid, **({"Authorization": f"Bearer {self._token}"} if self._token else {})}

    def send(self, op: str, method: str, path: str, body: Any = None, more: Mapping[str, str] = {}) -> Any:
        """Ask, note what was told, and return it if that was JSON and as it should be."""
        headers = self.headers(op) | dict(more)
        if body is not None:
            headers["Content-Type"] = "application/json"
        began = time.perf_counter()
        try:
            self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = self._connection.getresponse()
            told = answer.read()
        except (OSError, http.client.HTTPException) as lost:
            self._connection.close()
            return self._ledger.surprise(f"{op}: no answer, {type(lost).__name__}")
        outcome = Told(op, answer.status, answer.headers["Audit-Event"])
        self._ledger.answered(headers["X-Request-ID"], outcome, (time.perf_counter() - began) * 1000)
        is_json = answer.status < 300 and answer.headers["Content-Type"] == "application/json"
        return json.loads(told) if is_json else None


class Listener(User):
    """A manager with the alert stream open, to the end that was asked for or until they hang up."""

    def _work(self, until: float) -> None:
        while time.monotonic() < until and not self._plan.stopping.is_set():
            seconds = self._random.randrange(10, 60)
            if self._random.random() < 0.7:
                self.send("stream", "GET", f"/v1/alerts/stream?seconds={seconds}")
                continue
            self._connection.request("GET", "/v1/alerts/stream", headers=self.headers("stream_left"))
            self._connection.getresponse().read1(100)
            self._plan.stopping.wait(seconds)
            self._connection.close()


def _written(text: str) -> dict[str, Any]:
    return {"occurred_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "body": {"text": text}}
