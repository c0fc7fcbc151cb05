"""Rows of accounts: reading, sealing, writing and showing them.

What is personal or secret in an account - user name, display name, the secrets of its authenticator - is
sealed under the person's own data key and bound to the version of the row, so every version seals it anew.
The user name is found by a blind index under the deployment's key, because it is unique in the deployment.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import bindparam, insert, select, update

from app.access.drafting import identity_entry
from app.access.opened import FieldChange, Opened
from app.core.errors import AlteredRow, SealBrokenError
from app.core.identifiers import SYSTEM
from app.identity.assignments import Assignment, dump_assignments, parse_assignments
from app.identity.rows import AccountRow
from app.identity.table import account
from app.identity.usernames import fold_username
from app.vault.bound_columns import BoundColumns
from app.vault.keyring import LookUpKeys
from app.vault.sealing import DataKey, Place, StateKey, keyed_digest, refuse_altered

ACCOUNT_COLUMNS = tuple(account.c[name] for name in AccountRow._fields)

_ONE = select(*ACCOUNT_COLUMNS).where(account.c.org == bindparam("of"), account.c.id == bindparam("which"))
_NAMED = select(*ACCOUNT_COLUMNS).where(account.c.username_index == bindparam("named"))
_INSERT = insert(account)
_WRITTEN = (
    "profile",
    "assignments",
    "password_hash",
    "password_change_required",
    "totp_secret",
    "totp_confirmed",
    "active",
    "version",
    "state",
)
_UPDATE = (
    update(account)
    .where(
        account.c.org == bindparam("of"),
        account.c.id == bindparam("which"),
        account.c.version == bindparam("was"),
        account.c.wrapped_key == bindparam("key_was"),  # it may be wrapped anew without a new version
    )
    .values({name: bindparam(name) for name in _WRITTEN})
)
_NAME_SEQ = (
    update(account)
    .where(account.c.org == bindparam("of"), account.c.id == bindparam("which"))
    .values(name_seq=bindparam("seq"))
)
# Not in the digest: itself, and `name_seq`, which is known only when the entry has its place.
_DIGESTED = [name for name in AccountRow._fields if name not in ("state", "name_seq")]
_PLACES = [AccountRow._fields.index(name) for name in _DIGESTED]
_BOUND = BoundColumns("account", account, _DIGESTED)


@dataclass(frozen=True, slots=True)
class Private:
    """What of an account is sealed.

    Attributes:
        username: As it was entered.
        display_name: The person's name as colleagues see it.
        secret: Of the authenticator in use; None without a second factor.
        offered: Of an authenticator that was offered and not yet confirmed.
    """

    username: str
    display_name: str
    secret: str | None = None
    offered: str | None = None


# --- reading ----------------------------------------------------------------------------------


def account_by_id(opened: Opened, user_id: str, *, locked: bool = False) -> AccountRow | None:
    """Return an account of the caller's organisation.

    `locked` is for whoever goes on to change it or what hangs on it: others then wait for this turn.
    """
    statement = _ONE.with_for_update() if locked else _ONE
    row = opened.execute(statement, {"of": opened.org, "which": user_id}).first()
    return AccountRow._make(row) if row is not None else None


def own_account(opened: Opened) -> AccountRow:
    """Return the caller's account as it is now, locked against others until the turn ends."""
    row = account_by_id(opened, opened.agent.id, locked=True)
    assert row is not None  # noqa: S101 - recognised in this turn, and accounts are never deleted
    return row


def account_named(opened: Opened, index: bytes, *, locked: bool = False) -> AccountRow | None:
    """Return the account a blind index of a user name leads to, of whatever organisation."""
    statement = _NAMED.with_for_update() if locked else _NAMED
    row = opened.execute(statement, {"named": index}).first()
    return AccountRow._make(row) if row is not None else None


def username_index(keys: LookUpKeys, username: str) -> bytes:
    """Return the blind index of a user name; every spelling of it has the same."""
    return keyed_digest(keys.look_up_key("user name", org=SYSTEM), fold_username(username))


def key_of(opened: Opened, row: AccountRow) -> DataKey:
    """Return the data key of the person whose account is at hand."""
    try:
        return opened.person_key(row.id, row.wrapped_key, row.org)
    except SealBrokenError as broken:
        raise SealBrokenError(why=broken.why, row=AlteredRow("user", row.id)) from broken


def private_of(key: DataKey, row: AccountRow) -> Private:
    """Return what is sealed in an account, if the row is the one the trail knows."""
    refuse_altered_account(key, row)
    profile: Any = key.unseal_json(row.profile, _place(row, "profile"))
    factor: Any = {}
    if row.totp_secret is not None:
        factor = key.unseal_json(row.totp_secret, _place(row, "totp_secret"))
    return Private(**profile, secret=factor.get("secret"), offered=factor.get("offered"))


