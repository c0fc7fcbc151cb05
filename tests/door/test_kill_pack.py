"""A server is killed while it hands over the pack of a breach: what the trail says then is true."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.incidents.table import incident_scope
from tests.http.bodies import admission
from tests.support.served import Database
from tests.support.server_process import Scene

LARGE = 250


@pytest.fixture
def scene(each_database: Database, tmp_path: Path):
    """A deployment on each of the two databases."""
    with Scene(each_database, tmp_path) as scene:
        yield scene


def packs_in(scene: Scene) -> list[tuple[str, str, int]]:
    """Return the entries of packs: act, outcome, and how many residents they name."""
    found = [e for e in scene.world.entries() if e["act"].startswith("incident.pack")]
    return [(e["act"], e["out"], len(e.get("subs", ()))) for e in found]


def test_a_killed_pack_began_and_never_ended(scene: Scene) -> None:
    """Bytes came, so its entry with everybody it tells of is there; no entry says that it was whole."""
    manager = scene.world.person("registered_manager", None)
    with scene.serve() as server, server.client() as client:
        client.headers["Authorization"] = f"Bearer {scene.token(manager)}"

        def said(method: str, path: str, body: Any) -> Any:
            answer = client.request(method, path, json=body)
            assert answer.status_code in (200, 201), answer.text
            return answer.json()

        residents = [
            said("POST", "/v1/residents", admission(scene.world.home, f"R{n}"))["id"] for n in range(3)
        ]
        for n in range(LARGE):
            client.get(f"/v1/residents/{residents[n % 3]}")
        body = {"kind": "disclosure", "home_id": None, "what_happened": "a list was taken"}
        path = f"/v1/incidents/{said('POST', '/v1/incidents', body)['id']}"
        said("PUT", f"{path}/scope", {"from": "2026-01-01T00:00:00Z"})
        with client.stream("GET", f"{path}/pack") as answer:
            assert 200 == answer.status_code
            parts = answer.iter_raw(1024)
            first = next(parts)
            server.kill()
            with pytest.raises(httpx2.HTTPError):
                for _ in parts:
                    pass

    assert first.startswith(b"PK")
    assert [("incident.pack", "ok", 3)] == packs_in(scene)
    assert 1 == len(scene.world.rows(incident_scope))
    with scene.serve() as server, server.client() as client:
        client.headers["Authorization"] = f"Bearer {scene.token(manager)}"
        again = client.get(f"{path}/pack", params={"format": "csv"})
    assert 200 == again.status_code
    assert [
        ("incident.pack", "ok", 3),
        ("incident.pack", "ok", 3),
        ("incident.pack.end", "ok", 0),
    ] == packs_in(scene)
