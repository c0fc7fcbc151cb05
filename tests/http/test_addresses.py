"""One thing has one address: how an id or a slash may be spelled, and which id leads to an entry."""

import socket
from time import monotonic, sleep

import pytest

from tests.http.bodies import admission
from tests.support.served import Served
from tests.unit.trail.stories import admit

AT = "2026-03-02T08:00:00Z"
MEDICINE = {"name": "Donepezil", "dose": "5 mg", "route": "oral", "frequency": "at night", "status": "active"}


@pytest.mark.parametrize("ending", ["", "/records", "/access-log"])
def test_an_id_in_capitals_is_the_same_id(served: Served, ending: str) -> None:
    """Ids are read in both cases and recorded in one (RFC 9562, section 4)."""
    world = served.world
    manager, resident = world.person("registered_manager"), admit(world, world.home)
    answer = served.ask("GET", f"/v1/residents/{resident.upper()}{ending}", manager)
    (line,) = served.lines_of(answer)

    assert 200 == answer.status_code
    assert resident.upper() not in answer.text
    assert [resident] == line.e["subs"]


def test_an_id_in_capitals_is_the_same_in_queries_and_bodies(served: Served) -> None:
    """A home is found, a resident admitted, a dose recorded by ids in capitals; they come back small."""
    world = served.world
    manager = world.person("registered_manager")
    body = admission(world.home.upper(), "Moss")
    resident = served.ask("POST", "/v1/residents", manager, json=body)
    records = f"/v1/residents/{resident.json()['id']}/records"
    medicine = {"category": "medication", "occurred_at": AT, "body": MEDICINE}
    named = served.ask("POST", records, manager, json=medicine).json()["id"]
    dose = {"medication_id": named.upper(), "outcome": "given", "given_at": AT}
    given = {"category": "medication_administration", "occurred_at": AT, "body": dose}
    answer = served.ask("POST", records, manager, json=given)
    listed = served.ask("GET", f"/v1/residents?home_id={world.home.upper()}", manager)
    sessions = served.ask("GET", f"/v1/sessions?user_id={manager.id.upper()}", manager)

    assert (201, world.home) == (resident.status_code, resident.json()["home_id"])
    assert (201, named) == (answer.status_code, answer.json()["body"]["medication_id"])
    assert {world.home} == {one["home_id"] for one in listed.json()["items"]}
    assert {manager.id} == {one["user_id"] for one in sessions.json()["items"]}


def test_an_assignment_may_name_its_home_in_capitals(served: Served) -> None:
    """Who is employed by a home in capitals is employed by that home."""
    world = served.world
    at = {"role": "carer", "home_id": world.home.upper()}
    body = {"username": "ida", "display_name": "Ida Moss", "kind": "staff", "assignments": [at]}
    answer = served.ask("POST", "/v1/users", world.person("registered_manager"), json=body)

    assert [{"role": "carer", "home_id": world.home}] == answer.json()["assignments"]


@pytest.mark.parametrize("spelled", ["%2f", "%2F"])
def test_a_slash_that_is_percent_encoded_separates_nothing(served: Served, spelled: str) -> None:
    """What it stands in is one segment, which names nothing: 404 with an entry, as for any malformed id."""
    world = served.world
    manager, resident = world.person("registered_manager"), admit(world, world.home)
    below = f"/v1/residents/{resident}{spelled}records"
    for path in (f"/v1{spelled}residents", below, f"/v1/residents{spelled}{resident}"):
        answer = served.ask("GET", path, manager)

        assert 404 == answer.status_code
        assert 1 == len(served.lines_of(answer))
        assert resident not in answer.text


def test_other_letters_may_be_percent_encoded(served: Served) -> None:
    """An address that is spelled with more signs than it needs is the same address (RFC 3986, section 6)."""
    assert 200 == served.ask("GET", "/v1/%72esidents", served.world.person("registered_manager")).status_code


@pytest.mark.parametrize("named", ["", "X-Request-ID: vendor-17\r\n"])
def test_a_body_that_cannot_be_read_is_recorded_as_it_is_answered(served: Served, named: str) -> None:
    """The id on the 400 that the server gives for a wrong chunk leads to the entry of the request."""
    world = served.world
    manager = world.person("registered_manager")
    head = (
        f"POST /v1/residents/search HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token(manager)}\r\n"
    )
    head += f"{named}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as line:
        line.sendall(head.encode() + b"zz\r\n")
        came = line.makefile("rb").read().decode()
    rid = came.split("x-request-id: ")[1].split("\r\n")[0]
    until = monotonic() + 5
    while rid not in (found := served.lines_by_request()) and monotonic() < until:
        sleep(0.05)  # the server has answered before the application heard of it

    assert came.startswith("HTTP/1.1 400 ")
    assert [("resident.search", "fail")] == [(x.e["act"], x.e["out"]) for x in found[rid]]
