"""Where messages may go: addresses of the public internet, over TLS, and nowhere near this machine.

Whoever may manage endpoints chooses where this service connects to. Without these rules they could have it
knock at what only it can reach: databases, routers, the metadata of a cloud. A URL is read strictly, every
address its host has is judged, and the connection goes to a judged address itself, so that a name which
answers otherwise the next time (DNS rebinding) leads nowhere else.

Source: OWASP SSRF prevention; IANA special-purpose address registries.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from app.core.errors import CaretrailError, InvalidRequestError
from app.webhooks.resolving import look_up

MOST_LETTERS: Final = 2000
TLS_PORT: Final = 443
_PORTS: Final = {"https": TLS_PORT, "http": 80}
FIRST_FREE_PORT: Final = 1024
LOOK_UP_S: Final = 5.0
_PRINTABLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_LOCAL_NAMES: Final = ("localhost", "local", "internal", "localdomain", "home", "lan", "intranet", "arpa")

_SPECIAL = tuple(
    ip_network(one)
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # not special to IANA: what a cloud's machines ask about themselves
        # within 2000::/3, the only part of IPv6 that is given out: special, documentation, 6to4, AS112
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
    )
)
_GIVEN_OUT = ip_network("2000::/3")

_NOT_PUBLIC = "Must lead to addresses of the public internet, and to no others."
_NOT_HERE = "This machine is not sent to, unless CARETRAIL_WEBHOOKS_ALLOW_LOOPBACK says so."

Ip = IPv4Address | IPv6Address
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to every address it has now."""


class AddressRefusedError(CaretrailError):
    """An address that nothing may be sent to. `detail` says why, without repeating it."""

    slug = "invalid-request"
    status = 422

    detail = "Give another address."

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, why="address-refused")


class NameUnknownError(AddressRefusedError):
    """The host has no address now: it may have one later."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that was read. What is sent is addressed by these parts: nobody reads the URL a second time.

    Attributes:
        path: What follows the host, with a query if there is one.
        literal: The address, where the host spells out one.
    """

    scheme: str
    host: str
    port: int
    path: str
    literal: Ip | None

    @property
    def netloc(self) -> str:
        """Return host and port as a `Host` header has them."""
        host = _spelled(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def read_url(url: str, *, loopback: bool = False) -> Target:
    """Return the parts of a URL that messages may be sent to, as far as it can be told without asking.

    Args:
        url: As somebody gave it.
        loopback: This machine itself is allowed, too, and there plain HTTP. For tests and development.

    Raises:
        AddressRefusedError: It is none.
    """
    if len(url) > MOST_LETTERS or not _PRINTABLE.fullmatch(url) or "\\" in url or "#" in url:
        raise AddressRefusedError("Must be at most 2000 plain letters without a fragment.")
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "")
    except ValueError:
        raise AddressRefusedError("Must be a URL.") from None
    spelled = _spelled(host)
    if parts.netloc.lower() not in (spelled, f"{spelled}:{port}"):
        # user names, escapes, letters around brackets: what one reader leaves out another minds
        raise AddressRefusedError("Must have a plain host, and a port at most.")
    literal = _read_host(host, loopback=loopback)
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback and _is_here(host, literal)):
        raise AddressRefusedError("Must begin with https://.")
    port = port if port is not None else _PORTS[parts.scheme]
    if port != TLS_PORT and port < FIRST_FREE_PORT:
        raise AddressRefusedError("Must have the port 443, or one of 1024 and above.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, path, literal)


def _spelled(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _read_host(host: str, *, loopback: bool) -> Ip | None:
    """Return the address a host spells out, or None where it is a name."""
    try:
        literal = ip_address(host)
    except ValueError:
        _refuse_name(host, loopback=loopback)
        return None
    refuse_special(literal, loopback=loopback)
    return literal


def _refuse_name(host: str, *, loopback: bool) -> None:
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefusedError("Must have a host name of letters, digits and hyphens, or an address.")
    if _NUMBER.fullmatch(labels[-1]):  # 2130706433, 0x7f.1 and 0177.0.0.1 all mean this machine
        raise AddressRefusedError("Must have an address in its usual spelling.")
    if host == "localhost" and loopback:
        return
    if host == "localhost":
        raise AddressRefusedError(_NOT_HERE)
    if len(labels) < 2 or labels[-1] in _LOCAL_NAMES:
        raise AddressRefusedError("Must have a host name of the public internet.")


def _is_here(host: str, literal: Ip | None) -> bool:
    return host == "localhost" if literal is None else literal.is_loopback


def refuse_special(address: Ip, *, loopback: bool = False) -> None:
    """Refuse an address that is not one of the public internet.

    Raises:
        AddressRefusedError: It is private, local, multicast, reserved, or stands for another one.
    """
    if address.is_loopback and loopback:
        return
    if address.is_loopback:
        raise AddressRefusedError(_NOT_HERE)
    scoped = isinstance(address, IPv6Address) and (address.scope_id or address not in _GIVEN_OUT)
    if scoped or any(address in network for network in _SPECIAL):
        raise AddressRefusedError(_NOT_PUBLIC)


async def resolve(target: Target, lookup: Lookup, *, loopback: bool = False) -> list[str]:
    """Return the addresses a target has now, each of them judged.

    Raises:
        AddressRefusedError: One of them is not of the public internet; `NameUnknownError`: there is none.
    """
    if target.literal is not None:
        return [str(target.literal)]
    try:
        found = [ip_address(one) for one in await lookup(target.host, target.port)]
    except (OSError, UnicodeError, ValueError):
        raise NameUnknownError(_NOT_PUBLIC) from None
    if not found:
        raise NameUnknownError(_NOT_PUBLIC)
    for address in found:
        _refuse_found(address, target, loopback=loopback)
    return [str(one) for one in found]


def _refuse_found(address: Ip, target: Target, *, loopback: bool) -> None:
    """Refuse an address a name has. The words are the same whatever it is: nobody maps a network with us."""
    try:
        refuse_special(address, loopback=loopback)
    except AddressRefusedError:
        raise AddressRefusedError(_NOT_PUBLIC) from None
    if target.scheme != "https" and not address.is_loopback:
        raise AddressRefusedError(_NOT_PUBLIC)


async def judge_url(url: str, *, loopback: bool = False, lookup: Lookup = look_up) -> CaretrailError | None:
    """Return why nothing may be sent to a URL, for whoever wants it to be; None where it may.

    It is judged again before every attempt: what its name leads to may change.
    """
    try:
        async with asyncio.timeout(LOOK_UP_S):
            await resolve(read_url(url, loopback=loopback), lookup, loopback=loopback)
    except AddressRefusedError as refused:
        return InvalidRequestError(("/url", refused.detail), why=refused.why)
    except TimeoutError:
        return InvalidRequestError(("/url", _NOT_PUBLIC), why="address-refused")
    return None
