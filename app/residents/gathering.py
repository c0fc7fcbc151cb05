"""Steps 2 and 3 of a turn: everything about everyone who waits, in one statement.

The organisation of the session is in every join, so that no row of another provider can ever come
near an attempt. The text of the statement is fixed; only the list of what is asked varies.
"""

import functools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnClause, Connection, bindparam, column, select, text, tuple_

from app.access.agent import STRANGER, system_agent
from app.access.opened import Opened, PendingChange
from app.access.visit import Session, Stranger, System, Visit
from app.access.work import Answer, Facts
from app.audit.stored import HeadRow
from app.core.errors import TokenInvalidError
from app.identity import recognising, repeats
from app.identity.recognising import Recogniser
from app.identity.rows import AccountRow, SessionRow, ShiftRow, StoredRow
from app.residents.rows import RecordRow, ResidentRow
from app.residents.table import resident

# How a list of what is asked becomes a table: the one dialect branch of gathering.
_ASKED = {
    "sqlite": (
        "(SELECT value ->> 'i' AS i, value ->> 'session' AS session, value ->> 'resident' AS resident,"
        " value ->> 'record' AS record, value ->> 'route' AS route, value ->> 'repeat' AS repeat,"
        " value ->> 'org' AS org, value ->> 'head' AS head FROM json_each(:asked)) AS asked"
    ),
    "postgresql": (
        "json_to_recordset(CAST(:asked AS json)) AS asked(i integer, session text, resident text,"
        " record text, route text, repeat text, org text, head text)"
    ),
}
# Rows gathered always, then those only some visits ask for; each join leans on the one before it.
_CALLER: tuple[tuple[str, Any], ...] = (
    ("s", SessionRow),
    ("a", AccountRow),
    ("f", ShiftRow),
    ("h", HeadRow),
)
_ASKED_FOR: tuple[tuple[str, Any], ...] = (("r", ResidentRow), ("c", RecordRow), ("m", StoredRow))
_JOINS = {
    "s": ("session", "s.id = asked.session"),
    "o": ("organisation", "o.id = s.org"),
    "a": ("account", "a.org = s.org AND a.id = s.user_id"),
    "f": ("shift", "f.org = s.org AND f.id = s.shift_id"),
    "h": ("audit_head", "h.org = asked.head"),
    "r": ("resident", "r.org = COALESCE(s.org, asked.org) AND r.id = asked.resident"),
    "c": ("record", "c.org = r.org AND c.resident_id = r.id AND c.id = asked.record"),
    "m": (
        "idempotency",
        "m.org = s.org AND m.user_id = s.user_id AND m.route = asked.route AND m.key = asked.repeat",
    ),
}
# Each join finds one row by its key. PostgreSQL takes the list of what is asked for a hundred rows and
# reads whole tables to join them; a LIMIT has it look up each key instead.
_JOIN = {
    "sqlite": "LEFT JOIN {table} {alias} ON {on}",
    "postgresql": "LEFT JOIN LATERAL (SELECT * FROM {table} {alias} WHERE {on} LIMIT 1) {alias} ON true",
}


_KEPT = (
    select(resident.c.id)
    .where(
        tuple_(resident.c.org, resident.c.id).in_(bindparam("which", expanding=True)),
        resident.c.wrapped_key != b"",
    )
    .order_by(resident.c.org, resident.c.id)
    .with_for_update(key_share=True, read=True)
)


class _Gather:
    """One fixed statement: what it selects, and where each row stands in its result."""

    def __init__(self, dialect: str, wanted: frozenset[str]) -> None:
        parts = [*_CALLER, *(part for part in _ASKED_FOR if part[0] in wanted)]
        names = [f"{alias}.{name}" for alias, row in parts for name in row._fields]
        # Named by position: the driver's description is then read once and not at every turn.
        described: list[ColumnClause[Any]] = [column(f"c{n}") for n in range(len(names) + 1)]
        joined = ("s", "o", "a", "f", "h", *(alias for alias, _ in _ASKED_FOR if alias in wanted))
        joins = [_JOIN[dialect].format(alias=one, table=_JOINS[one][0], on=_JOINS[one][1]) for one in joined]
        self.statement = text(
            f"SELECT o.roles_version, {', '.join(names)} FROM {_ASKED[dialect]}"
            f" {' '.join(joins)} ORDER BY asked.i"
        ).columns(*described)
        self._rows: dict[str, tuple[slice, Any]] = {}
        at = 1
        for alias, row in parts:
            self._rows[alias] = (slice(at, at + len(row._fields)), row)
            at += len(row._fields)

    def row(self, alias: str, found: Any) -> Any:
        """Return one of the joined rows, or None where there was none."""
        if alias not in self._rows:
            return None
        where, made = self._rows[alias]
        return made._make(found[where]) if found[where.start] is not None else None


