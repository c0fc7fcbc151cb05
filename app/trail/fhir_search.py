"""Searching the trail as FHIR does: AuditEvents, newest first, as the verifier derives them from lines.

Who may read what is decided as for the list of entries. An entry about several residents is several
AuditEvents; a page may end between two of them, so a cursor says how many of an entry were shown.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from itertools import groupby, islice
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from app.access import cursors
from app.access.opened import Opened
from app.access.work import Answer, Work
from app.audit import indexing, reading, verify
from app.audit.checkpoint import Notary
from app.audit.indexing import ACT, AGENT, OUT, RESIDENT
from app.audit.reading import Condition, Wanted
from app.audit.stored import Entry
from app.core.errors import AuditUnavailableError
from app.trail.events import MOST_CAUGHT_UP, homes_read
from app.trail.freezing import refuse_paging_frozen
from app.trail.names import names_of

ACTIONS = ("C", "R", "U", "D", "E")
OUTCOMES = ("0", "4", "8", "12")
ACTION_SYSTEM = "http://hl7.org/fhir/audit-event-action"
OUTCOME_SYSTEM = "http://terminology.hl7.org/CodeSystem/audit-event-outcome"
"""Of what system R4 takes these codes: in an AuditEvent they stand without it."""
MOST_AT_ONCE = 200
JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Sought:
    """What is searched for; None means any. Of several values in one place one suffices."""

    since: str | None = None
    until: str | None = None
    patients: tuple[str, ...] | None = None
    agents: tuple[str, ...] | None = None
    actions: tuple[str, ...] | None = None
    outcomes: tuple[str, ...] | None = None


class Found(NamedTuple):
    """An AuditEvent that is not made yet: a line, and whom of those it names the event is about.

    Attributes:
        seq: The number of the line.
        at: Its own number among those of the line that are searched for.
        number: Its own number among all of the line, which its id tells.
    """

    seq: int
    at: int
    number: int
    resident: str | None
    line: JsonObject
    leaf: str


@dataclass
class SearchAuditEvents(Work):
    """Search for AuditEvents, newest first.

    Each in a turn of its own: lines that name hundreds are long to go through, and several searches in one
    turn could overrun its deadline, for everybody in it.
    """

    sought: Sought
    notary: Notary
    count: int = 50
    cursor: str | None = None
    alone = True
    own_sql = True

    def asked(self) -> tuple[str, str | None] | None:
        """Return whom the question is about, as asked."""
        for kind, ids in (("resident", self.sought.patients), ("user", self.sought.agents)):
            if ids is not None:
                return kind, ids[0] if len(ids) == 1 else None
        return None

    def perform(self, opened: Opened) -> Answer:
        """Return `{"events", "next_cursor"}`: a page of what this caller may read."""
        refuse_paging_frozen(opened, self.count, self.cursor)
        query = [*astuple(self.sought), self.count]
        before, shown = cursors.read(opened, query, self.cursor) or (None, 0)
        connection, org = opened.connection(), opened.org
        if indexing.catch_up(connection, org, MOST_CAUGHT_UP):
            # What was indexed stays: the next try has less left to do
            return Answer(refusal=AuditUnavailableError(why="index-behind"))
        page = reading.page(connection, org, self._wanted(opened), before, self.count)
        found = list(islice(self._found(page.entries), shown, shown + self.count + 1))
        told, left = found[: self.count], found[self.count :]
        position = [page.next, 0] if page.next is not None else None
        if left:
            position = [left[0].seq + 1, left[0].at]
        opened.note.subs = list(dict.fromkeys(one.resident for one in told if one.resident is not None))
        opened.note.count = len(told)
        cursor = cursors.make(opened, query, position) if position is not None else None
        return Answer({"events": self._events(opened, told), "next_cursor": cursor})

    def _wanted(self, opened: Opened) -> Wanted:
        sought, also = self.sought, list[Condition]()
        for kind, keys in ((RESIDENT, sought.patients), (AGENT, sought.agents)):
            if keys is not None:
                also.append(tuple((kind, key) for key in keys))
        if sought.outcomes is not None:
            spelled = verify.OUTCOMES.items()
            also.append(tuple((OUT, out) for out, code in spelled if code in sought.outcomes))
        if sought.actions is not None:
            also += _acting(sought.actions, indexing.acts(opened.connection(), opened.org))
        return Wanted(sought.since, sought.until, homes=homes_read(opened.agent), also=tuple(also))

    def _found(self, entries: Iterable[Entry]) -> Iterator[Found]:
        """Yield what is about whom it should be; AuditEvents are not made: most belong to later pages."""
        patients = None if self.sought.patients is None else frozenset(self.sought.patients)
        for entry in entries:
            line, leaf = orjson.loads(entry.line), entry.leaf.hex()
            about = enumerate(line["e"].get("subs") or [None])
            wanted = ((number, who) for number, who in about if patients is None or who in patients)
            for at, (number, who) in enumerate(wanted):
                yield Found(entry.seq, at, number, who, line, leaf)

    def _events(self, opened: Opened, told: Sequence[Found]) -> list[JsonObject]:
        names = names_of(opened, {one.line["e"]["actor"].get("name_seq") for one in told} - {None})
        origin = self.notary.origin(opened.org)
        return [
            event
            for _, some in groupby(told, attrgetter("seq"))
            for event in _events_of_line(list(some), names, origin)
        ]


def _events_of_line(some: Sequence[Found], names: dict[int, str], origin: str) -> Iterator[JsonObject]:
    """Yield some AuditEvents of a line: as if it named nobody else, but with the ids they have among all."""
    line = some[0].line
    e = {**line["e"], "subs": [one.resident for one in some]}
    events = verify.fhir_events({**line, "e": e}, some[0].leaf, names, origin)
    for one, event in zip(some, events, strict=True):
        yield event | {"id": f"{e.get('id')}-{one.number}"}


def _acting(actions: tuple[str, ...], acts: list[str]) -> list[Condition]:
    """Return the conditions for entries shown with one of these actions.

    A refusal is shown as E whatever was refused, and what belongs to signing in is E in any case.
    """
    fitting = tuple((ACT, act) for act in acts if verify.SHAPES[verify.fhir_kind(act, "ok")][2] in actions)
    if "E" in actions:
        return [(*fitting, (OUT, "deny"))]
    return [fitting, ((OUT, "ok"), (OUT, "fail"))]
