"""Every operation makes exactly one entry: the walk over `/openapi.json`, as the sixth lock of the door.

The number of operations is stated; whoever adds one adds it there and to the walk.
"""

from typing import Any

import httpx2
import pytest

from app.alerts.table import alert, alert_rule
from app.identity.table import account, home, session, shift
from app.incidents.table import incident, incident_scope
from app.residents.table import erasure, record, resident
from app.trail.table import containment
from app.webhooks.table import webhook, webhook_message
from tests.http.published import NOT_BUILT_YET, OPERATIONS, STREAMS
from tests.http.walking import SIGN_IN, Walk
from tests.support.served import Ask, Line, Served

TABLES = (account, home, session, shift, resident, record, erasure, incident_scope, containment)
ALERTS = (alert, alert_rule)
SERVED, IDEMPOTENT, CONDITIONAL = 81, 37, 5
ROWS = sorted(OPERATIONS.keys() - NOT_BUILT_YET)


@pytest.fixture(scope="module")
def described(served: Served) -> dict[str, dict[str, Any]]:
    """The operations as the service describes them."""
    paths = served.ask("GET", "/openapi.json").json()["paths"]
    return {f"{m.upper()} {path}": row for path, methods in paths.items() for m, row in methods.items()}


@pytest.fixture(scope="module")
def walk(served: Served) -> Walk:
    """What the walk needs at each operation."""
    return Walk(served)


def entries(lines: list[Line]) -> list[tuple[str, str]]:
    """Return act and outcome of lines."""
    return [(line.e["act"], line.e["out"]) for line in lines]


def test_all_operations_are_described(described: dict[str, dict[str, Any]]) -> None:
    """`/openapi.json` describes the 81 operations that are published and built, and no other."""
    assert SERVED == len(described)
    assert set(ROWS) == described.keys()


def test_descriptions_say_what_the_contract_says(described: dict[str, dict[str, Any]]) -> None:
    """Permission, act, success status, If-Match and Idempotency-Key are described as published."""
    shown = {
        name: {
            "permission": row["x-permission"],
            "act": row["x-audit-act"],
            "success": min(int(status) for status in row["responses"]),
            "if_match": "If-Match" in header_names(row),
            "idempotency_key": "Idempotency-Key" in header_names(row),
        }
        for name, row in described.items()
    }
    published = {name: {k: OPERATIONS[name][k] for k in row} for name, row in shown.items()}

    assert published == shown


def header_names(row: dict[str, Any]) -> set[str]:
    """Return the headers an operation takes."""
    return {p["name"] for p in row.get("parameters", ()) if p["in"] == "header"}


# --- one entry ----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ROWS)
def test_a_permitted_request_makes_one_entry(operation: str, walk: Walk, served: Served) -> None:
    """What is done makes one entry with the declared act, a stream two; the receipt names the first."""
    ask = walk.permitted(operation)

    answer = send(served, ask)

    act = OPERATIONS[operation]["act"]
    acts = [act, f"{act}.end"] if operation in STREAMS else [act]
    lines = served.lines_of(answer)
    assert OPERATIONS[operation]["success"] == answer.status_code
    assert answer.headers["Cache-Control"] == "no-store"
    assert [(one, "ok") for one in acts] == entries(lines)
    assert {served.world.org} == {line.org for line in lines}
    assert lines[0].receipt == answer.headers["Audit-Event"]


@pytest.mark.parametrize("operation", ROWS)
def test_a_refused_request_makes_one_entry(operation: str, walk: Walk, served: Served) -> None:
    """What is refused makes one entry of the declared act with outcome `deny`."""
    ask, status = walk.refused(operation)

    answer = send(served, ask)

    lines = served.lines_of(answer)
    assert (status, "application/problem+json") == (answer.status_code, answer.headers["Content-Type"])
    assert [(OPERATIONS[operation]["act"], "deny")] == entries(lines)
    assert served.world.org == lines[0].org
    # a receipt would tell a stranger which organisation a user name belongs to
    assert answer.headers.get("Audit-Event") == (None if operation == SIGN_IN else lines[0].receipt)


def send(served: Served, ask: Ask) -> httpx2.Response:
    """Send one prepared request."""
    return served.ask_all([ask])[0]


# --- preconditions, repeats -------------------------------------------------------------------------


