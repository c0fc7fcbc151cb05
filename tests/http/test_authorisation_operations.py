"""Every operation x every role x every place, over real requests, against the published tables alone.

The callers are each role at a home, and those that staff may hold in the whole organisation there as well.
Each caller tries operations on what belongs to others at each place, and those on oneself once.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import httpx2
import pyotp
import pytest

from tests.http.bodies import CANARY
from tests.http.errands import Ground, errand
from tests.http.published import (
    CALLERS,
    NOT_BUILT_YET,
    OPERATIONS,
    PLACES,
    SELF,
    STREAMS,
    Caller,
    Place,
    outcome_of,
    permitted,
)
from tests.support.served import Ask, Line, Person, Served
from tests.support.world import PASSWORD

NEW_PASSWORD = "seven lanterns over a slow canal"
CURRENT = "/v1/sessions/current"
CELLS = 5_967
NAME_A_HOME = {
    *("POST /v1/residents", "GET /v1/residents", "POST /v1/incidents", "GET /v1/incidents"),
    "GET /v1/alerts",
}


class Taken(NamedTuple):
    """One cell, its answer and its entries."""

    operation: str
    caller: Caller
    place: Place
    expected: int
    answer: httpx2.Response
    lines: list[Line]

    def __repr__(self) -> str:
        scope = "organisation" if self.caller.wide else "home"
        entries = [(line.e["act"], line.e["out"], line.e.get("why")) for line in self.lines]
        return (
            f"{self.caller.role}@{scope}: {self.operation} at {self.place} home -> {self.answer.status_code},"
            f" expected {self.expected}; entries {entries}"
        )


def served_operations(served: Served) -> set[str]:
    """Return the operations of the contract that the service describes as its own."""
    paths = served.ask("GET", "/openapi.json").json()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


@pytest.fixture(scope="module")
def operations(served: Served) -> set[str]:
    """The operations that are served."""
    return served_operations(served)


@pytest.fixture(scope="module")
def people(served: Served) -> dict[Caller, Person]:
    """Somebody for each caller."""
    world = served.world
    return {caller: world.person(caller.role, None if caller.wide else world.home) for caller in CALLERS}


@pytest.fixture(scope="module")
def walked(served: Served, operations: set[str], people: dict[Caller, Person]) -> list[Taken]:
    """Every cell with its answer and its entries: first what belongs to others, then oneself."""
    ground = Ground(served)
    cells = [(o, c, p) for o in sorted(operations - {*SELF}) for c in CALLERS for p in PLACES]
    asks = [replace(errand(ground, *cell), who=people[cell[1]]) for cell in cells]
    answers = served.ask_all(asks)
    expected = [permitted(*cell) for cell in cells]
    served.world.pass_time(seconds=60)  # the codes of the sign-ins are used up
    own = [_on_oneself(served, caller, person) for caller, person in people.items()]
    for chain, given in zip(own, served.ask_chains([ask for _, ask in chain] for chain in own), strict=True):
        answers += given
        expected += [OPERATIONS[name]["success"] for name, _ in chain]
    cells += [(name, caller, "own") for caller, chain in zip(people, own, strict=True) for name, _ in chain]
    entries = served.lines_by_request()
    return [
        Taken(*cell, status, answer, entries.get(answer.headers["X-Request-ID"], []))
        for cell, status, answer in zip(cells, expected, answers, strict=True)
    ]


def _on_oneself(served: Served, caller: Caller, person: Person) -> list[tuple[str, Ask]]:
    """Return the operations on one's own session and account, in an order in which each is possible."""
    password = f"{NEW_PASSWORD} {caller.role}"
    codes = [served.world.otp(person), served.world.otp(person)]
    sign_in = {"username": person.username, "password": PASSWORD, "otp": codes[1]}

    def confirmed(answers: list[httpx2.Response]) -> dict[str, str]:
        return {"otp": pyotp.TOTP(answers[-1].json()["secret"]).at(served.world.now)}

    bodies: dict[str, Any] = {
        "GET /v1/sessions/current": None,
        "GET /v1/users/me": None,
        "GET /v1/roles": None,
        "POST /v1/sessions/current/step-up": {"otp": codes[0]},
        "POST /v1/sessions": sign_in,
        "PUT /v1/users/me/password": {"current_password": PASSWORD, "new_password": password},
        "POST /v1/users/me/totp": None,
        "POST /v1/users/me/totp/confirm": confirmed,
        "POST /v1/sessions/current/lock": None,
        "POST /v1/sessions/current/unlock": {"password": password},
        "DELETE /v1/sessions/current": None,
    }
    return [
        (name, Ask.to(name, None if name == "POST /v1/sessions" else person, body))
        for name, body in bodies.items()
    ]


def test_every_operation_of_the_contract_is_served_or_named_as_later(operations: set[str]) -> None:
    """Of the contract's 54 operations and 31 added ones 81 are served, and four come later."""
    assert (85, 81) == (len(OPERATIONS), len(operations))
    assert OPERATIONS.keys() - NOT_BUILT_YET == operations


def test_the_whole_table_is_walked(walked: list[Taken], operations: set[str]) -> None:
    """5,967 cells are put to the test: 70 operations at 3 places and 11 on oneself, for 27 callers."""
    others = operations - {*SELF}

    assert (len(others) * len(PLACES) + len(SELF)) * len(CALLERS) == CELLS == len(walked)


def test_each_operation_answers_as_published(walked: list[Taken]) -> None:
    """Each role may do at each place what the tables say, and is refused by the contract's order."""
    assert [] == [taken for taken in walked if taken.answer.status_code != taken.expected]


def test_nothing_of_another_place_is_shown(walked: list[Taken]) -> None:
    """No answer, refused or not, shows a name or text of a place out of the caller's scope."""
    shown = [
        taken
        for taken in walked
        for place in PLACES
        if not taken.caller.reaches(place) and f"{CANARY}-{place}" in taken.answer.text
    ]

    assert [] == shown


def test_refusals_show_nothing(walked: list[Taken]) -> None:
    """No answer of 400 or more holds a name or a text of what was asked for."""
    assert [] == [t for t in walked if t.answer.status_code >= 400 and CANARY in t.answer.text]


def test_each_request_makes_the_entry_of_its_operation(walked: list[Taken]) -> None:
    """Each request makes exactly one entry, a stream two, with the declared act and outcome."""
    assert [] == [taken for taken in walked if not recorded_as_declared(taken)]


def recorded_as_declared(taken: Taken) -> bool:
    """Say whether the entries of a request are what the contract wants, and where."""
    act = OPERATIONS[taken.operation]["act"]
    out = "fail" if taken.expected == 422 else outcome_of(taken.expected, taken.place)
    if taken.operation in NAME_A_HOME and taken.expected == 404:
        # a home is named: who holds the permission nowhere there is refused before it is looked up
        out = "fail" if taken.caller.wide else "deny"
    acts = [act, f"{act}.end"] if taken.operation in STREAMS and taken.expected == 200 else [act]
    return [(line.e["act"], line.e["out"]) for line in taken.lines] == [(one, out) for one in acts]


def test_each_answer_carries_the_receipt_of_its_entry(walked: list[Taken]) -> None:
    """`Audit-Event` names chain, position and leaf of the entry, which for a stream is the first."""
    assert [] == [t for t in walked if t.lines[0].receipt != t.answer.headers["Audit-Event"]]
