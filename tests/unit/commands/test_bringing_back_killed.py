"""A restore that was killed: who tries again is told what lies there, and that it must not stay."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.commands.conftest import ROOT
from tests.unit.commands.places import found_place

_KILLED = """
import os, signal, sys
import app.commands.bringing_back as back
back.restoring.restore_file = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["caretrail", *sys.argv[1:]]
import runpy
runpy.run_module("app", run_name="__main__")
"""


def _backed_up(place: Any) -> Path:
    """Return its one backup, made now."""
    assert 0 == place.line.run("backup", "create").code
    (backup,) = (place.line.data_dir / "backups").glob("*.caretrail-backup")
    found: Path = backup
    return found


def test_what_a_killed_restore_left_is_named_with_what_is_in_it(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The keys were copied before the database: the folder is to be removed, and then it goes."""
    place, to = found_place(request, tmp_path, "sqlite"), tmp_path / "restored"
    backup = _backed_up(place)
    command = ["backup", "restore", str(backup), "--to", str(to)]
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, *command],
        env=place.line.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (-signal.SIGKILL, True) == (done.returncode, (to / "keys" / "root.key").exists()), done.stderr
    told = place.line.run(*command)

    assert 2 == told.code
    assert f"restored into {to}, or was and was broken off" in told.err
    assert "remove it: it has a copy of the keys in it" in told.err


def test_a_folder_with_something_else_in_it_is_refused_as_before(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Nothing is said of keys where no restore ever was."""
    place, to = found_place(request, tmp_path, "sqlite"), tmp_path / "filled"
    backup = _backed_up(place)
    to.mkdir()
    (to / "letter.txt").touch()
    told = place.line.run("backup", "restore", backup, "--to", to)

    assert (2, True) == (told.code, f"{to} is not an empty folder: nothing was written" in told.err)
