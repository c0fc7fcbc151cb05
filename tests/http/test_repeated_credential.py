"""Headers as they come over the wire: a credential sent twice, blanks after a value."""

import socket

import pytest

from tests.support.served import Person, Served
from tests.support.sockets import rest

ME = "/v1/users/me"


@pytest.fixture(scope="module")
def carer(served: Served) -> Person:
    """Somebody signed in."""
    return served.world.person("carer")


@pytest.fixture(scope="module")
def nurse(served: Served) -> Person:
    """Somebody else signed in."""
    return served.world.person("nurse")


def sent(served: Served, method: str, path: str, rid: str, *headers: str) -> tuple[int, bytes]:
    """Send headers as they stand; return the status and the rest of the answer."""
    head = [f"{method} {path} HTTP/1.1", "Host: x", f"X-Request-ID: {rid}", *headers, "Connection: close"]
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as line:
        line.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        told = rest(line)
    return int(told.split(b" ")[1]), told


def entries(served: Served, rid: str) -> list[tuple[str, str, str | None]]:
    """Return act, outcome and reason of every entry of a request."""
    return [(line.e["act"], line.e["out"], line.e.get("why")) for line in served.lines_by_request()[rid]]


@pytest.mark.parametrize(
    ("method", "path", "act"),
    [("GET", ME, "user.read"), ("GET", "/v1/nothing-here", "request.unmatched")],
)
def test_a_known_session_that_says_so_twice_is_refused_with_an_entry(
    served: Served, carer: Person, method: str, path: str, act: str
) -> None:
    """Of a token sent twice it is known whose it is: an invalid request like any other repeated header."""
    token, rid = served.token(carer), f"twice-{act}"
    status, told = sent(
        served, method, path, rid, f"Authorization: Bearer {token}", f"Authorization: Bearer {token}"
    )

    assert (422 if path == ME else 404) == status
    assert (b"/headers/Authorization" in told) == (path == ME)
    assert b"audit-event: " in told.lower()
    [(found, outcome, _)] = entries(served, rid)
    assert (act, "fail") == (found, outcome)


@pytest.mark.parametrize("second", ["another's", "none this service issued", "no bearer token"])
def test_two_credentials_are_nobodys(served: Served, carer: Person, nurse: Person, second: str) -> None:
    """Whoever sends two that differ is nobody for sure: 401, and an entry in nobody's name."""
    other = {"another's": f"Bearer {served.token(nurse)}", "no bearer token": "Basic YTpi"}
    rid = f"two-{len(second)}"
    first = f"Authorization: Bearer {served.token(carer)}"
    status, told = sent(served, "GET", ME, rid, first, f"Authorization: {other.get(second, 'Bearer a.b.c')}")

    assert (401, False) == (status, b"audit-event" in told.lower())
    assert rid not in served.lines_by_request()


def test_an_unknown_token_twice_is_nobodys(served: Served) -> None:
    """A token this service never issued says nothing, however often."""
    status, _ = sent(served, "GET", ME, "stranger", *["Authorization: Bearer a.b.c"] * 2)

    assert (401, False) == (status, "stranger" in served.lines_by_request())


def test_signing_in_asks_for_no_credential(served: Served, carer: Person) -> None:
    """Where nobody has to be signed in, the header counts for nothing, once or twice."""
    token = served.token(carer)
    for rid, times in (("once", 1), ("twice", 2)):
        headers = ["Content-Type: application/json", *[f"Authorization: Bearer {token}"] * times]
        assert 422 == sent(served, "POST", "/v1/sessions", rid, *headers)[0]


def test_blanks_after_a_value_change_nothing(served: Served, carer: Person) -> None:
    """A blank or a tab after a value is no part of it: token, purpose, reason and key are as sent."""
    token, rid = served.token(carer), "blanks"
    status, told = sent(
        served,
        "GET",
        ME,
        rid,
        f"Authorization: Bearer {token} \t",
        "Audit-Purpose: administration ",
        "Audit-Reason: why\t",
    )
    [line] = served.lines_by_request()[rid]

    assert (200, "ok", "administration") == (status, line.e["out"], line.e["purpose"])
    assert b"audit-event: " in told.lower()
