"""`caretrail residents ...`: a record is held back from erasure, and the files forget destroyed keys."""

import sqlite3
from pathlib import Path

import pytest

from app.access.operations import operation
from app.commands.calling import present
from app.commands.opening import open_service
from app.core.settings import Settings
from app.identity.homes import OpenHome
from app.residents.admission import AdmitResident
from tests.unit.commands.conftest import Line

NOBODY = "01890000-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def resident(founded: tuple[Line, dict[str, str]]) -> str:
    """The id of somebody who lives at the provider's home."""
    line, told = founded
    data = line.data_dir
    settings = Settings(data_dir=data)
    org = told["organisation_id"]
    with open_service(settings) as service:
        home = present(service, org, operation("POST", "/v1/homes"), OpenHome("Elm", None, None), "test")
        names, born = {"given_name": "Ada", "family_name": "Example"}, {"date_of_birth": "1938-04-05"}
        work = AdmitResident(home["id"], None, None, names, born, "2020-01-05")
        admitted = present(service, org, operation("POST", "/v1/residents"), work, "test")
    return str(admitted["id"])


def test_a_hold_is_put_and_lifted_once_each(founded: tuple[Line, dict[str, str]], resident: str) -> None:
    """Each way is done once and entered; a second time, and without a reason, it is refused."""
    line = founded[0]
    put = ("residents", "hold", "--resident", resident, "--reason", "inquiry")

    codes = [line.run(*put).code, line.run(*put).code]
    lifted = line.run(*put, "--lift", "--json")
    codes += [lifted.code, line.run(*put, "--lift").code]
    codes += [line.run("residents", "hold", "--resident", resident, "--reason", " ").code]

    assert [0, 1, 0, 1, 1] == codes
    assert {"resident_id": resident, "held": False} == lifted.json


def test_nobody_unknown_is_held(founded: tuple[Line, dict[str, str]]) -> None:
    """An id that is nobody's is told as such."""
    told = founded[0].run("residents", "hold", "--resident", NOBODY, "--reason", "inquiry")

    assert (1, True) == (told.code, "no resident with this id" in told.err)


def test_scrub_cuts_the_log_unless_somebody_reads(founded: tuple[Line, dict[str, str]]) -> None:
    """On SQLite the write-ahead log is cut; while somebody reads an older state it ends with 2."""
    line = founded[0]
    path: Path = line.data_dir / "caretrail.db"
    with sqlite3.connect(path, isolation_level=None) as reader:
        reader.execute("CREATE TABLE beside (n INTEGER)")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM beside").fetchone()
        with sqlite3.connect(path, isolation_level=None) as writer:
            writer.execute("INSERT INTO beside VALUES (1)")
        busy = line.run("residents", "scrub")
        reader.execute("COMMIT")
        reader.execute("DROP TABLE beside")
    done = line.run("residents", "scrub", "--json")

    assert (2, 0) == (busy.code, done.code), busy.err + done.err
    assert "somebody reads an older state" in busy.err
    assert {"scrubbed": True} == done.json


def test_scrub_makes_no_file_where_the_database_is_lost(founded: tuple[Line, dict[str, str]]) -> None:
    """Where the file of the database is gone it is refused, and no empty one is made in its place."""
    path: Path = founded[0].data_dir / "caretrail.db"
    aside = path.rename(path.with_suffix(".aside"))
    try:
        refused = founded[0].run("residents", "scrub")
        assert not path.exists()
    finally:
        aside.rename(path)

    assert (2, True) == (refused.code, "but there was one" in refused.err), refused.err
