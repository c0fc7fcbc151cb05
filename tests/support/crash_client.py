"""A client in a process of its own that writes down what it asks and what it is told, as it happens.

`python -m tests.support.crash_client` reads a plan (JSON) from standard input and uses a server from
several threads until its time is over or nobody listens any more. Each line of its history stands on
disk before the next thing is done, so that what an answer told is known whatever happens to the server.
Nothing here knows the application: the contract's routes, `http.client` and `json`.
"""

import http.client
import json
import os
import random
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

Note = tuple[str, int]
"""A note of this thread's own: its id and its newest version."""


class Paper:
    """The history, one JSON object a line, on disk when `write` returns."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._lock = threading.Lock()
        self._asked = 0

    def ask(self, ask: dict[str, Any]) -> int:
        """Write down what is about to be asked; return its number."""
        with self._lock:
            self._asked += 1
            number = self._asked
        self.write({"ask": number} | ask)
        return number

    def write(self, told: dict[str, Any]) -> None:
        """Write a line and wait until the disk has it."""
        os.write(self._file, json.dumps(told).encode() + b"\n")
        os.fsync(self._file)


class User(threading.Thread):
    """One connection, and the notes written over it."""

    def __init__(self, plan: dict[str, Any], number: int, paper: Paper) -> None:
        super().__init__()
        self._plan = plan
        self._paper = paper
        self._random = random.Random(f"{plan['seed']} {number}")
        self._name = f"{plan['run']}x{number}"
        self._written = 0
        self._notes: list[Note] = []
        self._until = time.monotonic() + plan["seconds"]
        self._connection = http.client.HTTPConnection("127.0.0.1", plan["port"], timeout=15)

    def run(self) -> None:
        """Ask for something, again and again."""
        kinds = {"create": 8, "amend": 6, "read": 8, "list": 3, "forbidden": 2, "missing": 1, "remove": 1}
        while time.monotonic() < self._until:
            kind = self._random.choices(list(kinds), list(kinds.values()))[0]
            try:
                getattr(self, "_" + kind)()
            except ConnectionRefusedError:
                return
            except (OSError, http.client.HTTPException):
                self._connection.close()

    # --- what is asked --------------------------------------------------------------------------

    def _word(self) -> str:
        self._written += 1
        return f"word-{self._name}-{self._written}"

    def _records(self) -> str:
        return f"/v1/residents/{self._plan['resident']}/records"

    def _create(self) -> None:
        word = self._word()
        body = {"category": "daily_note", "occurred_at": _now(), "body": {"text": word}}
        status, told = self._send("create", "POST", self._records(), body, key=word, word=word)
        if status == 201:
            self._notes.append((told["id"], 1))

    def _amend(self) -> None:
        note = self._take()
        if note is None:
            return
        word = self._word()
        body = {"occurred_at": _now(), "body": {"text": word}, "amendment_reason": "it was wrong"}
        path = f"{self._records()}/{note[0]}"
        known = {"record": note[0], "was": note[1], "word": word}
        status, told = self._send("amend", "PUT", path, body, key=word, **known)
        if status == 200:
            self._notes.append((note[0], told["version"]))

    def _remove(self) -> None:
        note = self._take()
        if note is not None:
            path = f"{self._records()}/{note[0]}"
            self._send("remove", "DELETE", path, None, key=self._word(), record=note[0], was=note[1])

    def _take(self) -> Note | None:
        """Take a note in hand; it is laid back only when it is known what became of it."""
        return self._notes.pop(self._random.randrange(len(self._notes))) if self._notes else None

    def _read(self) -> None:
        if self._notes:
            note = self._random.choice(self._notes)
            self._send("read", "GET", f"{self._records()}/{note[0]}", None, record=note[0])

    def _list(self) -> None:
        self._send("list", "GET", f"{self._records()}?limit=5", None)

    def _forbidden(self) -> None:
        self._send("forbidden", "GET", f"{self._records()}?category=finance", None)

    def _missing(self) -> None:
        nowhere = "0190a000-0000-7000-8000-0000000000ff"
        self._send("missing", "GET", f"{self._records()}/{nowhere}", None, record=nowhere)

    # --- how ------------------------------------------------------------------------------------

    def _send(
        self, op: str, method: str, path: str, body: Any, *, key: str = "", **known: Any
    ) -> tuple[int, Any]:
        headers = {"Idempotency-Key": key} if key else {}
        if "was" in known:
            headers["If-Match"] = f'"{known["was"]}"'
        if op == "remove":
            headers["Audit-Reason"] = "wrong%20resident"
        if body is not None:
            headers["Content-Type"] = "application/json"
        by, rid = (
            "manager" if op == "remove" else "nurse",
            f"r-{self._name}-{self._random.randrange(1 << 60):x}",
        )
        ask = {"op": op, "by": by, "method": method, "path": path, "body": body, "headers": headers}
        number = self._paper.ask(ask | known | {"rid": rid})
        content = json.dumps(body) if body is not None else None
        own = {"X-Request-ID": rid, "Authorization": f"Bearer {self._plan['tokens'][by]}"}
        self._connection.request(method, path, content, headers | own)
        answer = self._connection.getresponse()
        payload = json.loads(answer.read() or b"null")
        told = {"answer": number, "status": answer.status, "receipt": answer.headers["Audit-Event"]}
        self._paper.write(told | {"payload": payload})
        if answer.status == 503:
            time.sleep(0.1)  # not as patient as Retry-After asks, but no storm
        return answer.status, payload


def _now() -> str:
    return datetime.now(UTC).isoformat()


def main() -> None:
    """Use a server as the plan says."""
    plan = json.load(sys.stdin)
    paper = Paper(plan["history"])
    users = [User(plan, n, paper) for n in range(plan["users"])]
    for user in users:
        user.start()
    for user in users:
        user.join()


if __name__ == "__main__":
    main()
