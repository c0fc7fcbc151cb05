"""What an import leaves beside a row: by what it is found again, whether it changed, the original.

All digests are keyed: without the organisation's key nobody can tell what the source called it. The index
of a record has two halves, one of the resource and one of the record. So a later run knows a resource again
even when it becomes something else now. The first half is of the resource's address, with its server where
that is told; the second of names alone: so a run finds what is called alike elsewhere, too.
"""

from typing import Any, NamedTuple

import orjson

from app.exchange import exact
from app.exchange.bundle import without_server
from app.exchange.drafts import Kept
from app.vault.keyring import LookUpKeys
from app.vault.sealing import DataKey, Place, keyed_digest

HALF_BYTES = 16


class Named(NamedTuple):
    """The indexes of one record: its own, and what that would be if no server were told."""

    own: bytes
    nowhere: bytes

    @property
    def has_server(self) -> bool:
        """Whether its server is told."""
        return self.own != self.nowhere


def resident_index(keys: LookUpKeys, source_key: str) -> bytes:
    """Return the index of the resident a Patient became: of its type and id alone."""
    return _digest(keys, without_server(source_key))


def record_indexes(keys: LookUpKeys, record_key: str) -> Named:
    """Return the indexes of one record, by its key."""
    name, address = without_server(record_key), record_key.partition("#")[0]
    if name.startswith("Patient/"):
        address = without_server(address)  # who that is, is found out by what it says: `matching`
    own = resource_of(_digest(keys, name))
    return Named(*(resource_of(_digest(keys, one)) + own for one in (address, without_server(address))))


def _digest(keys: LookUpKeys, name: str) -> bytes:
    return keyed_digest(keys.look_up_key("import source"), name)


def name_of(index: bytes) -> bytes:
    """Return the half of an index that records called alike share, whatever server they come from."""
    return index[HALF_BYTES:]


def resource_of(index: bytes) -> bytes:
    """Return the half of an index that all rows made of one resource share: the first."""
    return index[:HALF_BYTES]


def content_digest(keys: LookUpKeys, kept: Kept) -> bytes:
    """Return what differs when the source brings a change."""
    return keyed_digest(keys.look_up_key("import digest"), kept.digest)


def columns(keys: LookUpKeys, key: DataKey, kept: Kept, index: bytes, place: Place) -> dict[str, Any]:
    """Return the columns that an imported row has beside those of its like."""
    return {
        "source_index": index,
        "source_digest": content_digest(keys, kept),
        "source": key.seal(orjson.dumps(kept.plain, default=exact.written), place),
    }
