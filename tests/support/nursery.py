"""Servers that start at once: forked from a process that has imported everything and opened nothing.

`caretrail serve` takes seconds to import and a moment to start; tests that kill servers by the dozen pay
for the import once. Each server is a process of its own in every other respect. When whoever asked for
servers is gone, so are they.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.support.forking import Forking


class Nursery(Forking):
    """The process that servers are forked from, as seen from a test. Started when first needed."""

    module = "tests.support.nursery"

    def start(
        self,
        environment: dict[str, str],
        log: Path,
        *,
        answers_early: bool = False,
        command: tuple[str, ...] = ("serve",),
    ) -> int:
        """Start a server with these settings, sound or broken on purpose, and return its process id.

        Another command starts as quickly, and can be killed as a server can.
        """
        order = {"start": environment, "log": str(log), "answers_early": answers_early}
        return self.order(order | {"command": command})

    def ended(self, pid: int, *, wait: bool) -> bool:
        """Say whether a server has ended, perhaps after waiting for it."""
        return bool(self.order({"ended": pid, "wait": wait}))


NURSERY = Nursery()


# --- in the process itself ----------------------------------------------------------------------------


def _serve(order: dict[str, Any]) -> None:
    """Become a server, for good."""
    for name in [name for name in os.environ if name.startswith("CARETRAIL_")]:
        del os.environ[name]
    os.environ.update(order["start"])
    nothing, log = (
        os.open(os.devnull, os.O_RDWR),
        os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    )
    for there, here in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(there, here)
    from app.__main__ import main
    from tests.support.answers_early import break_service

    if order["answers_early"]:
        break_service()
    sys.argv = ["caretrail", *order["command"]]
    main()


def _ended(pid: int, *, wait: bool, running: set[int]) -> bool:
    if pid in running and os.waitpid(pid, 0 if wait else os.WNOHANG)[0] == pid:
        running.discard(pid)
    return pid not in running


def _run() -> None:
    import app.commands.serving  # noqa: F401 - what takes so long

    running: set[int] = set()
    for line in sys.stdin:
        order = json.loads(line)
        if "ended" in order:
            told = int(_ended(order["ended"], wait=order["wait"], running=running))
        else:
            told = os.fork()
            if told == 0:
                _serve(order)
                os._exit(0)
            running.add(told)
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
    for pid in running:
        if not _ended(pid, wait=False, running=set(running)):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    _run()