def test_changes_of_versions_want_if_match(walk: Walk, served: Served) -> None:
    """Without If-Match 428, with a stale one 412, with a malformed one 422; each makes one entry, `fail`."""
    conditional = [name for name in ROWS if OPERATIONS[name]["if_match"]]
    tags = {None: 428, '"7"': 412, "*": 422, 'W/"1"': 422, '"1", "2"': 422, '"01"': 422}
    asks, expected = [], []
    for operation in conditional:
        for tag, status in tags.items():
            ask = walk.permitted(operation)
            del ask.headers["If-Match"]
            ask.headers |= {"If-Match": tag} if tag is not None else {}
            asks.append(ask)
            expected.append((status, [(OPERATIONS[operation]["act"], "fail")]))
    answers = served.ask_all(asks)
    found = served.lines_by_request()

    assert CONDITIONAL == len(conditional)
    assert expected == [(a.status_code, entries(found[a.headers["X-Request-ID"]])) for a in answers]


def test_a_repeated_call_answers_once_more_with_an_entry_of_its_own(
    walk: Walk, served: Served, described: dict[str, Any]
) -> None:
    """The same key and body give the same answer and change nothing; each has its own entry and receipt."""
    idempotent = [name for name in described if OPERATIONS[name]["idempotency_key"]]
    assert IDEMPOTENT == len(idempotent)
    for operation in idempotent:
        ask = walk.permitted(operation)
        ask.headers = ask.headers | {"Idempotency-Key": f"key of {operation}".replace(" ", "-")}
        before = state(served)
        first = send(served, ask)
        between = state(served)
        again = send(served, ask)

        assert state(served) == between != before, operation
        assert (first.status_code, replayed(first)) == (again.status_code, replayed(again)), operation
        assert first.headers.get("ETag") == again.headers.get("ETag")
        lines = [line for answer in (first, again) for line in served.lines_of(answer)]
        assert [(OPERATIONS[operation]["act"], "ok")] * 2 == entries(lines)
        assert [line.receipt for line in lines] == [a.headers["Audit-Event"] for a in (first, again)]
        assert lines[0].e.get("subs") == lines[1].e.get("subs")


def state(served: Served) -> list[tuple[object, ...]]:
    """Return every version and end there is in the database: what a change changes."""
    rows = [
        (table.name, row.get("id", row.get("rule")), row.get("version"), row.get("ended_at"))
        for table in (*TABLES, *ALERTS, incident, webhook, webhook_message)
        for row in served.world.rows(table)
    ]
    return sorted(rows, key=repr)


def replayed(answer: httpx2.Response) -> Any:
    """Return the body of an answer as a repeat shows it: a password and a secret are shown once."""
    body = answer.json() if answer.content else None
    return body | dict.fromkeys({"initial_password", "secret"} & body.keys()) if body else body


def test_an_initial_password_is_shown_once(walk: Walk, served: Served) -> None:
    """A repeated creation of a user answers without the password."""
    ask = walk.permitted("POST /v1/users")
    ask.headers = ask.headers | {"Idempotency-Key": "one-user"}

    first, again = (send(served, ask).json()["initial_password"] for _ in range(2))

    assert (True, None) == (isinstance(first, str), again)


def test_a_key_used_for_another_request_is_refused(walk: Walk, served: Served) -> None:
    """A key that comes back with another body is 422 `idempotency-key-reused`, with one entry, `fail`."""
    asks = [walk.permitted("POST /v1/homes") for _ in range(2)]
    asks[1].json = {"name": "Another House"}
    for ask in asks:
        ask.headers = {"Idempotency-Key": "a-home"}

    answers = [send(served, ask) for ask in asks]

    assert [201, 422] == [answer.status_code for answer in answers]
    assert answers[1].json()["type"] == "/problems/idempotency-key-reused"
    assert [("home.create", "fail")] == entries(served.lines_of(answers[1]))


# --- what names nothing -------------------------------------------------------------------------------


