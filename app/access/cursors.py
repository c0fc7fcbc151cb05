"""Cursors: where a list goes on. Opaque, bound to the query and to the caller.

A cursor is `base64url(JSON position || 16 bytes of HMAC)`. It shows nothing but ids and instants, and
one made for another query or person, or by hand, is refused.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, tuple_

from app.access.opened import Opened
from app.core.errors import InvalidRequestError

_MAC_BYTES = 16


def make(opened: Opened, query: list[Any], position: list[Any]) -> str:
    """Return the cursor after a position in the list a query gives."""
    body = orjson.dumps(position)
    return _spelled(body + _mac(opened, query, body))


def read(opened: Opened, query: list[Any], cursor: str | None) -> list[Any] | None:
    """Return the position of a cursor, or None without one.

    Raises:
        InvalidRequestError: It is not a cursor of this query and caller.
    """
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except (binascii.Error, ValueError):
        raise _refused() from None
    if _spelled(raw) != cursor:  # the decoder passes over letters that are not of its alphabet
        raise _refused()
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not hmac.compare_digest(mac, _mac(opened, query, body)):
        raise _refused()
    position = orjson.loads(body)
    assert isinstance(position, list)  # noqa: S101 - the digest says `make` wrote it
    return position


def older(at: ColumnElement[str], key: ColumnElement[str], position: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition of what follows a position in a list that is newest first.

    A comparison of pairs: an index leads to it, where of two conditions joined by OR none does.

    Args:
        at: The column of instants the list is ordered by.
        key: The column of ids that orders what has the same instant.
        position: Of a cursor: an instant and an id.
    """
    return tuple_(at, key) < tuple_(position[0], position[1])


def _spelled(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _mac(opened: Opened, query: list[Any], body: bytes) -> bytes:
    bound = orjson.dumps([opened.visit.operation.route, opened.agent.id, query]) + b"\0" + body
    return hmac.digest(opened.look_up_key("cursor"), bound, "sha256")[:_MAC_BYTES]


def _refused() -> InvalidRequestError:
    told = "Send a next_cursor with the same parameters as the page it came from, limit included."
    return InvalidRequestError(("/query/cursor", told))
