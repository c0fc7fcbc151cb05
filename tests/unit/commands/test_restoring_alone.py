"""A restore in a process of its own, as after a fire: nothing but its own imports is there to help it."""

import subprocess
import sys

from app.storage.base import metadata
from tests.unit.commands.conftest import ROOT
from tests.unit.commands.places import Place

_TABLES = "from app.backups import manifest; print(*manifest.tables())"


def test_whoever_counts_rows_knows_all_tables() -> None:
    """A manifest's counts are of every table, whatever else the process that counts has imported."""
    told = subprocess.run(
        [sys.executable, "-c", _TABLES],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert 25 < len(metadata.tables)
    assert sorted(metadata.tables) == told.stdout.split()


def test_a_process_that_only_restores_takes_what_another_made(place: Place) -> None:
    """Made by one process, brought back by another, checked by a third."""
    assert 0 == place.line.run("backup", "create").code
    (path,) = (place.line.data_dir / "backups").glob("*.caretrail-backup")
    restored = place.line.data_dir.parent / "restored"
    alone = place.target.start("backup", "restore", path, "--to", restored)
    _, err = alone.communicate(timeout=120)

    assert 0 == alone.returncode, err
    assert restored.is_dir()
