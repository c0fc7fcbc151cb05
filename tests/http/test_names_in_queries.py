"""What is typed into a query where an id belongs may be somebody's name: no line of the trail holds it."""

import pytest

from tests.http.published import NOT_BUILT_YET, OPERATIONS
from tests.http.test_openapi import SERVED
from tests.http.walking import Walk
from tests.support.served import Ask, Served

NAME = "Blodwen Fairweather"
NAMED_IN_QUERIES = 74
IDS_IN_QUERIES = {
    ("GET /v1/residents", "home_id"): (404, "home"),
    ("GET /v1/sessions", "user_id"): (404, "user"),
    ("GET /v1/incidents", "home_id"): (404, "home"),
}


def in_queries() -> list[tuple[str, str]]:
    """Return every parameter that stands in a query, with its operation."""
    return [
        (name, parameter["name"])
        for name, row in sorted(SERVED.items())
        if name in OPERATIONS and name not in NOT_BUILT_YET
        for parameter in row["parameters"]
        if parameter["in"] == "query"
    ]


def test_no_line_holds_what_was_typed_into_a_query(served: Served) -> None:
    """In place of each parameter of each operation, asked by somebody who may: never written."""
    walk = Walk(served)
    asked = in_queries()
    good = {name: walk.permitted(name) for name in sorted({name for name, _ in asked})}

    answers = served.ask_all(
        Ask(one.method, one.path, one.who, params=(one.params or {}) | {parameter: NAME}, headers=one.headers)
        for one, parameter in ((good[name], parameter) for name, parameter in asked)
    )

    assert len(asked) == NAMED_IN_QUERIES
    assert [] == [
        (one, answer.status_code)
        for one, answer in zip(asked, answers, strict=True)
        if answer.is_server_error
    ]
    assert [] == [line.e for line in served.lines() if "Blodwen" in str(line.e)]


@pytest.mark.parametrize(("operation", "parameter"), sorted(IDS_IN_QUERIES))
def test_an_id_that_is_none_leaves_an_object_without_one(
    served: Served, operation: str, parameter: str
) -> None:
    """The refusal is one entry that says what kind of thing was asked for, and no more."""
    status, kind = IDS_IN_QUERIES[operation, parameter]
    manager = served.world.person("registered_manager", None)

    answer = served.ask("GET", operation.removeprefix("GET "), manager, params={parameter: NAME})

    assert status == answer.status_code
    (line,) = served.lines_of(answer)
    assert {"t": kind} == line.e["obj"]
