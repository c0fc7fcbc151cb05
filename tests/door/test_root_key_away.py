"""Servers whose root key is in Transit: moved there and back while they serve, and Transit fails."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.check_log import check_database
from tests.support.commands import COMMANDS, Told
from tests.support.crash import Ward
from tests.support.served import Database
from tests.support.server_process import ServerProcess
from tests.support.transit_server import TransitServer

KEPT_S = 4
IN_TIME_S = 3.0
"""A call to Transit may take one second here; what waits behind it, one more."""


class House:
    """A deployment whose root key is in Transit, and the settings of its processes."""

    def __init__(self, ward: Ward, transit: TransitServer) -> None:
        self.ward, self.transit = ward, transit
        self.moved = False

    def settings(self, **more: str) -> dict[str, str]:
        """Return the settings of a process."""
        provider = {"keys_provider": "transit"} if self.moved else {}
        return provider | {"keys_keep": f"PT{KEPT_S}S"} | self.transit.settings() | more

    def run(self, *arguments: str, **more: str) -> Told:
        """Run a command."""
        given = {f"CARETRAIL_{name.upper()}": value for name, value in self.settings(**more).items()}
        world = self.ward.world
        return COMMANDS.run(
            given
            | {
                "CARETRAIL_DATA_DIR": str(world.settings.data_dir),
                "CARETRAIL_DATABASE_URL": world.url,
                "CARETRAIL_DEPLOYMENT": world.settings.deployment,
            },
            *arguments,
        )

    def move(self, to: str) -> None:
        """Move the root key; later processes are set accordingly."""
        told = self.run("keys", "rotate", "root", "--to", to, "--json")
        assert 0 == told.code, told.text
        self.moved = to == "transit"

    def serve(self, **more: str) -> ServerProcess:
        """Start a server."""
        return self.ward.serve(**self.settings(**more))

    def read(self, client: httpx2.Client) -> httpx2.Response:
        """Read the resident as the nurse."""
        headers = {"Authorization": f"Bearer {self.ward.tokens['nurse']}"}
        return client.get(f"/v1/residents/{self.ward.resident}", headers=headers)


@pytest.fixture
def house(each_database: Database, tmp_path: Path) -> Iterator[House]:
    """A deployment on each of the two databases; its root key is in a file still."""
    with TransitServer(tmp_path / "transit") as transit, Ward(each_database, tmp_path) as ward:
        yield House(ward, transit)


def until(condition: Any, seconds: float) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never held"
        time.sleep(0.1)


@pytest.mark.timeout(300)
def test_the_root_key_moves_to_transit_and_back_while_serving(house: House) -> None:
    """A server that knows of both goes on over either move; the file is of no use in between."""
    with house.serve() as server, server.client() as client:
        assert 200 == house.read(client).status_code
        house.move("transit")
        time.sleep(KEPT_S + 1)
        assert (200, True) == (house.read(client).status_code, server.ready())
        assert house.transit.asked["decrypt"] > 0
        told = house.run("keys", "status", "--json")
        assert '"provider":"transit"' in told.text, told.text
        house.transit.rotate()
        assert 0 == house.run("keys", "rotate", "root").code
        assert 0 == house.run("keys", "rotate", "organisation").code
        # what the server entered a moment ago it signs within a second
        until(lambda: house.run("audit", "verify", "--state").code == 0, 20)
        house.move("file")
        time.sleep(KEPT_S + 1)
        house.transit.stop()
        time.sleep(KEPT_S + 1)
        assert (200, True) == (house.read(client).status_code, server.ready())
        server.stop()
    told = house.run("keys", "status", "--json")
    assert '"provider":"file"' in told.text, told.text
    assert [] == check_database(house.ward.owner_url).problems
    assert 0 == house.run("audit", "verify", "--state").code


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("mode", "status", "problem"),
    [
        ("sealed", 503, "audit-unavailable"),
        ("slow", 503, "audit-unavailable"),
        ("cut", 503, "audit-unavailable"),
        ("another", 500, "integrity"),
    ],
)
def test_while_transit_fails_what_is_known_is_used_for_a_while_only(
    house: House, mode: Any, status: int, problem: str
) -> None:
    """Served until the time of unwrapped keys is over, then refused in time, then served again by itself."""
    house.move("transit")
    with house.serve() as server, server.client() as client:
        assert 200 == house.read(client).status_code
        house.transit.mode = mode
        if status == 503:
            assert 200 == house.read(client).status_code
        until(lambda: house.read(client).status_code != 200, KEPT_S + 3)
        for _ in range(3):
            began = time.monotonic()
            refused = house.read(client)
            assert time.monotonic() - began < IN_TIME_S
            assert (status, f"/problems/{problem}") == (refused.status_code, refused.json()["type"])
            assert "Marlow" not in refused.text
        if status == 503:  # a session is no sealed row; homes are compared with their digests
            headers = {"Authorization": f"Bearer {house.ward.tokens['nurse']}"}
            asked = [client.get(path, headers=headers) for path in ("/v1/sessions/current", "/v1/homes")]
            assert [200, 503] == [answer.status_code for answer in asked]
        until(lambda: not server.ready(), 3)
        house.transit.mode = "well"
        until(lambda: house.read(client).status_code == 200, 15)
        until(server.ready, 15)
    assert [] == check_database(house.ward.owner_url).problems


@pytest.mark.timeout(300)
def test_nothing_starts_and_nothing_is_made_without_transit(house: House) -> None:
    """With Transit away or another key in its place commands refuse, and the doctor says why."""
    house.move("transit")
    well = house.run("doctor", "--json")
    assert '"root key in Transit' in well.text, well.text
    house.transit.mode = "sealed"
    refused = house.run("keys", "status")
    away = "whoever keeps the root key does not answer, or refuses: it is sealed, or not ready"
    assert (2, True) == (refused.code, away in refused.text)
    seen = house.run("doctor", "--json")
    assert away in seen.text, seen.text
    house.transit.mode = "well"
    house.transit.keys["caretrail"] = [b"k" * 32]
    refused = house.run("keys", "status")
    assert (2, True) == (refused.code, "the root key is not the one" in refused.text), refused.text
