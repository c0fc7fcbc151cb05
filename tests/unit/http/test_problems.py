"""Problems: shapes, pointers, pages, and that nothing sent ever comes back."""

import inspect
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import (
    CaretrailError,
    InvalidRequestError,
    NotFoundError,
    SessionEndedError,
    TokenInvalidError,
)
from app.http import problems

ID = "01890000-0000-7000-8000-000000000001"
RESIDENT = f"/v1/residents/{ID}"
NOTE = {"category": "daily_note", "text": "Slept well."}
AT = "2026-03-01T10:00:00Z"
SLUGS = {
    "invalid-request": 422,
    "not-found": 404,
    "forbidden": 403,
    "credentials-refused": 401,
    "otp-required": 401,
    "token-invalid": 401,
    "session-idle": 401,
    "session-locked": 401,
    "session-ended": 401,
    "shift-over": 401,
    "off-shift": 403,
    "password-change-required": 403,
    "second-factor-required": 403,
    "person-required": 403,
    "step-up-required": 403,
    "too-many-attempts": 429,
    "precondition-required": 428,
    "version-conflict": 412,
    "idempotency-key-reused": 422,
    "conflict": 409,
    "retention-hold": 409,
    "payload-too-large": 413,
    "unsupported-media-type": 415,
    "audit-unavailable": 503,
    "outcome-unknown": 503,
}
OWN_SLUGS = {"internal-error": 500, "integrity": 500, "method-not-allowed": 405}


def errors_of(sample, body):
    """Return the (pointer, sentence) pairs that a body is refused with."""
    answer = sample.send("POST", f"{RESIDENT}/records", json.dumps(body).encode())
    assert answer.status == 422
    return [(error["pointer"], error["detail"]) for error in answer.json["errors"]]


def test_problem_has_the_members_of_the_contract(sample):
    """A problem names its type, title, status, detail, instance and request id."""
    answer = sample.send("GET", "/v1/throttled", headers=[("X-Request-ID", "req-1")])

    assert answer.header("content-type") == "application/problem+json"
    assert answer.header("retry-after") == "7"
    assert answer.header("audit-event") == "system/1/0123456789abcdef"
    assert answer.json == {
        "type": "/problems/too-many-attempts",
        "title": "Too many attempts",
        "status": 429,
        "detail": "Wait for the time given in Retry-After, then try again.",
        "instance": "/v1/throttled",
        "request_id": "req-1",
    }


def test_unauthenticated_callers_are_told_the_scheme():
    """A 401 names the bearer scheme; other problems do not."""
    assert problems.answer(TokenInvalidError(), "r", "/").headers["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in problems.answer(NotFoundError(), "r", "/").headers


def every_error():
    """Return every class of the family of errors."""
    found, waiting = [], [CaretrailError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return [kind for kind in found if kind.__module__.startswith("app.")]


def test_every_error_is_answered_with_its_own_status():
    """Each error becomes the status and the type it declares, and 422 always lists its places."""
    kinds = every_error()

    assert len(kinds) >= 26
    for kind in kinds:
        error = kind("") if "reason" in inspect.signature(kind).parameters else kind()
        problem = json.loads(problems.answer(error, "r", "/").body)
        assert (problem["status"], problem["type"]) == (kind.status, f"/problems/{kind.slug}")
        assert ("errors" in problem) == (kind.status == 422)
        assert all(place.keys() == {"pointer", "detail"} for place in problem.get("errors", ()))


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ({}, {"/occurred_at": "This is needed.", "/body": "This is needed."}),
        ({"occurred_at": AT, "body": {"category": "daily_note"}}, {"/body/text": "This is needed."}),
        (
            {"occurred_at": "x", "body": NOTE},
            {"/occurred_at": "Must be an instant with its offset, like 2026-03-01T10:00:00Z."},
        ),
        (
            {"occurred_at": AT, "body": {**NOTE, "text": "x" * 101}},
            {"/body/text": "Must have at most 100 characters."},
        ),
        ({"occurred_at": AT, "body": {**NOTE, "text": 1}}, {"/body/text": "Must be text."}),
        (
            {"occurred_at": AT, "body": {"category": "x"}},
            {"/body/category": "Must be one of 'daily_note', 'observation'."},
        ),
        ({"occurred_at": AT, "body": 5}, {"/body": "Must be an object."}),
        (
            {
                "occurred_at": AT,
                "body": {"category": "observation", "parts": [{"kind": "a"}, {"level": "x"}]},
            },
            {"/body/parts/1/kind": "This is needed.", "/body/parts/1/level": "Must be a whole number."},
        ),
        (
            {"occurred_at": AT, "body": {"category": "observation", "parts": {}}},
            {"/body/parts": "Must be a list."},
        ),
        ({"occurred_at": AT, "body": NOTE, "number": "wrong"}, {"/number": "This is not a valid number."}),
        (
            {"occurred_at": AT, "body": NOTE, "number": "told"},
            {"/number": "This is not valid here. See the API description for what is."},
        ),
    ],
)
def test_pointers_lead_to_the_place_in_the_body(sample, body, places):
    """Each pointer is a JSON pointer into the body as it was sent; each sentence is our own."""
    assert places == dict(errors_of(sample, body))


