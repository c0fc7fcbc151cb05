"""Wrapped keys. The root key that wraps them is never in the database."""

from sqlalchemy import Table

from app.storage.base import digest, instant, metadata, number, organisation_key, sealed, word

key_check = Table(
    "key_check",
    metadata,
    word("name", key=True),
    digest("value"),
    comment="a keyed digest of a constant: tells a wrong root key before anything is written",
)

organisation_keys = Table(
    "organisation_key",
    metadata,
    organisation_key(),
    number("generation", key=True),
    sealed("wrapped"),
    instant("made_at"),
    instant("completed_at", nullable=True),
    comment="one data-wrapping key for each organisation, wrapped by the root key",
)
