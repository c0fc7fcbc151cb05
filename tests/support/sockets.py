"""What tests do with a bare socket."""

import socket


def rest(line: socket.socket) -> bytes:
    """Return all that comes until the other side closes."""
    told = b""
    while piece := line.recv(65536):
        told += piece
    return told
