"""The processes of a run: servers and the load generator. Each is stopped by the handle that started it."""

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import psutil  # type: ignore[import-untyped]

FIRST_PORT, LAST_PORT = 18_400, 18_900
START_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0


@dataclass
class RunningServer:
    """One side's server: one process, or several on one socket."""

    port: int
    processes: list[subprocess.Popen[bytes]]

    def cpu_seconds(self) -> float:
        """Return the processor time its processes have used."""
        times = [psutil.Process(process.pid).cpu_times() for process in self.processes]
        return float(sum(t.user + t.system for t in times))


def _listening() -> socket.socket:
    """Return a socket on a free port below the range the system hands out by itself."""
    for port in range(FIRST_PORT, LAST_PORT):
        taken = socket.socket()
        try:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
        except OSError:
            taken.close()
            continue
        return taken
    raise RuntimeError("no free port for a server of the benchmark")


@contextmanager
def server(order: dict[str, Any], workers: int = 1) -> Iterator[RunningServer]:
    """Run a server while the block lasts."""
    with _listening() as listening:
        number = listening.fileno()
        started = [_start("serving", {**order, "socket": number}, number) for _ in range(workers)]
        try:
            for process in started:
                _await_ready(process)
            yield RunningServer(listening.getsockname()[1], started)
        finally:
            _stop(started)


def _start(module: str, order: dict[str, Any] | None, *handed_on: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.{module}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=handed_on,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    if order is not None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.close()
    return process


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _await_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_WITHIN_S)
    if not ready or not process.stdout.readline():
        raise RuntimeError("a server of the benchmark did not start")


def first_answer(running: RunningServer, path: str, token: str) -> bytes:
    """Return what a server answers, to be compared with what it should."""
    connection = HTTPConnection("127.0.0.1", running.port, timeout=START_WITHIN_S)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"a server of the benchmark answers {answer.status}: {body[:300]!r}")
    return body


class Generator:
    """The load generator's process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def order(self, **order: Any) -> dict[str, Any]:
        """Have an order carried out and return its result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended")
        result: dict[str, Any] = json.loads(line)
        return result


@contextmanager
def generator() -> Iterator[Generator]:
    """Run the load generator while the block lasts."""
    process = _start("load", None)
    try:
        yield Generator(process)
    finally:
        _stop([process])
