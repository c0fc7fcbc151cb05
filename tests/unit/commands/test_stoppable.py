"""A program that is run on the side ends when it should, and by itself at the latest."""

import subprocess
import sys
import time

import pytest

from app.commands.stoppable import run_until_stopped
from app.jobs.scheduler import StoppedError

ENDLESS = "import time, pathlib, os; pathlib.Path({!r}).write_text(str(os.getpid())); time.sleep(600)"


def program(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_there(process: int) -> bool:
    """Say whether a process runs still; one that ended and was waited for does not."""
    done = subprocess.run(["kill", "-0", str(process)], capture_output=True, check=False)
    return done.returncode == 0


def test_what_it_wrote_and_how_it_ended_is_told():
    """Both outputs come back whole, with the exit code, though they are longer than a pipe holds."""
    code = "import sys; print('o' * 300_000); print('e' * 300_000, file=sys.stderr); sys.exit(2)"
    ended = run_until_stopped(program(code), {}, lambda: None, 60)

    assert (2, 300_001, 300_001) == (ended.code, len(ended.stdout), len(ended.stderr))


def test_a_program_ends_with_whoever_waits_for_it(tmp_path):
    """Asked to stop, the wait ends within seconds, and so does the program."""
    note = tmp_path / "pid"

    def go_on() -> None:
        if note.exists() and note.read_text():
            raise StoppedError

    began = time.monotonic()
    with pytest.raises(StoppedError):
        run_until_stopped(program(ENDLESS.format(str(note))), {}, go_on, 300)

    assert time.monotonic() - began < 60
    assert not is_there(int(note.read_text()))


def test_a_program_that_takes_too_long_is_ended(tmp_path):
    """After its time it is told as such, and does not go on."""
    note = tmp_path / "pid"
    with pytest.raises(subprocess.TimeoutExpired):
        run_until_stopped(program(ENDLESS.format(str(note))), {}, lambda: None, 3)

    assert not note.exists() or not is_there(int(note.read_text()))
