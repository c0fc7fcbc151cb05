"""Recurring jobs in real processes: in a server, in a worker, in two workers at once."""

import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.unit.commands.conftest import free_port
from tests.unit.commands.places import Place, looking

PATIENCE_S = 40


def let_be_due(place: Place) -> None:
    """Make a first backup by hand, and have the next one be due since long ago."""
    assert 0 == place.line.run("backup", "create").code
    with looking(place.line) as connection:
        connection.execute(text("UPDATE job SET due_at = '2026-01-01T00:00:00.000000Z'"))
        connection.commit()


def outcomes(place: Place) -> list[str | None]:
    """Return how the backups went, oldest first."""
    query = "SELECT outcome FROM job_run WHERE job = 'backup' ORDER BY id"
    with looking(place.line) as connection:
        return list(connection.execute(text(query)).scalars())


def jobs(place: Place) -> list[str]:
    """Return the names of the jobs that are planned."""
    with looking(place.line) as connection:
        return list(connection.execute(text("SELECT name FROM job ORDER BY name")).scalars())


def judged(place: Place) -> int:
    """Return how many chains were begun to be judged."""
    with looking(place.line) as connection:
        return int(connection.execute(text("SELECT count(*) FROM detection_judged")).scalar_one())


def wait_until(so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    patience = time.monotonic() + PATIENCE_S
    while not so():
        assert time.monotonic() < patience
        time.sleep(0.1)


def wait_for(place: Place, count: int) -> None:
    """Wait until so many backups have ended."""
    wait_until(lambda: len([one for one in outcomes(place) if one]) >= count)


def end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Stop a process in order, and return its exit code and what it said."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_what_is_due_is_done_by_whoever_runs(place, command):
    """A server and a worker alike do what was due while nobody ran, once, and stop in order."""
    let_be_due(place)
    place.line.variables["CARETRAIL_PORT"] = str(free_port())
    process = place.line.start(command)
    try:
        wait_for(place, 2)
        time.sleep(1)
    finally:
        code, said = end(process)
    assert 0 == code, said
    assert outcomes(place) == ["ok", "ok"]
    assert 0 == place.line.run("audit", "verify").code, "a stop in order leaves nothing unsigned"


def test_two_workers_do_it_once(place):
    """Two workers on one database make one backup between them."""
    let_be_due(place)
    workers = [place.line.start("worker") for _ in range(2)]
    try:
        wait_for(place, 2)
        time.sleep(6)  # longer than a scheduler's pause: the other has looked, too
    finally:
        ended = [end(worker) for worker in workers]
    assert [code for code, _ in ended] == [0, 0], ended
    assert outcomes(place) == ["ok", "ok"]


def test_a_server_leaves_jobs_to_the_worker_when_told(place):
    """Where the worker runs jobs and judges the trail a server does neither, however long it is due."""
    let_be_due(place)
    told = dict.fromkeys(("CARETRAIL_JOBS", "CARETRAIL_DETECTION"), "worker")
    place.line.variables |= {"CARETRAIL_PORT": str(free_port())} | told
    process = place.line.start("serve")
    time.sleep(7)
    end(process)
    assert (outcomes(place), judged(place)) == (["ok"], 0)

    worker = place.line.start("worker")
    try:
        wait_until(lambda: judged(place) > 0)
    finally:
        end(worker)


def test_a_worker_without_a_recipient_minds_the_clocks(place):
    """Where no backup can be made the worker says so, and does what is left: deadlines."""
    (place.line.data_dir / "backup-recipients.txt").unlink()
    worker = place.line.start("worker")
    try:
        wait_until(lambda: jobs(place) == ["incident-clocks", "record-deadlines"])
    finally:
        code, said = end(worker)
    assert (0, True) == (code, "no-backups" in said), said
