"""Steps 2 and 3 of a turn: everything about everyone who waits, in one statement.

The organisation of the session is in every join, so that no row of another provider can ever come
near an attempt. The text of the statement is fixed; only the list of what is asked varies.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

from app.access.agent import STRANGER, system_agent
from app.access.opened import Opened, PendingChange
from app.access.visit import Session, Stranger, System, Visit
from app.access.work import Answer, Facts
from app.core.errors import TokenInvalidError
from app.identity import recognising, repeats
from app.identity.recognising import Recogniser
from app.identity.rows import AccountRow, SessionRow, ShiftRow, StoredRow
from app.residents.rows import RecordRow, ResidentRow

# How a list of what is asked becomes a table: the one dialect branch of gathering.
_ASKED = {
    "sqlite": (
        "(SELECT key AS i, value ->> 0 AS session, value ->> 1 AS resident, value ->> 2 AS record,"
        " value ->> 3 AS route, value ->> 4 AS repeat, value ->> 5 AS org FROM json_each(:asked)) AS asked"
    ),
    "postgresql": (
        "unnest(CAST(:sessions AS text[]), CAST(:residents AS text[]), CAST(:records AS text[]),"
        " CAST(:routes AS text[]), CAST(:repeats AS text[]), CAST(:orgs AS text[]))"
        " WITH ORDINALITY AS asked(session, resident, record, route, repeat, org, i)"
    ),
}
_PARTS: tuple[tuple[str, Any], ...] = (
    ("s", SessionRow),
    ("a", AccountRow),
    ("f", ShiftRow),
    ("r", ResidentRow),
    ("c", RecordRow),
    ("m", StoredRow),
)


def _statement(dialect: str) -> Any:
    columns = ", ".join(f"{alias}.{name} AS {alias}_{name}" for alias, row in _PARTS for name in row._fields)
    return text(
        f"SELECT o.roles_version, {columns} FROM {_ASKED[dialect]}"
        " LEFT JOIN session s ON s.id = asked.session"
        " LEFT JOIN organisation o ON o.id = s.org"
        " LEFT JOIN account a ON a.org = s.org AND a.id = s.user_id"
        " LEFT JOIN shift f ON f.org = s.org AND f.id = s.shift_id"
        " LEFT JOIN resident r ON r.org = COALESCE(s.org, asked.org) AND r.id = asked.resident"
        " LEFT JOIN record c ON c.org = r.org AND c.resident_id = r.id AND c.id = asked.record"
        " LEFT JOIN idempotency m ON m.org = s.org AND m.user_id = s.user_id"
        " AND m.route = asked.route AND m.key = asked.repeat"
        " ORDER BY asked.i"
    )


_STATEMENTS = {dialect: _statement(dialect) for dialect in _ASKED}


def _slices() -> tuple[slice, ...]:
    ends, at = [], 1
    for _, row in _PARTS:
        ends.append(slice(at, at + len(row._fields)))
        at += len(row._fields)
    return tuple(ends)


_SESSION, _ACCOUNT, _SHIFT, _RESIDENT, _RECORD, _STORED = _slices()


class Gathering:
    """What a turn has to know, from identity and residents together."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser

    def gather(self, connection: Connection, visits: Sequence[Visit], at: datetime) -> list[Facts]:
        """Return the facts of each visit, in order."""
        if all(isinstance(v.credential, Stranger) for v in visits):
            return [Facts(agent=STRANGER) for _ in visits]
        asked = [_asked(v) for v in visits]
        rows = connection.execute(_STATEMENTS[connection.dialect.name], _parameters(connection, asked)).all()
        return [self._facts(connection, v, row, at) for v, row in zip(visits, rows, strict=True)]

    def _facts(self, connection: Connection, visit: Visit, row: Any, at: datetime) -> Facts:
        facts = self._caller(connection, visit, row, at)
        if row[_RESIDENT.start] is not None:
            facts.resident = ResidentRow._make(row[_RESIDENT])
        if row[_RECORD.start] is not None:
            facts.record = RecordRow._make(row[_RECORD])
        if row[_STORED.start] is not None:
            facts.stored = repeats.fresh(StoredRow._make(row[_STORED]), at)
        return facts

    def _caller(self, connection: Connection, visit: Visit, row: Any, at: datetime) -> Facts:
        """Return who asks: a person with a session, the service itself, or a stranger."""
        match visit.credential:
            case System(name=name, org=org):
                return Facts(agent=system_agent(org, name))
            case Stranger():
                return Facts(agent=STRANGER)
        if row[_SESSION.start] is None or row[_ACCOUNT.start] is None:
            return Facts(refusal=TokenInvalidError(why="session-unknown"))
        session = SessionRow._make(row[_SESSION])
        account = AccountRow._make(row[_ACCOUNT])
        shift = ShiftRow._make(row[_SHIFT]) if row[_SHIFT.start] is not None else None
        return self._recogniser.recognise(connection, row[0], session, account, shift, at)

    def touch(self, connection: Connection, sessions: Sequence[str], at: datetime) -> None:
        """Note that these sessions were active."""
        recognising.touch(connection, sessions, at)

    def replay(self, opened: Opened) -> Answer:
        """Return the stored answer of a repeated call."""
        return repeats.replay(opened)

    def remember(self, opened: Opened, answer: Answer) -> PendingChange:
        """Return the write that keeps an answer for a repeat."""
        return repeats.remember(opened, answer)


def _asked(visit: Visit) -> tuple[str | None, ...]:
    session = visit.credential.id if isinstance(visit.credential, Session) else None
    org = visit.credential.org if isinstance(visit.credential, System) else None
    route, key = (visit.operation.route, visit.repeat.key) if visit.repeat else (None, None)
    return session, *visit.work.looks_at(), route, key, org


def _parameters(connection: Connection, asked: list[tuple[str | None, ...]]) -> dict[str, Any]:
    if connection.dialect.name == "sqlite":
        return {"asked": orjson.dumps(asked).decode()}
    names = ("sessions", "residents", "records", "routes", "repeats", "orgs")
    return {name: list(column) for name, column in zip(names, zip(*asked, strict=True), strict=True)}
