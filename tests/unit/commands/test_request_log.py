"""What a server logs of requests: nothing, or a line for each that names no address."""

import json
from pathlib import Path
from typing import Any

from tests.support.crash import Ward
from tests.support.served import Database

LINE = {"at", "level", "event", "method", "route", "status", "ms", "rid"}


def asked(tmp_path: Path, **settings: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the id of a resident who was asked for, and the lines about requests, probes left out."""
    url = f"sqlite:///{tmp_path}/caretrail.db"
    with Ward(Database("sqlite", url, url), tmp_path) as ward:
        server = ward.serve(**settings)
        headers = {"Authorization": f"Bearer {ward.tokens['nurse']}", "X-Request-ID": "shift-1"}
        with server.client(headers=headers) as client:
            where = f"/v1/residents/{ward.resident}"
            asks = [("GET", where), ("PUT", where), ("GET", f"{where}/nothing"), ("PROPFIND", "/Marlow")]
            answers = [client.request(*ask).status_code for ask in asks]
        assert [200, 405, 404, 404] == answers
        server.stop()
        lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
        ready = "/health/ready"
        return ward.resident, [
            one for one in lines if one["event"] == "request" and one.get("route") != ready
        ]


def test_each_request_is_a_line_with_its_route_and_without_its_address(tmp_path: Path) -> None:
    """Ids, and words a client made up, reach no line: the route is named as it is declared."""
    resident, lines = asked(tmp_path, log_requests="true")
    told = [(one["method"], one["route"], one["status"]) for one in lines]
    assert [
        ("GET", "/v1/residents/{resident_id}", 200),
        ("PUT", "/v1/residents/{resident_id}", 405),
        ("GET", "none", 404),
        ("other", "none", 404),
    ] == told
    assert {"shift-1"} == {one["rid"] for one in lines}
    assert {frozenset(LINE)} == {frozenset(one) for one in lines}
    assert resident not in json.dumps(lines)
    assert "marlow" not in json.dumps(lines).lower()


def test_unless_it_is_wanted_there_is_no_line(tmp_path: Path) -> None:
    """The trail says who did what; a line for each request is for whoever asks for it."""
    assert [] == asked(tmp_path)[1]
