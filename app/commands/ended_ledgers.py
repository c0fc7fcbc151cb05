"""Which ledgers of what ended there are after a loss, and what of them a database has not.

There is the present one beside the guard, its copy with the backups, and in both folders those that were laid
aside, each of a history that was given up. A backup of any of these histories may have been restored, so all
of them are read. Only the present ones tell how far it is known what ended.

What an older history took is not taken from somebody to whom it was given back later. So lines stand in the
order in which things happened, and a line that the database has not does not count where the database has
a later word on the same.
"""

from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from app.audit import stored
from app.audit.ended_file import FOLDER, START, EndedFiles, Ledger, LedgerDamagedError, further
from app.main import Service
from app.trail.ended import READ_AT_ONCE, what_ended

_BESIDE, _COPY = "beside the guard", "with the backups"
_SETTLED_BY = {
    "ended": ("ended", "returned"),
    "assignments": ("assignments", "returned"),
    "asked": (),
    "erased": (),
}
"""What the database may say later about the same; of any other kind, that kind."""


class Ledgers(NamedTuple):
    """The ledgers of a chain that can be trusted.

    Attributes:
        present: The present ones and where they are, the guard's first.
        earlier: Those that were laid aside, the oldest first.
        told: What was found, in sentences.
    """

    present: list[tuple[Ledger, str]]
    earlier: list[Ledger]
    told: list[str]


def ledgers_of(service: Service, org: str) -> Ledgers:
    """Return the ledgers of a chain. One that is damaged is told of, and does not count."""
    copy = EndedFiles(service.settings.backup_dir / FOLDER, service.notary)
    told: list[str] = []
    read: list[tuple[Ledger, str]] = []
    aside: dict[str, list[Ledger]] = {}
    for where, files in ((_BESIDE, service.guards.ended), (_COPY, copy)):
        said, ledger = _read(files, org)
        told.append(f"the ledger {where} ({files.folder}) {said}")
        read += [(ledger, where)] if ledger is not None else []
        aside[where] = _laid_aside(files, org, where, told)
    # The numbers of the two folders are not one another's. What the guard's folder does not know is of before
    # that folder was lost; the rest of the copies only lags behind it.
    own = [*aside[_BESIDE], *(ledger for ledger, _ in read)]
    return Ledgers(read, [one for one in aside[_COPY] if further(one, own)] + aside[_BESIDE], told)


def _laid_aside(files: EndedFiles, org: str, where: str, told: list[str]) -> list[Ledger]:
    found: list[Ledger] = []
    for one in files.asides(org):
        said, ledger = _read(one, org)
        told.append(f"an earlier ledger {where} ({one.folder}) {said}")
        found += [ledger] if ledger is not None else []
    return found


def _read(files: EndedFiles, org: str) -> tuple[str, Ledger | None]:
    try:
        ledger = files.read(org)
    except LedgerDamagedError as damaged:
        return f"is damaged: {damaged.what}", None
    except OSError as error:
        return f"cannot be read: {error.strerror or error}", None
    if ledger is None:
        return "is missing", None
    return f"reaches to line {ledger.reached.size}", ledger


def recorded(connection: Connection, org: str, size: int) -> Ledger:
    """Return what the ledger of the database as it is would say, derived from its lines."""
    lines: list[dict[str, Any]] = []
    for start in range(0, size, READ_AT_ONCE):
        part = stored.lines(connection, org, start, min(size, start + READ_AT_ONCE))
        ended = (one for seq, line in enumerate(part, start) for one in what_ended(seq, bytes(line)))
        lines += map(orjson.loads, ended)
    return Ledger(START, lines)


def unsettled(lines: list[dict[str, Any]], known: set[tuple[int, str]]) -> list[dict[str, Any]]:
    """Return the lines the database has not, but those it has a later word on.

    A database that goes on after a recovery has what was done again then, and what people decided after it:
    a return, a new password. An older history does not take that back. An erasure has no later word.
    """
    left: list[dict[str, Any]] = []
    later: set[tuple[str, str]] = set()
    for one in reversed(lines):
        kind, about = one["kind"], one["id"]
        if place_of(one) in known:
            later.add((kind, about))
        elif not any((word, about) in later for word in _SETTLED_BY.get(kind, (kind,))):
            left.append(one)
    return left[::-1]


def place_of(one: dict[str, Any]) -> tuple[int, str]:
    """Return of which line of the trail a line is: its number and its leaf."""
    return one["seq"], one["leaf"]
