"""P8 for what has no room for a planted word: numbers, dates, secrets and codes, in a real process.

The server runs at its finest log level and is killed in the end, so that write-ahead logs lie there as a
thief would find them. A number in a readable column must be found by the same search.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pyotp
import pytest
from sqlalchemy import create_engine, text

from tests.conformance.plaintext import files_below, hits, postgresql_url  # noqa: F401 - a fixture
from tests.support.cast import nhs_number
from tests.support.crash import Ward
from tests.support.served import Database
from tests.support.server_process import ServerProcess

CONTROL = "unit 7319846205"
BORN, BORN_AFTER = "1887-11-23", "1886-10-19"
PHONE, ROOM, AMOUNT = "07700 900482", "room 90417735", "7319820465.46"
NEW_PASSWORD = "seven slow barges under Foxton"


@pytest.fixture
def ward(each_database: Database, tmp_path: Path) -> Iterator[Ward]:
    """A deployment on each of the two databases."""
    with Ward(each_database, tmp_path) as ward:
        yield ward


class Planting:
    """Sends values over HTTP and remembers those that nobody may find."""

    def __init__(self, ward: Ward, server: ServerProcess) -> None:
        self.ward = ward
        self.client = server.client()
        self.planted: list[str] = []

    def send(self, method: str, path: str, body: Any, token: str, **headers: str) -> Any:
        """Send a request that must succeed and return the answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer: httpx2.Response = self.client.request(
            method, path, json=body, headers=named | {"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def resident(self) -> None:
        """Admit, amend and look for somebody with numbers of their own; write records with numbers."""
        manager = self.ward.tokens["manager"]
        numbers = nhs_number(4711), nhs_number(4712)
        self.planted += [*numbers, BORN, BORN_AFTER, PHONE, ROOM, AMOUNT]
        body = {
            "home_id": self.ward.world.home,
            "room": ROOM,
            "unit": CONTROL,
            "identity": {"given_name": "Ida", "family_name": "Hale"},
            "identifiers": {"date_of_birth": BORN, "nhs_number": numbers[0]},
            "admitted_on": "2026-01-01",
        }
        made = self.send("POST", "/v1/residents", body, manager, Idempotency_Key="admission")
        path = f"/v1/residents/{made['id']}"
        patch = {"identifiers": {"date_of_birth": BORN_AFTER, "nhs_number": numbers[1]}}
        self.send("PATCH", path, patch, manager, If_Match='"1"', Audit_Reason=f"was%20{numbers[0]}")
        self.send("POST", "/v1/residents/search", {"nhs_number": numbers[1]}, manager)
        contact = {"name": "Jo", "relationship": "son", "phone": PHONE, "next_of_kin": True}
        when = {"occurred_at": "2026-03-01T10:00:00Z"}
        bodies = {
            "contacts": contact | {"lasting_power_of_attorney": False},
            "finance": {"description": "pocket money", "amount": AMOUNT},
        }
        for category, record in bodies.items():
            self.send("POST", f"{path}/records", when | {"category": category, "body": record}, manager)

    def colleague(self) -> None:
        """Take somebody through their first sign-in: passwords, authenticator, recovery codes."""
        manager = self.ward.tokens["manager"]
        assigned = [{"role": "carer", "home_id": self.ward.world.home}]
        body = {"username": "first.timer", "display_name": "F T", "kind": "staff", "assignments": assigned}
        initial = self.send("POST", "/v1/users", body, manager, Idempotency_Key="user")["initial_password"]
        credentials = {"username": "first.timer", "password": initial}
        token = self.client.post("/v1/sessions", json=credentials).json()["access_token"]
        change = {"current_password": initial, "new_password": NEW_PASSWORD}
        self.send("PUT", "/v1/users/me/password", change, token)
        secret = self.send("POST", "/v1/users/me/totp", None, token)["secret"]
        otp = pyotp.TOTP(secret).at(int(time.time()))
        codes = self.send("POST", "/v1/users/me/totp/confirm", {"otp": otp}, token)["recovery_codes"]
        self.planted += [initial, NEW_PASSWORD, secret, *codes, token]
        mistaken = {"username": NEW_PASSWORD, "password": "typed into the wrong field"}
        assert self.client.post("/v1/sessions", json=mistaken).status_code == 401


def files_of(ward: Ward, request: Any) -> list[Path]:
    """Return every file of the database as it lies there."""
    if ward.world.url.startswith("sqlite"):
        path = Path(ward.world.url.removeprefix("sqlite:///"))
        return [one for one in path.parent.iterdir() if one.name.startswith(path.name)]
    engine = create_engine(request.getfixturevalue("postgresql_url"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CHECKPOINT"))
        folder = Path(connection.execute(text("SHOW data_directory")).scalar_one())
    engine.dispose()
    return files_below(folder)


def test_numbers_dates_secrets_and_codes_are_found_nowhere(ward, request):
    """NHS numbers, dates of birth, telephone numbers, passwords, secrets, codes and tokens leave no trace."""
    with ward.serve(log_level="debug") as server:
        planting = Planting(ward, server)
        planting.resident()
        planting.colleague()
        planting.client.close()
        server.kill()
    files = files_of(ward, request)
    guards = [path for path in Path(ward.world.settings.guard_dir).rglob("*") if path.is_file()]

    assert len(planting.planted) > 15
    assert "plain" in {spelling for _, spelling, _ in hits(files, [CONTROL])}
    assert [] == hits([*files, *guards, server.log], planting.planted)
    assert server.log.stat().st_size > 0
