"""Bad input, against every operation, over a real connection: a 4xx with one entry, never a 5xx.

Each module run is on one database; what is expected is written here once, so both must behave alike.
"""

import select
import socket
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from tests.http.bad_input import CANARY, JSON, MEBIBYTE, Bad, all_bad
from tests.http.published import NOT_BUILT_YET, OPERATIONS
from tests.http.walking import SIGN_IN, Walk
from tests.support.served import Ask, Served

WITH_BODY, WITHOUT_BODY, IDEMPOTENT = 35, 46, 37
BAD_BODIES = 74
RECORDING = (
    "POST /v1/residents/{resident_id}/records",
    "PUT /v1/residents/{resident_id}/records/{record_id}",
)


@pytest.fixture(scope="module")
def asks(served: Served) -> dict[str, Ask]:
    """A good request of each operation, never sent as it is."""
    walk = Walk(served)
    served.world.pass_time(seconds=60)
    made = {name: walk.permitted(name) for name in sorted(OPERATIONS.keys() - NOT_BUILT_YET)}
    return {
        name: replace(ask, who=None if name == SIGN_IN else walk.manager, headers={}, params=None)
        for name, ask in made.items()
    }


def spoilt(ask: Ask, bad: Bad) -> Ask:
    """Return a request with a bad body in place of its own."""
    return replace(ask, json=None, content=bad.content, headers=ask.headers | bad.headers)


def expected_entries(operation: str) -> list[tuple[str, str]]:
    """Return what a known session's refused input must leave: one entry; a stranger's leaves none."""
    return [] if operation == SIGN_IN else [(OPERATIONS[operation]["act"], "fail")]


class Checked:
    """Answers with their entries, and what is wrong with them."""

    def __init__(self, served: Served, cases: list[tuple[str, str, int, Ask]]) -> None:
        answers = served.ask_all(ask for *_, ask in cases)
        found = served.lines_by_request()
        self.wrong: list[tuple[Any, ...]] = []
        for (operation, name, status, _), answer in zip(cases, answers, strict=True):
            entries = [(x.e["act"], x.e["out"]) for x in found.get(answer.headers["X-Request-ID"], [])]
            if (answer.status_code, entries) != (status, expected_entries(operation)):
                self.wrong.append((operation, name, answer.status_code, status, entries))
            if not told_well(answer):
                self.wrong.append((operation, name, answer.headers, answer.text))
        self.answers = answers


def told_well(answer: httpx2.Response) -> bool:
    """Say whether an answer is a problem that repeats nothing of the input."""
    problem = answer.json()
    return (
        answer.headers["Content-Type"] == "application/problem+json"
        and (problem["status"], problem["request_id"]) == (answer.status_code, answer.headers["X-Request-ID"])
        and CANARY not in answer.text
        and ("errors" in problem) == (answer.status_code == 422)
    )


def test_bad_bodies_are_refused_by_every_operation_that_takes_one(
    asks: dict[str, Ask], served: Served
) -> None:
    """Each bad body gets its 4xx and one entry, the same from every operation that takes a body."""
    cases = [
        (operation, bad, spoilt(ask, bad))
        for operation, ask in asks.items()
        if ask.json is not None
        for bad in all_bad(ask.json)
    ]
    checked = Checked(served, [(operation, bad.name, bad.status, ask) for operation, bad, ask in cases])

    assert len(cases) == WITH_BODY * BAD_BODIES
    assert [] == checked.wrong
    # a text that is no strict JSON is refused as a whole: no field of it was ever looked at
    unread = [
        (operation, bad.name)
        for (operation, bad, _), answer in zip(cases, checked.answers, strict=True)
        if bad.unread and answer.json()["detail"] != answer.json()["errors"][0]["detail"]
    ]
    assert [] == unread


