"""A line to a PostgreSQL that can be made to fail: it hangs, or loses a commit or the answer to one."""

import contextlib
import socket
import threading
from typing import Literal, Self

from sqlalchemy import make_url

Fault = Literal["none", "hangs", "commit lost", "answer to commit lost"]
_PIECE = 1 << 16
_SOCKET = ".s.PGSQL.5432"


class FaultyLine:
    """A proxy on loopback. `fault` says what becomes of what passes from now on.

    Attributes:
        fault: What is wrong with the line.
        url: The database's URL by way of this line.
        commits: What the statement holds that commits.
        struck: Set when a commit or its answer was lost.
    """

    def __init__(self, url: str) -> None:
        there = make_url(url)
        self.fault: Fault = "none"
        self.commits = b"COMMIT"
        self._mute: set[socket.socket] = set()
        self.struck = threading.Event()
        self._there = there
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        port = self._listening.getsockname()[1]
        query = {name: value for name, value in there.query.items() if name not in ("host", "port")}
        via = there.set(host="127.0.0.1", port=port, query=query | {"sslmode": "disable"})
        self.url = via.render_as_string(hide_password=False)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _connect(self) -> socket.socket:
        folder = self._there.query.get("host")
        if folder or self._there.host is None:
            line = socket.socket(socket.AF_UNIX)
            line.connect(f"{folder or '/tmp'}/{_SOCKET}")
            return line
        return socket.create_connection((self._there.host, self._there.port or 5432))

    def _accept(self) -> None:
        while True:
            try:
                client = self._listening.accept()[0]
            except OSError:
                return  # closed
            server = self._connect()
            self._open += [client, server]
            for one, other, way in ((client, server, self._ask), (server, client, self._answer)):
                thread = threading.Thread(target=way, args=(one, other), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        while piece := self._take(client):
            if self.commits in piece and self.fault == "commit lost":
                self._strike(client, server)
                return
            if self.commits in piece and self.fault == "answer to commit lost":
                self._mute.add(server)
                self._pass(server, piece)
                self._take(server, peeking=True)  # the server has committed when it answers
                self._strike(client, server)
                return
            self._pass(server, piece)
        self._close(client, server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        while self._take(server, peeking=True):
            if server in self._mute:
                return
            self._pass(client, self._take(server))
        self._close(client, server)

    def _take(self, line: socket.socket, *, peeking: bool = False) -> bytes:
        try:
            piece = line.recv(_PIECE, socket.MSG_PEEK if peeking else 0)
        except OSError:
            return b""
        while self.fault == "hangs":
            if self.struck.wait(0.05):
                return b""
        return piece

    def _pass(self, line: socket.socket, piece: bytes) -> None:
        with contextlib.suppress(OSError):
            line.sendall(piece)

    def _strike(self, *lines: socket.socket) -> None:
        self.fault = "none"
        self.struck.set()
        self._close(*lines)

    def _close(self, *lines: socket.socket) -> None:
        for line in lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.fault = "none"
        self.struck.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._close(*self._open)
        for thread in self._threads:
            thread.join(5)
        for line in self._open:
            line.close()
