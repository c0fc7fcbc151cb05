"""The last step of a drill: the restored service is started, somebody signs in to it and reads.

Who signs in is made for this in the restored copy and vanishes with it.
"""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

import pyotp
from sqlalchemy import bindparam, func, select

from app.access.operations import operation
from app.commands.calling import present
from app.commands.opening import open_service
from app.commands.sample_provider import MakeSampleUser
from app.commands.stoppable import started
from app.commands.tethered import tethered
from app.core.clock import SystemClock, monotonic
from app.core.errors import StartRefusedError
from app.core.settings import Settings
from app.identity.own_credentials import new_initial_password
from app.identity.passwords import PasswordHashes
from app.identity.table import organisation
from app.identity.totp import new_secret
from app.residents.table import record, resident
from app.storage.guard import carrying

READY_S = 60
PATIENCE_S = 10
SAMPLES = 10
_LIVING_HERE = (
    select(func.count())
    .where(
        resident.c.org == organisation.c.id,
        resident.c.status == "resident",
        resident.c.deleted.is_(False),
    )
    .scalar_subquery()
)
_FULLEST = select(organisation.c.id, _LIVING_HERE).order_by(_LIVING_HERE.desc()).limit(1)
_HAVE_RECORDS = select(func.count()).where(
    record.c.resident_id.in_(bindparam("residents", expanding=True)), record.c.deleted.is_(False)
)
_USERNAME = "restore.drill"
_DEVICE = {"kind": "desktop", "id": "restore-drill"}


def read_back(place: Settings, environment: dict[str, str], go_on: Callable[[], None]) -> dict[str, int]:
    """Serve the restored copy, sign in, read some residents and their records; return how many.

    `go_on` is called between the steps, and raises where this process is to stop.

    Raises:
        StartRefusedError: It does not come up, or does not answer as it should.
    """
    credentials, expected = _person(place)
    with _served(environment, go_on) as port:
        token = _signed_in(port, credentials)
        listed = _ask(port, token, "GET", f"/v1/residents?limit={SAMPLES}")["items"]
        residents = [str(one["id"]) for one in listed]
        records = 0
        for one in residents:
            go_on()
            records += len(_ask(port, token, "GET", f"/v1/residents/{one}/records?limit=200")["items"])
    if len(residents) < min(SAMPLES, expected):
        raise StartRefusedError(f"of {expected} residents the restored service showed {len(residents)}")
    if not records and _have_records(place, residents):
        raise StartRefusedError("the restored service showed no record of residents who have some")
    return {"residents": len(residents), "records": records}


def _have_records(place: Settings, residents: list[str]) -> bool:
    where = place.model_copy(update={"data_dir": place.data_dir / "restored"})
    with (
        open_service(where) as service,
        service.engine.connect() as connection,
        carrying(connection, "drill"),
    ):
        return bool(connection.execute(_HAVE_RECORDS, {"residents": residents}).scalar_one())


def _person(place: Settings) -> tuple[dict[str, str], int]:
    """Make who signs in, where most residents are; return what they sign in with, and how many live there."""
    where = place.model_copy(update={"data_dir": place.data_dir / "restored"})
    with open_service(where) as service:
        with service.engine.connect() as connection, carrying(connection, "drill"):
            found = connection.execute(_FULLEST).first()
        if found is None:
            raise StartRefusedError("there is no organisation in it: nobody could sign in")
        org, residents = found
        password, secret = new_initial_password(service.entropy), new_secret(service.entropy)
        hashed = PasswordHashes(service.entropy).hash(password)
        everywhere = [{"role": "registered_manager", "home_id": None}]
        work = MakeSampleUser(_USERNAME, "Restore drill", "staff", everywhere, hashed, secret)
        present(service, org, operation("POST", "/v1/users"), work, "caretrail backup drill")
    return {"password": password, "secret": secret}, residents


@contextmanager
def _served(environment: dict[str, str], go_on: Callable[[], None]) -> Iterator[int]:
    """Serve on a port of loopback until told otherwise, and never longer than this process is there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = tethered("serve", "--host", "127.0.0.1", "--port", str(port))
    unheard = subprocess.DEVNULL
    with started(command, environment, stdout=unheard, stderr=unheard) as process:
        _wait(process, port, go_on)
        yield port


def _wait(process: "subprocess.Popen[bytes]", port: int, go_on: Callable[[], None]) -> None:
    until = monotonic() + READY_S
    while monotonic() < until and process.poll() is None:
        go_on()
        try:
            if _sent(port, None, "GET", "/health/ready", None)[0] == 200:
                return
        except (OSError, HTTPException):
            pass
        time.sleep(0.1)
    raise StartRefusedError("the restored service does not come up")


def _signed_in(port: int, credentials: dict[str, str]) -> str:
    code = pyotp.TOTP(credentials["secret"]).at(SystemClock().now())
    body = {"username": _USERNAME, "password": credentials["password"], "otp": code, "device": _DEVICE}
    return str(_ask(port, None, "POST", "/v1/sessions", body)["access_token"])


def _ask(port: int, token: str | None, method: str, path: str, body: Any = None) -> Any:
    status, answer = _sent(port, token, method, path, body)
    if status not in (200, 201):
        raise StartRefusedError(f"the restored service answers {method} {path} with {status}")
    return json.loads(answer)


def _sent(port: int, token: str | None, method: str, path: str, body: Any) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
