"""A wrong method is answered with all the right ones."""

from typing import Any

import pytest

from tests.support.served import Ask, Person, Served

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PATHS, WRONG = 62, 229
UNDESCRIBED = {"/health/live", "/health/ready", "/openapi.json", "/docs", "/metrics", "/problems/not-found"}
NEIGHBOURS = {
    ("/v1/users/me", "PATCH"),
    ("/v1/residents/search", "GET"),
    ("/v1/residents/search", "PATCH"),
    ("/v1/residents/search", "DELETE"),
}
"""Words that stand where an id may stand: to the methods of the neighbour they are an id of nothing."""
NAMED = "01890000-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Somebody with a session."""
    return served.world.person("registered_manager", None)


@pytest.fixture(scope="module")
def declared(served: Served) -> dict[str, set[str]]:
    """The methods of each path, as the service describes itself."""
    described: dict[str, dict[str, Any]] = served.ask("GET", "/openapi.json").json()["paths"]
    return {path: {name.upper() for name in item} & {*METHODS} for path, item in described.items()}


def filled(path: str) -> str:
    """Return a path with something well-formed in each place."""
    parts = ({"{seq}": "1", "{version}": "1"}.get(part, part) for part in path.split("/"))
    return "/".join(NAMED if part.startswith("{") else part for part in parts)


def test_a_wrong_method_is_told_every_right_one(
    served: Served, manager: Person, declared: dict[str, set[str]]
) -> None:
    """Allow of a 405 holds exactly the methods that the description declares at the path, each once."""
    cases = [(path, method) for path, right in declared.items() for method in METHODS if method not in right]
    answers = served.ask_all(Ask(method, filled(path), manager) for path, method in cases)
    refused = [(c, a) for c, a in zip(cases, answers, strict=True) if a.status_code == 405]
    others = {c: a.status_code for c, a in zip(cases, answers, strict=True) if a.status_code != 405}

    assert (PATHS, WRONG) == (len(declared), len(cases))
    assert dict.fromkeys(NEIGHBOURS, 404) == others
    assert [] == [
        (case, answer.headers["Allow"])
        for case, answer in refused
        if answer.headers["Allow"].split(", ") != sorted(declared[case[0]])
    ]


@pytest.mark.parametrize("path", sorted(UNDESCRIBED))
def test_a_page_that_is_only_read_says_so(served: Served, manager: Person, path: str) -> None:
    """What is not described is read and nothing else, and says so."""
    answer = served.ask("POST", path, manager)

    assert (405, "GET") == (answer.status_code, answer.headers["Allow"])
