"""The tables of a world, made from the models."""

import app.audit.table
import app.identity.table
import app.residents.table
import app.vault.table  # noqa: F401 - each enters its tables
from app.storage.base import metadata
from app.storage.engine import open_engine


def make_tables(url: str) -> None:
    """Make all tables anew."""
    engine = open_engine(url)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    engine.dispose()
