"""Pages of rows of which not each is for the caller: the database narrows, the policy judges every row.

Whoever may see hardly anybody must not keep everybody else waiting while a whole table is gone through for
one page of theirs. So it is gone on in large pieces once the first was not enough, and not for ever.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from sqlalchemy import ColumnElement, Table, select

from app.access import cursors
from app.access.opened import Opened

AT_ONCE = 200
"""So many rows are read at a time once those read first did not fill the page."""
MOST_LOOKED_AT = 2_000
"""About so many rows are looked at for one page; then the page ends, full or not."""


class ListedRow(Protocol):
    """A named tuple of a table's columns, its own key among them."""

    @property
    def id(self) -> str:
        """Return the row's own key."""


Row = TypeVar("Row", bound=ListedRow)


class Page(NamedTuple, Generic[Row]):
    """Rows for the caller, newest first, and the position after which the list goes on; None at its end.

    A page may be short, even empty, and go on: what is looked at for it is bounded.
    """

    rows: list[Row]
    after: list[Any] | None


class Sieve(Generic[Row]):
    """A table of an organisation's, and what of it the caller is shown."""

    def __init__(
        self,
        opened: Opened,
        table: Table,
        kind: type[Row],
        wanted: Sequence[ColumnElement[bool]],
        may: Callable[[Row], bool],
        *,
        at: str = "created_at",
    ) -> None:
        """Take them.

        Args:
            opened: The open door.
            table: What is listed.
            kind: The named tuple of its columns.
            wanted: What the database can leave out. It need not know all that `may` knows.
            may: Says whether the caller may be shown a row.
            at: The column of the instant that the list is ordered by.
        """
        self._opened, self._may = opened, may
        self._at, self._at_column, self._key = at, table.c[at], table.c.id
        self._make: Callable[[Any], Row] = kind._make  # type: ignore[attr-defined]
        columns = (table.c[name] for name in kind._fields)  # type: ignore[attr-defined]
        self._statement = (
            select(*columns)
            .where(table.c.org == opened.org, *wanted)
            .order_by(self._at_column.desc(), self._key.desc())
        )

    def page(self, limit: int, after: list[Any] | None = None) -> Page[Row]:
        """Return the first `limit` rows that follow a position and that the caller may be shown.

        Whom they may not see takes nobody's place.
        """
        rows: list[Row] = []
        looked, count = 0, limit + 1
        while True:
            batch = self._batch(count, after)
            for row in filter(self._may, batch):
                if len(rows) == limit:
                    return Page(rows, self._position(rows[-1]))
                rows.append(row)
            if len(batch) < count:
                return Page(rows, None)
            looked, after = looked + count, self._position(batch[-1])
            if looked >= MOST_LOOKED_AT:
                return Page(rows, after)
            count = AT_ONCE

    def _batch(self, count: int, after: list[Any] | None) -> list[Row]:
        statement = self._statement.limit(count)
        if after is not None:
            statement = statement.where(cursors.older(self._at_column, self._key, after))
        return [self._make(row) for row in self._opened.execute(statement).all()]

    def _position(self, row: Row) -> list[Any]:
        return [getattr(row, self._at), row.id]
