"""What the door hands over with a permission, and the notes it takes for the entry.

A work sees the database, keys and the clock only through this. When the turn is over the receipt
is closed and nothing more can be unsealed with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, CursorResult, Executable

from app.access.agent import Agent, Place
from app.access.policy import allowed_at
from app.access.receipt import Receipt
from app.access.visit import Visit
from app.access.work import Facts
from app.audit.entry import Draft
from app.core.entropy import Entropy
from app.core.errors import AlteredRow
from app.vault.generations import OrganisationKey
from app.vault.keyring import Keyring
from app.vault.sealing import DataKey


class FieldChange(NamedTuple):
    """One field before and after a change, as JSON values; None means absent."""

    field: str
    before: Any
    after: Any


Then = Callable[[int], tuple[Any, dict[str, Any]]]
"""From the place of an entry to a statement and its parameters, for a row that has to know it."""


@dataclass(slots=True)
class Note:
    """What the work wants its entry to say.

    Attributes:
        object: Kind and id of what it is about: `obj.t`, `obj.id`.
        version: `obj.ver`.
        category: `obj.cat`.
        subs: Residents concerned.
        homes: Homes concerned; None means those the agent acts at.
        count: Items disclosed: `n`.
        state: The digest of the row after the change.
        changes: Fields before and after, sealed beside the line under `owner`.
        owner: Whose key seals them, and that key.
        reason: Free text, sealed beside the line: under `reason_owner`, else `owner`, else the organisation.
        reason_owner: As `owner`, for the reason.
        org: The chain, where it is not the agent's.
        actor: Who did it, where it is not the agent.
        act: What was done, where it is not what the operation says.
        name_hash: `name_h` of an identity entry.
        members: Further members of `e`, as they stand.
        then: Makes a statement from the place of the entry, for a row that has to know it.
    """

    object: tuple[str, str | None] | None = None
    version: int | None = None
    category: str | None = None
    subs: list[str] = field(default_factory=list)
    homes: tuple[str, ...] | None = None
    count: int | None = None
    state: bytes | None = None
    changes: Sequence[FieldChange] = ()
    owner: tuple[str, DataKey] | None = None
    reason: str | None = None
    reason_owner: tuple[str, DataKey] | None = None
    org: str | None = None
    actor: Agent | None = None
    act: str | None = None
    name_hash: str | None = None
    members: dict[str, Any] = field(default_factory=dict)
    then: Then | None = None


class PendingChange(NamedTuple):
    """One fixed statement and the parameters of one row: written with its like, in one go."""

    statement: Executable
    parameters: dict[str, Any]


class Opened:
    """The open door, for one attempt."""

    def __init__(
        self,
        visit: Visit,
        agent: Agent,
        facts: Facts,
        at: datetime,
        connection: Connection,
        keyring: Keyring,
        entropy: Entropy,
        receipt: Receipt,
    ) -> None:
        self.visit = visit
        self.agent = agent
        self.facts = facts
        self.at = at
        self.entropy = entropy
        self.note = Note(object=visit.work.asked(), reason=visit.reason)
        self.pending: list[PendingChange] = []
        self.also: list[Draft] = []
        self.altered: list[AlteredRow] = []
        self._connection = connection
        self._keyring = keyring
        self._receipt = receipt

    @property
    def org(self) -> str:
        """Return the organisation the attempt acts in."""
        return self.agent.org

    # --- deciding -------------------------------------------------------------------------

    def allows(self, permission: str, place: Place) -> bool:
        """Say whether the agent holds a permission at a place; what is allowed is covered from here."""
        allowed = allowed_at(self.agent, permission, place)
        if allowed and place.resident_id is not None:
            self._receipt.extend(self.org, place.resident_id)
        return allowed

    # --- database -------------------------------------------------------------------------

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run SQL of the work's own, now."""
        options = {"preserve_rowcount": True}
        return self._connection.execute(statement, parameters, execution_options=options)

    def change(self, statement: Executable, parameters: dict[str, Any]) -> None:
        """Have one row written at the end of the turn. Each such statement must change one row."""
        self.pending.append(PendingChange(statement, parameters))

    # --- keys -----------------------------------------------------------------------------

    def organisation_key(self, org: str | None = None) -> OrganisationKey:
        """Return the organisation's key: for its own rows and for new owners."""
        return self._keyring.organisation(self._connection, org or self.org, self.at)

    def owner_key(self, owner: str, wrapped: bytes, org: str | None = None) -> DataKey:
        """Return the data key of a resident or person the receipt covers."""
        where = org or self.org
        return self._keyring.owner(
            self._receipt, self.organisation_key(where), where, owner, wrapped, self.at
        )

    def person_key(self, user_id: str, wrapped: bytes, org: str | None = None) -> DataKey:
        """Return a person's data key. Reaching the account row was what the policy decided."""
        self._receipt.extend(org or self.org, user_id)
        return self.owner_key(user_id, wrapped, org)

    def new_owner(self, owner: str, org: str | None = None) -> tuple[DataKey, bytes]:
        """Return a data key for a new resident or person, and its wrapped form."""
        where = org or self.org
        self._receipt.extend(where, owner)
        return self._keyring.new_owner(self.organisation_key(where), where, owner)

    def look_up_key(self, purpose: str, org: str | None = None) -> bytes:
        """Return the key of a blind index."""
        return self._keyring.derived(self._connection, org or self.org, purpose, self.at)

    def keyring(self) -> Keyring:
        """Return the keyring, to found an organisation with."""
        return self._keyring

    def connection(self) -> Connection:
        """Return the connection, for the trail's own readers and founders."""
        return self._connection

    # --- the entry ------------------------------------------------------------------------

    def discloses(self, *residents: str, count: int | None = None) -> None:
        """Note whose data the answer shows, and how many items."""
        self.note.subs[:] = dict.fromkeys((*self.note.subs, *residents))
        if count is not None:
            self.note.count = count

    def concerns(self, *homes: str) -> None:
        """Note homes that this is about, beside those the caller acts at: who reads their trail sees it."""
        acting = self.agent.homes if self.note.homes is None else self.note.homes
        self.note.homes = tuple(dict.fromkeys((*acting, *homes)))

    def changed(
        self,
        kind: str,
        row: str,
        version: int,
        state: bytes | None,
        changes: Sequence[FieldChange],
        owner: tuple[str, DataKey],
    ) -> None:
        """Note a change: the row, its new version and state, the fields before and after."""
        self.note.object = (kind, row)
        self.note.version = version
        self.note.state = state
        self.note.changes = changes
        self.note.owner = owner
