"""Reading the trail for a scope: which lines, a piece at a time, and how far whoever asks may see.

People and residents are found by the index. Sessions, devices and sources stand in no index: where they are
asked for, every line of the period is gone through.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Select, bindparam, select

from app.access.opened import Opened
from app.audit import choosing, indexing, pruning, stored
from app.audit.indexing import AGENT, RESIDENT
from app.audit.reading import Condition, Wanted
from app.core.clock import spell
from app.core.errors import AuditUnavailableError
from app.incidents.scope import Fold, Reach, Selection
from app.incidents.seeing import MANAGE
from app.incidents.unknowns import Circumstances
from app.residents.table import resident
from app.trail.events import MOST_CAUGHT_UP, READ

LINES_AT_ONCE = 2000
"""Lines looked at in one turn of a pack."""
MOST_AT_ONCE = 20_000
"""Lines looked at for one answer of a scope, about a quarter of a second; a pack goes on to the end."""
MOST_NAMED = 50_000
"""How often these lines may name a resident: lists name up to 200 each, and time goes by that."""

_OF_HOMES = select(resident.c.id).where(
    resident.c.org == bindparam("org"), resident.c.home_id.in_(bindparam("homes", expanding=True))
)
_KNOWN = select(resident.c.id).where(
    resident.c.org == bindparam("org"), resident.c.id.in_(bindparam("some", expanding=True))
)
_ERASED = _KNOWN.where(resident.c.wrapped_key == b"")


class Piece(NamedTuple):
    """Some lines that may count, and from which number to go on; None at the end."""

    lines: list[bytes]
    next: int | None


def homes_managed(opened: Opened, permission: str = MANAGE) -> frozenset[str] | None:
    """Return the homes the caller holds a permission at without further limit; None: everywhere."""
    return opened.agent.homes_of(permission)


def reach_of(opened: Opened) -> Reach:
    """Return whom the caller may be told of."""
    homes = homes_managed(opened)
    if homes is None:
        return Reach()
    found = opened.execute(_OF_HOMES, {"org": opened.org, "homes": sorted(homes)}).scalars()
    return Reach(homes, frozenset(found))


def reads_trail(opened: Opened) -> bool:
    """Say whether the caller may read the trail wherever they manage incidents: then names and lines, too."""
    wanted, held = homes_managed(opened), homes_managed(opened, READ)
    return held is None or (wanted is not None and wanted <= held)


def wanted_of(selection: Selection) -> Wanted:
    """Return what the index can say of a selection. More may be found than is wanted, never less."""
    also: list[Condition] = []
    if selection.users and not (selection.sessions or selection.devices or selection.sources):
        also.append(tuple((AGENT, one) for one in selection.users))
    if selection.residents:
        also.append(tuple((RESIDENT, one) for one in selection.residents))
    return Wanted(selection.since, selection.until, also=tuple(also))


def catch_up(opened: Opened) -> AuditUnavailableError | None:
    """Let the index come to the end of the chain; return a refusal if it is too far behind still."""
    if indexing.catch_up(opened.connection(), opened.org, MOST_CAUGHT_UP):
        return AuditUnavailableError(why="index-behind")  # what was indexed stays: next time there is less
    return None


def period_of(connection: Connection, org: str, selection: Selection) -> range:
    """Return the numbers of the lines of a period, pruned ones included: what changed something is there."""
    size = stored.size_of(connection, org)
    low = stored.first_at(connection, org, size, selection.since)
    high = size if selection.until is None else stored.first_at(connection, org, size, selection.until, low)
    return range(low, max(low, high))


def piece(connection: Connection, org: str, wanted: Wanted, within: range, most: int) -> Piece:
    """Return the next lines of a period that may count."""
    seqs, onward = choosing.numbers(connection, org, wanted, within, most)
    lines = choosing.lines(connection, org, seqs)
    return Piece([bytes(line) for line in lines if line], onward)


def fold_now(opened: Opened, selection: Selection, incident: str) -> tuple[Fold, Circumstances]:
    """Return the scope of a selection, as far as one answer goes. The index has to have caught up."""
    connection, org = opened.connection(), opened.org
    fold, wanted = Fold(selection, reach_of(opened), incident), wanted_of(selection)
    within, upto, looked, named = period_of(connection, org, selection), None, 0, 0
    start: int | None = within.start
    while start is not None and start < within.stop and upto is None:
        if looked >= MOST_AT_ONCE:
            upto = instant_of(connection, org, start)
            break
        read = piece(connection, org, wanted, range(start, within.stop), LINES_AT_ONCE)
        for line in map(orjson.loads, read.lines):
            if named >= MOST_NAMED:
                upto = line["c"]["ts"]
                break
            fold.take(line)
            named += len(line["e"].get("subs", ()))
        looked, start = looked + LINES_AT_ONCE, read.next
    return fold, circumstances(opened, fold, upto)


def circumstances(opened: Opened, fold: Fold, upto: str | None = None) -> Circumstances:
    """Return what is known of the trail and of the caller, for what is not known."""
    connection, org, selection = opened.connection(), opened.org, fold.selection
    cut = pruning.first_kept(connection, org)
    return Circumstances(
        begins_at=instant_of(connection, org, 0) or (selection.since if cut else None),
        pruned=cut > 0 and selection.since < (instant_of(connection, org, cut) or ""),
        erased=_erased(opened, list(fold.residents)),
        open_ended=selection.until is None or selection.until > spell(opened.at),
        upto=upto,
        of_homes=fold.reach.homes is not None,
    )


def instant_of(connection: Connection, org: str, seq: int) -> str | None:
    """Return the instant of a line; None where there is none any more."""
    found = stored.entry(connection, org, seq)
    return str(orjson.loads(found.line)["c"]["ts"]) if found is not None else None


def known_residents(opened: Opened, ids: Collection[str]) -> list[str]:
    """Return those of some ids that are residents of the organisation, erased ones too."""
    return _found(opened, _KNOWN, sorted(ids))


def _erased(opened: Opened, residents: Sequence[str]) -> int:
    return len(_found(opened, _ERASED, residents))


def _found(opened: Opened, query: Select[Any], ids: Sequence[str]) -> list[str]:
    found: list[str] = []
    for at in range(0, len(ids), 500):  # databases take so many parameters only
        found += opened.execute(query, {"org": opened.org, "some": ids[at : at + 500]}).scalars()
    return found
