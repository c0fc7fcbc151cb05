"""What a drill leaves that was killed is found and removed; what a drill works in stays."""

import logging
import signal
import subprocess
import sys

from app.backups.drill_places import PREFIX, drill_place, left_by_drills, sweep_drills
from tests.unit.commands.conftest import ROOT

_KILLED = """
import os, signal, sys
from pathlib import Path
from app.backups.drill_places import drill_place
with drill_place(Path(sys.argv[1])) as folder:
    (folder / "restored").mkdir()
    (folder / "restored" / "caretrail.db").write_text("opened")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_a_drill(data_dir):
    done = subprocess.run([sys.executable, "-c", _KILLED, data_dir], cwd=ROOT, capture_output=True)
    assert -signal.SIGKILL == done.returncode, done.stderr


def test_what_a_killed_drill_left_is_removed_at_once(tmp_path):
    """Its lock ended with it: nothing has to be waited for, and no database is asked."""
    kill_a_drill(tmp_path)
    (left,) = left_by_drills(tmp_path)
    assert (left / "restored" / "caretrail.db").exists()
    sweep_drills(tmp_path)

    assert [] == list(tmp_path.glob(f"{PREFIX}*"))


def test_a_place_in_use_stays_and_goes_with_its_drill(tmp_path):
    """Beside what was left, the folder of a drill at work is not touched; it is gone when the drill ends."""
    kill_a_drill(tmp_path)
    with drill_place(tmp_path) as folder:
        (folder / "restored").mkdir()
        assert folder not in left_by_drills(tmp_path)
        sweep_drills(tmp_path)
        assert [folder] == list(tmp_path.glob(f"{PREFIX}*"))
        assert 0o700 == folder.stat().st_mode & 0o777

    assert not folder.exists()


def test_where_nothing_was_left_nothing_is_made(tmp_path):
    """A start looks and goes on: neither a folder nor a lock comes of it."""
    sweep_drills(tmp_path / "data")
    assert not (tmp_path / "data").exists()
    tmp_path.joinpath("data").mkdir()
    sweep_drills(tmp_path / "data")
    assert [] == list((tmp_path / "data").iterdir())


def test_what_cannot_be_removed_keeps_nobody_from_starting(tmp_path, monkeypatch, caplog):
    """It is logged with the folder and the reason; `doctor` goes on naming it."""
    (left := tmp_path / f"{PREFIX}killed").mkdir()

    def refuse(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("shutil.rmtree", refuse)
    with caplog.at_level(logging.WARNING):
        sweep_drills(tmp_path)

    assert ["drill-not-removed"] == [one.message for one in caplog.records]
    assert [left] == left_by_drills(tmp_path)
