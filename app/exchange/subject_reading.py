"""Going through everything held about a resident, a turn for each piece, in bounded memory."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from os import SEEK_END
from typing import IO, Any

import orjson

from app.access.operation import Operation
from app.access.visit import Visited
from app.access.work import Work
from app.exchange.subject_works import EXPORT, Page, ReadHistory, ReadRecords
from app.residents.history import OWN_ACTS

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


class Shelf:
    """Records laid down in a file, category by category, and gone through as often as wanted."""

    def __init__(self, file: IO[bytes]) -> None:
        """Take an empty file. It should have no name: what it holds is plain."""
        self._file = file
        self._places: dict[str, list[int]] = {}

    def put(self, category: str, item: JsonObject) -> None:
        """Lay a record down, after those of its category."""
        self._places.setdefault(category, []).append(self._file.seek(0, SEEK_END))
        self._file.write(orjson.dumps(item) + b"\n")

    def of(self, category: str) -> Iterator[JsonObject]:
        """Yield the records of a category, in the order in which they came."""
        for place in self._places.get(category, ()):
            self._file.seek(place)
            item: JsonObject = orjson.loads(self._file.readline())
            yield item
