"""One attempt over the network, at a real receiver with a certificate of its own."""

import asyncio
import contextlib
import hashlib
import socket
import ssl

import httpx2
import pytest

from app.core.errors import StartRefusedError
from app.webhooks import sending
from app.webhooks.outcome import Came
from app.webhooks.sending import MOST_ANSWERED, Sender
from app.webhooks.trusting import trusted
from tests.support.receiver import Receiver, Reply

HEADERS = {"webhook-id": "one", "webhook-timestamp": "1", "webhook-signature": "v1,x"}


def leads_to(*addresses):
    """A look-up that finds these; each call takes the next, the last stays."""
    left = list(addresses)

    async def look_up(_host, _port):
        return [left.pop(0) if len(left) > 1 else left[0]]

    return look_up


def send(url, authority=None, **options) -> Came:
    async def once():
        sender = Sender(trusted(authority.file if authority else None), **options)
        try:
            return await sender.send(url, HEADERS, b'{"type":"webhook.test"}')
        finally:
            await sender.close()

    return asyncio.run(once())


def test_a_message_arrives_with_its_headers(authority, receiver):
    """A POST of the exact body with the three headers, to the host by its name."""
    receiver.reply = lambda _: Reply(200, body=b"thanks")

    came = send(receiver.url(path="/hooks?a=%20b"), authority, loopback=True)

    [got] = receiver.got
    assert ("ok", 200, hashlib.sha256(b"thanks").digest()) == (came.outcome, came.status, came.answer)
    assert ("/hooks?a=%20b", b'{"type":"webhook.test"}') == (got.path, got.body)
    assert HEADERS.items() <= got.headers.items()
    assert (f"localhost:{receiver.port}", "application/json") == (
        got.headers["host"],
        got.headers["content-type"],
    )
    assert {"cookie", "authorization", "referer"}.isdisjoint(got.headers)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("", "/"),
        ("?a=1&b", "/?a=1&b"),
        ('/a b{"c"}/../d;e=<f>?[g]=%20^|`'.replace(" ", ""), None),
        ("/two//./x:443/@y?http://z/?", None),
    ],
)
def test_whatever_stands_behind_the_host_is_asked_for_and_nothing_else(authority, receiver, path, asked):
    """A path of any letters is sent to the host that was judged, as the client library spells it."""
    came = send(receiver.url(path=path), authority, loopback=True)

    [got] = receiver.got
    spelled = httpx2.URL(receiver.url(path=path)).raw_path.decode()
    assert ("ok", asked or spelled) == (came.outcome, got.path)
    assert f"localhost:{receiver.port}" == got.headers["host"]


@pytest.mark.parametrize("url", ["https://[2606:4700::1111]25/", "https://[v1.a.b]/", "https://a..b/"])
def test_a_url_that_is_none_is_an_outcome(url):
    """Whatever an older version had let in: it is refused, recorded, and leads to no error with it inside."""
    assert "address-refused" == send(url).outcome


def test_the_certificate_is_held_against_the_name_and_not_the_address(authority):
    """The connection goes to the judged address; its certificate must be the host's."""
    with Receiver(authority.certify("hooks.example.org")) as receiver:
        url = receiver.url("hooks.example.org")
        right = send(url, authority, loopback=True, lookup=leads_to("127.0.0.1"))
        wrong = send(
            receiver.url("other.example.org"), authority, loopback=True, lookup=leads_to("127.0.0.1")
        )
        unknown = send(url, None, loopback=True, lookup=leads_to("127.0.0.1"))

    assert ["ok", "certificate-refused", "certificate-refused"] == [
        c.outcome for c in (right, wrong, unknown)
    ]
    assert 1 == len(receiver.got)


def test_a_name_that_changes_its_answer_leads_nowhere(authority, receiver):
    """DNS rebinding: a name that was public and now is this machine is not connected to."""
    lookup = leads_to("93.184.215.14", "127.0.0.1")
    asyncio.run(lookup("hooks.example.org", 443))

    came = send(receiver.url("hooks.example.org"), authority, lookup=lookup)

    assert ("address-refused", []) == (came.outcome, receiver.got)


