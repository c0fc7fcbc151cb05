"""Many rows in one statement: the same rows as one by one, and the same count, on both databases."""

import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    insert,
    literal,
    select,
    update,
)

from app.storage import together

_thing = Table(
    "thing",
    MetaData(),
    Column("id", String(36), primary_key=True),
    Column("size", BigInteger),
    Column("box", LargeBinary, nullable=True),
)
_INSERT = insert(_thing)
_GROW = (
    update(_thing)
    .where(_thing.c.id == bindparam("of"), _thing.c.size == bindparam("was"))
    .values(size=bindparam("size"), box=bindparam("box"))
)
ROWS = [{"id": f"thing-{n}", "size": n, "box": bytes([n]) if n % 2 else None} for n in range(5)]


@pytest.fixture
def things(empty):
    _thing.metadata.create_all(empty)
    with empty.begin() as connection:
        yield connection


def stored(connection):
    rows = connection.execute(select(_thing).order_by(_thing.c.id))
    return [{"id": row.id, "size": row.size, "box": row.box and bytes(row.box)} for row in rows]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_rows_are_inserted(things, count):
    """One row or many, with nothing and with bytes: all are there, and all are counted."""
    assert together.write(things, _INSERT, ROWS[:count]) == count
    assert stored(things) == ROWS[:count]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_rows_are_changed_where_the_condition_holds(things, count):
    """Rows that are no longer as they were are left alone and not counted."""
    together.write(things, _INSERT, ROWS)
    things.execute(update(_thing).where(_thing.c.id == "thing-0").values(size=77))
    grown = [{"of": row["id"], "was": row["size"], "size": row["size"] + 10, "box": b"x"} for row in ROWS]

    assert together.write(things, _GROW, grown[:count]) == count - 1
    assert [row["size"] for row in stored(things)] == [77, *range(11, 10 + count), *range(max(count, 1), 5)]


def test_a_statement_with_values_of_its_own_is_left_as_it_is(things):
    """A statement that brings a value of its own is run as SQLAlchemy runs it."""
    statement = insert(_thing).values(id=bindparam("id"), size=literal(9), box=None)

    for row in ROWS[:2]:
        assert together.write(things, statement, [{"id": row["id"]}]) == 1
    assert [row["size"] for row in stored(things)] == [9, 9]


def test_one_text_serves_any_number_of_rows(things):
    """The text sent does not depend on how many rows there are, so the database prepares it once."""
    assert together._at_once(_INSERT).text.count("unnest") == 1
    assert together._at_once(_GROW).names == {"of", "was", "size", "box"}
    assert together._at_once(_GROW) is together._at_once(_GROW)
