"""Table types that mean the same on both databases, and the one registry of tables.

Every key starts with the organisation: a row of one provider can then never be joined to
another's by forgetting a condition, and the tables can be sharded by provider.
"""

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Text
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# Byte order, not a language's order: instants and ids sort alike on both databases.
_BYTEWISE = "C"


def _text(length: int | None = None) -> TypeEngine[str]:
    plain = String(length) if length else Text()
    return plain.with_variant(
        String(length, collation=_BYTEWISE) if length else Text(collation=_BYTEWISE), "postgresql"
    )


def identifier(name: str = "id", *, key: bool = False, nullable: bool = False) -> Column[str]:
    """Return a column for a canonical UUID, or `system`."""
    return Column(name, _text(36), primary_key=key, nullable=nullable)


def organisation_key() -> Column[str]:
    """Return the first column of every key: whose row this is."""
    return Column("org", _text(36), primary_key=True)


def instant(name: str, *, nullable: bool = False) -> Column[str]:
    """Return a column for an instant in its one spelling (`core.clock`), 27 letters."""
    return Column(name, _text(27), nullable=nullable)


def word(name: str, *, key: bool = False, nullable: bool = False) -> Column[str]:
    """Return a column for a readable word: a status, a category, a role, a date, a home's name."""
    return Column(name, _text(), primary_key=key, nullable=nullable)


def sealed(name: str, *, nullable: bool = False) -> Column[bytes]:
    """Return a column for ciphertext (`vault.sealing`); loading it opens nothing."""
    return Column(name, LargeBinary, nullable=nullable)


def digest(name: str, *, nullable: bool = False, key: bool = False) -> Column[bytes]:
    """Return a column for 32 bytes: a hash, a keyed digest or a blind index."""
    return Column(name, LargeBinary(32), nullable=nullable, primary_key=key)


def number(name: str, *, key: bool = False, nullable: bool = False) -> Column[int]:
    """Return a column for a version or a count."""
    return Column(name, Integer, primary_key=key, nullable=nullable, autoincrement=False)


def position(name: str, *, key: bool = False, nullable: bool = False) -> Column[int]:
    """Return a column for a place in the trail."""
    wide = BigInteger().with_variant(Integer(), "sqlite")
    return Column(name, wide, primary_key=key, nullable=nullable, autoincrement=False)


def state_columns() -> tuple[Column[int], Column[bytes]]:
    """Return what binds a row to the trail: its version and its keyed digest, both in the entry."""
    return number("version"), digest("state")
