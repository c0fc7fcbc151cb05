"""Pages of records and versions: no more than so many bytes, whatever number was asked for.

A document has up to 5 MiB. Two hundred of them, read and unsealed in one turn, would keep everybody else
waiting until the turn is given up, so a page ends early where it grows heavy, and `next_cursor` goes on.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, null, select

MOST_BYTES = 8 << 20
"""Sealed bodies of a page together, but for the last: the first is there whatever its size."""


def weighed(listed: Select[Any], *order: str) -> Select[Any]:
    """Return the statement of a list with its bodies left out once those before weigh enough.

    Args:
        listed: A list with a column `body`.
        order: The columns it is ordered by, each descending.
    """
    found = listed.subquery("found").c
    newest_first = [found[name].desc() for name in order]
    before = func.coalesce(func.sum(func.length(found.body)).over(order_by=newest_first, rows=(None, -1)), 0)
    body: ColumnElement[Any] = case((before < MOST_BYTES, found.body), else_=null()).label("body")
    return select(*(body if column is found.body else column for column in found)).order_by(*newest_first)


def page_of(rows: Sequence[Any], limit: int | None = None) -> tuple[Sequence[Any], bool]:
    """Return the rows of a page of a weighed list, and whether the list goes on after it."""
    page = list(takewhile(lambda row: row.body is not None, rows[:limit]))
    return page, len(page) < len(rows)
