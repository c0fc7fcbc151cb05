"""PostgreSQL keeps no sample of a key or an answer, whichever revisions a database went through."""

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, insert, text

from app.identity.table import idempotency
from app.residents.table import resident
from app.storage.engine import open_engine
from app.storage.migration import migrate
from app.storage.schema import MIGRATIONS
from tests.support.postgresql import Database

BEFORE = "2026_11_23_06"
AT, KEY = "2026-03-02T09:00:00.000000Z", b"k" * 40
_SAMPLED = text(
    "SELECT tablename || '.' || attname FROM pg_stats WHERE schemaname = 'public'"
    " AND (tablename, attname) IN (('resident', 'wrapped_key'), ('idempotency', 'answer')) ORDER BY 1"
)
_FILES = text("SELECT pg_relation_filenode('resident'), pg_relation_filenode('idempotency')")


def test_samples_of_keys_go_where_an_early_revision_let_them_be_taken(fresh: Callable[[], Database]) -> None:
    """What ANALYZE kept while the columns were still sampled goes, and no further one brings it back."""
    engine = open_engine(fresh().owner, patient=True)
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE resident ALTER COLUMN wrapped_key SET STATISTICS -1"))
        connection.execute(text("ALTER TABLE idempotency ALTER COLUMN answer SET STATISTICS -1"))
        _fill(connection)
        connection.execute(text("ANALYZE resident, idempotency"))
        sampled, files = connection.execute(_SAMPLED).scalars().all(), connection.execute(_FILES).one()

    migrate(engine)

    with engine.begin() as connection:
        after = [connection.execute(_SAMPLED).scalars().all()]
        connection.execute(text("ANALYZE resident, idempotency"))
        after.append(connection.execute(_SAMPLED).scalars().all())
        assert files == connection.execute(_FILES).one(), "no table was written anew"
    assert ["idempotency.answer", "resident.wrapped_key"] == sampled
    assert [[], []] == after
    engine.dispose()


def _fill(connection: Connection) -> None:
    """Enter two rows into each: a sample is taken of what comes more than once."""
    person = {"org": "o", "home_id": "h", "status": "resident", "admitted_on": "2026-03-02"}
    person |= {"wrapped_key": KEY, "identity": KEY, "identifiers": KEY, "created_at": AT, "deleted": False}
    person |= {"family_index": KEY[:32], "family_birth_index": KEY[:32], "version": 1, "state": KEY[:32]}
    connection.execute(insert(resident), [person | {"id": one} for one in "ab"])
    kept = {"org": "o", "user_id": "u", "route": "r", "request": "x", "status": 201, "answer": KEY}
    connection.execute(insert(idempotency), [kept | {"key": one, "made_at": AT} for one in "ab"])
