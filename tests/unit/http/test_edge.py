"""The edge: headers on every answer, refusals before bodies are read."""

import asyncio
import logging

import pytest
from starlette.responses import PlainTextResponse

from app.core.errors import PayloadTooLargeError, UnsupportedMediaTypeError
from app.http.edge import ORDINARY_BODY_BYTES, RECORD_BODY_BYTES, REFUSED_INPUT, Edge, body_limit

RESIDENT = "/v1/residents/01890000-0000-7000-8000-000000000001"
ON_EVERY_ANSWER = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-request-id": "req-1",
}
WAYS = [
    ("GET", RESIDENT, 200),
    ("POST", "/v1/sessions/current/lock", 204),
    ("GET", "/v1/nothing", 404),
    ("DELETE", RESIDENT, 405),
    ("GET", RESIDENT + "?limit=x", 422),
    ("GET", "/v1/throttled", 429),
    ("GET", "/v1/crash", 500),
    ("GET", "/v1/stream", 200),
    ("GET", "/problems/forbidden", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), WAYS)
def test_every_answer_carries_the_headers(sample, method, path, status):
    """However a request ends, its answer carries each protective header once."""
    answer = sample.send(method, path, headers=[("X-Request-ID", "req-1")])

    assert status == answer.status
    assert ON_EVERY_ANSWER == {name: answer.header(name) for name in ON_EVERY_ANSWER}
    assert answer.all("strict-transport-security") == []


def test_refused_bodies_carry_the_headers(sample):
    """Answers to refused bodies carry the protective headers too."""
    too_large = sample.send(
        "PUT", "/v1/optional", b" " * (ORDINARY_BODY_BYTES + 1), [("X-Request-ID", "req-1")]
    )
    encoded = sample.send(
        "PUT", "/v1/optional", b"{}", [("X-Request-ID", "req-1"), ("Content-Encoding", "gzip")]
    )

    assert [too_large.status, encoded.status] == [413, 415]
    for answer in (too_large, encoded):
        assert ON_EVERY_ANSWER == {name: answer.header(name) for name in ON_EVERY_ANSWER}


def test_transport_security_is_announced_over_tls_only(sample_of):
    """Strict-Transport-Security is sent where the service is declared to be behind TLS."""
    answer = sample_of(over_tls=True).send("GET", "/v1/nothing")

    assert answer.header("strict-transport-security") == "max-age=31536000; includeSubDomains"


def test_request_id_is_made_when_malformed(sample):
    """A malformed or repeated request id is replaced, in the header and in the problem."""
    for given in ([], [("X-Request-ID", "a b")], [("X-Request-ID", "a"), ("X-Request-ID", "b")]):
        answer = sample.send("GET", "/v1/nothing", headers=given)

        assert answer.header("x-request-id") == "made-1"
        assert answer.json["request_id"] == "made-1"


def test_declared_oversize_is_refused_unread(sample):
    """A body whose declared length is over the limit is refused without taking a byte of it."""
    answer = sample.send("PUT", "/v1/optional", b"x" * (ORDINARY_BODY_BYTES + 1))

    assert answer.status == 413
    assert answer.json["type"] == "/problems/payload-too-large"
    assert answer.pulled == 0
    assert [type(error) for error in sample.recorded] == [PayloadTooLargeError]


@pytest.mark.parametrize("path", ["/v1/optional", "/v1/form", "/v1/sessions/current/lock"])
def test_chunked_oversize_is_refused_at_the_limit(sample, path):
    """A chunked body is taken no further than the piece that passes the limit."""
    piece = b"x" * 64 * 1024
    method = "PUT" if path == "/v1/optional" else "POST"
    answer = sample.send(method, path, (piece for _ in range(100_000)))

    assert answer.status == 413
    assert answer.pulled == ORDINARY_BODY_BYTES + len(piece)
    assert [type(error) for error in sample.recorded] == [PayloadTooLargeError]


def test_body_of_exactly_the_limit_is_read(sample):
    """The limit itself is allowed, declared or chunked."""
    body = b" " * (ORDINARY_BODY_BYTES - 2) + b"{}"

    assert sample.send("PUT", "/v1/optional", body).status == 200
    assert sample.send("PUT", "/v1/optional", [body[:1000], body[1000:]]).status == 200


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
def test_a_chunked_body_has_the_limit_to_the_byte(sample, more, status):
    """In pieces, too, a body may be as large as the limit and not one byte larger."""
    pieces = [b" " * (ORDINARY_BODY_BYTES - 2), b"{}", b" " * more]
    answer = sample.send("PUT", "/v1/optional", [piece for piece in pieces if piece])

    assert (status, ORDINARY_BODY_BYTES + more) == (answer.status, answer.pulled)