def assignments_of(row: AccountRow) -> tuple[Assignment, ...]:
    """Return what an account was assigned."""
    return parse_assignments(orjson.loads(row.assignments))


def homes_of(assignments: Iterable[Assignment]) -> tuple[str, ...]:
    """Return the homes named in assignments, each once."""
    return tuple(sorted({a.home_id for a in assignments if a.home_id is not None}))


def show_user(row: AccountRow, private: Private) -> dict[str, Any]:
    """Return a user as the API shows them. `version` is their ETag."""
    return {
        "id": row.id,
        "username": private.username,
        "display_name": private.display_name,
        "kind": row.kind,
        "assignments": dump_assignments(assignments_of(row)),
        "active": bool(row.active),
        "password_change_required": bool(row.password_change_required),
        "second_factor_enrolled": bool(row.totp_confirmed),
        "created_at": row.created_at,
        "version": row.version,
    }


# --- writing ----------------------------------------------------------------------------------


def insert_account(opened: Opened, key: DataKey, row: AccountRow, private: Private) -> AccountRow:
    """Have a new account written, note it, and set its name in the trail."""
    row = _sealed(key, row, private)
    index = username_index(opened, private.username)
    opened.change(_INSERT, row._asdict() | {"username_index": index})
    changes = [FieldChange(f, None, v) for f, v in _fields(row, private).items() if v is not None]
    opened.changed("user", row.id, row.version, row.state, changes, (row.id, key))
    set_name(opened, key, row, private)
    return row


def next_version(
    opened: Opened,
    key: DataKey,
    before: AccountRow,
    wanted: AccountRow,
    was: Private,
    becomes: Private,
    also: Sequence[FieldChange] = (),
) -> AccountRow:
    """Have the next version of an account written and note what changed.

    Args:
        opened: The open door.
        key: The person's.
        before: The row as it is.
        wanted: The row with its plain columns as they become.
        was: What is sealed in it now.
        becomes: What is to be sealed in it.
        also: Changes that no field shows: a password, a secret.
    """
    row = _sealed(key, wanted._replace(version=before.version + 1), becomes)
    values = row._asdict()
    where = {"of": row.org, "which": row.id, "was": before.version, "key_was": before.wrapped_key}
    opened.change(_UPDATE, {name: values[name] for name in _WRITTEN} | where)
    old, new = _fields(before, was), _fields(row, becomes)
    changes = [FieldChange(f, old[f], new[f]) for f in new if old[f] != new[f]]
    opened.changed("user", row.id, row.version, row.state, [*changes, *also], (row.id, key))
    return row


def set_name(opened: Opened, key: DataKey, row: AccountRow, private: Private) -> None:
    """Add the entry that sets a person's name; the account then knows where that entry stands."""
    homes = homes_of(assignments_of(row))
    entry = identity_entry(opened, row.id, key, private.display_name, homes)
    entry.then = lambda seq: (_NAME_SEQ, {"of": row.org, "which": row.id, "seq": seq})
    opened.also.append(entry)


def _sealed(key: DataKey, row: AccountRow, private: Private) -> AccountRow:
    """Return the row with its boxes and its digest for the version it has."""
    profile = {"username": private.username, "display_name": private.display_name}
    factor = {"secret": private.secret, "offered": private.offered}
    held = any(secret is not None for secret in factor.values())
    row = row._replace(
        profile=key.seal_json(profile, _place(row, "profile")),
        totp_secret=key.seal_json(factor, _place(row, "totp_secret")) if held else None,
        totp_confirmed=private.secret is not None,
    )
    return row._replace(state=account_state(key, row))


def account_state(key: DataKey | StateKey, row: AccountRow) -> bytes:
    """Return the keyed digest of an account's row."""
    return _BOUND.digest(key, [row[place] for place in _PLACES])


def refuse_altered_account(key: DataKey | StateKey, row: AccountRow) -> None:
    """Refuse an account that was changed behind the service's back: an assignment, a password."""
    refuse_altered(row.state, account_state(key, row), AlteredRow("user", row.id))


def _place(row: AccountRow, field: str) -> Place:
    return Place(row.org, row.id, row.id, field, row.version)


def _fields(row: AccountRow, private: Private) -> dict[str, Any]:
    """Return what the trail compares before and after. No hash of a password, no secret."""
    return {
        "username": private.username,
        "display_name": private.display_name,
        "kind": row.kind,
        "assignments": orjson.loads(row.assignments),
        "active": bool(row.active),
        "password_change_required": bool(row.password_change_required),
        "second_factor_enrolled": private.secret is not None,
    }
