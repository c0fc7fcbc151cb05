"""Which rows the trail vouches for, and how the digest of each is made anew from its columns.

Here the rows of identity and the runs of jobs; those of residents are in `residents.state_kinds`, under the
same shape. Every `Kind` is read in the order of its primary key, whole or a page at a time.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app.access.drafting import NAME_SALT_BYTES, beside
from app.core.errors import SealBrokenError
from app.identity.account_rows import account_state, private_of, username_index
from app.identity.homes import home_state
from app.identity.organisations import role_state
from app.identity.rows import AccountRow, ShiftRow
from app.identity.shift_rows import shift_state
from app.jobs.past_runs import removed_state
from app.jobs.works import UNTOLD, RunRow, run_state
from app.storage.snapshot import Snapshot
from app.trail.state_ledger import Ledger
from app.vault.keyring import Keyring
from app.vault.sealing import DataKey, StateKey, fingerprint

_KEYS = "SELECT generation, wrapped FROM organisation_key WHERE org = ? ORDER BY generation"
_ROOT = "SELECT value FROM key_check WHERE name = 'root'"
Row = tuple[Any, ...]
Fault = tuple[str, str]
"""What else is wrong with a row: the kind of the finding, and the words after the row's name."""


class _Check:
    """Permits a check every owner's key: it compares, and hands nothing of what it opens to anybody."""

    def covers(self, _org: str, _owner: str) -> bool:
        return True


class Keys:
    """The keys of one organisation, from a snapshot. They open for comparing and for nothing else."""

    def __init__(self, snapshot: Snapshot, keyring: Keyring, org: str, at: datetime) -> None:
        """Read the organisation's key.

        Raises:
            SealBrokenError: It is not there, or does not open.
        """
        self._snapshot, self._keyring, self.org, self._at = snapshot, keyring, org, at
        self._derived: dict[tuple[str, str], bytes] = {}
        self._last: tuple[str, Any, StateKey] | None = None
        self.organisation = self._organisation(org)
        self._state = self.organisation.state_key()

    def _organisation(self, org: str) -> DataKey:
        found: dict[int, bytes] = dict(row for batch in self._snapshot.rows(_KEYS, org) for row in batch)
        return self._keyring.organisation_from(org, found, self._at)

    def own_state(self) -> StateKey:
        """Return what judges the rows of the organisation itself."""
        return self._state

    def state_of(self, owner: str, wrapped: Any) -> StateKey:
        """Return what judges the rows of a resident or a person."""
        if self._last is None or self._last[:2] != (owner, wrapped):  # rows come owner by owner
            key = self._keyring.state_key(self.organisation, self.org, owner, _there(wrapped), self._at)
            self._last = (owner, wrapped, key)
        return self._last[2]

    def owner(self, owner: str, wrapped: Any) -> DataKey:
        """Return the key of a resident or a person."""
        return self._keyring.owner(_Check(), self.organisation, self.org, owner, _there(wrapped), self._at)

    def look_up_key(self, purpose: str, org: str | None = None) -> bytes:
        """Return the key of a blind index, as `Opened.look_up_key` does."""
        where = org or self.org
        known = self._derived.get((where, purpose))
        if known is None:
            key = self.organisation if where == self.org else self._organisation(where)
            known = self._derived[where, purpose] = key.derive(f"caretrail/v1 {purpose}")
        return known


def _there(wrapped: Any) -> bytes:
    if not isinstance(wrapped, bytes):
        raise SealBrokenError(why="owner-key-missing")
    return wrapped


