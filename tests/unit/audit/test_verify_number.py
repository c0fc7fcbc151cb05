"""How many processes may be asked for, and that none of them outlives who asked."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.audit import verify
from tests.support.sample_export import packed
from tests.unit.audit.examining import SAMPLE

WAIT_S = 20
DRIVER = """
import multiprocessing, os, sys, time
import verify
def slow(start, lines):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)
verify._examine = slow  # also where a process begins anew
if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    verify.CHUNK_BYTES = 500
    verify.main(sys.argv[2:])
"""


@pytest.fixture
def export(tmp_path) -> Path:
    path = tmp_path / "export.zip"
    path.write_bytes(packed(SAMPLE.files()))
    return path


@pytest.mark.parametrize("number", ["-3", "0", "100000", "1e1", "2.0", "", "two", "\u0662", "9" * 5000])
def test_a_number_of_processes_that_is_none_is_refused(export, capsys, number):
    """Below one, beyond any use, or no number: the command line says so and ends with 3."""
    assert 3 == verify.main([str(export), "--key", SAMPLE.vkey, f"--processes={number}"])
    assert f"it is a number from 1 to {verify.most_processes()}" in capsys.readouterr().err


@pytest.mark.parametrize("number", [1, 2, verify.MOST_PROCESSES])
def test_a_number_of_processes_is_taken(export, capsys, number):
    """From one to the most the answer is the same."""
    assert 0 == verify.main([str(export), "--key", SAMPLE.vkey, f"--processes={number}"])
    assert "intact (exit 0)" in capsys.readouterr().out


def test_more_than_there_are_cores_are_of_no_use(monkeypatch):
    """The most is how many cores there are, and never less than are taken by themselves."""
    told = []
    for cores in (None, 2, 64):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        told.append(verify.most_processes())

    assert [verify.MOST_PROCESSES, verify.MOST_PROCESSES, 64] == told


@pytest.mark.parametrize(("asked", "started"), [(-3, 1), (0, 1), (100_000, verify.most_processes())])
def test_who_calls_the_function_gets_no_more_than_there_may_be(monkeypatch, asked, started):
    """A program that asks for too few or too many gets the nearest number, and an intact export is intact."""
    taken: list[int] = []
    monkeypatch.setattr(verify, "_pool", lambda processes, _: taken.append(processes))
    report = verify.verify_export(io.BytesIO(packed(SAMPLE.files())), (SAMPLE.vkey,), processes=asked)

    assert ([started], 0) == (taken, report.exit_code)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_end_with_who_started_them(export, tmp_path, method):
    """Where the verifier is killed, the processes that examine for it end by themselves."""
    shutil.copy(verify.__file__, tmp_path / "verify.py")
    (tmp_path / "driver.py").write_text(DRIVER)
    command = [sys.executable, "driver.py", method, str(export), "--key", SAMPLE.vkey, "--processes", "3"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(parent.stdout.readline()) for _ in range(3)]
        parent.send_signal(signal.SIGKILL)
        until = time.monotonic() + WAIT_S
        while any(map(_runs, workers)) and time.monotonic() < until:
            time.sleep(0.05)
        left = list(filter(_runs, workers))
        for worker in left:
            os.kill(worker, signal.SIGKILL)

    assert 3 == len(set(workers))
    assert [] == left


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
