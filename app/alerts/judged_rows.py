"""The rows of detection: the place up to which was judged, habits, and what was told."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Executable, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from app.access.opened import Opened
from app.alerts.table import habit_day, judged, told
from app.core.clock import parse, spell
from app.detection.habit import REMEMBERED, Day
from app.detection.quiet import Subject, Told

_COLUMNS = tuple(one.name for one in fields(Day))
_FORGET_DAYS = delete(habit_day).where(
    habit_day.c.org == bindparam("of"),
    habit_day.c.user_id == bindparam("whose"),
    habit_day.c.day < bindparam("horizon"),
)
_FORGET_TOLD = delete(told).where(
    told.c.org == bindparam("of"), told.c.chain == bindparam("chain_"), told.c.until <= bindparam("now")
)


def stored(opened: Opened, chain: str) -> tuple[list[tuple[str, Day]], list[tuple[Subject, Told]]]:
    """Return the habits and what is held back, as of the place up to which was judged."""
    days: list[tuple[str, Day]] = []
    if chain == opened.org:  # nobody works in the system's chain
        for row in opened.execute(select(habit_day).where(habit_day.c.org == opened.org)).all():
            values = {name: getattr(row, name) for name in _COLUMNS}
            values |= {"roles": tuple(row.roles.split()), "places": orjson.loads(row.places)}
            days.append((row.user_id, Day(**values)))
    found = opened.execute(select(told).where(told.c.org == opened.org, told.c.chain == chain)).all()
    return days, [((row.rule, row.subject), Told(parse(row.until).timestamp(), row.size)) for row in found]


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
        opened.execute(_KEEP_DAY[dialect], [_day_row(org, *whose, day) for whose, day in days.items()])
        forget = [{"of": org, "whose": who, "horizon": _horizon(day)} for who, day in days]
        opened.execute(_FORGET_DAYS, forget)
    if held_back:
        rows = [
            {"org": org, "chain": chain, "rule": rule, "subject": subject, "size": one.size}
            | {"until": spell(datetime.fromtimestamp(one.until, UTC))}
            for (rule, subject), one in held_back.items()
        ]
        opened.execute(_KEEP_TOLD[dialect], rows)
        if upto is not None:
            opened.execute(_FORGET_TOLD, {"of": org, "chain_": chain, "now": upto})


def _day_row(org: str, user_id: str, _day: str, day: Day) -> dict[str, Any]:
    row = {name: getattr(day, name) for name in _COLUMNS}
    told_places = orjson.dumps(day.places, option=orjson.OPT_SORT_KEYS).decode()
    return row | {"org": org, "user_id": user_id, "roles": " ".join(day.roles), "places": told_places}


def _horizon(day: str) -> str:
    return (datetime.fromisoformat(day) - timedelta(days=REMEMBERED + 1)).date().isoformat()


def place_digest(opened: Opened, chain: str, seq: int) -> bytes:
    """Return what shows that a place was set by who holds the organisation's key."""
    return opened.organisation_key().state("detection_judged", [opened.org, chain, seq])


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
