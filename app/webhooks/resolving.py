"""Asks the system for the addresses of names, in threads of its own.

A resolver may hang for half a minute, and what hangs in a thread cannot be called back. So it hangs in none
of the threads the process shares - judging, disk watch and packs want those -, and since these are daemons,
neither the event loop nor the process waits for it when it ends. A pool of the standard library would.
"""

import asyncio
import socket
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Final, NamedTuple

AT_ONCE: Final = 16
"""As many as messages can be under way: the few of one endpoint whose name hangs hold up no other."""


class _Question(NamedTuple):
    """Whom is asked for, and where the answer goes."""

    host: str
    port: int
    answer: Future[list[str]]


_waiting: SimpleQueue[_Question] = SimpleQueue()
_threads: list[threading.Thread] = []


async def look_up(host: str, port: int) -> list[str]:
    """Return every address of a host. Whoever gives up waiting leaves nothing to be asked.

    Raises:
        OSError: It has none.
        ValueError: It is no name.
    """
    question = _Question(host, port, Future())
    _waiting.put(question)
    if len(_threads) < AT_ONCE:
        _threads.append(threading.Thread(target=_answer_questions, name="webhook-look-up", daemon=True))
        _threads[-1].start()
    return await asyncio.wrap_future(question.answer)


def _answer_questions() -> None:
    while True:
        host, port, answer = _waiting.get()
        if not answer.set_running_or_notify_cancel():
            continue  # given up before its turn came
        try:
            answer.set_result(_addresses(host, port))
        except (OSError, ValueError) as unknown:
            answer.set_exception(unknown)


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))