def test_bodies_nobody_asked_for_are_refused(asks: dict[str, Ask], served: Served) -> None:
    """An operation without a body refuses one, sized or in pieces: it would be read by somebody else."""
    bodies: dict[str, Bad] = {
        "json": Bad("json", 422, b'{"x": 1}'),
        "text": Bad("text", 415, b"x", {"Content-Type": "text/plain"}),
        "coded": Bad("coded", 415, b"{}", JSON | {"Content-Encoding": "gzip"}),
        "nothing": Bad("empty object", 422, b"{}"),
    }
    cases = [
        (operation, bad.name, bad.status, spoilt(ask, bad))
        for operation, ask in asks.items()
        if ask.json is None
        for bad in bodies.values()
    ]

    assert len(cases) == WITHOUT_BODY * len(bodies)
    assert [] == Checked(served, cases).wrong


QUERIES = {
    "unknown": "nobody=1",
    "unknown, like a body's field": "family_name=verr%C3%A4terisch",
    "unknown, empty": "x",
    "unknown, beside": "&&x=1",
    "NUL in a name": "%00=1",
}


def test_unknown_query_parameters_are_refused(asks: dict[str, Ask], served: Served) -> None:
    """A query parameter that an operation does not take is 422 with one entry, whatever it is called."""
    cases = [
        (operation, name, 422, replace(ask, path=f"{ask.path}?{query}"))
        for operation, ask in asks.items()
        for name, query in QUERIES.items()
    ]

    assert len(cases) == (WITH_BODY + WITHOUT_BODY) * len(QUERIES)
    assert [] == Checked(served, cases).wrong


BAD_VALUES = {
    "GET /v1/residents": (
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1&limit=2",
        "limit=%D9%A3",
        "limit=1_0",
        "limit=+1",
        "limit=%201",
        "limit=1.0",
        "limit=01",
    ),
    "GET /v1/users": ("limit=-1", "limit=9999999999999999999999", "cursor=x", "cursor=%00", "cursor=%FF"),
    "GET /v1/residents/{resident_id}/records": (
        "category=identity",
        "category=nothing",
        "from=yesterday",
        "from=2026-02-30T00:00:00Z",
        "from=2026-01-01",
        "from=2026-01-01T00:00:00",
        "to=2026-01-01T00:00:60Z",
        "to=9999-12-31T23:59:59-14:00",
        "include=everything",
        "include=entered-in-error&include=entered-in-error",
    ),
    "GET /v1/audit/events": ("from=x", "outcome=maybe", "limit=0", "cursor=AAAA", "act=%0A"),
    "GET /v1/audit/export": ("format=pdf", "format=jsonl&format=zip", "from=x", "act=a&act=b", "outcome=ok"),
    "GET /v1/audit/consistency": (
        "first=2&second=1",
        "first=0&second=1000000000",
        "first=x&second=1",
        "first=-1&second=1",
        "first=00&second=1",
        "first=0&second=9007199254740992",
        "first=0&first=0&second=1",
        "first=0",
        "second=1",
    ),
    "GET /v1/fhir/AuditEvent": (
        "date=yesterday",
        "date=2026-02-30",
        "date=ap2026",
        "date=2026&date=x",
        "patient=Practitioner/x",
        "patient=a/b",
        "agent=Patient/x",
        "agent=",
        "action=r",
        "outcome=5",
        "_count=0",
        "_count=x",
        "_format=xml",
        "cursor=AAAA",
        "_sort=date",
    ),
}


def test_bad_values_of_known_parameters_are_refused(asks: dict[str, Ask], served: Served) -> None:
    """A parameter with a value it cannot have, or given twice, is 422 with one entry."""
    cases = [
        (operation, query, 422, replace(asks[operation], path=f"{asks[operation].path}?{query}"))
        for operation, queries in BAD_VALUES.items()
        for query in queries
    ]

    assert [] == Checked(served, cases).wrong


BAD_HEADERS = {
    "Audit-Purpose": ("fun", "care, audit", "CARE", ""),
    "Audit-Reason": ("%zz", "%", "%00", "%0A", "%FF", "%ED%A0%80", "%20", "", "a" * 501, "%C3%A4" * 501),
    "Idempotency-Key": ("", "a b", "a" * 256),
}


