"""The rows of detection: the place up to which was judged, habits, and what was told."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Executable, Table, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from app.access.opened import Opened
from app.alerts.table import habit_day, judged, told
from app.core.clock import parse, spell
from app.core.errors import AlteredRow
from app.detection.habit import REMEMBERED, Day
from app.detection.quiet import Subject, Told
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import same_digest

_COLUMNS = tuple(one.name for one in fields(Day))
_DIGESTED = {
    table.name: [column.name for column in table.columns if column.name != "state"]
    for table in (habit_day, told)
}
_BOUND = {table.name: BoundColumns(table.name, table, _DIGESTED[table.name]) for table in (habit_day, told)}
_PLACE = BoundColumns("detection_judged", judged, ("org", "chain", "seq"))
_FORGET_DAYS = delete(habit_day).where(
    habit_day.c.org == bindparam("of"),
    habit_day.c.user_id == bindparam("whose"),
    habit_day.c.day < bindparam("horizon"),
)
_FORGET_TOLD = delete(told).where(
    told.c.org == bindparam("of"), told.c.chain == bindparam("chain_"), told.c.until <= bindparam("now")
)


def stored(opened: Opened, chain: str) -> tuple[list[tuple[str, Day]], list[tuple[Subject, Told]]]:
    """Return the habits and what is held back, as of the place up to which was judged.

    What was altered counts for nothing: the trail is told of it, and it is removed.
    """
    days: list[tuple[str, Day]] = []
    if chain == opened.org:  # nobody works in the system's chain
        for row in _genuine(opened, habit_day, opened.org):
            values = {name: row[name] for name in _COLUMNS}
            values |= {"roles": tuple(row["roles"].split()), "places": orjson.loads(row["places"])}
            days.append((row["user_id"], Day(**values)))
    rows = [row for row in _genuine(opened, told, opened.org) if row["chain"] == chain]
    held = [
        ((row["rule"], row["subject"]), Told(parse(row["until"]).timestamp(), row["size"])) for row in rows
    ]
    return days, held


def _genuine(opened: Opened, table: Table, org: str) -> list[dict[str, Any]]:
    good = []
    for found in opened.execute(select(table).where(table.c.org == org)).all():
        row = dict(found._mapping)
        if same_digest(row["state"], _bound(opened, table, row)["state"]):
            good.append(row)
            continue
        opened.altered.append(AlteredRow(table.name, str(row["user_id" if table is habit_day else "rule"])))
        opened.execute(delete(table).where(*(column == row[column.name] for column in table.primary_key)))
    return good


def _bound(opened: Opened, table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the digest of its other columns."""
    values = [row[name] for name in _DIGESTED[table.name]]
    return row | {"state": _BOUND[table.name].digest(opened.organisation_key(), values)}


def store(
    opened: Opened,
    chain: str,
    days: dict[tuple[str, str], Day],
    held_back: dict[Subject, Told],
    upto: str | None,
) -> None:
    """Write days of people and what is held back; forget what is too old to count at an instant."""
    dialect, org = _dialect(opened), opened.org
    if days:
        rows = [_bound(opened, habit_day, _day_row(org, who, day)) for (who, _), day in days.items()]
        opened.execute(_KEEP_DAY[dialect], rows)
        forget = [{"of": org, "whose": who, "horizon": _horizon(day)} for who, day in days]
        opened.execute(_FORGET_DAYS, forget)
    if held_back:
        rows = [
            _bound(opened, told, _told_row(org, chain, subject, one)) for subject, one in held_back.items()
        ]
        opened.execute(_KEEP_TOLD[dialect], rows)
        if upto is not None:
            opened.execute(_FORGET_TOLD, {"of": org, "chain_": chain, "now": upto})


def _day_row(org: str, user_id: str, day: Day) -> dict[str, Any]:
    row = {name: getattr(day, name) for name in _COLUMNS}
    told_places = orjson.dumps(day.places, option=orjson.OPT_SORT_KEYS).decode()
    return row | {"org": org, "user_id": user_id, "roles": " ".join(day.roles), "places": told_places}


def _told_row(org: str, chain: str, subject: Subject, one: Told) -> dict[str, Any]:
    until = spell(datetime.fromtimestamp(one.until, UTC))
    rule, about = subject
    return {"org": org, "chain": chain, "rule": rule, "subject": about, "until": until, "size": one.size}


def _horizon(day: str) -> str:
    return (datetime.fromisoformat(day) - timedelta(days=REMEMBERED + 1)).date().isoformat()


def place_digest(opened: Opened, chain: str, seq: int) -> bytes:
    """Return what shows that a place was set by who holds the organisation's key."""
    return _PLACE.digest(opened.organisation_key(), [opened.org, chain, seq])


def _dialect(opened: Opened) -> str:
    return opened.connection().dialect.name


def _upsert(dialect: Any, table: Any, keys: tuple[str, ...]) -> Executable:
    statement = dialect.insert(table).values({c.name: bindparam(c.name) for c in table.columns})
    new = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in keys}
    made: Executable = statement.on_conflict_do_update(index_elements=list(keys), set_=new)
    return made


def _begin(dialect: Any) -> Executable:
    values: dict[str, Any] = {name: bindparam(name) for name in ("org", "chain", "seq", "state")}
    made: Executable = dialect.insert(judged).values(values).on_conflict_do_nothing()
    return made


_DIALECTS = {"postgresql": postgresql, "sqlite": sqlite}
BEGIN = {name: _begin(dialect) for name, dialect in _DIALECTS.items()}
_KEEP_DAY = {name: _upsert(d, habit_day, ("org", "user_id", "day")) for name, d in _DIALECTS.items()}
_KEEP_TOLD = {name: _upsert(d, told, ("org", "chain", "rule", "subject")) for name, d in _DIALECTS.items()}