def test_unknown_names_are_not_repeated(sample):
    """A field that is not declared is pointed at through its parent, without its name."""
    unknown = ("", "There is a field here that is not part of it. Send only the documented fields.")

    assert [unknown] == errors_of(sample, {"occurred_at": AT, "body": NOTE, "Mary Sample": 1, "Ann": 2})
    tags = {"category": "observation", "parts": [], "tags": {"Mary Sample": "x"}}
    assert [("/body/tags", "Must be a whole number.")] == errors_of(sample, {"occurred_at": AT, "body": tags})


def test_number_of_errors_is_bounded(sample):
    """A body wrong in a thousand places is answered with at most fifty of them."""
    parts = [{"level": 1}] * 1000

    assert 50 == len(
        errors_of(sample, {"occurred_at": AT, "body": {"category": "observation", "parts": parts}})
    )


def test_pointer_escapes_as_rfc_6901_says():
    """The tilde and the slash of a field name are escaped in a pointer."""
    finding = {"type": "missing", "loc": ("body", "a/b~c")}

    error = problems.invalid_request([finding], {}, frozenset({"a/b~c"}))

    assert error.errors == (("/a~1b~0c", "This is needed."),)


@pytest.mark.parametrize("segment", ["1", "x", "Mary Sample", ID.upper()[:-1], "a" * 5000, "\x00", "é"])
def test_malformed_id_in_a_path_is_not_found(sample, segment):
    """A malformed id names nothing that exists: 404, and the problem does not repeat it."""
    answer = sample.send("GET", f"/v1/residents/{segment}")

    assert answer.status == 404
    assert answer.json["instance"] == ("/v1/residents/1" if segment == "1" else "/v1/residents/-")
    assert [type(error) for error in sample.recorded] == [NotFoundError]


def test_unmatched_addresses_and_methods(sample):
    """An unknown address is 404 and not repeated; a wrong method is 405 and says which are right."""
    nowhere = sample.send("GET", f"/v1/residents/{ID}/Mary Sample")
    wrong = sample.send("PUT", f"{RESIDENT}/records")

    assert (nowhere.status, nowhere.json["instance"]) == (404, "/")
    assert (wrong.status, wrong.json["instance"]) == (405, f"{RESIDENT}/records")
    assert wrong.header("allow") == "POST"
    assert sample.send("DELETE", RESIDENT).header("allow") == "GET, PATCH"
    assert wrong.json["type"] == "/problems/method-not-allowed"
    assert len(sample.recorded) == 3


def test_trail_that_cannot_be_written_is_answered_instead(sample):
    """A refusal that cannot be recorded is answered as 503: the trail comes first."""
    sample.trail_works = False

    for path in ("/v1/throttled", "/v1/nothing", "/v1/crash", f"{RESIDENT}?limit=x"):
        answer = sample.send("GET", path)
        assert (answer.status, answer.header("retry-after")) == (503, "2")
        assert answer.json["type"] == "/problems/audit-unavailable"
        assert answer.all("audit-event") == []


def test_recorder_decides_what_is_told(sample):
    """The recorder, which knows the session, may have another problem told than the bad input."""
    sample.told_instead = SessionEndedError()
    answer = sample.send("GET", f"{RESIDENT}?limit=x")

    assert (answer.status, answer.json["type"]) == (401, "/problems/session-ended")
    assert answer.header("audit-event") == "system/1/0123456789abcdef"
    assert "errors" not in answer.json


def test_problem_is_recorded_once(sample):
    """Each problem is recorded exactly once; an answer that is none is not."""
    for path in (
        "/v1/throttled",
        "/v1/nothing",
        "/v1/crash",
        f"{RESIDENT}?limit=x",
        f"{RESIDENT}?x",
        RESIDENT,
    ):
        sample.send("GET", path)

    kinds = [error.slug for error in sample.recorded]
    assert kinds == ["too-many-attempts", "not-found", "internal-error", "invalid-request", "invalid-request"]


