"""The main job against a running server: from a carer's sign-in to a verified export.

    .venv/bin/caretrail demo &                         # writes caretrail-data/demo.json
    .venv/bin/python -m tests.walkthrough caretrail-data/demo.json RESIDENT_ID

RESIDENT_ID is a resident at the first home with a recorded medication, for example the one that
`caretrail import fhir` reports. Each step says what it did; the first surprise ends the walk.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.parse
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pyotp

VERIFIER = Path(__file__).parents[1] / "app" / "audit" / "verify.py"
STEP_S = 30


@dataclass
class Walk:
    """A walk through a running service with the people of `demo.json`."""

    demo: dict[str, Any]
    resident: str
    client: httpx2.Client = field(init=False)
    receipts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = httpx2.Client(base_url=self.demo["url"], timeout=30)

    def sign_in(self, role: str) -> dict[str, str]:
        """Sign in as the demo's person of a role.

        Each one-time code works once, and somebody may have used the present one: then wait for a fresh one.
        """
        user = next(u for u in self.demo["users"] if u["role"] == role)
        answer = self.present_code(user)
        if answer.status_code == 401 and answer.json()["type"] == "/problems/otp-required":
            time.sleep(STEP_S - time.time() % STEP_S)
            answer = self.present_code(user)
        assert answer.status_code == 201, answer.text
        print(f"signed in as {role}")
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def present_code(self, user: dict[str, Any]) -> httpx2.Response:
        """Sign in with the code of this half minute."""
        body = {"username": user["username"], "password": user["password"]}
        return self.client.post("/v1/sessions", json=body | {"otp": pyotp.TOTP(user["totp_secret"]).now()})

    def call(self, method: str, path: str, who: dict[str, str], expect: int, **more: Any) -> httpx2.Response:
        """Make a call, expect a status and an entry, and keep the receipt."""
        headers = who | more.pop("headers", {})
        answer = self.client.request(method, path, headers=headers, **more)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}"
        self.receipts.append(answer.headers["Audit-Event"])
        print(f"{method} {path.split('?', maxsplit=1)[0]} -> {expect}  {self.receipts[-1]}")
        return answer

    @property
    def records(self) -> str:
        """Where the resident's records are."""
        return f"/v1/residents/{self.resident}/records"

    def carer_writes_a_note(self) -> str:
        """Read the resident, write a note, amend it, fail at medication. Returns the note's id."""
        carer = self.sign_in("carer")
        shown = self.call("GET", f"/v1/residents/{self.resident}", carer, 200).json()
        assert "identifiers" in shown
        note = self.call("POST", self.records, carer, 201, json=self.note("Slept well.")).json()
        amended = self.amendment("Slept well, woke once.", "left out a detail")
        path = f"{self.records}/{note['id']}"
        self.call("PUT", path, carer, 200, json=amended, headers={"If-Match": '"1"'})
        self.call("GET", f"{self.records}?category=medication", carer, 403)
        self.call("GET", f"{self.records}/{self.medication()}", carer, 404)
        return str(note["id"])

    def senior_amends_it(self, note: str) -> None:
        """The senior carer amends the carer's note."""
        senior = self.sign_in("senior_carer")
        amended = self.amendment("Slept well, woke at 3.", "time added at handover")
        self.call("PUT", f"{self.records}/{note}", senior, 200, json=amended, headers={"If-Match": '"2"'})

    def medication(self) -> str:
        """Return the id of a medication, as the nurse sees it."""
        nurse = self.sign_in("nurse")
        found = self.call("GET", f"{self.records}?category=medication", nurse, 200).json()["items"]
        assert found, "the resident has no medication: import one or choose another resident"
        return str(found[0]["id"])

    def kitchen_sees_what_it_must(self) -> None:
        """The kitchen sees who it is, allergies and diet: no date of birth, no NHS number, no notes."""
        kitchen = self.sign_in("kitchen")
        shown = self.call("GET", f"/v1/residents/{self.resident}", kitchen, 200).json()
        assert "identifiers" not in shown
        assert shown["identity"]["family_name"]
        listed = self.call("GET", f"{self.records}?limit=200", kitchen, 200).json()["items"]
        assert {item["category"] for item in listed} <= {"allergy", "diet"}
        self.call("GET", f"{self.records}?category=daily_note", kitchen, 403)

    def manager_deletes_it(self, note: str) -> None:
        """The registered manager marks the note as entered in error, with a reason."""
        manager = self.sign_in("registered_manager")
        path = f"{self.records}/{note}"
        self.call("DELETE", path, manager, 422, headers={"If-Match": '"3"'})
        reason = urllib.parse.quote("written for the wrong resident")
        headers = {"If-Match": '"3"', "Audit-Reason": reason}
        self.call("DELETE", path, manager, 204, headers=headers)
        self.call("GET", path, manager, 404)
        kept = self.call("GET", f"{path}/versions?include=entered-in-error", manager, 200).json()["items"]
        assert [4, 3, 2, 1] == [version["version"] for version in kept]

    def auditor_verifies(self) -> None:
        """The auditor exports the trail and checks it offline; every receipt of this walk is in it."""
        auditor = self.sign_in("auditor")
        self.call("GET", f"/v1/residents/{self.resident}", auditor, 403)
        self.call("GET", f"/v1/residents/{self.resident}/access-log", auditor, 200)
        before = len(self.receipts)
        exported = self.call("GET", "/v1/audit/export?format=zip", auditor, 200)
        with tempfile.TemporaryDirectory() as folder:
            archive = Path(folder) / "export.zip"
            archive.write_bytes(exported.content)
            command = [sys.executable, "-I", str(VERIFIER), str(archive), "--key", self.demo["verifier_key"]]
            checked = subprocess.run(command, capture_output=True, text=True, check=False)
            print(checked.stdout)
            assert checked.returncode == 0, checked.stdout + checked.stderr
            self.find_receipts(archive, self.receipts[:before])

    def find_receipts(self, archive: Path, receipts: list[str]) -> None:
        """Every receipt names a line of the export by its leaf."""
        import hashlib
        import zipfile

        with zipfile.ZipFile(archive) as export:
            lines = export.read("events.jsonl").splitlines()
        leaves = [hashlib.sha256(b"\0" + line).hexdigest()[:16] for line in lines]
        for receipt in receipts:
            _, seq, leaf = receipt.split("/")
            assert leaves[int(seq)] == leaf, receipt
        print(f"{len(receipts)} receipts found in {len(lines)} lines")

    def note(self, text: str) -> dict[str, Any]:
        """Return a daily note of this moment."""
        return {"category": "daily_note", "occurred_at": now(), "body": {"text": text}}

    def amendment(self, text: str, reason: str) -> dict[str, Any]:
        """Return the next version of a note."""
        return {"occurred_at": now(), "body": {"text": text}, "amendment_reason": reason}

    def go(self) -> None:
        """Walk."""
        with self.client:
            note = self.carer_writes_a_note()
            self.senior_amends_it(note)
            self.kitchen_sees_what_it_must()
            self.manager_deletes_it(note)
            self.auditor_verifies()


def now() -> str:
    """Return the present instant as a client would send it."""
    return datetime.now(UTC).isoformat()


if __name__ == "__main__":
    Walk(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2]).go()
    print("done")