def test_records_take_documents():
    """Only recording and amending a record takes bodies of 8 MiB."""
    assert body_limit("POST", f"{RESIDENT}/records") == RECORD_BODY_BYTES
    assert body_limit("PUT", f"{RESIDENT}/records/1") == RECORD_BODY_BYTES
    for method, path in [
        ("PATCH", f"{RESIDENT}/records/1"),
        ("GET", f"{RESIDENT}/records"),
        ("POST", RESIDENT),
        ("POST", f"{RESIDENT}/records/1/versions"),
        ("POST", f"/x{RESIDENT}/records"),
        ("POST", "/v1/residents/records"),
    ]:
        assert body_limit(method, path) == ORDINARY_BODY_BYTES


def test_limit_is_asked_for_each_request(sample_of):
    """The limit may depend on method and path."""
    small = sample_of(limit=lambda method, path: 4 if path == "/v1/optional" else 100)

    assert small.send("PUT", "/v1/optional", b"{  }").status == 200
    assert small.send("PUT", "/v1/optional", b"{   }").status == 413
    assert small.send("POST", "/v1/form", b"x" * 100).status == 200


@pytest.mark.parametrize("coding", ["gzip", "br", "identity", "x"])
def test_encoded_bodies_are_refused_unread(sample, coding):
    """A request with a Content-Encoding is refused without taking its body."""
    answer = sample.send("PUT", "/v1/optional", b"{}", [("Content-Encoding", coding)])

    assert answer.status == 415
    assert answer.pulled == 0
    assert [type(error) for error in sample.recorded] == [UnsupportedMediaTypeError]


@pytest.mark.parametrize(
    ("length", "status"), [("x", 422), ("-1", 422), ("", 422), ("9" * 5000, 413), ("1 1", 422)]
)
def test_nonsense_lengths_are_refused(sample, length, status):
    """A length that is no number, or one with thousands of digits, is refused and not converted."""
    answer = sample.send("PUT", "/v1/optional", headers=[("Content-Length", length)])

    assert status == answer.status


def test_refusal_reaches_routes_that_read_no_body(sample):
    """An operation that takes no body refuses a request whose headers alone are refused."""
    assert sample.send("GET", RESIDENT, headers=[("Content-Encoding", "gzip")]).status == 415
    assert sample.send("GET", RESIDENT, headers=[("Content-Length", "99999999")]).status == 413


def test_refusal_is_left_in_the_scope_and_raised_to_the_reader(sample):
    """The edge answers nothing itself: the refusal waits in the scope for whoever reads the body."""
    seen = {}

    async def reader(scope, receive, send):
        seen["kept"] = scope["state"][REFUSED_INPUT]
        with pytest.raises(PayloadTooLargeError) as raised:
            await receive()
        seen["raised"] = raised.value
        await PlainTextResponse("done")(scope, receive, send)

    sample.app = Edge(reader, make_request_id=lambda: "made-1")
    answer = sample.send("PUT", "/v1/anything", b"x" * (ORDINARY_BODY_BYTES + 1))

    assert answer.status == 200
    assert seen["kept"] is seen["raised"]


def test_only_http_passes_the_edge_changed(sample):
    """Start-up messages pass untouched."""
    seen = []

    async def inner(scope, receive, send):
        seen.append((scope, receive, send))

    asyncio.run(Edge(inner, make_request_id=str)({"type": "lifespan"}, "receive", "send"))

    assert seen == [({"type": "lifespan"}, "receive", "send")]


# What the logging module counts and times by itself; any three digits may turn up in them.
NUMBERS_OF_LOGGING = {"created", "msecs", "relativeCreated", "thread", "process", "taskName"}


def test_crash_is_logged_without_its_message(sample, caplog):
    """A crash is answered as a problem and logged by type and place, never with what it says."""
    with caplog.at_level(logging.ERROR):
        answer = sample.send("GET", "/v1/crash", headers=[("X-Request-ID", "req-1")])

    assert answer.json["type"] == "/problems/internal-error"
    logged = next(record for record in caplog.records if record.msg == "request-crashed")
    assert ("RuntimeError", "req-1") == (logged.cause, logged.rid)
    assert logged.where.endswith(":crash")
    assert not logged.args
    told = {name: value for name, value in vars(logged).items() if name not in NUMBERS_OF_LOGGING}
    assert "999" not in str(told)


def test_broken_stream_ends_unfinished_and_is_not_recorded_again(sample):
    """A stream that breaks stays cut, so the client can tell, and makes no second record here."""
    answer = sample.send("GET", "/v1/stream?broken=true")

    assert (answer.status, answer.body, answer.finished) == (200, b"one\n", False)
    assert sample.recorded == []


def test_crash_of_the_answering_itself_is_still_a_problem(sample):
    """When recording a refusal crashes, the caller gets a plain 500 problem with all headers."""
    sample.recorder_works = False
    answer = sample.send("GET", "/v1/nothing", headers=[("X-Request-ID", "req-1")])

    assert answer.status == 500
    assert answer.json["type"] == "/problems/internal-error"
    assert ON_EVERY_ANSWER == {name: answer.header(name) for name in ON_EVERY_ANSWER}