def test_the_name_is_asked_for_once_an_attempt(authority):
    """Between judging and connecting no second answer can come in between."""
    with Receiver(authority.certify("hooks.example.org")) as receiver:
        lookup = leads_to("127.0.0.1", "127.0.0.2")
        assert (
            "ok" == send(receiver.url("hooks.example.org"), authority, loopback=True, lookup=lookup).outcome
        )
    assert 1 == len(receiver.got)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(authority, receiver, status):
    """A redirect is a failure: where it leads nobody judged."""
    receiver.reply = lambda _: Reply(status, {"Location": receiver.url(path="/inside")})

    came = send(receiver.url(), authority, loopback=True)

    assert ("status", status, ["/hooks"]) == (came.outcome, came.status, [got.path for got in receiver.got])


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY", "https_proxy", "HTTP_PROXY"])
def test_proxies_of_the_environment_are_not_used(authority, receiver, monkeypatch, name):
    """The message goes straight to its receiver, whatever the environment names."""
    monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert "ok" == send(receiver.url(), authority, loopback=True).outcome


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_only_2xx_is_success(authority, receiver, status):
    """Every other status is told as it is, with what it says of coming again."""
    receiver.reply = lambda _: Reply(status, {"Retry-After": "7"})

    came = send(receiver.url(), authority, loopback=True)

    assert ("status", status, "7") == (came.outcome, came.status, came.retry_after)


