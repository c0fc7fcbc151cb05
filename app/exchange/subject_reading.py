"""Going through everything held about a resident, a turn for each piece, in bounded memory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from app.access.operation import Operation
from app.access.visit import Visited
from app.access.work import Work
from app.exchange.subject_works import EXPORT, OWN_ACTS, Page, ReadHistory, ReadRecords

JsonObject = dict[str, Any]
Serve = Callable[[Operation, Work], Awaitable[Visited]]
"""Runs one work through the door for whoever makes the copy."""

RECORDS_AT_ONCE = 100


async def records(serve: Serve, resident_id: str, category: str) -> AsyncIterator[JsonObject]:
    """Yield the records of a category, in the order in which things occurred."""
    most = 1 if category == "document" else RECORDS_AT_ONCE
    after: tuple[str, str] | None = None
    while True:
        visited = await serve(EXPORT, ReadRecords(resident_id, category, after, most))
        page: Page = visited.answer.payload
        for item in page.records:
            yield item
        if page.after is None:
            return
        after = page.after


async def history(serve: Serve, resident_id: str) -> list[JsonObject]:
    """Return the changes of the resident's own row. The index has to have come to the end of the chain."""
    changes: list[JsonObject] = []
    for act in OWN_ACTS:
        start: int | None = 0
        while start is not None:
            read = (await serve(EXPORT, ReadHistory(resident_id, act, start))).answer.payload
            changes += read.changes
            start = read.start
    return sorted(changes, key=lambda change: int(change["version"]))
