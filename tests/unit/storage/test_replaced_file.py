"""A SQLite file that is moved away under the service is written to no more."""

from pathlib import Path

from app.access.visit import System
from app.core.errors import AuditUnavailableError
from app.residents.register import ListResidents
from tests.support.world import World
from tests.unit.trail.stories import LIST


def ask(world: World) -> object:
    """Ask for something through the door."""
    return world.do(ListResidents(None, None, 50, None), LIST, System("cli", world.org))


def test_nothing_is_told_from_a_file_that_has_no_name_any_more(tmp_path: Path) -> None:
    """Moved, gone or another one: refused; back in its place: served again, with every entry there is."""
    with World.at(tmp_path) as world:
        assert world.engine.url.database is not None
        file = Path(world.engine.url.database)
        assert not isinstance(ask(world), AuditUnavailableError)
        moved = file.rename(tmp_path / "elsewhere.db")
        assert isinstance(ask(world), AuditUnavailableError)
        file.write_bytes(moved.read_bytes())
        assert isinstance(ask(world), AuditUnavailableError)
        moved.replace(file)
        assert not isinstance(ask(world), AuditUnavailableError)
        assert 2 == [entry["act"] for entry in world.entries()].count("resident.list")
