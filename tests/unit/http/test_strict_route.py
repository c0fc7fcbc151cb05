"""Strict routes: media types, queries and bodies nobody asked for."""

import json
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, Header, Request
from starlette.responses import JSONResponse, Response

from app.core.errors import InvalidRequestError
from app.http.strict_route import StrictRoute, strict_router

RESIDENT = "/v1/residents/01890000-0000-7000-8000-000000000001"
NOTE = {"occurred_at": "2026-03-01T10:00:00Z", "body": {"category": "daily_note", "text": "Slept well."}}
RAW = json.dumps(NOTE).encode()


@pytest.mark.parametrize(
    ("type_", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=UTF-8", 201),
        ('application/json;charset="utf-8"', 201),
        (None, 415),
        ("", 415),
        ("text/plain", 415),
        ("text/json", 415),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=utf-16", 415),
        ("application/json, application/json", 415),
        ("application/jsonp", 415),
        ("application/vnd.api+json", 415),
        ("application/merge-patch+json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
    ],
)
def test_only_json_in_utf8_is_taken(sample, type_, status):
    """A body must say that it is JSON in UTF-8, whatever it holds."""
    answer = sample.send("POST", f"{RESIDENT}/records", RAW, type_=type_)

    assert status == answer.status
    assert len(sample.recorded) == (status != 201)


def test_repeated_content_type_is_refused(sample):
    """Two media types are one too many."""
    again = [("Content-Type", "application/json")]

    assert sample.send("POST", f"{RESIDENT}/records", RAW, again).status == 415


def test_patch_takes_merge_patches(sample):
    """PATCH takes the media type of merge patches beside plain JSON."""
    for type_ in ("application/json", "application/merge-patch+json"):
        assert sample.send("PATCH", RESIDENT, b'{"room": null}', type_=type_).status == 200
    assert sample.send("PATCH", RESIDENT, b"{}", type_="application/json-patch+json").status == 415


def test_endpoint_gets_the_bytes_that_were_sent(sample):
    """The raw body stays readable after strict parsing, as an idempotency key needs it."""
    spaced = b"  " + RAW + b"\n"

    assert sample.send("POST", f"{RESIDENT}/records", spaced).json == {"bytes": len(spaced)}
    assert sample.send("POST", f"{RESIDENT}/records", [spaced[:9], spaced[9:]]).json == {"bytes": len(spaced)}


@pytest.mark.parametrize(
    "body",
    [
        b'{"room": "1", "room": "2"}',
        b'{"room": NaN}',
        b'{"room": ' + b"9" * 5000 + b"}",
        b"[" * 100_000 + b"]" * 100_000,
        rb'{"room": "\ud800"}',
        rb'{"room": "\u0000"}',
        b"\xef\xbb\xbf{}",
        '{"room": "1"}'.encode("utf-16"),
        b"{} x",
        b"null",
        b"[]",
        b'"text"',
        b"7",
    ],
)
def test_bodies_that_are_not_strict_json_are_invalid(sample, body):
    """What strict reading refuses is 422 and recorded once."""
    answer = sample.send("PATCH", RESIDENT, body)

    assert answer.status == 422
    assert answer.json["type"] == "/problems/invalid-request"
    assert len(answer.json["errors"]) == 1
    assert [type(error) for error in sample.recorded] == [InvalidRequestError]


def test_read_body_can_be_streamed(sample):
    """A dependency that streams the body gets what was read, instead of waiting for more."""
    router = strict_router("/v1")

    @router.post("/streamed")
    async def streamed(change: dict[str, int], request: Request) -> Response:
        return JSONResponse([piece.decode() async for piece in request.stream()])

    sample.app._app = FastAPI()
    sample.app._app.include_router(router)

    assert sample.send("POST", "/v1/streamed", b'{"a": 1}').json == ['{"a": 1}', ""]


def test_absent_body(sample):
    """A body that is needed and absent is 422; one that may be absent is not missed."""
    missing = sample.send("PATCH", RESIDENT)

    assert missing.status == 422
    assert missing.json["errors"] == [{"pointer": "", "detail": "This is needed."}]
    assert sample.send("PUT", "/v1/optional").json == {"given": False}
    assert sample.send("PUT", "/v1/optional", b"null").json == {"given": False}
    assert sample.send("PUT", "/v1/optional", b"{}").json == {"given": True}
    assert sample.send("PUT", "/v1/optional", headers=[("Content-Type", "text/plain")]).status == 415


@pytest.mark.parametrize(("method", "path"), [("GET", RESIDENT), ("POST", "/v1/sessions/current/lock")])
def test_body_nobody_asked_for_is_refused(sample, method, path):
    """An operation without a body refuses one, declared or chunked; an empty one is none."""
    assert sample.send(method, path, b"{}").status == 422
    assert sample.send(method, path, [b"{", b"}"]).status == 422
    assert sample.send(method, path, b"x", type_="text/plain").status == 415
    assert sample.send(method, path, b"x", type_=None).status == 415
    assert len(sample.recorded) == 4
    assert sample.send(method, path, []).status < 300
    assert sample.send(method, path, headers=[("Content-Length", "0")]).status < 300


def test_body_cut_short_is_refused(sample):
    """A body that ends before it is complete is refused, and the refusal recorded."""
    answer = sample.send("PATCH", RESIDENT, [b'{"ro'], lost=True)

    assert answer.status == 422
    assert len(sample.recorded) == 1


def test_route_that_describes_its_own_body_reads_it(sample):
    """A route with its own requestBody, a form, reads what comes as it comes."""
    assert sample.send("POST", "/v1/form", b"a=1&b=2", type_="application/x-www-form-urlencoded").json == {
        "bytes": 7
    }


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ("", 200, None),
        ("limit=5&from=2026", 200, None),
        ("date=ge2026&date=le2027", 200, None),
        ("limit=5&limit=5", 422, "/query/limit"),
        ("from=a&from=a", 422, "/query/from"),
        ("since=2026", 422, "/query"),
        ("Limit=5", 422, "/query"),
        ("unknown", 422, "/query"),
        ("limit=5&unknown=1", 422, "/query"),
        ("=5", 422, "/query"),
        ("limit%00=5", 422, "/query"),
        ("limit=0", 422, "/query/limit"),
        ("limit=201", 422, "/query/limit"),
        ("limit=5x", 422, "/query/limit"),
        ("limit=", 422, "/query/limit"),
        ("limit=" + "9" * 5000, 422, "/query/limit"),
        ("from=a%00b", 422, "/query/from"),
        ("from=a%0Ab", 422, "/query/from"),
        ("from=%ff", 422, "/query/from"),
        ("from=%ED%A0%80", 422, "/query/from"),
        ("from=%E2%80%AE", 422, "/query/from"),
    ],
)
def test_query_is_read_strictly(sample, query, status, pointer):
    """Unknown, repeated and unprintable query parameters are refused; lists may repeat."""
    answer = sample.send("GET", f"{RESIDENT}?{query}")

    assert status == answer.status
    if pointer is not None:
        assert [pointer] == [error["pointer"] for error in answer.json["errors"]]


