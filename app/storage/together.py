"""One statement for many rows, made once for each database.

A turn writes what all its attempts changed with one statement for each table. PostgreSQL takes the rows as
arrays: an INSERT or UPDATE for one row, with a parameter for every value, is rewritten to read its values
from `unnest`. SQLite runs a statement for each row within the process; spelled once, the driver needs nobody
to prepare every row for it.
"""

import functools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import postgresql, sqlite

Rows = Sequence[dict[str, Any]]
_PARAMETER = re.compile(r"%\((\w+)\)s(?:::[\w ]+?(?:\(\d+\))?(?: COLLATE \"\w+\")?(?=[,) ]|$))?")
_POSTGRESQL: Any = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
_SQLITE: Any = sqlite.dialect(paramstyle="named")


class _Spelled(NamedTuple):
    """A statement as the driver takes it, and the names of its parameters."""

    text: str
    names: frozenset[str]


def write(connection: Connection, statement: Executable, rows: Rows) -> int:
    """Run a fixed statement for every row and return how many rows were written."""
    options = {"preserve_rowcount": True}
    spelled = None
    if connection.dialect.name == "sqlite":
        spelled = _for_each(statement)
    elif len(rows) > 1:
        spelled = _at_once(statement)
    if spelled is None or not spelled.names <= rows[0].keys():  # one with values of its own
        return connection.execute(statement, list(rows), execution_options=options).rowcount
    given: Any = rows if connection.dialect.name == "sqlite" else _arrays(rows, spelled.names)
    return connection.exec_driver_sql(spelled.text, given, execution_options=options).rowcount


def _arrays(rows: Rows, names: frozenset[str]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names}


@functools.lru_cache(maxsize=64)
def _for_each(statement: Any) -> _Spelled:
    compiled: Any = statement.compile(dialect=_SQLITE)
    return _Spelled(str(compiled), frozenset(compiled.binds))


@functools.lru_cache(maxsize=64)
def _at_once(statement: Any) -> _Spelled | None:
    compiled: Any = statement.compile(dialect=_POSTGRESQL)
    text = str(compiled)
    if " ON CONFLICT " in text or " RETURNING " in text:
        return None
    names = tuple(dict.fromkeys(_PARAMETER.findall(text)))
    types = compiled.binds
    arrays = ", ".join(f"%({name})b::{_type(types[name].type)}[]" for name in names)
    source = f"FROM unnest({arrays}) AS given({', '.join(names)})"
    body = _PARAMETER.sub(lambda found: f"given.{found[1]}", text)
    if " VALUES (" in body:
        before, _, values = body.partition(" VALUES (")
        return _Spelled(f"{before} SELECT {values.removesuffix(')')} {source}", frozenset(names))
    before, _, condition = body.partition(" WHERE ")
    return _Spelled(f"{before} {source} WHERE {condition}", frozenset(names))


def _type(given: Any) -> str:
    named: str = _POSTGRESQL.type_compiler_instance.process(given)
    return named.partition(" COLLATE ")[0].partition("(")[0]
