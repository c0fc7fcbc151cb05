"""The keyring: root key -> organisation key -> data key of a resident or a person.

Unwrapped keys are kept for a bounded time and in bounded number. Erasure destroys the wrapped
data key in the database; a cached copy lives at most `KEEP_FOR` longer in this process, and is
unreachable sooner because the row that names it is empty.
"""

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, bindparam, insert, select, update

from app.core.clock import spell
from app.core.entropy import Entropy
from app.core.errors import AuditUnavailableError, SealBrokenError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.vault.sealing import KEY_BYTES, DataKey, Place, StateKey, keyed_digest
from app.vault.table import key_check, organisation_keys

KEEP_FOR = timedelta(minutes=10)
KEEP_MOST = 4096
ROOT_CHECK = "root"
OUTDATED = "root-key-changed"
"""Why nothing is done: another root key is in force, and it is not here."""
_CHECK = select(key_check.c.value).where(key_check.c.name == ROOT_CHECK)
_BIND = update(key_check).where(key_check.c.name == ROOT_CHECK).values(value=bindparam("check"))
_WRAP_ANEW = (
    update(organisation_keys)
    .where(
        organisation_keys.c.org == bindparam("where_org"),
        organisation_keys.c.generation == bindparam("where_generation"),
    )
    .values(wrapped=bindparam("wrapped_anew"))
)


class ReceiptMissingError(RuntimeError):
    """A key was asked for without a receipt that covers its owner. A defect in this code."""


class Permit(Protocol):
    """What the door issues (`access.receipt`): whose values may be unsealed, and for how long."""

    def covers(self, org: str, owner: str) -> bool:
        """Say whether the values of this owner may be unsealed now."""
        ...


class LookUpKeys(Protocol):
    """Whoever hands out the keys of blind indexes: the door, or a check."""

    def look_up_key(self, purpose: str, org: str | None = None) -> bytes:
        """Return the key of a blind index."""
        ...