def test_routes_without_parameters_refuse_any(sample):
    """An operation that declares no query parameter takes none."""
    assert sample.send("POST", "/v1/sessions/current/lock?x").status == 422


def test_parameters_arrive(sample):
    """Each parameter comes under its own name and type; one that may repeat comes as a list."""
    given = sample.send("GET", f"{RESIDENT}?limit=5&from=2026&date=ge2026&date=le2027").json

    assert given == {"limit": 5, "from": "2026", "date": ["ge2026", "le2027"]}
    assert sample.send("GET", RESIDENT).json == {"limit": 50, "from": None, "date": None}


def test_routes_take_parameters_and_a_body_only():
    """What only FastAPI could read is refused when the route is made, not when it is asked."""

    async def depending(page: int = Depends(lambda: 1)) -> Response:
        return Response()

    async def heading(if_match: Annotated[str, Header()]) -> Response:
        return Response()

    for endpoint in (depending, heading):
        with pytest.raises(TypeError, match="takes more than"):
            strict_router("/v1").add_api_route("/x", endpoint)


def test_strict_router_makes_strict_routes():
    """Every route of a strict router is strict."""

    async def endpoint() -> Response:
        return Response()

    router = strict_router("/v1", tags=["a"])
    router.add_api_route("/x", endpoint)

    assert [type(route) for route in router.routes] == [StrictRoute]
    assert router.tags == ["a"]
    assert router.prefix == "/v1"