class Text(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(("slug", "status"), sorted({**SLUGS, **OWN_SLUGS}.items()))
def test_every_problem_has_its_page(sample, slug, status):
    """The address in `type` leads to a page that says what it means and what to do next."""
    answer = sample.send("GET", f"/problems/{slug}")
    page = Text(answer.body.decode())

    assert answer.status == 200
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert page.tags == ["html", "head", "meta", "title", "body", "h1", "p", "h2", "p", "h2", "p"]
    for said in (slug, f"Status {status}", problems.pages()[slug]["means"], problems.pages()[slug]["next"]):
        assert said in page.text


def test_unknown_problem_has_no_page(sample):
    """An unknown slug is 404, without repeating it and, being outside the trail, without an entry."""
    for slug in ("unheard-of", "<b>loud", ".."):
        answer = sample.send("GET", f"/problems/{quote(slug)}")
        assert answer.status == 404
        assert slug.encode() not in answer.body
    assert problems.page("<b>") is None
    assert sample.recorded == []


def test_pages_are_those_of_the_contract():
    """There is a page for each slug of the contract and of the errors, with the same status."""
    pages = {slug: about["status"] for slug, about in problems.pages().items()}

    assert pages == {**SLUGS, **OWN_SLUGS}
    for kind in every_error():
        assert pages[kind.slug] == kind.status


def test_slugs_are_those_of_the_shared_contract():
    """The slugs listed here are those the shared contract lists; not known where it is not at hand."""
    shared = Path(os.environ.get("CARETRAIL_SHARED") or Path(__file__).parents[4] / "shared")
    contract = shared / "contract" / "api.md"
    if not contract.exists():
        pytest.skip(f"{contract} is not here")
    listed = re.search(r"^Slugs: (.+?)\n\n", contract.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[
        1
    ]

    assert SLUGS == {slug: int(status) for slug, status in re.findall(r"`([a-z-]+)` (\d+)", listed)}


CANARIES = st.text("bcdfghjklmnpqrstvwxz", min_size=12, max_size=20)
PLACES = st.sampled_from(
    ["occurred_at", "body", "number", "category", "text", "parts", "tags", "kind", "level"]
)


@st.composite
def bodies(draw, canary):
    """Draw a body that resembles a valid one, with the canary in values and in names."""
    names = PLACES | st.just(canary) | st.just(f"{canary}/~{canary}")
    leaves = st.sampled_from(
        [canary, f"{canary}\n", [canary], {canary: canary}, None, 1, "daily_note", "observation"]
    )
    tree = st.recursive(
        leaves, lambda below: st.dictionaries(names, below, max_size=5) | st.lists(below, max_size=3)
    )
    return {**draw(st.dictionaries(names, tree, max_size=5)), draw(names): draw(tree), canary: canary}


@settings(max_examples=150, deadline=None)
@given(st.data(), CANARIES)
def test_nothing_sent_comes_back(standing, data, canary):
    """No value, name, parameter, header, media type or path segment of a request is in its refusal."""
    sample = standing
    body = json.dumps(data.draw(bodies(canary))).encode()
    headers = [("X-Request-ID", f"{canary} "), ("Content-Encoding", canary)]
    answers = [
        sample.send("POST", f"{RESIDENT}/records", body),
        sample.send("POST", f"{RESIDENT}/records", body[:-1]),
        sample.send("POST", f"{RESIDENT}/records", body, type_=f"text/{canary}"),
        sample.send("POST", f"/v1/residents/{canary}/records", body),
        sample.send("GET", f"/v1/{canary}"),
        sample.send("GET", f"/problems/{canary}"),
        sample.send("PUT", f"/v1/residents/{canary}"),
        sample.send("GET", f"{RESIDENT}?{canary}={canary}"),
        sample.send("GET", f"{RESIDENT}?limit={canary}"),
        sample.send("GET", f"{RESIDENT}?from={canary}%00"),
        sample.send("GET", RESIDENT, headers=[headers[1]]),
        sample.send("GET", "/v1/nothing", headers=[headers[0]]),
    ]

    assert len(answers) == 12
    for answer in answers:
        assert 400 <= answer.status < 500
        assert canary.encode() not in answer.body
        assert canary not in str(answer.headers)


def test_refusals_keep_input_out_of_their_own_text():
    """The exception that stands for a refusal does not hold the input either: it may be logged."""
    finding = {
        "type": "string_type",
        "loc": ("body", "a"),
        "input": "Mary",
        "msg": "Mary",
        "ctx": {"x": "Mary"},
    }
    error = problems.invalid_request([finding], {"a": "Mary"}, frozenset({"a"}))

    assert isinstance(error, InvalidRequestError)
    assert "Mary" not in repr(error) + repr(vars(error))
