"""The root key, the database that is bound to it, and the organisations' keys it wraps.

A key-check value in the database tells a wrong root key before anything is opened or written. Another root
key may come into force at any time: who has it goes on with it, who has it not does nothing any more.
"""

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from app.core.clock import spell
from app.core.entropy import Entropy
from app.core.errors import AuditUnavailableError, SealBrokenError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.vault.away import KeyUnreachableError
from app.vault.generations import FIRST
from app.vault.root import LocalRoot, RootKey
from app.vault.sealing import KEY_BYTES, Place
from app.vault.table import key_check, organisation_keys

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


class Rooted:
    """The root key of this process, and what it does to a database."""

    def __init__(
        self, root: RootKey | bytes, entropy: Entropy, others: Callable[[], Sequence[RootKey]] = tuple
    ) -> None:
        """Begin with a root key.

        Args:
            root: The root key, or the bytes of one.
            entropy: Where randomness comes from.
            others: Asked when the root key does not fit any more: which others there are by now.
        """
        self._root = LocalRoot(root, entropy) if isinstance(root, bytes) else root
        self._entropy = entropy
        self._others = others

    @property
    def root(self) -> RootKey:
        """Return the root key in use."""
        return self._root

    def use(self, root: RootKey) -> None:
        """Go on with another root key: the database was bound to it just now."""
        self._root = root

    def check(self, connection: Connection) -> None:
        """Refuse to go on with a root key that is not the one this database was made with."""
        stored = self._stored(connection)
        if stored is None:
            raise StartRefusedError("this database has no keys yet: run `caretrail init` first")
        try:
            fits = self.take_up(stored)
        except KeyUnreachableError as away:
            raise StartRefusedError(away.told) from away
        if not fits:
            raise StartRefusedError(
                "the root key is not the one this database was made with: nothing was opened or written"
            )

    def _stored(self, connection: Connection) -> bytes | None:
        stored = connection.execute(_CHECK).scalar()
        return bytes(stored) if stored is not None else None

    def take_up(self, stored: bytes | None) -> bool:
        """Go on with the root key whose key-check value is stored, if it is here; say whether it is."""
        if self.fits(stored):
            return True
        for other in self._others():
            if other.fits(stored):
                self._root = other
                return True
        return False

    def fits(self, stored: bytes | None) -> bool:
        """Say whether the key-check value of a database is this root key's."""
        return self._root.fits(stored)

    def wrap_anew(self, connection: Connection, to_come: RootKey, *, again: bool = False) -> int:
        """Wrap every organisation's key under another root key, and bind the database to that.

        One transaction, which has to be the caller's; until it is committed nothing else adds a key.

        Args:
            connection: Inside a transaction.
            to_come: The other root key.
            again: Wrap although it is the one in use: its keeper has a newer version of it.

        Returns:
            How many keys were wrapped; 0 where the database is bound to the other key already.

        Raises:
            SealBrokenError: A wrapped key was damaged. Nothing may be committed.
        """
        stored = connection.execute(_CHECK.with_for_update()).scalar_one()
        if to_come.fits(bytes(stored)) and not again:
            return 0
        rows = connection.execute(select(organisation_keys)).all()
        for row in rows:
            place = _organisation_place(row.org, row.generation)
            wrapped = to_come.wrap(self._root.unwrap(row.wrapped, place), place)
            at = {"where_org": row.org, "where_generation": row.generation, "wrapped_anew": wrapped}
            connection.execute(_WRAP_ANEW, at)
        connection.execute(_BIND, {"check": to_come.new_check()})
        return len(rows)

    def found(self, connection: Connection, at: datetime) -> None:
        """Bind a new database to the root key and make the deployment's own key."""
        connection.execute(insert(key_check).values(name=ROOT_CHECK, value=self._root.new_check()))
        self.add_organisation(connection, SYSTEM, at)

    def add_organisation(self, connection: Connection, org: str, at: datetime) -> None:
        """Make and store the key of a new organisation.

        Raises:
            AuditUnavailableError: The database was wrapped under another root key meanwhile.
        """
        self.add_generation(connection, org, FIRST, at)

    def add_generation(self, connection: Connection, org: str, generation: int, at: datetime) -> None:
        """Make and store a further generation of an organisation's key; from its commit on it seals.

        Raises:
            AuditUnavailableError: The database was wrapped under another root key meanwhile.
        """
        if not self.fits(bytes(connection.execute(_CHECK.with_for_update(read=True)).scalar_one())):
            raise AuditUnavailableError(why=OUTDATED)
        wrapped = self._root.wrap(self._entropy.bytes(KEY_BYTES), _organisation_place(org, generation))
        row = {"org": org, "generation": generation, "wrapped": wrapped, "made_at": spell(at)}
        if generation == FIRST:
            row["completed_at"] = row["made_at"]
        connection.execute(insert(organisation_keys).values(row))

    def _unwrapped(self, org: str, generation: int, wrapped: bytes) -> bytes:
        place = _organisation_place(org, generation)
        try:
            return self._root.unwrap(wrapped, place)
        except SealBrokenError:
            for other in self._others():  # wrapped anew meanwhile
                with contextlib.suppress(SealBrokenError):
                    return other.unwrap(wrapped, place)
            raise


def _organisation_place(org: str, generation: int) -> Place:
    return Place(org, org, "organisation", "key", generation)
