"""Another command of ours that ends with whoever started it, however that ended.

Run as a program: `python -m app.commands.tethered serve ...` is `python -m app serve ...`, and ends when its
standard input does. The other end of that is held by the starter and by nobody else: the system closes it
even for a process that was killed.
"""

import os
import runpy
import signal
import sys
import threading
import time

ENDING_S = 10.0
"""So long the command may take to end in order; then it is killed."""


def tethered(*arguments: str) -> list[str]:
    """Return the program that runs a command of ours at a tether, for `stoppable.started`."""
    return [sys.executable, "-m", "app.commands.tethered", *arguments]


def _watch() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ENDING_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_watch, daemon=True).start()
    runpy.run_module("app", run_name="__main__", alter_sys=True)
