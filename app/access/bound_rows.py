"""Rows that the trail knows: read and compared with their digest, written with a new one.

`state`, the last column of such a row, is a keyed digest of the others under the organisation's key, and
the entry of the change that wrote it holds the same digest. So a row that was altered behind the service's
back is refused when it is read, and found by `audit verify --state`, which also finds one that was set back,
removed or added. Every version of a row is one `UPDATE` that names the version before it.

Source: promise P5.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from sqlalchemy import Executable, Table, bindparam, insert, select, update

from app.access.opened import FieldChange, Opened
from app.core.errors import AlteredRow, SealBrokenError
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import DataKey, StateKey, refuse_altered


class BoundRow(Protocol):
    """A named tuple of an organisation's: `org`, its own key, `version`, and as its last field `state`."""

    @property
    def org(self) -> str:
        """Return whose row it is."""

    @property
    def version(self) -> int:
        """Return how often it was written."""

    @property
    def state(self) -> bytes:
        """Return the digest of the columns before it."""

    def __getitem__(self, which: slice, /) -> tuple[Any, ...]: ...

    def _asdict(self) -> dict[str, Any]: ...


Row = TypeVar("Row", bound=BoundRow)
Changes = Mapping[str, tuple[Any, Any]]
"""Fields before and after a change, in plain: the entry seals them."""


