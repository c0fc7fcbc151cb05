"""Like for like (e): the same door, loader, routes and server with the controls taken out.

No token is read and nobody recognised; nothing is decided, unsealed or recorded. A turn is the same
thread, grouping and transaction: one statement for everyone who waits, here reading readable columns,
and the commit of a transaction that only read. What is left between this and the service is the honest
price of the controls.
"""

from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Engine, text
from starlette.datastructures import Headers

from app.access.visit import Session, Visit, Visited
from app.access.work import Answer
from app.core.clock import Clock
from app.core.errors import NotFoundError
from app.http.presenting import Desk
from app.storage.engine import cut

_COLUMNS = (
    "id",
    "resident_id",
    "category",
    "version",
    "occurred_at",
    "occurred_at_estimated",
    "recorded_at",
    "recorded_by",
    "late",
    "deleted",
    "text",
)
_ASKED = {
    "sqlite": (
        "(SELECT value ->> 'i' AS i, value ->> 'resident' AS resident, value ->> 'record' AS record"
        " FROM json_each(:asked)) AS asked"
    ),
    "postgresql": "json_to_recordset(CAST(:asked AS json)) AS asked(i integer, resident text, record text)",
}
NOBODY = Session("", "")


def _statement(dialect: str) -> Any:
    columns = ", ".join(f"p.{name}" for name in _COLUMNS)
    joined = "LEFT JOIN plain_record p ON p.id = asked.record AND p.resident_id = asked.resident"
    return text(f"SELECT {columns} FROM {_ASKED[dialect]} {joined} ORDER BY asked.i")


_STATEMENTS = {dialect: _statement(dialect) for dialect in _ASKED}


class PlainTurn:
    """A turn without controls: it gathers and answers. To a door it looks like any other."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._connection = engine.connect()
        self._clock = clock

    def serve(self, visits: list[Visit]) -> None:
        """Read everyone's record in one transaction, and answer after its commit."""
        connection, at = self._connection, self._clock.now()
        asked = [{"i": n} | _wanted(visit) for n, visit in enumerate(visits)]
        with connection.begin():
            statement = _STATEMENTS[connection.dialect.name]
            rows = connection.execute(statement, {"asked": orjson.dumps(asked).decode()}).all()
        for visit, row in zip(visits, rows, strict=True):
            visit.at = at
            visit.outcome = NotFoundError() if row[0] is None else Visited(_answer(row), None, at)

    def abandon(self) -> None:
        """Cut the connection under a stuck turn."""
        cut(self._connection)


def _wanted(visit: Visit) -> dict[str, str | None]:
    resident, record = visit.work.looks_at()
    return {"resident": resident, "record": record}


def _answer(row: Any) -> Answer:
    shown = dict(zip(_COLUMNS, row, strict=True))
    shown["occurred_at_estimated"] = bool(shown["occurred_at_estimated"])
    shown["late"] = bool(shown["late"])
    shown["deleted"] = bool(shown["deleted"])
    shown["body"] = {"text": shown.pop("text")}
    return Answer(shown, version=shown["version"])


@dataclass(slots=True)
class PlainDesk(Desk):
    """The desk of the routes, without looking at who asks."""

    def _session(self, _headers: Headers) -> Session:
        return NOBODY
