"""Two processes of the server on PostgreSQL, over TLS: as it runs where several homes share it."""

import json
import re
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx2
import pytest

from tests.support.postgresql import make_database
from tests.unit.commands.certificates import write_certificate
from tests.unit.commands.conftest import Line, free_port

READS = 12


@dataclass
class Served:
    """A running service with two workers, and what `init` told of it."""

    line: Line
    port: int
    trusted: ssl.SSLContext
    founded: dict[str, str]

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://localhost:{self.port}"


@pytest.fixture(scope="module")
def served(postgresql_url: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A deployment on PostgreSQL, served with two workers; it ends when it is told to, within seconds."""
    folder = tmp_path_factory.mktemp("served")
    database = make_database(postgresql_url, f"serving_{worker_id}")
    cert, key = write_certificate(folder)
    line = Line(folder / "data", {"CARETRAIL_DATABASE_URL": database.service})
    assert 0 == Line(line.data_dir, {"CARETRAIL_OWNER_DATABASE_URL": database.owner}).run("migrate").code
    founded = line.run("init", "--organisation", "Sample", "--admin", "a.sample", "--json").json
    port = free_port()
    line.variables |= {
        "CARETRAIL_PORT": str(port),
        "CARETRAIL_TLS_CERT": str(cert),
        "CARETRAIL_TLS_KEY": str(key),
    }
    running = line.start("serve", "--workers", "2")
    _wait(line)
    yield Served(line, port, ssl.create_default_context(cafile=str(cert)), founded)
    with socket.create_connection(("127.0.0.1", port)):  # an idle client does not hold the service up
        told = time.monotonic()
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=30)
    assert 0 == running.returncode, err
    assert time.monotonic() - told < 15
    assert [] == [line for line in err.splitlines() if json.loads(line)["level"] not in {"info", "warning"}]


def _wait(line: Line) -> None:
    patience = time.monotonic() + 60
    while line.run("ready").code != 0:
        assert time.monotonic() < patience
        time.sleep(0.3)


def test_session_of_one_worker_is_known_to_the_other(served: Served) -> None:
    """Whichever process takes a connection, the session is known and each read is its own entry."""
    body = {"username": served.founded["username"], "password": served.founded["one_time_password"]}
    made = httpx2.post(f"{served.url}/v1/sessions", json=body, verify=served.trusted, timeout=20)
    assert 201 == made.status_code, made.text
    bearer = {"Authorization": f"Bearer {made.json()['access_token']}"}
    receipts = []
    for _ in range(READS):
        answer = httpx2.get(f"{served.url}/v1/users/me", headers=bearer, verify=served.trusted, timeout=20)
        assert 200 == answer.status_code, answer.text
        receipts.append(answer.headers["Audit-Event"])

    seqs = [int(receipt.split("/")[1]) for receipt in receipts]
    assert list(range(seqs[0], seqs[0] + READS)) == seqs
    time.sleep(1.5)  # what moved is signed once a second
    assert 0 == served.line.run("audit", "verify").code


def test_answers_over_tls_say_so(served: Served) -> None:
    """A browser is told to come back over TLS only, and not what serves it."""
    answer = httpx2.get(f"{served.url}/health/live", verify=served.trusted)

    assert re.match(r"max-age=\d{8}", answer.headers["Strict-Transport-Security"])
    assert "server" not in answer.headers


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_present_tls_is_spoken(served: Served, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3 are spoken, HTTP/1.1 inside."""
    served.trusted.minimum_version = served.trusted.maximum_version = version
    with socket.create_connection(("localhost", served.port)) as plain:
        wrapped = served.trusted.wrap_socket(plain, server_hostname="localhost")
        spoken = wrapped.version()
        wrapped.close()
    served.trusted.minimum_version = ssl.TLSVersion.TLSv1_2
    served.trusted.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED

    assert version.name.replace("_", ".") == spoken


def test_plain_http_gets_nothing(served: Served) -> None:
    """Whoever speaks plain HTTP to the port is not answered."""
    with socket.create_connection(("localhost", served.port), timeout=10) as plain:
        plain.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        try:
            told = plain.recv(1000)
        except ConnectionResetError:
            told = b""

    assert b"HTTP" not in told


def test_second_service_is_refused_the_port(served: Served) -> None:
    """The port of a running service is not shared with another by accident."""
    told = served.line.run("serve", "--workers", "2")

    assert 2 == told.code
    assert f"cannot listen at 127.0.0.1 port {served.port}: another program does. Stop it" in told.err
