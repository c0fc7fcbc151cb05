"""What a row's digest is made over: its values, and that each is of its column's type."""

import math

import pytest
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, MetaData, String, Table, Text

from app.core.errors import AlteredRow, SealBrokenError
from app.vault.bound_columns import BoundColumns
from app.vault.sealing import StateKey, refuse_altered, same_digest

KEY = StateKey(b"s" * 32)
TABLE = Table(
    "letter",
    MetaData(),
    Column("id", String(36)),
    Column("text", Text),
    Column("body", LargeBinary),
    Column("version", Integer),
    Column("place", BigInteger().with_variant(Integer(), "sqlite")),
    Column("sent", Boolean),
    Column("state", LargeBinary),
)
NAMES = ("id", "text", "body", "version", "place", "sent")
LETTERS = BoundColumns("letter", TABLE, NAMES)
ROW = ("a", "b", b"\x00\xff", 3, 4, True)


def with_value(name: str, value: object) -> list[object]:
    """Return the row with another value in one column."""
    return [value if column == name else old for column, old in zip(NAMES, ROW, strict=True)]


def test_a_row_as_we_write_it_has_the_digest_it_always_had():
    """The digest is the one over the plain values: those that are stored stay right."""
    empty = [None] * 6

    assert KEY.state("letter", list(ROW)) == LETTERS.digest(KEY, ROW)
    assert KEY.state("letter", empty) == LETTERS.digest(KEY, empty)


@pytest.mark.parametrize(("stored", "meant"), [(0, False), (1, True), (False, False), (True, True)])
def test_a_yes_or_no_is_the_same_however_a_database_spells_it(stored, meant):
    """SQLite has numbers where PostgreSQL has words."""
    assert KEY.state("letter", with_value("sent", meant)) == LETTERS.digest(KEY, with_value("sent", stored))


@pytest.mark.parametrize("stored", ["", "x", "1", "true", b"", b"\x01", 2, -1, 0.5, None])
def test_anything_else_in_the_place_of_a_yes_or_no_is_neither(stored):
    """What a query for either passes over has the digest of neither."""
    digest = LETTERS.digest(KEY, with_value("sent", stored))

    assert digest not in {LETTERS.digest(KEY, with_value("sent", value)) for value in (False, True)}


@pytest.mark.parametrize(
    ("name", "honest", "forged"),
    [
        ("body", b"\x00\xff", "00ff"),
        ("body", None, math.inf),
        ("body", None, math.nan),
        ("text", "00ff", b"\x00\xff"),
        ("text", None, -math.inf),
        ("version", None, math.inf),
        ("version", 3, 3.0),
        ("place", 1, True),
        ("id", "1", 1),
    ],
)
def test_a_value_of_another_type_has_another_digest(name, honest, forged):
    """Also where JSON spells both alike, and whatever was digested before."""
    right = LETTERS.digest(KEY, with_value(name, honest))

    assert right != LETTERS.digest(KEY, with_value(name, forged))
    assert right == LETTERS.digest(KEY, with_value(name, honest))


def test_a_row_with_a_value_more_is_no_row_of_ours():
    """Nothing is left out of a digest for want of a column."""
    with pytest.raises(ValueError, match="zip"):
        LETTERS.digest(KEY, (*ROW, None))


@pytest.mark.parametrize("stored", ["00ff", "", None, 7, 10**15, math.inf, b""])
def test_a_kept_digest_of_another_type_is_a_broken_one(stored):
    """It is refused like any that differs, and nothing is made of it."""
    row = AlteredRow("letter", "a")
    with pytest.raises(SealBrokenError) as refused:
        refuse_altered(stored, b"\x00\xff", row)

    assert ("state-broken", row) == (refused.value.why, refused.value.row)
    assert not same_digest(stored, b"\x00\xff")