def test_malformed_ids_name_nothing(walk: Walk, served: Served, described: dict[str, Any]) -> None:
    """A malformed id in a path is 404 with one entry of the operation, `fail`; a number is an id here too."""
    named = [name for name in described if "_id}" in name]
    wrong = ("x", "1", "01890000-0000-7000-8000-00000000000G", "..%2f..", "%00", "%F0%9F%92%A9")
    asks = []
    for operation in named:
        method, path = operation.split(" ")
        first = path[path.index("{") : path.index("}") + 1]
        for bad in wrong:
            filled = path.replace(first, bad)
            for name in ("record_id", "shift_id", "action_id", "delivery_id"):
                filled = filled.replace(f"{{{name}}}", "01890000-0000-7000-8000-000000000001")
            filled = filled.replace("{version}", "1")
            asks.append((operation, Ask(method, filled, walk.manager)))
    answers = served.ask_all(ask for _, ask in asks)
    found = served.lines_by_request()

    assert {404} == {answer.status_code for answer in answers}
    wanted = [[(OPERATIONS[operation]["act"], "fail")] for operation, _ in asks]
    unmatched = [("request.unmatched", "fail")]  # %2f is a slash to the router
    got = [entries(found[answer.headers["X-Request-ID"]]) for answer in answers]
    assert [] == [pair for pair in zip(asks, wanted, got, strict=True) if pair[2] not in (pair[1], unmatched)]


UNMATCHED = {
    ("GET", "/"): 404,
    ("GET", "/v1"): 404,
    ("GET", "/v1/"): 404,
    ("GET", "/v1/nothing"): 404,
    ("POST", "/v1/nothing"): 404,
    ("GET", "/v1/residents/"): 404,
    ("GET", "/V1/residents"): 404,
    ("GET", "//v1/residents"): 404,
    ("GET", "/v1/residents;x=1"): 404,
    ("DELETE", "/v1/residents"): 405,
    ("PUT", "/v1/homes"): 405,
    ("PATCH", "/v1/sessions/current"): 405,
    ("HEAD", "/v1/residents"): 405,
    ("OPTIONS", "/v1/residents"): 405,
    ("TRACE", "/v1/residents"): 405,
    ("PROPFIND", "/v1/residents"): 405,
    ("POST", "/health/live"): 405,
    ("POST", "/openapi.json"): 405,
}


@pytest.mark.parametrize(("asked", "status"), UNMATCHED.items(), ids=map(" ".join, UNMATCHED))
def test_what_is_not_there_makes_an_entry(
    asked: tuple[str, str], status: int, walk: Walk, served: Served
) -> None:
    """An unknown path or a wrong method, asked by a known session, is `request.unmatched` without object."""
    answer = served.ask(*asked, walk.manager)

    lines = served.lines_of(answer)
    assert status == answer.status_code
    assert [("request.unmatched", "fail")] == entries(lines)
    assert "obj" not in lines[0].e
    assert lines[0].receipt == answer.headers["Audit-Event"]


NOT_AUDITED = {
    "/health/live": 200,
    "/health/ready": 200,
    "/openapi.json": 200,
    "/docs": 200,
    "/problems/not-found": 200,
    "/problems/unheard-of": 404,
    "/metrics": 404,
}


def test_what_is_not_audited_makes_no_entry(walk: Walk, served: Served) -> None:
    """Probes, description, documentation, problem pages and counters make no entry, whoever asks."""
    answers = served.ask_all(Ask("GET", path, walk.manager) for path in NOT_AUDITED)

    assert list(NOT_AUDITED.values()) == [answer.status_code for answer in answers]
    assert set() == requests_of(answers) & served.lines_by_request().keys()


def requests_of(answers: list[httpx2.Response]) -> set[str]:
    """Return the ids of the requests of answers."""
    return {answer.headers["X-Request-ID"] for answer in answers}


def test_strangers_make_no_entry(walk: Walk, served: Served, described: dict[str, Any]) -> None:
    """Without a token, or with one this service never issued, every operation is 401 and makes no entry."""
    token = served.token(walk.manager)
    header, payload, signature = token.split(".")
    foreign = ["x", f"{header}.{payload}.{signature[::-1]}", f"{header}.{payload}.", f"{token}x"]
    unknown = served.desk.unrecognised
    asks = [
        Ask.to(operation.replace("{version}", "1").replace("{seq}", "1"), who)
        for operation in described
        if operation != SIGN_IN
        for who in (None, *foreign)
    ]
    answers = served.ask_all(asks)

    assert {401} == {answer.status_code for answer in answers}
    assert {"/problems/token-invalid"} == {answer.json()["type"] for answer in answers}
    assert set() == requests_of(answers) & served.lines_by_request().keys()
    assert unknown + len(asks) == served.desk.unrecognised
