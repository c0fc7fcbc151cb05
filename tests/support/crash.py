"""What a client was told, held against what the database holds after the crash.

`tests.support.crash_client` writes the history, `check_log` reads the database; neither shares code with
the application. P1: every answer has its entry, at its receipt, telling of what was shown. P2: every
version has one entry. P3: what was answered `audit-unavailable` was not done. P4: every acknowledged
change is there, and repeating one whose outcome is unknown, with its key, has one effect.
"""

import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from app.access.visit import System
from app.residents.admission import AdmitResident
from tests.support.check_log import Entry, Findings
from tests.support.forking import ROOT
from tests.support.served import Database
from tests.support.server_process import Scene, ServerProcess

ACTS = {
    "create": "record.create",
    "amend": "record.update",
    "remove": "record.delete",
    "read": "record.read",
    "missing": "record.read",
    "list": "record.list",
    "forbidden": "record.list",
}
CHANGES = ("create", "amend", "remove")
USERS = 12


@dataclass
class Asked:
    """One request, and what was told of it; `status` is None when no answer came."""

    n: int
    ask: dict[str, Any]
    status: int | None = None
    receipt: str | None = None
    payload: Any = None

    @property
    def op(self) -> str:
        """Return what kind of request it was."""
        return str(self.ask["op"])

    @property
    def unknown(self) -> bool:
        """Say whether a change may have been made or not."""
        lost = self.status is None or (self.status == 503 and "outcome-unknown" in self.payload["type"])
        return lost and self.op in CHANGES

    @property
    def done(self) -> bool:
        """Say whether it was acknowledged."""
        return self.status is not None and self.status < 300


@dataclass
class Chronicle:
    """The history of one client."""

    asked: dict[int, Asked] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Chronicle":
        """Return what stands on disk."""
        chronicle = cls()
        for line in path.read_text().splitlines():
            told = json.loads(line)
            if "ask" in told:
                chronicle.asked[told["ask"]] = Asked(told["ask"], told)
            else:
                asked = chronicle.asked[told["answer"]]
                asked.status, asked.receipt = told["status"], told["receipt"]
                asked.payload = told["payload"]
        return chronicle

    @property
    def answers(self) -> list[Asked]:
        """Return what was answered."""
        return [one for one in self.asked.values() if one.status is not None]


class Ward(Scene):
    """A scene with a resident, a nurse who writes of them and a manager who removes."""

    def __init__(self, database: Database, folder: Path) -> None:
        super().__init__(database, folder)
        people = {
            "nurse": self.world.person("nurse"),
            "manager": self.world.person("registered_manager", None),
        }
        self.tokens = {name: self.token(person) for name, person in people.items()}
        identity, born = {"given_name": "Ada", "family_name": "Marlow"}, {"date_of_birth": "1940-01-01"}
        work = AdmitResident(self.world.home, None, None, identity, born, "2026-01-01")
        admitted = self.world.answer(work, "POST /v1/residents", System("cli", self.world.org))
        self.resident = str(admitted.payload["id"])


# --- the client --------------------------------------------------------------------------------------