class Keyring:
    """All keys of this process, unwrapped on demand."""

    def __init__(self, root: bytes, entropy: Entropy, others: Callable[[], Sequence[bytes]] = tuple) -> None:
        """Begin with a root key.

        Args:
            root: The root key of `root.key`.
            entropy: Where randomness comes from.
            others: Asked when the root key does not fit any more: which others there are by now.
        """
        self._root = DataKey(root, entropy)
        self._entropy = entropy
        self._others = others
        self._outdated = False
        self._organisations: dict[str, tuple[DataKey, datetime]] = {}
        self._owners: dict[tuple[str, bytes], tuple[DataKey, datetime]] = {}
        self._derived: dict[tuple[str, str], bytes] = {}

    def check(self, connection: Connection) -> None:
        """Refuse to go on with a root key that is not the one this database was made with."""
        stored = connection.execute(_CHECK).scalar()
        if stored is None:
            raise StartRefusedError("this database has no keys yet: run `caretrail init` first")
        if not self.take_up(bytes(stored)):
            raise StartRefusedError(
                "the root key is not the one this database was made with: nothing was opened or written"
            )

    @property
    def outdated(self) -> bool:
        """Say whether another root key is in force, and it is not here."""
        return self._outdated

    def follow(self, connection: Connection) -> bool:
        """Take up the root key that the database is wrapped under by now; say whether there is one here.

        Where there is none, nothing is opened and nothing sealed by this process any more: two processes
        with different root keys never both write.
        """
        stored = connection.execute(_CHECK).scalar()
        self._outdated = stored is None or not self.take_up(bytes(stored))
        if self._outdated:
            self._organisations.clear()
            self._owners.clear()
            self._derived.clear()
        return not self._outdated

    def take_up(self, stored: bytes | None) -> bool:
        """Go on with the root key whose key-check value is stored, if it is here; say whether it is."""
        if self.fits(stored):
            return True
        for secret in self._others():
            other = DataKey(secret, self._entropy)
            if _check_value(other) == stored:
                self._root = other
                return True
        return False

    def fits(self, stored: bytes | None) -> bool:
        """Say whether the key-check value of a database is this root key's."""
        return stored == _check_value(self._root)

    def wrap_anew(self, connection: Connection, to_come: bytes) -> int:
        """Wrap every organisation's key under another root key, and bind the database to that.

        One transaction, which has to be the caller's; until it is committed nothing else adds a key.

        Args:
            connection: Inside a transaction.
            to_come: The other root key.

        Returns:
            How many keys were wrapped; 0 where the database is bound to the other key already.

        Raises:
            SealBrokenError: A wrapped key was damaged. Nothing may be committed.
        """
        other = DataKey(to_come, self._entropy)
        stored = connection.execute(_CHECK.with_for_update()).scalar_one()
        if bytes(stored) == _check_value(other):
            return 0
        rows = connection.execute(select(organisation_keys)).all()
        for row in rows:
            place = _organisation_place(row.org, row.generation)
            wrapped = other.wrap(self._root.unseal(row.wrapped, place), place)
            at = {"where_org": row.org, "where_generation": row.generation, "wrapped_anew": wrapped}
            connection.execute(_WRAP_ANEW, at)
        connection.execute(_BIND, {"check": _check_value(other)})
        return len(rows)

    def found(self, connection: Connection, at: datetime) -> None:
        """Bind a new database to the root key and make the deployment's own key."""
        connection.execute(insert(key_check).values(name=ROOT_CHECK, value=_check_value(self._root)))
        self.add_organisation(connection, SYSTEM, at)

    def is_founded(self, connection: Connection) -> bool:
        """Say whether the database is bound to a root key already."""
        return connection.execute(select(key_check.c.name)).first() is not None

    def add_organisation(self, connection: Connection, org: str, at: datetime) -> None:
        """Make and store the key of a new organisation.

        Raises:
            AuditUnavailableError: The database was wrapped under another root key meanwhile.
        """
        if not self.fits(bytes(connection.execute(_CHECK.with_for_update(read=True)).scalar_one())):
            raise AuditUnavailableError(why=OUTDATED)
        wrapped = self._root.wrap(self._entropy.bytes(KEY_BYTES), _organisation_place(org, 1))
        connection.execute(
            insert(organisation_keys).values(org=org, generation=1, wrapped=wrapped, made_at=spell(at))
        )

    def organisation(self, connection: Connection, org: str, at: datetime) -> DataKey:
        """Return an organisation's key, from memory if it is fresh enough."""
        known = self._organisations.get(org)
        if known is not None and at < known[1]:
            return known[0]
        if self._outdated:
            raise AuditUnavailableError(why=OUTDATED)
        row = connection.execute(
            select(organisation_keys.c.generation, organisation_keys.c.wrapped)
            .where(organisation_keys.c.org == org)
            .order_by(organisation_keys.c.generation.desc())
            .limit(1)
        ).first()
        if row is None:
            raise SealBrokenError(why="organisation-key-missing")
        key = self.organisation_from(org, row.generation, row.wrapped)
        self._organisations[org] = (key, at + KEEP_FOR)
        self._owners = {known: kept for known, kept in self._owners.items() if at < kept[1]}
        return key

    def organisation_from(self, org: str, generation: int, wrapped: bytes) -> DataKey:
        """Return an organisation's key from its wrapped form, for who reads without the door: a check."""
        place = _organisation_place(org, generation)
        try:
            return self._root.unwrap(wrapped, place)
        except SealBrokenError:
            for secret in self._others():  # wrapped anew meanwhile
                with contextlib.suppress(SealBrokenError):
                    return DataKey(secret, self._entropy).unwrap(wrapped, place)
            raise

    def new_owner(self, organisation: DataKey, org: str, owner: str) -> tuple[DataKey, bytes]:
        """Return a new data key for an owner and the wrapped form to store."""
        secret = self._entropy.bytes(KEY_BYTES)
        return DataKey(secret, self._entropy), organisation.wrap(secret, _owner_place(org, owner))

    def owner(
        self, permit: Permit, organisation: DataKey, org: str, owner: str, wrapped: bytes, at: datetime
    ) -> DataKey:
        """Return the data key of a resident or person from its wrapped form.

        Raises:
            ReceiptMissingError: `permit` does not cover this owner.
            SealBrokenError: The wrapped key was damaged or belongs to another owner.
        """
        if not permit.covers(org, owner):
            raise ReceiptMissingError("no receipt covers this owner")
        return self._owner(organisation, org, owner, wrapped, at)

    def state_key(
        self, organisation: DataKey, org: str, owner: str, wrapped: bytes, at: datetime
    ) -> StateKey:
        """Return what judges an owner's rows. It needs no receipt, because it opens nothing.

        Raises:
            SealBrokenError: The wrapped key was damaged or belongs to another owner.
        """
        return self._owner(organisation, org, owner, wrapped, at).state_key()

    def _owner(self, organisation: DataKey, org: str, owner: str, wrapped: bytes, at: datetime) -> DataKey:
        known = self._owners.get((owner, wrapped))
        if known is not None and at < known[1]:
            return known[0]
        key = organisation.unwrap(wrapped, _owner_place(org, owner))
        if len(self._owners) >= KEEP_MOST:
            self._owners.clear()  # rare, cheap to fill again, and never wrong
        self._owners[(owner, wrapped)] = (key, at + KEEP_FOR)
        return key

    def derived(self, connection: Connection, org: str, purpose: str, at: datetime) -> bytes:
        """Return an organisation's key for one purpose: a blind index, the digest of an address."""
        known = self._derived.get((org, purpose))
        if known is None:
            known = self.organisation(connection, org, at).derive(f"caretrail/v1 {purpose}")
            self._derived[(org, purpose)] = known
        return known


def _organisation_place(org: str, generation: int) -> Place:
    return Place(org, org, "organisation", "key", generation)


def _owner_place(org: str, owner: str) -> Place:
    return Place(org, owner, owner, "key", 1)


def _check_value(root: DataKey) -> bytes:
    return keyed_digest(root.derive("caretrail/v1 key check"), "caretrail")
