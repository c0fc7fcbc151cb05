"""Running another program of ours until it ends, or until this one is asked to stop."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from app.core.clock import monotonic

LOOK_EVERY_S = 0.25
ENDING_S = 10.0
"""So long a program that was told to end may take; then it is killed."""


class Ended(NamedTuple):
    """How a program ended, and what it wrote."""

    code: int
    stdout: str
    stderr: str


def run_until_stopped(
    command: list[str], environment: dict[str, str], go_on: Callable[[], None], patience_s: float
) -> Ended:
    """Run a program and return how it ended; whatever ends the wait for it ends it, too.

    Args:
        command: The program and its arguments.
        environment: All of its variables.
        go_on: Called now and then; raises where this process is to stop.
        patience_s: How long it may take.

    Raises:
        subprocess.TimeoutExpired: It took longer.
    """
    until = monotonic() + patience_s
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with ended_after(process):
        while True:
            try:
                stdout, stderr = process.communicate(timeout=LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                go_on()
                if monotonic() > until:
                    raise
            else:
                return Ended(process.returncode, stdout, stderr)


@contextmanager
def ended_after(process: "subprocess.Popen[Any]") -> Iterator[None]:
    """Have a program ended with the block, if it has not by itself."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
