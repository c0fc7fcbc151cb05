"""The file that keeps room back: made where there is room, really allocated, given back, made again."""

from pathlib import Path

import pytest

from app.storage import reserve as reserves
from app.storage.reserve import NAME, RESERVED, Reserve


@pytest.fixture
def reserve(tmp_path: Path) -> Reserve:
    return Reserve(tmp_path / NAME, 1 << 20)


def test_it_takes_room_that_nobody_else_can_have(reserve: Reserve, tmp_path: Path):
    """Its blocks are allocated: a sparse file would keep nothing."""
    assert reserve.keep()

    told = (tmp_path / NAME).stat()
    assert (1 << 20, 0o600) == (told.st_size, told.st_mode & 0o777)
    assert told.st_blocks * 512 >= 1 << 20
    assert [NAME] == [path.name for path in tmp_path.iterdir()]


def test_it_is_given_back_once_and_made_again(reserve: Reserve):
    """Given back it is gone, and spent until it is kept again."""
    reserve.keep()
    assert (True, True, 0) == (reserve.release(), reserve.spent, reserve.size)
    assert not reserve.release()
    assert (True, False, 1 << 20) == (reserve.keep(), reserve.spent, reserve.size)


def test_it_is_not_made_where_room_is_short(reserve: Reserve, monkeypatch: pytest.MonkeyPatch):
    """It must not be what fills the disk: less than twice its size free, and there is none."""
    monkeypatch.setattr(reserves, "ROOM_BESIDE", 1 << 60)

    assert (False, True, 0) == (reserve.keep(), reserve.spent, reserve.size)


def test_a_folder_that_is_away_is_no_reason_to_fail(tmp_path: Path):
    """Where nothing can be written there is no reserve, and no error."""
    away = Reserve(tmp_path / "away" / NAME)

    assert (False, 0, False) == (away.keep(), away.size, away.release())


def test_it_lies_beside_a_database_file_only():
    """SQLite's file has it in its folder; a server keeps its own disk."""
    assert Reserve.beside("postgresql+psycopg://a@b/c") is None
    kept = Reserve.beside("sqlite:////srv/data/caretrail.db")
    assert kept is not None
    assert (Path("/srv/data") / NAME, RESERVED) == (kept._path, kept._wanted)
