"""How many connections a process takes, and which give way when there are more.

Each costs a descriptor, and descriptors are what files and databases are read with, too: a process that
spent them on idle sockets could not read its own guard files. So connections are bounded below what the
system allows. Nobody is kept out by those who only wait, though: a newcomer - a probe, a carer - takes the
place of whoever has kept us waiting for longest.

Source: app/decisions/0039-what-strangers-may-hold.md.
"""

import heapq
import resource
from collections.abc import Iterable
from typing import Protocol, TypeVar

MOST_CONNECTIONS = 1024
"""Of one process: tablets and streams of a large provider; heads of 64 KiB in all of them are 64 MiB."""
DESCRIPTORS = 65_536
"""The most that are asked of the system: beyond the connections for files, databases and TLS that begins."""
KEPT_FREE = 256
"""Descriptors that no connection gets where the system allows few."""
AT_ONCE = 16
"""A sixteenth of the connections gives way together, so that it is not looked for at each newcomer."""


class Waited(Protocol):
    """A connection as far as it matters here."""

    @property
    def waited_since(self) -> float | None:
        """Return since when its client keeps us waiting; None if it is we who owe an answer."""

    @property
    def idle(self) -> bool:
        """Say whether no request is under way."""


One = TypeVar("One", bound=Waited)


def raise_descriptors() -> None:
    """Have the system allow as many descriptors as are useful, as far as it does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return  # a sandbox forbids it: `most_connections` is lower then


def most_connections() -> int:
    """Return how many connections this process takes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return min(MOST_CONNECTIONS, max(soft - KEPT_FREE, soft // 2))


def giving_way(connections: Iterable[One], most: int) -> list[One]:
    """Return who gives way to a newcomer: of the idle, if there are any, who was so for longest.

    Else of those who are slow with a body, or with taking an answer; nobody if we owe all of them one.
    """
    waited = [(since, one) for one in connections if (since := one.waited_since) is not None]
    choice = [(since, one) for since, one in waited if one.idle] or waited
    leave = heapq.nsmallest(min(most // AT_ONCE, len(choice) // 2) or 1, choice, key=lambda each: each[0])
    return [one for _, one in leave]
