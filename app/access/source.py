"""Where an attempt came from, as its entry tells it."""

from ipaddress import IPv6Network, ip_address

from app.access.visit import Visit
from app.vault.sealing import keyed_digest

MOST_ADDRESSES = 4096
SUBSCRIBER_BITS = 64


class Sources:
    """Keeps the digests of addresses seen lately: a home has few."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._digests: dict[str, str] = {}

    def of(self, visit: Visit) -> dict[str, str]:
        """Return a visit's request id, and a keyed digest of its address: who knows the key can compare."""
        source = {"rid": visit.request_id} if visit.request_id else {}
        if visit.address:
            source["ip_h"] = self._digest_of(visit.address)
        return source

    def _digest_of(self, address: str) -> str:
        known = self._digests.get(address)
        if known is None:
            if len(self._digests) >= MOST_ADDRESSES:
                self._digests.clear()
            known = self._digests[address] = keyed_digest(self._key, network_of(address)).hex()[:32]
        return known


def network_of(address: str) -> str:
    """Return whose address it is, as far as a network tells: of IPv4 the address itself, however spelled.

    Of IPv6 it is the network of 64 bits that one subscriber has: all its addresses are one's own to choose.
    """
    try:
        parsed = ip_address(address)
    except ValueError:  # a socket without addresses
        return address
    if parsed.version == 4:
        return address
    return str(parsed.ipv4_mapped or IPv6Network((parsed, SUBSCRIBER_BITS), strict=False))
