"""One statement for many rows, where the database can: PostgreSQL takes the rows as arrays.

A turn writes what all its attempts changed with one statement for each table. SQLite runs a statement for
each row within the process; PostgreSQL would be sent one execution after the other. So an INSERT or UPDATE
for one row, with a parameter for every value, is rewritten to read its values from `unnest`.
"""

import functools
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import postgresql

Rows = Sequence[dict[str, Any]]
_PARAMETER = re.compile(r"%\((\w+)\)s(?:::[\w ]+?(?:\(\d+\))?(?: COLLATE \"\w+\")?(?=[,) ]|$))?")
_DIALECT: Any = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]


class _AtOnce(NamedTuple):
    """A statement that reads its rows from arrays, and the names of these."""

    text: str
    names: tuple[str, ...]


def write(connection: Connection, statement: Executable, rows: Rows) -> int:
    """Run a fixed statement for every row and return how many rows were written."""
    options = {"preserve_rowcount": True}
    if len(rows) > 1 and connection.dialect.name == "postgresql":
        at_once = _at_once(statement)
        if at_once is not None and rows[0].keys() >= {*at_once.names}:  # not one with values of its own
            arrays = {name: [row[name] for row in rows] for name in at_once.names}
            return connection.exec_driver_sql(at_once.text, arrays, execution_options=options).rowcount
    return connection.execute(statement, list(rows), execution_options=options).rowcount


@functools.lru_cache(maxsize=64)
def _at_once(statement: Any) -> _AtOnce | None:
    compiled: Any = statement.compile(dialect=_DIALECT)
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
        return _AtOnce(f"{before} SELECT {values.removesuffix(')')} {source}", names)
    before, _, condition = body.partition(" WHERE ")
    return _AtOnce(f"{before} {source} WHERE {condition}", names)


def _type(given: Any) -> str:
    named: str = _DIALECT.type_compiler_instance.process(given)
    return named.partition(" COLLATE ")[0].partition("(")[0]
