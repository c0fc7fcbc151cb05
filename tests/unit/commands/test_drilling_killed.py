"""A drill that is ended, however, takes the service it started with it, and the next drill works."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.unit.commands.places import Place, found_place, looking

PATIENCE_S = 90


def until(found: Callable[[], Any]) -> Any:
    """Return what is found, as soon as it is."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def serving(parent: int) -> int:
    """Return the id of the served copy among a drill's children; 0 while there is none."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one ended meanwhile
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            for child in task.read_text().split():
                if b"\0serve\0" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
    return 0


def is_there(process: int) -> bool:
    """Say whether a process runs; one that ended and that nobody waits for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextlib.contextmanager
def handed_down(handlers: Mapping[signal.Signals, signal.Handlers]) -> Iterator[None]:
    """Have processes that are started meanwhile ignore signals or not, whatever this one does."""
    before = {one: signal.signal(one, handler) for one, handler in handlers.items()}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def ended_by(place: Place, told: signal.Signals, interrupt: signal.Handlers = signal.SIG_DFL) -> None:
    """Begin a drill, end it while the copy is served, and wait until nothing of it runs."""
    handlers = {signal.SIGHUP: signal.SIG_DFL, signal.SIGINT: interrupt}
    with handed_down(handlers):
        begun = place.line.start("backup", "drill")
    with begun as drill:
        child = until(lambda: serving(drill.pid) or drill.poll() is not None)
        assert drill.returncode is None, drill.communicate()
        drill.send_signal(told)
        drill.communicate(timeout=PATIENCE_S)
    assert drill.returncode != 0
    assert until(lambda: not is_there(child))


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP])
def test_told_to_end_it_leaves_nothing(request, tmp_path, told):
    """Told to end, or its terminal closed, a drill ends its service and removes what it made."""
    place = found_place(request, tmp_path, "sqlite")
    assert 0 == place.line.run("backup", "create").code
    ended_by(place, told)
    assert [] == list(place.line.data_dir.glob(".drill-*"))


def test_in_the_background_of_a_script_it_ends_when_told_to(request, tmp_path):
    """Where interrupts are ignored, as behind a script's `&`, a drill that is told to end does."""
    place = found_place(request, tmp_path, "sqlite")
    assert 0 == place.line.run("backup", "create").code
    ended_by(place, signal.SIGTERM, interrupt=signal.SIG_IGN)
    assert [] == list(place.line.data_dir.glob(".drill-*"))


def test_killed_it_leaves_nothing_that_runs_or_is_in_the_way(place):
    """Killed, a drill cannot remove anything; its service ends, and the next drill removes the rest."""
    assert 0 == place.line.run("backup", "create").code
    ended_by(place, signal.SIGKILL)
    assert 1 == len(list(place.line.data_dir.glob(".drill-*")))
    with looking(place.line) as connection:  # as if the minute were over for which the killed one has the job
        connection.execute(text("UPDATE job SET leased_until = '2020-01-01T00:00:00.000000Z'"))
        connection.commit()
    again = place.line.run("backup", "drill", "--json")
    assert (0, []) == (again.code, list(place.line.data_dir.glob(".drill-*"))), again.err