def served_by(serve, authority) -> Came:
    """Return what comes of an attempt at a server that answers as `serve` does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certify("localhost"))

    async def both():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        sender = Sender(trusted(authority.file), loopback=True)
        came = await sender.send(f"https://localhost:{port}/", HEADERS, b"{}")
        await sender.close()
        server.close()
        return came

    return asyncio.run(both())


def test_of_an_endless_answer_only_the_beginning_is_read(authority, monkeypatch):
    """What an endpoint answers is hashed to a limit and never kept, however much it sends."""
    monkeypatch.setattr(sending, "TOTAL_S", 3)

    async def endless(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while not writer.is_closing():
                writer.write(b"x" * 100_000)
                await writer.drain()

    came = served_by(endless, authority)

    assert ("ok", hashlib.sha256(b"x" * MOST_ANSWERED).digest()) == (came.outcome, came.answer)


def test_an_answer_that_takes_too_long_is_a_timeout(authority, receiver, monkeypatch):
    """The whole attempt has its limit, however its time is spent."""
    monkeypatch.setattr(sending, "TOTAL_S", 0.3)
    receiver.reply = lambda _: Reply(200, pause_s=2)

    came = send(receiver.url(), authority, loopback=True)

    assert "timeout" == came.outcome
    assert 250 <= came.took_ms < 1500


def test_a_receiver_that_trickles_is_cut_off(authority, monkeypatch):
    """An answer whose pieces each come in time still ends with the whole attempt's limit."""
    monkeypatch.setattr(sending, "TOTAL_S", 0.4)

    async def trickle(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not writer.is_closing():
            writer.write(b"x: y\r\n")
            await asyncio.sleep(0.05)

    assert "timeout" == served_by(trickle, authority).outcome


@pytest.mark.parametrize(("status", "outcome"), [(200, "ok"), (410, "status")])
def test_an_answer_counts_although_the_rest_of_it_never_comes(authority, monkeypatch, status, outcome):
    """Its status is what came, soon, even where it came in the last moment there was."""
    monkeypatch.setattr(sending, "TOTAL_S", 0.6)
    monkeypatch.setattr(sending, "REST_S", 0.4)

    async def stalls(_reader, writer):
        await asyncio.sleep(0.4)
        writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: 9\r\n\r\nso" % status)
        with contextlib.suppress(OSError):
            await asyncio.sleep(3)

    came = served_by(stalls, authority)

    assert (outcome, status) == (came.outcome, came.status)
    assert hashlib.sha256(b"so").digest() == came.answer
    assert 700 <= came.took_ms < 1800


def test_nobody_there_is_told(authority):
    """A port where nobody listens, and a name nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert "no-connection" == send(f"https://localhost:{port}/", authority, loopback=True).outcome

    async def unknown(_host, _port):
        raise socket.gaierror

    assert "name-unknown" == send("https://a.example.org/", lookup=unknown).outcome


def test_another_address_is_tried_when_one_is_dead(authority, receiver):
    """A host with two addresses is reached by the one that answers."""

    async def two(_host, _port):
        return ["127.0.0.9", "127.0.0.1"]

    assert "ok" == send(receiver.url(), authority, loopback=True, lookup=two).outcome
    assert 1 == len(receiver.got)


@contextlib.contextmanager
def swallowing(address, port=0):
    """Yield the port of an address whose connections are never answered, as on a route that leads nowhere."""
    with socket.socket() as hole, contextlib.ExitStack() as waiting:
        hole.bind((address, port))
        hole.listen(0)
        for _ in range(4):  # more than its queue takes: the next to knock hears nothing
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(hole.getsockname())
        yield hole.getsockname()[1]


def at_once(*addresses):
    """A look-up that finds all of these."""

    async def look_up(_host, _port):
        return list(addresses)

    return look_up


def test_another_address_is_tried_when_one_swallows_everything(authority, receiver, monkeypatch):
    """A first address that never answers takes its share of the time, and the next one is reached."""
    monkeypatch.setattr(sending, "_TIMES", sending._TIMES | {"connect": 0.3})
    lookup = at_once("127.0.0.2", "127.0.0.1")
    with swallowing("127.0.0.2", receiver.port):
        came = send(receiver.url(), authority, loopback=True, lookup=lookup)

    assert ("ok", 1) == (came.outcome, len(receiver.got))
    assert 300 <= came.took_ms


@pytest.mark.parametrize(
    ("total_s", "addresses", "outcome", "tried"),
    [(9, (2, 3), "timeout", 2), (9, (2, 4, 3), "no-connection", 2), (0.5, (2, 3, 2, 3), "timeout", 1)],
)
def test_where_no_address_answers_the_outcome_says_so(
    authority, monkeypatch, total_s, addresses, outcome, tried
):
    """All swallowed: a timeout. One where nobody listens: no connection. And the whole keeps its limit."""
    connect_s = 0.4
    monkeypatch.setattr(sending, "TOTAL_S", total_s)
    monkeypatch.setattr(sending, "_TIMES", sending._TIMES | {"connect": connect_s})
    lookup = at_once(*(f"127.0.0.{one}" for one in addresses))
    with swallowing("127.0.0.2") as port, swallowing("127.0.0.3", port):
        came = send(f"https://localhost:{port}/", authority, loopback=True, lookup=lookup)

    assert outcome == came.outcome
    assert tried * connect_s <= came.took_ms / 1000 < min(tried * connect_s, total_s) + 0.6


def test_what_may_have_arrived_is_sent_to_no_other_address(authority, monkeypatch):
    """A connection that stood and then timed out is the end of the attempt: nothing arrives there twice."""
    monkeypatch.setattr(sending, "_TIMES", sending._TIMES | {"read": 0.3})
    with Receiver(authority.certify("localhost"), lambda _: Reply(200, pause_s=1)) as receiver:
        lookup = at_once("127.0.0.1", "127.0.0.1")
        came = send(receiver.url(), authority, loopback=True, lookup=lookup)

    assert ("timeout", 1) == (came.outcome, len(receiver.got))


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_of_authorities_that_is_none_is_refused(tmp_path, content):
    """The process does not start with it, and says which setting is meant."""
    file = tmp_path / "authorities.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(StartRefusedError, match="CARETRAIL_WEBHOOKS_CA"):
        trusted(file)
