"""Commands that start at once: forked from a process that has imported everything and opened nothing.

`caretrail audit verify` takes two seconds to import and a moment to run; a test that runs it a hundred times
pays for the import once. Each run is a process of its own in every other respect. See `nursery`, which
does the same for servers.
"""

import atexit
import faulthandler
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
LONGEST_S = 60
"""How long a command may take; one that takes longer is ended and says where it stood."""


class Told(NamedTuple):
    """How a command ended, and what it said on both streams."""

    code: int
    text: str


class Commands:
    """The process that commands are forked from, as seen from a test. Started when first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def run(self, environment: dict[str, str], *arguments: str) -> Told:
        """Run `caretrail` with these arguments and settings to its end."""
        with tempfile.NamedTemporaryFile() as said:
            code = self._order({"arguments": arguments, "environment": environment, "said": said.name})
            return Told(code, said.read().decode())

    def close(self) -> None:
        """End everything."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait(30)
            self._process.stdout.close()
            self._process = None

    def _order(self, order: dict[str, Any]) -> int:
        with self._lock:
            if self._process is None:
                command = [sys.executable, "-m", "tests.support.commands"]
                pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
                self._process = subprocess.Popen(command, cwd=ROOT, **pipes)
                atexit.register(self.close)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


COMMANDS = Commands()


# --- in the process itself ----------------------------------------------------------------------------


def _become(order: dict[str, Any]) -> None:
    """Become the command, for good."""
    for name in [name for name in os.environ if name.startswith("CARETRAIL_")]:
        del os.environ[name]
    os.environ.update(order["environment"])
    nothing, said = os.open(os.devnull, os.O_RDONLY), os.open(order["said"], os.O_WRONLY | os.O_APPEND)
    for there, here in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(there, here)
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    from app.__main__ import main

    sys.argv = ["caretrail", *order["arguments"]]
    main()


def _forked(order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        try:
            _become(order)
        except SystemExit as ended:
            sys.stdout.flush()
            os._exit(ended.code if isinstance(ended.code, int) else 1 if ended.code else 0)
        sys.stdout.flush()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _run() -> None:
    import app.commands.auditing
    import app.commands.serving  # noqa: F401 - what takes so long

    for line in sys.stdin:
        told = _forked(json.loads(line))
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _run()
