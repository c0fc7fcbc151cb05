"""A service that refuses to start leaves nothing open."""

from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from sqlalchemy import text

from app.core.errors import StartRefusedError
from app.storage.engine import open_engine
from tests.support.served import Database, Deployment


def _held(file: Path) -> int:
    return sum(Path(one.path) == file for one in psutil.Process().open_files())


def test_a_refused_start_leaves_no_connection_open(tmp_path):
    """Whoever tries again, or goes on to something else, has no writer of the database left behind."""
    file = tmp_path / "care.db"
    url = f"sqlite:///{file}"
    world = Deployment.on(Database("sqlite", url, url), tmp_path)
    assert _held(file), "what is counted is what a connection holds"
    world.close()
    owner = open_engine(url, patient=True)
    with owner.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'unknown'"))
    owner.dispose()
    assert not _held(file)

    with pytest.raises(StartRefusedError):
        world.assembled()

    assert not _held(file)