def root_fits(snapshot: Snapshot, keyring: Keyring) -> bool:
    """Say whether the root key at hand is the one the database was made with."""
    return keyring.take_up(next((row[0] for batch in snapshot.rows(_ROOT) for row in batch), None))


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows of one table that the trail vouches for.

    Attributes:
        name: What entries call such a row (`obj.t`).
        table: The table.
        select: Everything up to and with `WHERE <alias>.org = ?`.
        order: The columns of the primary key after the organisation.
        places: Where these stand in a row.
        id: Where the row's id stands.
        version: Where its version stands.
        digest: From a row to the digest of its columns; None if what it leans on is missing, a resident say.
        further: What else of the row can be wrong, if the digest is right.
        state: Where the digest stands that is kept in the row; None: the row is an earlier version of
            another row, and its digest stands in the trail only.
        batch: How many rows to read at once, where one of them may hold a document; None for the usual.
        adopted: A version before this one made them without entries; where a chain has none about any, the
            first start enters them as they stand (`identity.adopting`).
        gone: From the id of a row to the digest that stands for none, in the entry that removed it; None:
            rows of this kind are marked, never removed.
    """

    name: str
    table: str
    select: str
    order: tuple[str, ...]
    places: tuple[int, ...]
    id: int
    version: int
    digest: Callable[[Keys, Row], bytes | None]
    further: Callable[[Keys, Ledger, Row], list[Fault]] = lambda _keys, _ledger, _row: []
    state: int | None = -1
    batch: int | None = None
    adopted: bool = False
    gone: Callable[[Keys, str], bytes] | None = None

    @property
    def all(self) -> str:
        """The statement that reads all rows of an organisation."""
        return f"{self.select} ORDER BY {', '.join(self.order)}"

    @property
    def page(self) -> str:
        """The statement that reads the next rows after one: organisation, its key, how many."""
        after = f"({', '.join(self.order)}) > ({', '.join('?' * len(self.order))})"
        return f"{self.select} AND {after} ORDER BY {', '.join(self.order)} LIMIT ?"

    @property
    def first(self) -> tuple[Any, ...]:
        """Before every row, in the order."""
        return tuple(0 if place == self.version else "" for place in self.places)

    def at(self, row: Row) -> tuple[Any, ...]:
        """Return where in the order a row stands."""
        return tuple(row[place] for place in self.places)


# --- accounts: the row, its blind index, and the name -----------------------------------------------

_ACCOUNT_END: Final = len(AccountRow._fields)


def _account_digest(keys: Keys, row: Row) -> bytes:
    account = AccountRow._make(row[:_ACCOUNT_END])
    return account_state(keys.state_of(account.id, account.wrapped_key), account)


def _account_further(keys: Keys, ledger: Ledger, row: Row) -> list[Fault]:
    """Judge what the digest leaves out: the index that a user name is found by, and the name in the trail.

    No name is told: nobody's name leaves without an entry, and a check makes none.
    """
    account, (index, box) = AccountRow._make(row[:_ACCOUNT_END]), row[_ACCOUNT_END:]
    key = keys.owner(account.id, account.wrapped_key)
    private = private_of(key, account)
    found: list[Fault] = []
    if not hmac.compare_digest(bytes(index), username_index(keys, private.username)):
        found.append(("STATE", "the account is found under another user name than it has"))
    said = ledger.name(account.id)
    if not ledger.has(account.id):
        return found
    if said is None or account.name_seq != said.seq:
        newest = f"#{said.seq}" if said is not None else "none"
        found.append(("IDENTITY", f"the row points to entry #{account.name_seq}, the chain's is {newest}"))
        return found
    place = beside(keys.org, account.id, account.id, "name", 0, said.seq)
    try:
        plain = key.unseal(_there(box), place)
    except SealBrokenError:
        return [*found, ("IDENTITY", f"the name sealed beside entry #{said.seq} is missing or does not open")]
    if fingerprint(plain) != said.name_hash:
        found.append(("IDENTITY", f"the name sealed beside entry #{said.seq} is not the one it names"))
    elif plain[NAME_SALT_BYTES:] != private.display_name.encode():
        text = f"the name in the table is not the chain's (#{said.seq}); exports use the chain"
        found.append(("IDENTITY", text))
    return found


def columns(alias: str, names: tuple[str, ...]) -> str:
    """Return a list of columns as a statement has it."""
    return ", ".join(f"{alias}.{name}" for name in names)


def of_organisation(
    name: str, table: str, row_type: Any, key: str, digest: Callable[[StateKey, Any], bytes]
) -> Kind:
    """Return the kind of rows that are bound under the organisation's key and found by one column.

    Args:
        name: What entries call such a row.
        table: Where the rows are.
        row_type: The named tuple of its columns.
        key: The column that its entries name it by.
        digest: Gives the digest of a row.
    """
    fields = row_type._fields
    at = fields.index(key)
    return Kind(
        name=name,
        table=table,
        select=f"SELECT {columns('t', fields)} FROM {table} t WHERE t.org = ?",
        order=(f"t.{key}",),
        places=(at,),
        id=at,
        version=fields.index("version"),
        digest=lambda keys, row: digest(keys.own_state(), row_type._make(row)),
    )


_ROLE = ("org", "name", "about", "user_kind", "permissions", "version", "state")
_HOME = ("org", "id", "name", "ods_code", "cqc_location_id", "created_at", "version", "state")

HOMES = Kind(
    name="home",
    table="home",
    select=f"SELECT {columns('h', _HOME)} FROM home h WHERE h.org = ?",
    order=("h.id",),
    places=(1,),
    id=1,
    version=6,
    digest=lambda keys, row: home_state(keys.own_state(), row[:-1]),
)
ROLES = Kind(
    name="role",
    table="role",
    select=f"SELECT {columns('r', _ROLE)} FROM role r WHERE r.org = ?",
    order=("r.name",),
    places=(1,),
    id=1,
    version=5,
    digest=lambda keys, row: role_state(keys.own_state(), row[:-1]),
    adopted=True,
)
SHIFTS = of_organisation("shift", "shift", ShiftRow, "id", shift_state)
ACCOUNTS = Kind(
    name="user",
    table="account",
    select=(
        f"SELECT {columns('a', AccountRow._fields)}, a.username_index, n.ct FROM account a"
        " LEFT JOIN audit_name n ON n.org = a.org AND n.seq = a.name_seq WHERE a.org = ?"
    ),
    order=("a.id",),
    places=(0,),
    id=0,
    version=14,
    digest=_account_digest,
    further=_account_further,
    state=15,
)
# A run under way is bound by its end; so is none that was lost before such runs had an entry. One that ended
# long ago goes with an entry that says so (`jobs.past_runs`).
RUNS = Kind(
    name="job_run",
    table="job_run",
    select=(
        f"SELECT {columns('r', RunRow._fields[:-2])}, 1, r.state FROM job_run r"
        f" WHERE r.org = ? AND r.ended_at IS NOT NULL AND NOT (r.outcome = 'lost' AND r.result = '{UNTOLD}')"
    ),
    order=("r.id",),
    places=(0,),
    id=0,
    version=9,
    digest=lambda keys, row: run_state(keys.own_state(), RunRow._make(row)),
    gone=lambda keys, run: removed_state(keys.own_state(), run),
)
IDENTITY_KINDS = (HOMES, ROLES, ACCOUNTS, SHIFTS, RUNS)
