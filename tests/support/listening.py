"""Somebody who listens to a stream of server-sent events, in a thread of their own.

with Listener(served, manager) as listener:
    [event] = listener.events(1)
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import httpx2
import orjson

from tests.support.served import Line, Person, Served

PATH = "/v1/alerts/stream"
PATIENCE_S = 20.0


def wait(until: Callable[[], Any], patience_s: float = PATIENCE_S) -> None:
    """Wait for something, not for ever."""
    end = time.monotonic() + patience_s
    while not until():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


class Heard(NamedTuple):
    """One event: its id, its name, its data."""

    id: int | None
    event: str
    data: dict[str, Any]


class Listener:
    """Listens from the start of the block to its end, or until the server ends the stream."""

    def __init__(
        self, served: Served, who: Person | str, after: int | None = None, seconds: int | None = None
    ) -> None:
        self._served = served
        self.headers = {"Authorization": f"Bearer {served.token(who)}", "X-Request-ID": f"l{time.time_ns()}"}
        if after is not None:
            self.headers["Last-Event-ID"] = str(after)
        self._params = {} if seconds is None else {"seconds": str(seconds)}
        self.answer: httpx2.Response | None = None
        self.heard: list[Heard] = []
        self.comments: list[str] = []
        self._client = httpx2.Client(base_url=served.url, timeout=PATIENCE_S, verify=False)
        self._thread = threading.Thread(target=self._listen, name="listener")

    def __enter__(self) -> Self:
        self._thread.start()
        wait(lambda: self.answer is not None)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Hang up, as a client does that is closed: its socket goes, whatever it waits for."""
        if self.answer is not None and self._thread.is_alive():
            with contextlib.suppress(OSError):  # the server was first
                self._socket().shutdown(socket.SHUT_RDWR)
        self._client.close()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _socket(self) -> socket.socket:
        assert self.answer is not None
        found: socket.socket = self.answer.extensions["network_stream"].get_extra_info("socket")
        return found

    def _listen(self) -> None:
        try:
            with self._client.stream("GET", PATH, headers=self.headers, params=self._params) as answer:
                self.answer = answer
                self._read(answer)
        except (httpx2.HTTPError, httpx2.StreamError, RuntimeError, OSError):
            return  # hung up

    def _read(self, answer: httpx2.Response) -> None:
        said: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line.startswith(":"):
                self.comments.append(line)
            elif line:
                said[name] = value
            elif "event" in said:
                number = int(said["id"]) if "id" in said else None
                self.heard.append(Heard(number, said["event"], orjson.loads(said["data"])))
                said = {}

    # --- waiting ------------------------------------------------------------------------------------

    def events(self, number: int) -> list[Heard]:
        """Wait for so many events about alerts and return them."""
        wait(lambda: len(self.alerts) >= number)
        return self.alerts

    @property
    def alerts(self) -> list[Heard]:
        """Return the events about alerts heard so far."""
        return [one for one in self.heard if one.event == "alert"]

    def over(self, patience_s: float = PATIENCE_S) -> str | None:
        """Wait until the server ended the stream, and return the reason it gave."""
        wait(lambda: not self._thread.is_alive(), patience_s)
        return next((one.data["reason"] for one in self.heard if one.event == "end"), None)

    def lines(self, number: int) -> list[Line]:
        """Wait for so many lines of this request in the trail, and return them."""
        found: list[Line] = []

        def enough() -> bool:
            found[:] = self._served.lines_by_request().get(self.headers["X-Request-ID"], [])
            return len(found) >= number

        wait(enough)
        return found
