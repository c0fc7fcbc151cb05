"""The opened copy of the database that a killed drill leaves does not outlive the next thing that runs."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.commands.conftest import ROOT, Line, free_port
from tests.unit.commands.places import found_place
from tests.unit.commands.test_drilling_killed import PATIENCE_S, until

_KILLED = """
import os, signal, sys
import app.commands.drilling as drilling
drilling._compare_counts = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
sys.argv = ["caretrail", "backup", "drill"]
import runpy
runpy.run_module("app", run_name="__main__")
"""


def copies(line: Line) -> list[Path]:
    """Return the places of drills that are there."""
    return sorted(line.data_dir.glob(".drill-*"))


@pytest.fixture
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Line:
    """A deployment whose drill was killed when it had restored its copy."""
    line = found_place(request, tmp_path, "sqlite").line
    assert 0 == line.run("backup", "create").code
    command = [sys.executable, "-c", _KILLED]
    done = subprocess.run(command, env=line.environment, cwd=ROOT, capture_output=True, text=True)
    assert -signal.SIGKILL == done.returncode, done.stderr
    (copy,) = copies(line)
    assert (copy / "restored" / "caretrail.db").exists()
    return line


def named(line: Line) -> list[str]:
    """Return what the doctor says of the disk, if it is about copies."""
    checks = line.run("doctor", "--json").json["checks"]
    (disk,) = (one for one in checks if one["name"] == "disk")
    return [disk["told"]] if "opened copy of the database" in disk["told"] else []


def test_the_doctor_names_it_and_the_next_backup_removes_it(left: Line) -> None:
    """Named with its path while it is there; the nightly job, and `backup create`, take it away."""
    (told,) = named(left)
    assert str(copies(left)[0]) in told
    assert 0 == left.run("backup", "create").code

    assert ([], []) == (copies(left), named(left))


def test_who_drills_again_at_once_is_told_how_long_it_takes(left: Line) -> None:
    """The job is the killed one's for another minute; the refusal says so, and removes nothing yet."""
    told = left.run("backup", "drill")

    assert 1 == told.code
    assert "The job drill runs already" in told.err
    assert "A run that was killed, or" in told.err
    assert "counts as running for another 60 seconds at most." in told.err


@pytest.mark.parametrize("command", [("serve",), ("worker",)])
@pytest.mark.parametrize("jobs", ["serve", "worker"])
def test_a_start_removes_it(left: Line, command: tuple[str, ...], jobs: str) -> None:
    """Whoever runs the jobs: a service or a worker that starts has it gone, at once."""
    left.variables |= {"CARETRAIL_PORT": str(free_port()), "CARETRAIL_JOBS": jobs}
    with left.start(*command) as started:
        try:
            until(lambda: not copies(left) or started.poll() is not None)
        finally:
            started.terminate()
        _, err = started.communicate(timeout=PATIENCE_S)

    assert ([], True) == (copies(left), "drill-removed" in err), err