@dataclass
class Client:
    """A client process and the file it writes."""

    process: subprocess.Popen[bytes]
    history: Path

    @classmethod
    def start(cls, ward: "Ward", server: ServerProcess, run: str, seconds: float) -> "Client":
        """Start one; it uses the server for so long, or until nobody listens."""
        history = ward.folder / f"history-{run}.jsonl"
        plan = {
            "port": server.port,
            "tokens": ward.tokens,
            "resident": ward.resident,
            "seed": run,
            "run": run,
            "users": USERS,
            "seconds": seconds,
            "history": str(history),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crash_client"], cwd=ROOT, stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(plan).encode())
        process.stdin.close()
        return cls(process, history)

    def wait_for_answers(self, count: int) -> None:
        """Wait until so many answers stand on disk."""
        deadline = time.monotonic() + 30
        while not self.history.exists() or self.history.read_bytes().count(b'{"answer"') < count:
            assert time.monotonic() < deadline, "the client gets no answers"
            time.sleep(0.02)

    def finish(self) -> Chronicle:
        """Wait for its end and return what it wrote."""
        self.process.wait(60)
        return Chronicle.read(self.history)

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self.process.kill()
        self.process.wait()


# --- the checker -------------------------------------------------------------------------------------


def compare(chronicle: Chronicle, findings: Findings) -> list[str]:
    """Return every promise that was broken."""
    by_request = findings.by_request()
    problems = list(findings.problems)
    for asked in chronicle.asked.values():
        entries = by_request.get(asked.ask["rid"], [])
        if len(entries) > 1:
            problems.append(f"{asked.n} {asked.op}: {len(entries)} entries for one request")
        for problem in _wrong(asked, entries, findings):
            problems.append(f"{asked.n} {asked.op} ({asked.status}): {problem}")
    receipts = Counter(one.receipt for one in chronicle.answers if one.receipt)
    problems += [f"the receipt {receipt} was given {n} times" for receipt, n in receipts.items() if n > 1]
    return problems


def _wrong(asked: Asked, entries: list[Entry], findings: Findings) -> list[str]:
    if asked.status is None:
        return []
    if asked.status == 503:
        done = entries and "audit-unavailable" in asked.payload["type"]
        return ["told that nothing was done, but it was"] if done else []
    if asked.status >= 500:
        return ["an error of ours"]
    if not entries or entries[0].receipt != asked.receipt:
        return [f"no entry at the receipt {asked.receipt}: P1"]
    return _told_otherwise(asked, entries[0], findings)


def _told_otherwise(asked: Asked, entry: Entry, findings: Findings) -> list[str]:
    """Return where the entry tells something else than the client was told."""
    e, described, problems = entry.e, entry.e.get("obj", {}), []
    out = "ok" if asked.done else {"forbidden": "deny"}.get(asked.op, "fail")
    if (e["act"], e["out"]) != (ACTS[asked.op], out):
        problems.append(f"its entry says {e['act']} {e['out']}")
    if asked.done and asked.ask["path"].split("/")[3] not in e.get("subs", ()):
        problems.append("its entry does not name the resident")
    if ("state" in e) != (asked.done and asked.op in CHANGES):
        problems.append("its entry tells of a change and there was none, or the reverse")
    if asked.done and asked.op == "list" and e.get("n") != len(asked.payload["items"]):
        problems.append("its entry counts otherwise")
    if asked.done and asked.op in ("create", "amend", "read"):
        shown = (asked.payload["id"], asked.payload["version"])
        if shown != (described.get("id"), described.get("ver")):
            problems.append(f"its entry tells of {described}")
        if shown not in findings.versions:
            problems.append(f"{shown} was shown and is not there: P4")
    if (
        asked.done
        and asked.op == "remove"
        and (asked.ask["record"], asked.ask["was"] + 1) not in (findings.versions)
    ):
        problems.append("the removal is not there: P4")
    return problems


# --- after the restart -----------------------------------------------------------------------------------


class Survivor:
    """The same client after the crash: it repeats, with the same keys, what it is not sure of."""

    def __init__(self, ward: Ward, server: ServerProcess) -> None:
        self._client = server.client()
        self._tokens = ward.tokens
        self._base = f"/v1/residents/{ward.resident}/records"

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def repeat(self, asked: Asked) -> httpx2.Response:
        """Send a request once more, byte for byte, under its own key."""
        ask = asked.ask
        headers = ask["headers"] | {"Authorization": f"Bearer {self._tokens[ask['by']]}"}
        content = json.dumps(ask["body"]) if ask["body"] is not None else None
        return self._client.request(ask["method"], ask["path"], content=content, headers=headers)

    def _get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self._tokens['manager']}"}
        return self._client.get(self._base + path, headers=headers).json()

    def settle(self, chronicle: Chronicle, sample: int = 10) -> list[str]:
        """Repeat all changes of unknown outcome and some acknowledged ones; return what went wrong."""
        problems = []
        changes = [one for one in chronicle.asked.values() if one.op in CHANGES]
        for asked in [one for one in changes if one.unknown]:
            answer = self.repeat(asked)
            asked.status, asked.receipt = answer.status_code, answer.headers.get("Audit-Event")
            asked.payload = answer.json() if answer.content else None
            if not asked.done:
                problems.append(f"{asked.n} {asked.op}: repeated with its key: {answer.status_code}")
        removed = {one.ask["record"] for one in changes if one.op == "remove" and one.done}
        for asked in [one for one in changes if one.done][-sample:]:
            again = self.repeat(asked)
            told = again.json() if again.content else None
            if asked.op != "remove" and asked.payload["id"] in removed:
                # entered in error since: the nurse who wrote it may not see such records
                as_due = again.status_code == 404 and asked.ask["word"] not in again.text
            else:
                as_due = (again.status_code, told) == (asked.status, asked.payload)
            if not as_due:
                differ = f"{again.status_code} {told} after {asked.status} {asked.payload}"
                problems.append(f"{asked.n} {asked.op}: repeated with its key, another answer: {differ}")
        return problems

    def effects(self, chronicle: Chronicle) -> list[str]:
        """Read everything that was written and return what is missing, doubled or half there."""
        problems = []
        written: dict[str, dict[int, str]] = {}
        for asked in chronicle.asked.values():
            if asked.done and asked.op in ("create", "amend"):
                written.setdefault(asked.payload["id"], {})[asked.payload["version"]] = asked.ask["word"]
        for record, words in written.items():
            items = self._get(f"/{record}/versions?include=entered-in-error").get("items", ())
            found = {one["version"]: one["body"]["text"] for one in items}
            if any(found.get(version) != word for version, word in words.items()):
                problems.append(f"{record}: {words} was written, {found} is there")
        told = [word for words in written.values() for word in words.values()]
        present = Counter(self._texts())
        problems += [f"{word} stands {present[word]} times" for word in told if present[word] > 1]
        return problems

    def _texts(self) -> list[str]:
        texts: list[str] = []
        cursor = ""
        while True:
            page = self._get(f"?category=daily_note&limit=200&include=entered-in-error{cursor}")
            texts += [one["body"]["text"] for one in page["items"]]
            if page["next_cursor"] is None:
                return texts
            cursor = f"&cursor={page['next_cursor']}"
