"""How much of a body is taken, of whom, and of all together."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from app.core.clock import SetClock
from app.core.errors import PayloadTooLargeError
from app.http import unfinished
from app.http.edge import ORDINARY_BODY_BYTES, Edge
from app.http.unfinished import CrowdedError, Rooms, anybody, known_by
from app.identity.tokens import TokenReader, TokenSigner

KIB = 1024
NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
IDS = (
    "01890000-0000-7000-8000-000000000001",
    "01890000-0000-7000-8000-000000000002",
    "01890000-0000-7000-8000-000000000003",
)
SIGNER = TokenSigner(bytes(range(32)), "care.example")
PIECE = b" " * 16 * KIB


def nobody(_headers) -> bool:
    return False


def test_a_stranger_sends_little(sample_of):
    """What is unfinished when it is over 64 KiB is refused there, on whatever operation."""
    for path in ("/v1/optional", "/v1/residents/01890000-0000-7000-8000-000000000001/records"):
        sample = sample_of(known=nobody)
        answer = sample.send("PUT" if "optional" in path else "POST", path, (PIECE for _ in range(1000)))

        assert (413, 80 * KIB) == (answer.status, answer.pulled)
        assert [PayloadTooLargeError] == [type(error) for error in sample.recorded]


def test_a_small_body_of_a_stranger_is_read(sample_of):
    """Up to the bound, in pieces or in one: nothing is told before it has been looked at."""
    sample = sample_of(known=nobody)

    assert 200 == sample.send("PUT", "/v1/optional", [PIECE, PIECE, PIECE, PIECE[:-2], b"{}"]).status
    assert 200 == sample.send("PUT", "/v1/optional", b"{}").status


@pytest.mark.parametrize(("pieces", "asked"), [([b"{}"], 0), ([b"{", b"}"], 1), ([PIECE] * 4, 1)])
def test_a_token_is_asked_for_only_where_a_body_comes_in_pieces(pieces, asked):
    """Most come in one: for those nothing is looked at, and no room is taken."""
    heard, left = [], list(pieces)

    async def inner(_scope, receive, _send) -> None:
        while (await receive())["more_body"]:
            pass

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    edge = Edge(inner, make_request_id=str, known=lambda headers: heard.append(headers) or True)
    scope = {"type": "http", "method": "POST", "path": "/v1/sample", "headers": [(b"x-a", b"b")]}
    asyncio.run(edge(scope, receive, None))

    assert [[(b"x-a", b"b")]] * asked == heard


@pytest.mark.parametrize(
    ("path", "read"),
    [("/v1/sessions", ORDINARY_BODY_BYTES), ("/v1/residents", unfinished.STRANGER_BODY_BYTES)],
)
def test_of_a_sign_in_as_much_is_read_as_ever(path, read):
    """There nobody is known yet; everywhere else a stranger is refused whatever the body holds."""
    taken = []

    async def inner(_scope, receive, _send) -> None:
        with pytest.raises(PayloadTooLargeError):
            while True:
                taken.append(len((await receive())["body"]))

    async def receive():
        return {"type": "http.request", "body": PIECE, "more_body": True}

    scope = {"type": "http", "method": "POST", "path": path, "headers": []}
    asyncio.run(Edge(inner, make_request_id=str, known=nobody)(scope, receive, None))

    assert read == sum(taken)


@pytest.mark.parametrize("tiny", [False, True])
def test_beyond_the_room_nothing_is_held(tiny):
    """What there is no room for is refused for now; what was given back can be had again."""
    rooms = Rooms(anybody)
    step = 1 if tiny else 1000
    counts = max(step, unfinished.PIECE_BYTES)
    shares = [rooms.enter(())[0] for _ in range(2)]
    for number in range(unfinished.KNOWN_BYTES // counts):
        shares[number % 2].grow(step)
    with pytest.raises(CrowdedError) as refused:
        shares[0].grow(step)

    error = refused.value.error
    assert (503, "audit-unavailable", "busy") == (error.status, error.slug, error.why)
    assert (unfinished.RETRY_AFTER_S, None) == (error.retry_after, refused.value.stamp)
    shares[1].end()
    shares[1].end()
    for _ in range(unfinished.KNOWN_BYTES // counts // 2):
        shares[0].grow(step)
    with pytest.raises(CrowdedError):
        shares[0].grow(step)


def test_strangers_fill_a_room_of_their_own():
    """However much they send, whoever is known finds room."""
    rooms = Rooms(lambda headers: bool(headers))
    stranger, known = rooms.enter(())
    assert not known
    with pytest.raises(CrowdedError):
        while True:
            stranger.grow(100_000)

    share, known = rooms.enter([(b"authorization", b"x")])
    share.grow(8 * KIB * KIB)
    assert known


def test_room_is_given_back_however_a_request_ends(sample_of, monkeypatch):
    """After answers, refusals, crashes and clients that left, there is as much as before."""
    monkeypatch.setattr(unfinished, "KNOWN_BYTES", 100 * KIB)
    sample = sample_of(limit=lambda method, path: 96 * KIB)
    whole = [PIECE] * 5 + [b"{}"]
    for _ in range(3):
        assert 200 == sample.send("PUT", "/v1/optional", whole).status
        assert 413 == sample.send("PUT", "/v1/optional", [PIECE] * 7).status
        assert 422 == sample.send("PUT", "/v1/optional", whole, lost=True).status
        assert 422 == sample.send("PUT", "/v1/optional", [PIECE] * 5 + [b"x"]).status


def test_a_token_of_ours_that_is_not_over_is_known():
    """By signature and end; what became of its session is asked in the turn."""
    known = known_by(TokenReader(SIGNER.public_key, "care.example"), SetClock(NOW))
    genuine = SIGNER.issue(*IDS, NOW, NOW + timedelta(hours=1))
    over = SIGNER.issue(*IDS, NOW - timedelta(hours=2), NOW)
    other = TokenSigner(b"x" * 32, "care.example").issue(*IDS, NOW, NOW + timedelta(hours=1))

    def says(*values: str) -> bool:
        return known([(b"host", b"x"), *((b"authorization", value.encode()) for value in values)])

    assert says(f"Bearer {genuine}")
    assert says(f"Bearer {genuine}", f"bearer {genuine}")
    for values in (
        [],
        [f"Bearer {over}"],
        [f"Bearer {other}"],
        [f"Bearer {genuine}", f"Bearer {over}"],
        ["x"],
    ):
        assert not says(*values)
