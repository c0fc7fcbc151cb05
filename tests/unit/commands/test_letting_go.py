"""A command lets go of each database it opened, however it ends."""

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy import create_engine as made_by_sqlalchemy
from sqlalchemy.exc import DBAPIError

from app.commands.opening import engine_at
from app.storage import engine as engines
from tests.unit.commands.conftest import Line


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Engine]]:
    """The engines that were made and not let go of."""
    kept: list[Engine] = []

    def make(*given: Any, **named: Any) -> Engine:
        kept.append(made := made_by_sqlalchemy(*given, **named))
        event.listen(made, "engine_disposed", kept.remove)
        return made

    monkeypatch.setattr(engines, "create_engine", make)
    yield kept
    for left in list(kept):
        left.dispose()


@pytest.fixture
def own(founded: tuple[Line, dict[str, str]], tmp_path: Path) -> Line:
    """A command line on a founded deployment of one's own."""
    shutil.copytree(founded[0].data_dir, tmp_path / "data")
    return Line(tmp_path / "data")


def test_a_deployment_that_is_not_founded(own: Line, held: list[Engine]) -> None:
    """What `init` opened is let go of where it is refused: the guard knows of another database."""
    with closing(sqlite3.connect(own.data_dir / "caretrail.db")) as database:
        database.execute("DELETE FROM key_check")
        database.commit()
    told = own.run("init", "--organisation", "Again", "--admin", "b.sample")

    assert (2, True) == (told.code, "but there was one" in told.err), told.err
    assert [] == held


def test_a_check_of_the_trail(own: Line, held: list[Engine]) -> None:
    """What is looked at only is let go of, too."""
    assert 0 == own.run("audit", "verify").code
    assert [] == held


def test_a_pruning_that_never_began(own: Line, tmp_path: Path, held: list[Engine]) -> None:
    """The owner's database is let go of where nothing can be asked of it."""
    own.variables["CARETRAIL_OWNER_DATABASE_URL"] = f"sqlite:///{tmp_path}/other.db"
    with contextlib.suppress(DBAPIError):
        own.run("audit", "prune", "--before", "2020-01-01", "--reason", "board, 4 May")

    assert (tmp_path / "other.db").exists()
    assert [] == held


def test_whatever_ends_it(tmp_path: Path, held: list[Engine]) -> None:
    """An error in what a database is opened for is told on, and the database let go of."""
    with pytest.raises(KeyboardInterrupt), engine_at(f"sqlite:///{tmp_path}/care.db") as engine:
        assert [engine] == held
        raise KeyboardInterrupt

    assert [] == held