def test_bad_headers_are_refused(asks: dict[str, Ask], served: Served) -> None:
    """A malformed header of the contract is 422 with one entry at every operation that takes it."""
    cases = []
    for operation, ask in asks.items():
        for name, values in BAD_HEADERS.items():
            if name == "Idempotency-Key" and not OPERATIONS[operation]["idempotency_key"]:
                continue
            given = {"If-Match": '"1"', "Audit-Reason": "why"} if OPERATIONS[operation]["if_match"] else {}
            cases += [
                (operation, f"{name}: {value}", 422, replace(ask, headers=given | {name: value}))
                for value in values
            ]

    assert len(cases) == (WITH_BODY + WITHOUT_BODY) * 14 + IDEMPOTENT * 3
    assert [] == Checked(served, cases).wrong


# --- sizes, over a bare socket ------------------------------------------------------------------------


def limit_of(operation: str) -> int:
    """Return how many bytes the body of an operation may have."""
    return (8 if operation in RECORDING else 1) * MEBIBYTE


def exchange(served: Served, ask: Ask, rid: str, framing: str, pieces: Any) -> tuple[int, int]:
    """Send a head and pieces of a body until there is an answer; return its status and the bytes sent."""
    authorization = f"Authorization: Bearer {served.token(ask.who)}\r\n" if ask.who is not None else ""
    head = (
        f"{ask.method} {ask.path} HTTP/1.1\r\nHost: x\r\nX-Request-ID: {rid}\r\n{authorization}"
        f'Content-Type: application/json\r\nIf-Match: "1"\r\n{framing}\r\n\r\n'
    )
    sent = 0
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
        line.sendall(head.encode())
        line.setblocking(False)
        for piece in pieces:
            answered, sent = _offer(line, piece, sent)
            if answered:
                break
        line.settimeout(10)
        status = int(line.recv(65536).split(b" ")[1])
    return status, sent


def _offer(line: socket.socket, piece: bytes, sent: int) -> tuple[bool, int]:
    """Send a piece, or notice that the answer is there."""
    while piece:
        readable, writable, _ = select.select([line], [line], [], 5)
        if readable:
            return True, sent
        if writable:
            done = line.send(piece)
            piece, sent = piece[done:], sent + done
    return False, sent


def test_bodies_over_the_limit_are_refused_unread(asks: dict[str, Ask], served: Served) -> None:
    """A body announced as too large is 413 with one entry before a byte of it is sent."""
    rids = {}
    for number, (operation, ask) in enumerate(asks.items()):
        for size in (limit_of(operation) + 1, 10 * 1024**3, 2**63 - 1):
            rid = f"announced-{number}-{size}"
            assert exchange(served, ask, rid, f"Content-Length: {size}", ()) == (413, 0), operation
            rids[rid] = operation
    found = served.lines_by_request()

    assert [expected_entries(operation) for operation in rids.values()] == [
        [(line.e["act"], line.e["out"]) for line in found.get(rid, [])] for rid in rids
    ]


def test_bodies_without_a_stated_size_are_read_to_the_limit_only(
    asks: dict[str, Ask], served: Served
) -> None:
    """A body in pieces is refused once it is over the limit; what is still to come is not waited for."""
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    rids = {}
    for number, (operation, ask) in enumerate(asks.items()):
        if ask.json is None:
            continue
        rid = f"pieces-{number}"
        status, sent = exchange(served, ask, rid, "Transfer-Encoding: chunked", (piece for _ in range(2000)))
        assert status == 413, operation
        # what the kernel's buffers on both sides take in advance comes on top
        assert sent < limit_of(operation) + 12 * MEBIBYTE
        rids[rid] = operation
    found = served.lines_by_request()

    assert len(rids) == WITH_BODY
    assert [expected_entries(operation) for operation in rids.values()] == [
        [(line.e["act"], line.e["out"]) for line in found.get(rid, [])] for rid in rids
    ]


def test_the_service_is_well_afterwards(served: Served) -> None:
    """After all of this the service answers, and what it holds can be read."""
    person = served.world.person("registered_manager", None)

    assert served.ask("GET", "/health/ready").status_code == 200
    assert served.ask("GET", "/v1/residents", person).status_code == 200
