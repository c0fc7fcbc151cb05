"""Bodies that are not whole yet: of strangers little is taken, of all together what there is room for."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import orjson
import pytest

from app.core.identifiers import new_id
from app.http import unfinished
from app.identity.tokens import TokenSigner
from tests.http.bodies import admission, record_of
from tests.support.served import Database, Deployment, Person, Served

ROOM = 400 * 1024
LARGE = 7_900_000
PIECE = b" " * 150 * 1024
RETRY_S = unfinished.RETRY_AFTER_S


@pytest.fixture(scope="module")
def served(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A deployment with room for few bodies."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(unfinished, "KNOWN_BYTES", ROOM)
        patched.setattr(unfinished, "STRANGERS_BYTES", ROOM)
        with Served(Deployment.on(database, tmp_path_factory.mktemp("deployment"))) as served:
            yield served


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Somebody who may record."""
    return served.world.person("registered_manager", None)


@pytest.fixture(scope="module")
def records(served: Served, manager: Person) -> str:
    """Where records of a resident are made."""
    made = served.ask("POST", "/v1/residents", manager, json=admission(served.world.home, "Sample"))
    assert 201 == made.status_code, made.text
    return f"/v1/residents/{made.json()['id']}/records"


class Body:
    """A request whose body is on its way."""

    def __init__(self, served: Served, path: str, token: str | None, size: int = LARGE) -> None:
        self.rid = f"body-{new_id()}"
        self._line = socket.create_connection(("127.0.0.1", served.port), timeout=10)
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Request-ID: {self.rid}\r\nContent-Length: {size}\r\n"
        head += "Content-Type: application/json\r\n"
        head += f"Authorization: Bearer {token}\r\n" if token is not None else ""
        self.send(head.encode() + b"\r\n")

    def send(self, piece: bytes) -> None:
        """Send a piece."""
        self._line.sendall(piece)

    def answered(self, within_s: float = 10) -> tuple[int, dict[str, str], Any] | None:
        """Return status, headers and problem of the answer, if it is there in time."""
        self._line.settimeout(within_s)
        told = b""
        try:
            while b"\r\n\r\n" not in told or not told.endswith(b"}"):
                told += self._line.recv(65536)
        except TimeoutError:
            return None
        head, _, body = told.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(one.lower().split(": ", 1) for one in lines)
        return int(status.split(" ")[1]), headers, orjson.loads(body)

    def leave(self) -> None:
        """Close the connection."""
        self._line.close()


def entries(served: Served, rid: str) -> list[tuple[Any, ...]]:
    """Return what the trail says of a request."""
    lines = served.lines_by_request().get(rid, [])
    return [(line.e["act"], line.e["out"], line.e.get("why"), line.e.get("obj")) for line in lines]


@pytest.mark.parametrize("what", ["no token", "no word of ours", "of another service"])
def test_a_stranger_is_answered_before_the_body_has_come(served: Served, records: str, what: str) -> None:
    """As anybody unknown: 401, counted, without an entry, and nothing but the id is another."""
    now = served.world.now
    stranger = TokenSigner(b"s" * 32, "test.example").issue(new_id(), new_id(), new_id(), now, now)
    token = {"no token": None, "no word of ours": "abc", "of another service": stranger}[what]
    before = served.desk.unrecognised
    small = Body(served, records, token, 2)
    small.send(b"{}")
    usual = small.answered()
    large = Body(served, records, token)
    large.send(PIECE)
    told = large.answered()

    assert usual is not None
    assert told is not None
    assert (401, "/problems/token-invalid", "bearer") == (
        told[0],
        told[2]["type"],
        told[1]["www-authenticate"],
    )
    assert [told[2] | {"request_id": ""}] == [usual[2] | {"request_id": ""}]
    assert told[1].keys() == usual[1].keys()
    assert before + 2 == served.desk.unrecognised
    assert [] == entries(served, large.rid) == entries(served, small.rid)
    for one in (small, large):
        one.leave()


def test_a_session_that_is_over_is_told_so(served: Served, records: str) -> None:
    """Its token shows it without the database; the entry is the one of that session all the same."""
    person = served.world.person("registered_manager", None)
    token = served.token(person)
    served.world.pass_time(hours=13)
    small, large = Body(served, records, token, 2), Body(served, records, token)
    small.send(b"{}")
    large.send(PIECE)
    told, usual = large.answered(), small.answered()

    assert told is not None
    assert usual is not None
    assert (401, usual[2]["type"]) == (told[0], told[2]["type"])
    assert 1 == len(entries(served, large.rid))
    assert entries(served, small.rid) == entries(served, large.rid)
    for one in (small, large):
        one.leave()


def test_what_there_is_no_room_for_is_refused_for_now(served: Served) -> None:
    """503 and when to come back; probes, reads and small bodies are served as ever."""
    person = served.world.person("registered_manager", None)
    token = served.token(person)
    made = served.ask("POST", "/v1/residents", person, json=admission(served.world.home, "Another"))
    path = f"/v1/residents/{made.json()['id']}/records"
    first, second, third = (Body(served, path, token) for _ in range(3))
    for one in (first, second):
        one.send(PIECE)
        assert one.answered(0.3) is None
    third.send(PIECE)
    told = third.answered()

    assert told is not None
    assert (503, "/problems/audit-unavailable", str(RETRY_S)) == (
        told[0],
        told[2]["type"],
        told[1]["retry-after"],
    )
    assert [] == entries(served, third.rid), "as at a door whose room is full"
    _well(served, person, path)
    for one in (first, second, third):
        one.leave()
    document = b" " * 250 * 1024 + orjson.dumps(record_of("daily_note", "canary"))
    until, kind = time.monotonic() + 10, {"Content-Type": "application/json"}
    while (made := served.ask("POST", path, person, content=document, headers=kind)).status_code == 503:
        assert time.monotonic() < until, "what was held for those who left is given back"
        time.sleep(0.1)
    assert 201 == made.status_code, made.text


def test_strangers_take_no_room_from_others(served: Served) -> None:
    """Sign-ins that never come to an end are refused at last; who is known sends what they like."""
    person = served.world.person("registered_manager", None)
    begun = [Body(served, "/v1/sessions", None, 60_000) for _ in range(10)]
    for one in begun:
        one.send(b" " * 50_000)
    statuses = [told[0] if (told := one.answered(0.3)) else None for one in begun]

    assert {503, None} == set(statuses)
    assert ROOM // 50_000 == statuses.count(None)
    _well(served, person, "")
    for one in begun:
        one.leave()


def _well(served: Served, person: Person, path: str) -> None:
    answers: list[httpx2.Response] = [
        served.ask("GET", "/health/live"),
        served.ask("GET", "/health/ready"),
        served.ask("GET", "/v1/users/me", person),
    ]
    assert [200] * 3 == [answer.status_code for answer in answers]
    if path:
        assert 201 == served.ask("POST", path, person, json=record_of("daily_note", "canary")).status_code
