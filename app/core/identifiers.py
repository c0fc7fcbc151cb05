"""Identifiers: UUIDs, version 7 for rows, in their canonical 36-letter spelling.

Ids are stored and passed as text, exactly as they stand in the trail and in a URL,
so that nothing has to be converted on the way and both databases hold the same bytes.
"""

import re

import uuid_utils

UUID_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SYSTEM = "system"
"""The chain, and the pseudo organisation, of the deployment itself."""


def new_id() -> str:
    """Return a new UUIDv7 (RFC 9562). Ids of one process rise with time."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Say whether a text is a canonical UUID. Anything else names nothing that exists."""
    return UUID_SHAPE.fullmatch(text) is not None