_gather = functools.cache(_Gather)


class Gathering:
    """What a turn has to know, from identity and residents together."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser

    def gather(self, connection: Connection, visits: Sequence[Visit], at: datetime) -> list[Facts]:
        """Return the facts of each visit, in order."""
        if all(isinstance(v.credential, Stranger) for v in visits):
            return [Facts(agent=STRANGER) for _ in visits]
        asked = _asked(visits)
        statement = _gather(connection.dialect.name, _wanted(asked))
        found = connection.execute(statement.statement, {"asked": orjson.dumps(asked).decode()}).all()
        return [
            self._facts(connection, visit, statement, row, at)
            for visit, row in zip(visits, found, strict=True)
        ]

    def _facts(
        self, connection: Connection, visit: Visit, statement: _Gather, found: Any, at: datetime
    ) -> Facts:
        facts = self._caller(connection, visit, statement, found, at)
        facts.head = statement.row("h", found)
        facts.resident = statement.row("r", found)
        facts.record = statement.row("c", found)
        stored = statement.row("m", found)
        facts.stored = repeats.fresh(stored, at) if stored is not None else None
        return facts

    def _caller(
        self, connection: Connection, visit: Visit, statement: _Gather, found: Any, at: datetime
    ) -> Facts:
        """Return who asks: a person with a session, the service itself, or a stranger."""
        match visit.credential:
            case System(name=name, org=org):
                return Facts(agent=system_agent(org, name))
            case Stranger():
                return Facts(agent=STRANGER)
        session, account = statement.row("s", found), statement.row("a", found)
        if session is None or account is None or visit.credential.user_id not in (None, session.user_id):
            return Facts(refusal=TokenInvalidError(why="session-unknown"))
        shift = statement.row("f", found)
        return self._recogniser.recognise(connection, found[0], session, account, shift, at)

    def keep(self, connection: Connection, facts: Sequence[Facts]) -> bool:
        """Say whether no resident of these was erased meanwhile, and keep them from it until the turn ends.

        Whoever erases one locks the row first (`shredding.resident_locked`). SQLite has one writer.
        """
        residents = {(one.resident.org, one.resident.id) for one in facts if one.resident is not None}
        if not residents or connection.dialect.name == "sqlite":
            return True
        return len(connection.execute(_KEPT, {"which": sorted(residents)}).all()) == len(residents)

    def touch(self, connection: Connection, sessions: Sequence[str], at: datetime) -> None:
        """Note that these sessions were active."""
        recognising.touch(connection, sessions, at)

    def replay(self, opened: Opened) -> Answer:
        """Return what of the stored answer of a repeated call may be shown now."""
        return repeats.replay(opened)

    def remember(self, opened: Opened, answer: Answer) -> PendingChange:
        """Return the write that keeps an answer for a repeat."""
        return repeats.remember(opened, answer)


def _asked(visits: Sequence[Visit]) -> list[dict[str, Any]]:
    """Return what is asked for each visit; absent means not asked."""
    asked = [{"i": n} | _one_asked(visit) for n, visit in enumerate(visits)]
    chains: set[str] = set()
    for visit, one in zip(visits, asked, strict=True):
        org = None if isinstance(visit.credential, Stranger) else visit.credential.org
        if org is not None and org not in chains:
            one["head"] = org
            chains.add(org)
    return asked


def _one_asked(visit: Visit) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    match visit.credential:
        case Session(id=session):
            asked["session"] = session
        case System(org=org):
            asked["org"] = org
    asked["resident"], asked["record"] = visit.work.looks_at()
    if visit.repeat is not None:
        asked["route"], asked["repeat"] = visit.operation.route, visit.repeat.key
    return asked


def _wanted(asked: list[dict[str, Any]]) -> frozenset[str]:
    """Return which rows any of the visits asks for."""
    names = {"r": "resident", "c": "record", "m": "repeat"}
    return frozenset(alias for alias, name in names.items() if any(one.get(name) for one in asked))
