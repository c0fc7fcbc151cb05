"""Works the service does for itself and that fail again and again, as their entries tell: for the doctor.

Whoever has them done says so once in its log, and tries again after a pause (`access.pauses`): while that
lasts, an entry of it is among the newest of its chain. What fails without an entry - the database is away, a
disk is full - other checks tell, and `/metrics`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from app.access.pauses import LONGEST_S
from app.core.clock import parse
from app.operations.finding import Finding, failed, ok
from app.storage.snapshot import Snapshot

NEWEST_LINES = 5000
"""So many of each chain are looked at: more than anybody writes between two tries."""
STILL = timedelta(seconds=3 * LONGEST_S)
"""Tries that are further apart are two troubles, and one that was so long ago is over."""
LASTING = timedelta(minutes=1)
"""A shorter trouble is what the next try is for."""
_OTHERS = ("system:cli", "system:integrity")
"""Commands end with what they failed of; what is found altered has a check of its own."""
_NEWEST = """
    SELECT e.line FROM audit_head h JOIN audit_event e ON e.org = h.org AND e.seq >= h.size - ?
    ORDER BY e.org, e.seq"""


class Trouble(NamedTuple):
    """A work that fails.

    Attributes:
        what: Who tries it, and as what its entries are called.
        why: Why it failed at last.
        since: When it failed first, of tries that follow each other.
        last: When it failed last.
    """

    what: tuple[str, str]
    why: str
    since: datetime
    last: datetime


def troubles(view: Snapshot) -> list[Trouble]:
    """Return what failed last of each work, of all chains."""
    found: dict[tuple[str, str, str], Trouble] = {}
    for place, event in _failures(view):
        actor, at = event["actor"]["id"], parse(place["ts"])
        key = place["org"], actor, event["act"]
        known = found.get(key)
        since = known.since if known is not None and at - known.last <= STILL else at
        found[key] = Trouble((actor, event["act"]), event.get("why", ""), since, at)
    return list(found.values())


def _failures(view: Snapshot) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for batch in view.rows(_NEWEST, NEWEST_LINES):
        for (line,) in batch:
            if b'"out":"fail"' in bytes(line):  # most are not even read
                told = orjson.loads(bytes(line))
                event = told["e"]
                if event["actor"]["kind"] == "system" and event["actor"]["id"] not in _OTHERS:
                    yield told["c"], event


def check_own_works(found: Sequence[Trouble], at: datetime) -> Finding:
    """Say whether something keeps failing now."""
    lasting = {
        f"{who.removeprefix('system:')} fails at {act} ({one.why})"
        for one in found
        for who, act in [one.what]
        if at - one.last <= STILL and one.last - one.since >= LASTING
    }
    if not lasting:
        return ok("housekeeping", "nothing the service does for itself keeps failing")
    told = f"again and again, for more than a minute: {'; '.join(sorted(lasting))}"
    return failed("housekeeping", told, "Look for why in the log of the service and at these entries.")
