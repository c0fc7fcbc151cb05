"""Running another program of ours until it ends, or until this one is asked to stop."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
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
    with started(command, environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
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
def started(
    command: list[str], environment: dict[str, str], **options: Any
) -> "Iterator[subprocess.Popen[Any]]":
    """Start a program, and have it ended with the block, if it has not by itself.

    Its standard input is a pipe in which nothing comes and whose other end this process alone holds: a
    program of `tethered` ends when this one is killed.
    """
    theirs, ours = os.pipe()
    try:
        try:
            process = subprocess.Popen(command, env=environment, stdin=theirs, **options)  # noqa: S603 - our own
        finally:
            os.close(theirs)
        try:
            yield process
        finally:
            _end(process)
    finally:
        os.close(ours)


def _end(process: "subprocess.Popen[Any]") -> None:
    process.terminate()
    try:
        process.communicate(timeout=ENDING_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


@contextmanager
def ended_like_an_interrupt() -> Iterator[None]:
    """Take being told to end (TERM), or a terminal that was closed (HUP), as Ctrl-C within the block.

    What the block made for a while is removed then. A signal that is ignored, as under nohup, stays so.
    """
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
    taken = [one for one, handler in before.items() if handler is signal.SIG_DFL]
    for one in taken:
        signal.signal(one, _interrupt)
    try:
        yield
    finally:
        for one in taken:
            signal.signal(one, signal.SIG_DFL)
