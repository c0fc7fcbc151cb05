"""A process that has imported everything and opened nothing: others are forked from it and start at once.

What is asked of it goes to its standard input as a line of JSON; it answers with a number.
"""

import atexit
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Forking:
    """Such a process, as seen from a test. Started when first needed.

    Attributes:
        module: What runs in it: `python -m MODULE`.
    """

    module: str

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """End everything."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait(30)
            self._process.stdout.close()
            self._process = None

    def order(self, order: dict[str, Any]) -> int:
        """Have something done, and return what is answered."""
        with self._lock:
            if self._process is None:
                command = [sys.executable, "-m", self.module]
                pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
                self._process = subprocess.Popen(command, cwd=ROOT, **pipes)
                atexit.register(self.close)
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())
