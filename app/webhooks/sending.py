"""One attempt over the network. The only module that knows the HTTP client, an optional extra.

The connection goes to an address that was judged a moment before, and to no other; the name of the host is
what the certificate is held against. No redirect is followed, no proxy and no `.netrc` of the environment is
used. Of what is answered the status counts; the rest is read to a limit, hashed and forgotten.
"""

import asyncio
import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import httpx2

from app.core.clock import monotonic
from app.webhooks.addresses import (
    AddressRefusedError,
    Lookup,
    NameUnknownError,
    Target,
    read_url,
    resolve,
)
from app.webhooks.outcome import Came
from app.webhooks.resolving import look_up

TOTAL_S: Final = 15.0
"""How long until an answer begins."""
REST_S: Final = 2.0
"""How long its body is read. It decides nothing: what the status says is known by then."""
CONNECT_S: Final = 5.0
"""How long one address is knocked at: a route that leads nowhere leaves time for the next address."""
MOST_ANSWERED: Final = 16 * 1024
MOST_ADDRESSES: Final = 3


class Sender:
    """Sends messages. One for a process; `close` it."""

    def __init__(self, trusted: ssl.SSLContext, *, loopback: bool = False, lookup: Lookup = look_up) -> None:
        """Prepare what every attempt uses.

        Args:
            trusted: Whose certificates are believed.
            loopback: This machine itself may be sent to.
            lookup: Asks for the addresses of a host.
        """
        self._loopback, self._lookup = loopback, lookup
        # the transport alone: a client would keep cookies and could follow redirects
        limits = httpx2.Limits(max_keepalive_connections=0)
        self._transport = httpx2.AsyncHTTPTransport(verify=trusted, trust_env=False, limits=limits)

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.aclose()

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Came:
        """Make one attempt and return what came of it. Whatever goes wrong on the way is an outcome."""
        began = monotonic()
        try:
            async with asyncio.timeout(TOTAL_S):
                answer = await self._attempt(url, headers, body)
        except TimeoutError:
            answer = Came("timeout")
        came = answer if isinstance(answer, Came) else await _read(answer)
        took = int((monotonic() - began) * 1000)
        return replace(came, took_ms=took)

    async def _attempt(self, url: str, headers: Mapping[str, str], body: bytes) -> Came | httpx2.Response:
        """Return an answer that begins, or what came instead."""
        try:
            target = read_url(url, loopback=self._loopback)
            addresses = await resolve(target, self._lookup, loopback=self._loopback)
        except NameUnknownError:
            return Came("name-unknown")
        except AddressRefusedError:
            return Came("address-refused")
        missed: list[Came] = []
        for address in addresses[:MOST_ADDRESSES]:
            answer = await self._to(target, address, headers, body)
            if answer is not _NOBODY_THERE and answer is not _NO_ANSWER:
                return answer
            missed.append(answer)
        return _NOBODY_THERE if _NOBODY_THERE in missed else _NO_ANSWER

    async def _to(
        self, target: Target, address: str, headers: Mapping[str, str], body: bytes
    ) -> Came | httpx2.Response:
        """Return what came of one address; `_NOBODY_THERE` and `_NO_ANSWER`: nothing was sent to it."""
        try:
            return await self._transport.handle_async_request(_request(target, address, headers, body))
        except httpx2.ConnectTimeout:
            return _NO_ANSWER
        except httpx2.TimeoutException:
            return Came("timeout")
        except httpx2.ConnectError as failed:
            return Came("certificate-refused") if _is_tls(failed) else _NOBODY_THERE
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return Came("broken-off")


def _request(target: Target, address: str, headers: Mapping[str, str], body: bytes) -> httpx2.Request:
    """Return a request to an address, from the parts that were judged."""
    path = target.path.encode("ascii")
    return httpx2.Request(
        "POST",
        httpx2.URL(scheme=target.scheme, host=address, port=target.port, raw_path=path),
        headers={"host": target.netloc, **_PLAIN, **headers},
        content=body,
        extensions={"sni_hostname": target.host, "timeout": _TIMES},
    )


_PLAIN: Final = {
    "content-type": "application/json",
    "accept": "*/*",
    "accept-encoding": "identity",
    "user-agent": "caretrail-webhooks/1",
}
_NOBODY_THERE: Final = Came("no-connection")
_NO_ANSWER: Final = Came("timeout")
_TIMES: Final = {"connect": CONNECT_S, "read": TOTAL_S, "write": TOTAL_S, "pool": TOTAL_S}


async def _read(answer: httpx2.Response) -> Came:
    """Return what an answer says. A success is one even if the rest of it never comes."""
    digest, read = hashlib.sha256(), 0
    try:
        async with asyncio.timeout(REST_S):
            async for piece in answer.aiter_raw():
                digest.update(piece[: MOST_ANSWERED - read])
                read += len(piece)
                if read >= MOST_ANSWERED:
                    break
    except (TimeoutError, httpx2.HTTPError):
        pass
    finally:
        await answer.aclose()
    outcome = "ok" if answer.is_success else "status"
    return Came(outcome, answer.status_code, 0, digest.digest(), answer.headers.get("retry-after"))


def _is_tls(failed: BaseException) -> bool:
    """Say whether a connection failed for its certificate: another address would not help."""
    cause: BaseException | None = failed
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None
