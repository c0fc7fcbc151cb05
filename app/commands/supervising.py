"""Several serving processes under one: begun together, told of together, and ended with it, however it ended.

This module is light: a worker loads it before it answers that it is alive.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from app.core.errors import StartRefusedError
from app.core.logs import logger

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Refused = Callable[[StartRefusedError], None]

WAIT_S = 1.0
"""So long a worker may take to say whether it serves; it is asked again then."""
ENDING_S = 30.0
"""So long a worker without its supervisor may take to end in order; then it is killed."""
REFUSED = 2
_LONGEST = 2000
_WITHOUT_A_WORD = "a serving process ended before it answered: the lines above say why"


@dataclass
class Start:
    """How a worker makes its application, once it is a process of its own.

    Attributes:
        make: `module:function`: takes what to call with a refusal, and returns the application.
        refusals: Where the supervisor hears of a refusal.
    """

    make: str
    refusals: "Connection"

    def __call__(self) -> Any:
        """Return the application, or end after saying why there is none."""
        threading.Thread(target=_end_without_supervisor, daemon=True).start()
        try:
            return resolve_name(self.make)(self._tell)
        except StartRefusedError as refused:
            self._tell(refused)
            sys.exit(REFUSED)

    def _tell(self, refused: StartRefusedError) -> None:
        self.refusals.send(str(refused)[:_LONGEST])  # one write, so those of two workers do not mix


def _end_without_supervisor() -> None:
    """Wait until the supervisor is gone, then end as if told to: what is under way is answered and signed."""
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        supervisor.join()  # a pipe whose other end the system closes even for a process that was killed
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(ENDING_S)
        os.kill(os.getpid(), signal.SIGKILL)


def supervise(
    make: str,
    configured: Callable[[Start], uvicorn.Config],
    listening: socket.socket,
    told: Callable[[], None],
) -> None:
    """Serve with several workers until told to stop.

    Args:
        make: What makes the application of a worker.
        configured: Returns the configuration of the workers.
        listening: Where they listen.
        told: Called once, when all of them answer.

    Raises:
        StartRefusedError: A worker would not start.
        KeyboardInterrupt: It was Ctrl-C that told it.
    """
    refusals, theirs = multiprocessing.Pipe(duplex=False)
    supervisor = _Supervisor(configured(Start(make, theirs)), [listening], refusals, told)
    supervisor.run()
    if supervisor.refused is not None:
        raise StartRefusedError(supervisor.refused)
    if supervisor.interrupted:
        raise KeyboardInterrupt


class _Supervisor(Multiprocess):
    """Replaces a worker that died, once all have answered; before that, one that ends, ends all."""

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        refusals: "Connection",
        told: Callable[[], None],
    ) -> None:
        super().__init__(config, sockets)
        self._refusals = refusals
        self._told = told
        self._answering = False
        self.refused: str | None = None
        self.interrupted = False

    def handle_int(self) -> None:
        """Note a Ctrl-C, then end in order."""
        self.interrupted = True
        super().handle_int()

    def keep_subprocess_alive(self) -> None:
        """Look after the workers; called twice a second."""
        if self.should_exit.is_set():
            return
        if self._answering:
            self._replace()
        elif (refusal := self._refusal()) or not all(one.process.is_alive() for one in self.processes):
            self.refused = refusal or self._refusal() or _WITHOUT_A_WORD
            self.should_exit.set()
        elif all(_serves(one) for one in self.processes):
            self._answering = True
            self._told()

    def _replace(self) -> None:
        """Replace who died. One that is refused now may not be later: the others go on meanwhile."""
        super().keep_subprocess_alive()
        refusal = self._refusal()
        if self.should_exit.is_set():
            self.refused = refusal or _WITHOUT_A_WORD
        elif refusal is not None:
            logger.error("worker-refused", extra={"why": refusal})

    def _refusal(self) -> str | None:
        """Return the next sentence of a worker that would not start, if there is one."""
        return str(self._refusals.recv()) if self._refusals.poll() else None


def _serves(worker: Process) -> bool:
    """Say whether a worker answers requests by now, whatever it said late when it was asked before."""
    while worker.parent_conn.poll():
        worker.parent_conn.recv()
    return worker.is_ready(WAIT_S)
