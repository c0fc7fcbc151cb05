"""How much of a body was read counts towards what one turn takes, however the body came."""

import asyncio

import pytest

from app.http.edge import BODY_BYTES, Edge


def read(pieces: list[bytes], headers: list[tuple[bytes, bytes]], *, reads: bool = True) -> int | None:
    """Send a body piece by piece; return what the edge noted."""
    noted: list[int | None] = []

    async def inner(scope, receive, _send) -> None:
        more = reads
        while more:
            more = (await receive()).get("more_body", False)
        noted.append(scope["state"].get(BODY_BYTES))

    left = iter(pieces)

    async def receive():
        piece = next(left)
        return {"type": "http.request", "body": piece, "more_body": piece is not pieces[-1]}

    async def send(_message) -> None:
        raise AssertionError("nothing is answered here")

    scope = {"type": "http", "method": "POST", "path": "/v1/sample", "headers": headers}
    asyncio.run(Edge(inner, make_request_id=str)(scope, receive, send))
    return noted[0]


@pytest.mark.parametrize("headers", [[(b"transfer-encoding", b"chunked")], [(b"content-length", b"700")]])
def test_the_bytes_that_were_read_are_counted(headers):
    """Chunked or with its length: what came is what counts."""
    assert 700 == read([b"a" * 300, b"b" * 399, b"c"], headers)


def test_what_was_not_read_counts_for_nothing():
    """Whoever does not look at the body has none to keep."""
    assert read([b"a"], [], reads=False) is None
