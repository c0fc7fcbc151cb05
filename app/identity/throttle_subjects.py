"""Whose attempts the throttle counts: an account by its name, known or not, or a source.

Source: THROTTLE-1 (ASVS 5.0 6.3.1, 6.6.3).
"""

from typing import Literal, NamedTuple

from app.access.opened import Opened
from app.access.source import network_of
from app.core.identifiers import SYSTEM
from app.identity.rows import AccountRow
from app.identity.usernames import fold_username
from app.vault.sealing import keyed_digest

Kind = Literal["account", "source"]


class Subject(NamedTuple):
    """Whose attempts are counted: an account by its name, known or not, or a source."""

    kind: Kind
    key: bytes
    org: str = SYSTEM
    user_id: str | None = None


def account_subject(opened: Opened, username: str, row: AccountRow | None) -> Subject:
    """Return the subject of a user name. Names nobody has are counted alike."""
    key = keyed_digest(opened.look_up_key("sign-in name", org=SYSTEM), fold_username(username))
    return Subject("account", key, row.org, row.id) if row is not None else Subject("account", key)


def source_subject(opened: Opened, address: str) -> Subject:
    """Return the subject of an address: by the same digest by which entries name it."""
    return Subject("source", keyed_digest(opened.look_up_key("address", org=SYSTEM), network_of(address)))
