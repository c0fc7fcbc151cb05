"""Identifiers: UUIDs, version 7 for rows, in their canonical 36-letter spelling.

Ids are stored and passed as text, exactly as they stand in the trail and in a URL,
so that nothing has to be converted on the way and both databases hold the same bytes.
"""

import re

import uuid_utils

UUID_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_IN_ANY_CASE = re.compile(UUID_SHAPE.pattern, re.IGNORECASE | re.ASCII)
SYSTEM = "system"
"""The chain, and the pseudo organisation, of the deployment itself."""


def new_id() -> str:
    """Return a new UUIDv7 (RFC 9562). Ids of one process rise with time."""
    return str(uuid_utils.uuid7())


def canonical(text: str) -> str:
    """Return a text with the UUIDs in it as they are stored: in lower case (RFC 9562, section 4).

    Both cases are the same id, so one that came in capitals is not another that does not exist.
    """
    if text == text.lower():
        return text
    return _IN_ANY_CASE.sub(lambda found: found[0].lower(), text)


def is_id(text: str) -> bool:
    """Say whether a text is a canonical UUID. Anything else names nothing that exists."""
    return UUID_SHAPE.fullmatch(text) is not None


def id_or_none(text: str | None) -> str | None:
    """Return a text if it is an id. Anything else may be a name, and lines hold no names."""
    return text if text is not None and is_id(text) else None
