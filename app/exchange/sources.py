"""What an import leaves beside a row: by what it is found again, whether it changed, the original.

All digests are keyed: without the organisation's key nobody can tell what the source called it. The index
of a record has two halves, one of the resource and one of the record. So a later run knows a resource again
even when it becomes something else now.
"""

from typing import Any

from app.exchange.drafts import Kept
from app.vault.keyring import LookUpKeys
from app.vault.sealing import DataKey, Place, keyed_digest

_HALF_BYTES = 16


def resource_index(keys: LookUpKeys, source_key: str) -> bytes:
    """Return the index of a resource: that of the resident a Patient became."""
    return keyed_digest(keys.look_up_key("import source"), source_key)


def record_index(keys: LookUpKeys, record_key: str) -> bytes:
    """Return the index of one record, by its key: it begins with that of its resource."""
    own = keyed_digest(keys.look_up_key("import source"), record_key)
    return resource_of(resource_index(keys, record_key.partition("#")[0])) + own[:_HALF_BYTES]


def resource_of(index: bytes) -> bytes:
    """Return the half of an index that all rows made of one resource share."""
    return index[:_HALF_BYTES]


def content_digest(keys: LookUpKeys, kept: Kept) -> bytes:
    """Return what differs when the source brings a change."""
    return keyed_digest(keys.look_up_key("import digest"), kept.digest)


def columns(keys: LookUpKeys, key: DataKey, kept: Kept, index: bytes, place: Place) -> dict[str, Any]:
    """Return the columns that an imported row has beside those of its like."""
    return {
        "source_index": index,
        "source_digest": content_digest(keys, kept),
        "source": key.seal_json(kept.plain, place),
    }
