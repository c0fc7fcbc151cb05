"""Several serving processes are begun, told of, refused and ended as one: real processes on PostgreSQL."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from app.backups.sealing import new_identity
from tests.support.postgresql import make_database
from tests.unit.commands.conftest import ROOT, Line, free_port

PATIENCE_S = 150.0


def _empty(postgresql_url: str, name: str, folder: Path) -> Line:
    """Return a command line on a database that has its tables and nothing else."""
    database = make_database(postgresql_url, name)
    data_dir = folder / "data"
    told = Line(data_dir, {"CARETRAIL_OWNER_DATABASE_URL": database.owner}).run("migrate")
    assert 0 == told.code, told.err
    return Line(data_dir, {"CARETRAIL_DATABASE_URL": database.service})


@pytest.fixture(scope="module")
def founded_line(postgresql_url: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Line:
    """A founded deployment."""
    line = _empty(postgresql_url, f"supervising_{worker_id}", tmp_path_factory.mktemp("supervising"))
    told = line.run("init", "--organisation", "Sample Care", "--admin", "a.sample")
    assert 0 == told.code, told.err
    return line


def until(true: Callable[[], object], within: float = PATIENCE_S) -> None:
    """Wait for something, but not for ever."""
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def workers_of(supervisor: int) -> list[int]:
    """Return the serving processes of a supervisor."""
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def gone(pid: int) -> bool:
    """Say whether a process has ended, whoever may still have to take note of that."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@dataclass
class Running:
    """A service with two workers, its supervisor and where it answers."""

    line: Line
    process: "subprocess.Popen[str]"
    url: str

    def lives(self) -> bool:
        """Say whether somebody answers."""
        with contextlib.suppress(httpx2.TransportError):
            return httpx2.get(f"{self.url}/health/live", timeout=5).status_code == 200
        return False


@contextmanager
def running(line: Line, *command: str) -> Iterator[Running]:
    """Serve with two workers; whatever comes of it, nothing of it is left."""
    port = free_port()
    variables = line.variables | {"CARETRAIL_WORKERS": "2"}
    process = Line(line.data_dir, variables).start(*command, "--port", str(port))
    workers: list[int] = []
    patience = threading.Timer(PATIENCE_S, process.kill)  # whoever reads what it says reads to its end then
    patience.start()
    try:
        yield Running(line, process, f"http://127.0.0.1:{port}")
    finally:
        patience.cancel()
        if process.poll() is None:
            workers = workers_of(process.pid)
            process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=30)
        for pid in (process.pid, *workers):
            if not gone(pid):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


def logged(process: "subprocess.Popen[str]", event: str) -> bool:
    """Read the log up to an event; say whether it came."""
    assert process.stderr is not None
    return any(f'"event":"{event}"' in one for one in iter(process.stderr.readline, ""))


def test_demo_with_workers_is_told_once_they_answer(postgresql_url, worker_id, tmp_path):
    """Options reach the workers, the users are printed once both answer, and TERM ends everything."""
    line = _empty(postgresql_url, f"supervised_demo_{worker_id}", tmp_path)
    elsewhere = tmp_path / "given"
    with running(line, "demo", "--data-dir", str(elsewhere), "--json") as demo:
        assert demo.process.stdout is not None
        told = json.loads(demo.process.stdout.readline())
        answer = httpx2.get(f"{told['url']}/health/ready", timeout=20)
        workers = workers_of(demo.process.pid)
        demo.process.terminate()
        rest, err = demo.process.communicate(timeout=40)

    assert (demo.url, 200, 2, 15) == (told["url"], answer.status_code, len(workers), len(told["users"]))
    assert (0, "", "Traceback" in err) == (demo.process.returncode, rest, False)
    assert (True, False) == ((elsewhere / "demo.json").exists(), (tmp_path / "caretrail-data").exists())


def test_workers_end_in_order_when_their_supervisor_is_killed(founded_line):
    """Killed with -9 the supervisor takes its workers with it: soon nobody answers, and all is signed."""
    with running(founded_line, "serve") as service:
        assert logged(service.process, "serving")
        workers = workers_of(service.process.pid)
        body = {"username": "nobody.sample", "password": "not the password"}
        assert 401 == httpx2.post(f"{service.url}/v1/sessions", json=body, timeout=20).status_code
        os.kill(service.process.pid, signal.SIGKILL)
        try:
            until(lambda: all(map(gone, workers)), within=25)
        finally:
            for pid in workers:
                if not gone(pid):
                    os.kill(pid, signal.SIGKILL)

        assert not service.lives()
    verified = founded_line.run("audit", "verify", "--json")
    assert (0, "intact") == (verified.code, verified.json["result"]), verified.out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_refusal_of_a_serving_process_ends_the_command(founded_line, tmp_path, workers):
    """What a process finds out only when it starts to serve is told in a sentence, once, with code 2."""
    recipients = tmp_path / "recipients.txt"
    recipients.write_text(f"{new_identity()[1]}\n")
    (tmp_path / "boto3.py").write_text("raise ImportError")  # found out when the jobs are made
    variables = {
        "CARETRAIL_WORKERS": workers,
        "CARETRAIL_PORT": str(free_port()),
        "CARETRAIL_BACKUP_RECIPIENTS": str(recipients),
        "CARETRAIL_OFFSITE_BUCKET": "s3://care-copies",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
    }
    process = Line(founded_line.data_dir, founded_line.variables | variables).start("serve")
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()

    sentences = [one for one in err.splitlines() if not one.startswith("{")]
    assert (2, "", 1) == (process.returncode, out, len(sentences)), err
    assert sentences[0].startswith("caretrail: a copy elsewhere wants the extra"), err


def test_ctrl_c_ends_with_the_number_of_that(founded_line):
    """As with one process: whoever interrupted it is told so, and nobody answers any more."""
    with running(founded_line, "serve") as service:
        assert logged(service.process, "serving")
        service.process.send_signal(signal.SIGINT)
        _, err = service.process.communicate(timeout=40)

        assert (130, False) == (service.process.returncode, service.lives()), err


def test_worker_that_is_refused_later_leaves_the_others_alone(founded_line):
    """A worker that died and cannot start anew is told of in the log; it comes back when it can."""
    keys, away = founded_line.data_dir / "keys", founded_line.data_dir / "keys-away"
    with running(founded_line, "serve") as service:
        assert logged(service.process, "serving")
        first, second = workers_of(service.process.pid)
        keys.rename(away)
        try:
            os.kill(first, signal.SIGKILL)
            assert logged(service.process, "worker-refused")
            assert service.lives()
        finally:
            away.rename(keys)
        until(lambda: len(set(workers_of(service.process.pid)) - {first}) == 2)
        assert second in workers_of(service.process.pid)
        service.process.terminate()
        service.process.communicate(timeout=40)
    assert 0 == service.process.returncode
