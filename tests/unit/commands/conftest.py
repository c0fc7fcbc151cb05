"""The command line as its user runs it: an environment, an exit code, two streams."""

import io
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.__main__ import main

ROOT = Path(__file__).parents[3]


@dataclass
class Told:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of JSON on standard output."""
        assert 1 == self.out.count("\n"), self.out
        return json.loads(self.out)


@dataclass
class Line:
    """A command line with an environment of its own."""

    data_dir: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process: this machine's, without what it has set for Caretrail."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CARETRAIL_")}
        return kept | {"CARETRAIL_DATA_DIR": str(self.data_dir), "PYTHONPATH": str(ROOT)} | self.variables

    def run(self, *arguments: str | Path) -> Told:
        """Run a command to its end, as its process would be, in this one: it starts at once."""
        out, err = io.StringIO(), io.StringIO()
        with self._as_a_process(*arguments), redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as ended:
                code = ended.code
            else:
                code = 0
        assert isinstance(code, int | None), code
        return Told(code or 0, out.getvalue(), err.getvalue())

    @contextmanager
    def _as_a_process(self, *arguments: str | Path) -> Iterator[None]:
        """Put on what a process has of its own, and take it off again."""
        root = logging.getLogger()
        before = (os.environ.copy(), sys.argv, Path.cwd(), os.umask(0o022), root.handlers[:], root.level)
        hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook, logging.raiseExceptions)
        os.environ.clear()
        os.environ.update(self.environment)
        sys.argv = ["caretrail", *map(str, arguments)]
        os.chdir(self.data_dir.parent)
        try:
            yield
        finally:
            logging.captureWarnings(capture=False)
            sys.excepthook, threading.excepthook, sys.unraisablehook, logging.raiseExceptions = hooks
            os.environ.clear()
            os.environ.update(before[0])
            sys.argv = before[1]
            os.chdir(before[2])
            os.umask(before[3])
            root.handlers[:], root.level = before[4], before[5]

    def start(self, *arguments: str | Path) -> "subprocess.Popen[str]":
        """Start a command that goes on."""
        return subprocess.Popen(
            [sys.executable, "-m", "app", *map(str, arguments)],
            env=self.environment,
            cwd=self.data_dir.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """A command line on an empty data directory."""
    return Line(tmp_path / "data")


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Line, dict[str, str]]:
    """A command line on a founded SQLite deployment, and what `init` told."""
    line = Line(tmp_path_factory.mktemp("founded") / "data")
    told = line.run("init", "--organisation", "Sample Care", "--admin", "maria.sample", "--json")
    assert 0 == told.code, told.err
    return line, told.json


def free_port() -> int:
    """Return a port nobody listens at, below those the system gives away itself."""
    for port in range(21_000 + os.getpid() % 5_000, 32_000):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)):
                return port
    raise RuntimeError("no port is free")


@pytest.fixture(scope="session")
def sqlite_founding(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `init` makes on SQLite, to be copied."""
    from tests.unit.commands.places import founding_at

    return founding_at(Line(tmp_path_factory.mktemp("founding") / "data"))


@pytest.fixture(scope="session")
def postgresql_founding(postgresql_url: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `init` makes on PostgreSQL, to be copied."""
    from tests.unit.commands.places import founding_on_postgresql

    return founding_on_postgresql(postgresql_url, worker_id, tmp_path_factory.mktemp("founding") / "data")


@pytest.fixture
def own(line: Line, sqlite_founding: Any) -> tuple[Line, dict[str, str]]:
    """A deployment of this test's own on SQLite: its command line, and what `init` told."""
    shutil.copytree(sqlite_founding.data_dir, line.data_dir)
    return line, sqlite_founding.told


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A founded deployment on each database, whose backups open with an identity beside it."""
    from tests.unit.commands.places import found_place

    return found_place(request, tmp_path, request.param)