class BoundTables:
    """The tables of one part of the service, each with its kind of row."""

    def __init__(
        self, tables: Mapping[type[Any], Table], keys: Mapping[type[Any], str] | None = None
    ) -> None:
        """Take them.

        Args:
            tables: From the kind of row, a named tuple with a table's columns in order, to the table.
            keys: Of which column identifies a row within its organisation, where that is not `id`.
        """
        self._tables = dict(tables)
        self._keys = {kind: (keys or {}).get(kind, "id") for kind in tables}
        self._bound = {
            kind: BoundColumns(table.name, table, kind._fields[:-1]) for kind, table in tables.items()
        }
        self._columns = {kind: [table.c[name] for name in kind._fields] for kind, table in tables.items()}
        self._inserts = {kind: insert(table) for kind, table in tables.items()}
        self._updates = {kind: self._update(kind) for kind in tables}

    def _update(self, kind: type[Any]) -> Executable:
        table, key = self._tables[kind], self._keys[kind]
        c = table.c
        before = (
            c.org == bindparam("of"),
            c[key] == bindparam("which"),
            c.version == bindparam("was_version"),
        )
        written: dict[str, Any] = {name: bindparam(name) for name in kind._fields if name not in ("org", key)}
        return update(table).where(*before).values(written)

    # --- what the trail knows of a row ------------------------------------------------------------

    def state(self, key: DataKey | StateKey, row: BoundRow) -> bytes:
        """Return the keyed digest of a row. The key is the organisation's."""
        return self._bound[type(row)].digest(key, row[:-1])

    def bound(self, opened: Opened, row: Row) -> Row:
        """Return a row with the digest of its columns."""
        return _with(row, state=self.state(opened.organisation_key(row.org), row))

    def named(self, row: BoundRow) -> AlteredRow:
        """Return a row as it is told of when it was altered."""
        which = getattr(row, self._keys[type(row)])
        return AlteredRow(self._tables[type(row)].name, which, getattr(row, "resident_id", None))

    def member(self, row: BoundRow) -> dict[str, Any]:
        """Return what an entry says of a row that is not its object."""
        name, which = self._tables[type(row)].name, getattr(row, self._keys[type(row)])
        return {"t": name, "id": which, "ver": row.version, "state": row.state.hex()}

    # --- reading ----------------------------------------------------------------------------------

    def read(self, opened: Opened, kind: type[Row], *conditions: Any, locked: bool = False) -> list[Row]:
        """Return rows of the caller's organisation in the order they were made, whatever they say.

        Args:
            opened: The open door.
            kind: Which rows.
            conditions: What they must be.
            locked: Others who want to change them wait for this turn.
        """
        c = self._tables[kind].c
        query = select(*self._columns[kind]).where(c.org == opened.org, *conditions)
        query = query.order_by(c[self._keys[kind]])
        rows = opened.execute(query.with_for_update() if locked else query).all()
        return _made(kind, rows)

    def found(self, opened: Opened, kind: type[Row], *conditions: Any, locked: bool = False) -> list[Row]:
        """Return rows as `read` does, each the one the trail knows.

        Raises:
            SealBrokenError: Somebody changed one behind the service's back.
        """
        return self.vouched(opened, kind, self.read(opened, kind, *conditions, locked=locked))

    def vouched(self, opened: Opened, kind: type[Row], rows: Iterable[Any]) -> list[Row]:
        """Return rows that were read, if each is the one the trail knows.

        Raises:
            SealBrokenError: Somebody changed one behind the service's back.
        """
        made = _made(kind, rows)
        for row in made:
            self.judge(opened, row)
        return made

    def judge(self, opened: Opened, row: BoundRow) -> None:
        """Refuse a row that is not as the trail knows it.

        Raises:
            SealBrokenError: Somebody changed it behind the service's back.
        """
        refuse_altered(row.state, self.state(opened.organisation_key(row.org), row), self.named(row))

    def sound(self, opened: Opened, row: BoundRow) -> bool:
        """Say whether a row is the one the trail knows; if not, the trail is told and the work goes on.

        For whatever goes through many rows: one that was altered must not hide the others.
        """
        try:
            self.judge(opened, row)
        except SealBrokenError:
            opened.altered.append(self.named(row))
            return False
        return True

    # --- writing ----------------------------------------------------------------------------------

    def insertion(self, row: BoundRow) -> tuple[Executable, dict[str, Any]]:
        """Return the statement that writes a new row, and its parameters."""
        return self._inserts[type(row)], row._asdict()

    def succession(self, was: BoundRow, row: BoundRow) -> tuple[Executable, dict[str, Any]]:
        """Return the statement that writes the next version of a row, and its parameters."""
        key = self._keys[type(row)]
        values = {name: value for name, value in row._asdict().items() if name not in ("org", key)}
        named = {"of": row.org, "which": getattr(row, key), "was_version": was.version}
        return self._updates[type(row)], values | named

    def enter(self, opened: Opened, row: Row, told: Mapping[str, Any]) -> Row:
        """Have a new row written, and noted for the entry, which is about it and tells these fields."""
        made = self._new(opened, row)
        self._note(opened, made, {name: (None, value) for name, value in told.items()})
        return made

    def enter_beside(self, opened: Opened, row: Row) -> Row:
        """Have a new row written that goes with what the entry is about."""
        made = self._new(opened, row)
        self._tell(opened, made)
        return made

    def amend(self, opened: Opened, was: Row, changes: Changes, **changed: Any) -> Row:
        """Have a row's next version written, and noted for the entry, which is about it.

        Args:
            opened: The attempt that does it.
            was: The row as read in this transaction.
            changes: What the entry tells.
            changed: The columns and their new values.
        """
        row = self._next(opened, was, **changed)
        self._note(opened, row, changes)
        return row

    def amend_beside(self, opened: Opened, was: Row, **changed: Any) -> Row:
        """Have a row's next version written that goes with what the entry is about."""
        row = self._next(opened, was, **changed)
        self._tell(opened, row)
        return row

    def _new(self, opened: Opened, row: Row) -> Row:
        made = self.bound(opened, row)
        opened.change(*self.insertion(made))
        return made

    def _next(self, opened: Opened, was: Row, **changed: Any) -> Row:
        row = self.bound(opened, _with(was, **changed, version=was.version + 1))
        opened.change(*self.succession(was, row))
        return row

    def _note(self, opened: Opened, row: BoundRow, changes: Changes) -> None:
        owner = (opened.org, opened.organisation_key())
        told = [FieldChange(name, *pair) for name, pair in changes.items()]
        name, which = self._tables[type(row)].name, getattr(row, self._keys[type(row)])
        opened.changed(name, which, row.version, row.state, told, owner)

    def _tell(self, opened: Opened, row: BoundRow) -> None:
        opened.note.members.setdefault("rows", []).append(self.member(row))


def _made(kind: type[Row], rows: Iterable[Any]) -> list[Row]:
    make: Any = kind  # a named tuple's own method, which no protocol can name
    return [make._make(row) for row in rows]


def _with(row: Row, **changed: Any) -> Row:
    named: Any = row
    made: Row = named._replace(**changed)
    return made
