"""The keyring: root key -> organisation key -> data key of a resident or a person.

Unwrapped keys are kept for a bounded time and in bounded number. Erasure destroys the wrapped
data key in the database; a cached copy lives at most `keep_for` longer in this process - `follow`, which
runs all the time, drops what is over - and is unreachable sooner because the row that names it is empty.

An organisation's key has generations (`vault.generations`). Other processes may begin one at any time; what
was sealed under the one before is then not committed any more (`refuse_outlived`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, bindparam, func, select

from app.core.entropy import Entropy
from app.core.errors import AuditUnavailableError, SealBrokenError
from app.vault.generations import FIRST, OrganisationKey
from app.vault.root import RootKey
from app.vault.rooted import OUTDATED, Rooted
from app.vault.sealing import KEY_BYTES, DataKey, Place, StateKey
from app.vault.table import organisation_keys

KEEP_FOR = timedelta(minutes=10)
KEEP_MOST = 4096
_GENERATIONS = (
    select(organisation_keys.c.generation, organisation_keys.c.wrapped)
    .where(organisation_keys.c.org == bindparam("of"))
    .order_by(organisation_keys.c.generation)
)
_NEWEST = (
    select(organisation_keys.c.org, func.max(organisation_keys.c.generation).label("generation"))
    .where(organisation_keys.c.org.in_(bindparam("orgs", expanding=True)))
    .group_by(organisation_keys.c.org)
)


class OutlivedKeyError(RuntimeError):
    """Something was sealed under a generation that is not the newest any more: nothing may be committed."""


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


class Keyring(Rooted):
    """All keys of this process, unwrapped on demand."""

    def __init__(
        self,
        root: RootKey | bytes,
        entropy: Entropy,
        others: Callable[[], Sequence[RootKey]] = tuple,
        keep_for: timedelta = KEEP_FOR,
    ) -> None:
        """Begin with a root key, as `Rooted` does; `keep_for` is how long unwrapped keys are used."""
        super().__init__(root, entropy, others)
        self._keep_for = keep_for
        self._outdated = False
        self._reading: Connection | None = None
        self._followed: bytes | None = None
        self._sealed_under: dict[str, int] = {}
        self._organisations: dict[str, tuple[OrganisationKey, datetime]] = {}
        self._wrapped: dict[str, dict[int, bytes]] = {}
        self._owners: dict[tuple[str, bytes], tuple[DataKey, datetime]] = {}
        self._derived: dict[tuple[str, str], bytes] = {}

    @property
    def outdated(self) -> bool:
        """Say whether another root key is in force, and it is not here."""
        return self._outdated

    def follow(self, connection: Connection, at: datetime) -> bool:
        """Take up the root key that the database is wrapped under by now; say whether there is one here.

        Where there is none, nothing is opened and nothing sealed by this process any more: two processes
        with different root keys never both write. Keys of owners whose time is over are dropped.
        """
        stored = self._stored(connection)
        self._outdated = stored is None or not self.take_up(stored)
        if self._outdated or stored != self._followed:
            self._followed = stored
            self._organisations.clear()
            self._owners.clear()
            self._derived.clear()
        self._drop_over(at)
        self._follow_generations(connection, self._organisations)
        return not self._outdated

    def organisation(self, connection: Connection, org: str, at: datetime) -> OrganisationKey:
        """Return an organisation's key, from memory if it is fresh enough."""
        self._reading = connection
        known = self._organisations.get(org)
        if known is not None and at < known[1]:
            return known[0]
        if self._outdated:
            raise AuditUnavailableError(why=OUTDATED)
        key = OrganisationKey(
            self._secrets(org), self._entropy, lambda n: self._seals(org, n), lambda: self._secrets(org)
        )
        self._organisations[org] = (key, at + self._keep_for)
        self._drop_over(at)
        return key

    def _drop_over(self, at: datetime) -> None:
        """Forget the keys of owners whose time is over: one of them may have been erased."""
        self._owners = {known: kept for known, kept in self._owners.items() if at < kept[1]}

    def _secrets(self, org: str) -> dict[int, bytes]:
        assert self._reading is not None  # noqa: S101 - `organisation` was asked for the key before
        rows = self._reading.execute(_GENERATIONS, {"of": org}).all()
        self._wrapped[org] = {row.generation: bytes(row.wrapped) for row in rows}
        return self._opened(org, self._wrapped[org])

    def _opened(self, org: str, wrapped: Mapping[int, bytes]) -> dict[int, bytes]:
        if FIRST not in wrapped:
            raise SealBrokenError(why="organisation-key-missing")
        return {n: self._unwrapped(org, n, bytes(box)) for n, box in wrapped.items()}

    def organisation_from(self, org: str, wrapped: Mapping[int, bytes], at: datetime) -> OrganisationKey:
        """Return an organisation's key from its wrapped forms, for who reads without the door: a check.

        Raises:
            SealBrokenError: One is missing or does not open.
        """
        boxes = {n: bytes(box) for n, box in wrapped.items()}
        known = self._organisations.get(org)
        if known is None or at >= known[1] or self._wrapped.get(org) != boxes:
            known = OrganisationKey(self._opened(org, boxes), self._entropy), at + self._keep_for
            self._organisations[org], self._wrapped[org] = known, boxes
            self._drop_over(at)
        return known[0]

    # --- keys whose time is nearly over ---------------------------------------------------------

    def due(self, at: datetime) -> list[str]:
        """Return the organisations whose keys have less than half of their time left."""
        half = self._keep_for / 2
        return [org for org, (_, until) in list(self._organisations.items()) if until - at < half]

    def over(self, at: datetime) -> bool:
        """Say whether there are keys whose time is over: nothing is opened with them."""
        return any(until <= at for _, until in list(self._organisations.values()))

    def renew(self, org: str, at: datetime) -> None:
        """Have an organisation's key unwrapped again, and use it for another while. For another thread.

        Raises:
            AuditUnavailableError: Whoever keeps the root key does not answer. Used keys last to their end.
        """
        known, wrapped = self._organisations.get(org), self._wrapped.get(org)
        if known is None or wrapped is None:
            return
        try:
            same = known[0].is_made_of(self._opened(org, wrapped))
        except SealBrokenError:  # wrapped anew meanwhile, or not by this root key any more
            same = False
        if self._organisations.get(org) is known:
            # if not the same: its time is over, and whoever needs it reads it anew and is perhaps refused
            self._organisations[org] = (known[0], at + self._keep_for if same else at)

    # --- generations that came meanwhile --------------------------------------------------------

    def begin_generation(self, connection: Connection, org: str, generation: int, at: datetime) -> None:
        """Make a further generation of an organisation's key; from its commit on nothing else seals.

        Raises:
            AuditUnavailableError: The database was wrapped under another root key meanwhile.
        """
        self.add_generation(connection, org, generation, at)
        self._organisations.pop(org, None)

    def turn_begins(self) -> None:
        """Forget under which generations was sealed: what comes is another transaction."""
        self._sealed_under.clear()

    @property
    def sealed_for(self) -> frozenset[str]:
        """Return the organisations under whose own keys something was sealed in this turn."""
        return frozenset(self._sealed_under)

    def refuse_outlived(self, connection: Connection) -> None:
        """Refuse to commit what was sealed under a generation that is not the newest any more.

        To be asked with the heads of these organisations' chains locked: a new generation is an entry, too.

        Raises:
            OutlivedKeyError: Roll back and do it again: the newest is taken up.
        """
        outlived = self._follow_generations(connection, self._sealed_under)
        if outlived:
            raise OutlivedKeyError(f"{len(outlived)} organisations have newer keys")

    def _seals(self, org: str, generation: int) -> None:
        self._sealed_under[org] = min(generation, self._sealed_under.get(org, generation))

    def _follow_generations(self, connection: Connection, orgs: Iterable[str]) -> list[str]:
        """Drop the keys of these organisations that have newer generations; return whose were used."""
        asked = sorted(orgs)
        if not asked:
            return []
        rows = connection.execute(_NEWEST, {"orgs": asked}).all()
        newest = {row.org: row.generation for row in rows}
        for org in asked:
            known = self._organisations.get(org)
            if known is not None and known[0].generation != newest.get(org):
                del self._organisations[org]
        return [org for org, used in self._sealed_under.items() if org in newest and used != newest[org]]

    def new_owner(self, organisation: DataKey, org: str, owner: str) -> tuple[DataKey, bytes]:
        """Return a new data key for an owner and the wrapped form to store."""
        secret = self._entropy.bytes(KEY_BYTES)
        return DataKey(secret, self._entropy), organisation.wrap(secret, _owner_place(org, owner))

    def wrap_owner_anew(
        self, organisation: OrganisationKey, org: str, owner: str, wrapped: bytes
    ) -> tuple[DataKey, bytes]:
        """Return an owner's data key, and its form wrapped under the newest generation.

        Raises:
            SealBrokenError: The wrapped key was damaged or belongs to another owner.
        """
        secret = organisation.unseal(wrapped, _owner_place(org, owner))
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
        self._owners[(owner, wrapped)] = (key, at + self._keep_for)
        return key

    def derived(self, connection: Connection, org: str, purpose: str, at: datetime) -> bytes:
        """Return an organisation's key for one purpose: a blind index, the digest of an address."""
        organisation = self.organisation(connection, org, at)  # first: it may be over
        known = self._derived.get((org, purpose))
        if known is None:
            known = self._derived[(org, purpose)] = organisation.derive(f"caretrail/v1 {purpose}")
        return known


def _owner_place(org: str, owner: str) -> Place:
    return Place(org, owner, owner, "key", 1)
