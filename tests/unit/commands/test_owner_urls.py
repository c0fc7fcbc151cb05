"""A slip in CARETRAIL_OWNER_DATABASE_URL: told in a sentence, and no part of the password told or stored."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.unit.commands.conftest import Line, Told
from tests.unit.commands.places import Place, found_place, looking
from tests.unit.storage.test_urls import UNPROTECTED

# One of each way to be refused; all of them are tried where URLs are read (`test_urls`).
SLIPS = {
    "postgresql+psycopg://api:hunter@2026x@127.0.0.1/care": "percent-encoded",
    "postgresql+psycopg://api:hunter@127.0.0.1:2026x/care": "not a database URL",
    UNPROTECTED: "sslmode=verify-full",
}


@pytest.fixture(scope="module")
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A deployment on PostgreSQL, with a backup."""
    place = found_place(request, tmp_path_factory.mktemp("kept"), "postgresql")
    assert 0 == place.line.run("backup", "create").code
    return place


def refused(place: Place, url: str, *command: str | Path) -> Told:
    """Return what a command says where the owner's URL is this one."""
    return Line(place.line.data_dir, place.line.variables | {"CARETRAIL_OWNER_DATABASE_URL": url}).run(
        *command
    )


def says_no_secret(said: Any) -> bool:
    return not [part for part in ("hunter", "2026x") if part in str(said)]


@pytest.mark.parametrize("url", SLIPS)
def test_a_drill_tells_and_stores_no_password(kept: Place, url: str) -> None:
    """The drill fails where it would use the URL; what is kept of it is the sentence."""
    told = refused(kept, url, "backup", "drill")
    with looking(kept.line) as connection:
        stored = connection.execute(
            text("SELECT result FROM job_run WHERE job = 'drill' ORDER BY id DESC LIMIT 1")
        ).scalar_one()

    assert (1, True) == (told.code, "restore it: " in told.err), told.err
    assert SLIPS[url] in told.err
    assert SLIPS[url].replace('"', '\\"') in stored
    assert says_no_secret((told, stored))


@pytest.mark.parametrize("url", SLIPS)
def test_a_restore_tells_no_password(kept: Place, tmp_path: Path, url: str) -> None:
    """Nothing is asked of a server, and nothing is left in the folder."""
    (backup,) = (kept.line.data_dir / "backups").glob("*.caretrail-backup")
    told = refused(kept, url, "backup", "restore", backup, "--to", tmp_path / "to")

    assert (2, "", True) == (told.code, told.out, SLIPS[url] in told.err), told.err
    assert says_no_secret(told)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["status", "restore", "degrade --reason away"])
@pytest.mark.parametrize("url", SLIPS)
def test_replication_tells_no_password(kept: Place, url: str, command: str) -> None:
    """A port that is none, too, is a sentence and no traceback."""
    told = refused(kept, url, "replication", *command.split())

    assert (2, "", 1) == (told.code, told.out, told.err.count("\n")), told.err
    assert SLIPS[url] in told.err
    assert says_no_secret(told)
