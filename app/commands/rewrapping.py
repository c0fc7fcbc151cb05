"""`caretrail keys rotate organisation`: a new generation of organisations' keys, beside running services."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import select

from app.commands.calling import present, sign_what_moved
from app.commands.opening import open_service
from app.commands.progress import progress
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.clock import monotonic
from app.core.errors import CaretrailError, InvalidRequestError
from app.main import Service
from app.residents.owners import OWNERS
from app.storage.guard import carrying
from app.trail.rewrapping import BeginGeneration, Begun, CompleteGeneration, Owners, Piece, WrapOwners
from app.trail.rotation import REWRAP
from app.vault.table import organisation_keys

_COMMAND = "caretrail keys rotate organisation"
_MOST_PAUSE_S = 1.0


def rotate_organisation(organisation: str | None, *, as_json: bool) -> None:
    """Make a new key for one organisation, or for each, and wrap all its owners' keys under it.

    Works beside running services, which seal under the new key from its first entry on. Broken off, it is run
    again: it goes on where it was.

    Raises:
        InvalidRequestError: There is no such organisation.
        CaretrailError: Rows were left alone, because they are not what the trail knows.
    """
    told = []
    with open_service(begin()) as service:
        chosen = _chosen(service, organisation)
        try:
            with progress("wrapping keys anew") as bar:
                told = [_rotate(service, org, bar) for org in chosen]
        finally:
            sign_what_moved(service)
    result(told, "\n".join(map(_line, told)), as_json=as_json)
    altered = [f"{kind} {row}" for one in told for kind, row in one["altered"]]
    if altered:
        raise CaretrailError(
            f"{len(altered)} rows are not what the trail knows and were left as they are:"
            f" {', '.join(altered[:5])}. Look at `caretrail audit verify --state`.",
            why="rows-altered",
        )
    remark(
        "Keys of earlier generations stay, wrapped, in the database: they open what was sealed under them."
    )


def _chosen(service: Service, organisation: str | None) -> list[str]:
    listed = select(organisation_keys.c.org).distinct().order_by(organisation_keys.c.org)
    with service.engine.connect() as connection, carrying(connection, "keys"):
        found = list(connection.execute(listed).scalars())
    if organisation is None:
        return found
    if organisation not in found:
        raise InvalidRequestError(detail=f"there is no organisation {organisation}")
    return [organisation]


def _rotate(service: Service, org: str, bar: Callable[[int, int], None]) -> dict[str, Any]:
    begun: Begun = present(service, org, REWRAP, BeginGeneration(OWNERS), _COMMAND)
    wrapped, altered = 0, list[tuple[str, str]]()
    for owners in OWNERS:
        for piece in _pieces(service, org, owners):
            wrapped += piece.wrapped
            altered += [(owners.kind, row) for row in piece.altered]
            bar(wrapped, begun.behind)
    behind = present(service, org, REWRAP, CompleteGeneration(OWNERS, len(altered)), _COMMAND)
    if behind > len(altered):
        raise CaretrailError(f"{behind} keys are left to wrap. Run it again.", why="not-whole")
    return {
        "organisation": org,
        "generation": begun.generation,
        "resumed": begun.resumed,
        "wrapped": wrapped,
        "altered": altered,
    }


def _pieces(service: Service, org: str, owners: Owners) -> Iterator[Piece]:
    """Wrap all rows of a table; others have as much time between two pieces as a piece takes."""
    after: str | None = ""
    while after is not None:
        since = monotonic()
        piece: Piece = present(service, org, REWRAP, WrapOwners(owners, after), _COMMAND)
        yield piece
        after = piece.after
        time.sleep(min(_MOST_PAUSE_S, monotonic() - since))


def _line(told: dict[str, Any]) -> str:
    how = "went on with" if told["resumed"] else "has"
    which = f"organisation {told['organisation']} {how} generation {told['generation']}"
    return f"{which}; {told['wrapped']} keys were wrapped under it"
