"""Playing a history: in the turns the door would form, or each visit of it alone.

The trail says in which order a turn took its visits. Playing the same visits in that order, one at a
time, must give the same answers, the same entries and the same rows: a turn is nothing but a quicker way
of doing one thing after another.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import pyotp

from app.access.operations import OPERATIONS
from app.access.visit import Session, Stranger, Visit, Visited
from app.access.work import Repeat
from app.core.clock import SetClock
from app.core.errors import CaretrailError
from app.identity.signing_in import Reservation, SignedIn
from app.storage.base import metadata
from tests.support.canaries import Assigned, Lodging, canaries_in, may_ever_meet
from tests.support.cast import Cast
from tests.support.histories import Batch, Ref, Step
from tests.support.scripts import NOWHERE, Line, Part, line_of, once_more, second_line_of
from tests.support.world import Person, World

Take = Callable[[deque[Visit]], list[Visit]]
Place = tuple[int, int]
"""A visit of a history: its step, and whether it is the first or the second of that step."""


class Seen(NamedTuple):
    """What a caller got, and where its entry stands."""

    outcome: str
    status: int | None
    version: int | None
    payload: Any
    org: str | None
    seq: int | None


@dataclass
class Played:
    """What came of a history."""

    seen: dict[Place, Seen] = field(default_factory=dict)
    turns: list[tuple[datetime, list[Place]]] = field(default_factory=list)
    chains: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)


class Memory:
    """What steps have to know, as asked in one playing, to be answered alike in the next."""

    def __init__(self) -> None:
        self.lines: dict[Place, list[Any]] = {}


class Player:
    """Plays one history in one world."""

    def __init__(self, world: World, cast: Cast, memory: Memory) -> None:
        self.world = world
        self.cast = cast
        self.played = Played()
        self._memory = memory
        self._disclosed: list[tuple[str, str | None, int | None, str]] = []
        self._steps: dict[int, Step] = {}
        self._lines: dict[int, Line] = {}
        self._made: dict[int, str] = {}
        self._signed_in: dict[int, Session] = {}
        self._versions: dict[str, int] = {}
        self._assigned: dict[str, set[Assigned]] = {c.person.id: set(c.assigned) for c in cast.callers}
        self._lodgings = dict(enumerate(_copied(cast.residents)))
        self._asking: Place = (0, 0)
        self._asked = 0

    # --- what a step has to know (scripts.Looks) ------------------------------------------------

    def _look(self, found: Any) -> Any:
        """Return what is found now; in a second playing, what was found in the first."""
        kept = self._memory.lines.setdefault(self._asking, [])
        self._asked += 1
        if self._asked > len(kept):
            kept.append(found)
        return kept[self._asked - 1]

    def id(self, ref: Ref | None) -> str:
        """Return an id, or that of nothing when a step has not made it (yet)."""
        if ref is None or (ref.id is None and ref.made_by is None):
            return NOWHERE
        if ref.id is not None:
            return ref.id
        there = self._look(ref.made_by in self._made)
        return self._made.get(ref.made_by or 0, NOWHERE) if there else NOWHERE

    def version(self, ref: Ref | None) -> int:
        """Return the newest version anybody was told of."""
        told: int = self._look(self._versions.get(self.id(ref), 1))
        return told

    def otp(self, person: Person, *, right: bool) -> str:
        """Return the code the person's authenticator shows."""
        secret = str(person.totp_secret)
        code: str = self._look(pyotp.TOTP(secret).at(self.world.now) if right else "000000")
        return code

    def day(self, **by: float) -> str:
        """Return an instant from now on."""
        told: str = self._look(self.world.later(**by))
        return told

    # --- visits -------------------------------------------------------------------------------

    def _visit(self, place: Place, line: Line) -> Visit:
        step = self._steps[place[0]]
        credential = line.credential or self._session(step)
        repeat = Repeat(step.key, repr(line.work)) if step.key is not None else None
        visit = Visit(
            credential, OPERATIONS[line.operation], line.work, repeat=repeat, reason=line.reason, bytes=2000
        )
        if isinstance(credential, Stranger):
            visit.address = f"192.0.2.{step.caller}"
        return visit

    def _session(self, step: Step) -> Session:
        person = self.cast.callers[step.caller].person
        assert person.session is not None
        if step.session is None or step.session.made_by is None:
            return person.session
        there = self._look(step.session.made_by in self._signed_in)
        return self._signed_in.get(step.session.made_by, person.session) if there else person.session

    def _ask(self, place: Place) -> None:
        self._asking, self._asked = place, 0

    def _arrive(self, step: Step) -> Visit:
        place = (step.number, 1)
        self._ask(place)
        if step.repeats is not None:
            return self._visit(place, once_more(self._line(self._steps[step.repeats])))
        return self._visit(place, self._line(step))

    def _line(self, step: Step) -> Line:
        """Return what a step presents, the same each time."""
        if step.number not in self._lines:
            self._ask((step.number, 1))
            self._lines[step.number] = line_of(step, self._part(step), self)
        return self._lines[step.number]

    def _part(self, step: Step) -> Part:
        return Part(self.cast.callers[step.caller].person)

    def _follow(self, place: Place, visit: Visit) -> Visit | None:
        """Return the second visit of a step whose first was answered."""
        step = self._steps[place[0]]
        if place[1] == 2 or not isinstance(visit.outcome, Visited):
            return None
        self._ask((step.number, 2))
        line = second_line_of(step, self._part(step), visit.outcome.answer.payload, self)
        return self._visit((step.number, 2), line) if line is not None else None

    # --- playing ------------------------------------------------------------------------------

    def in_turns(self, batches: list[Batch], take: Take) -> Played:
        """Play in the turns that `take` forms of those who wait."""
        self._read(batches)
        for batch in batches:
            self.world.pass_time(seconds=batch.after_s)
            places: dict[Visit, Place] = {self._arrive(step): (step.number, 1) for step in batch.steps}
            waiting = deque(places)
            while waiting:
                turn = take(waiting)
                self.world.turn.serve(turn)
                self.played.turns.append((self.world.now, [places[v] for v in in_the_trail(turn)]))
                for visit in turn:
                    self._note(places[visit], visit)
                    second = self._follow(places[visit], visit)
                    if second is not None:
                        places[second] = (places[visit][0], 2)
                        waiting.append(second)
        return self._over()

    def _read(self, batches: list[Batch]) -> None:
        self._steps = {step.number: step for batch in batches for step in batch.steps}

    def alone(self, batches: list[Batch], turns: list[tuple[datetime, list[Place]]]) -> Played:
        """Play the visits of those turns, each in a turn of its own."""
        self._read(batches)
        seconds: dict[int, Visit] = {}
        for at, places in turns:
            self._set(at)
            for place in places:
                visit = self._arrive(self._steps[place[0]]) if place[1] == 1 else seconds.pop(place[0], None)
                if visit is None:
                    continue  # the first visit went differently: that is the difference to be told
                self.world.turn.serve([visit])
                self._note(place, visit)
                second = self._follow(place, visit)
                if second is not None:
                    seconds[place[0]] = second
            self.played.turns.append((at, places))
        return self._over()

    def _set(self, at: datetime) -> None:
        clock: SetClock = self.world.clock
        clock.advance(at - clock.now())

    def _over(self) -> Played:
        self.played.chains = {org: self.world.entries(org) for org in [*self.cast.homes, "system"]}
        self.played.tables = tables_of(self.world)
        self.played.leaks += self._undisclosed()
        self.world.close()
        return self.played

    # --- noting -------------------------------------------------------------------------------

    def _note(self, place: Place, visit: Visit) -> None:
        seen = _seen(visit)
        self.played.seen[place] = seen
        if isinstance(visit.outcome, Visited):
            self._learn(self._steps[place[0]], seen, visit.outcome.answer.payload)
        self._watch(place, visit, seen)

    def _learn(self, step: Step, seen: Seen, payload: Any) -> None:
        if isinstance(payload, SignedIn):
            self._signed_in[step.number] = Session(payload.session_id, payload.org)
        if not isinstance(payload, dict) or "id" not in payload:
            return
        self._made.setdefault(step.number, payload["id"])
        version = max(seen.version or 1, self._versions.get(payload["id"], 1))
        self._versions[payload["id"]] = version
        if step.kind == "admit":
            org = self.cast.callers[step.caller].person.org
            self._lodgings.setdefault(1000 + (step.repeats or step.number), Lodging(payload["id"], org))
        if "home_id" in payload and "room" in payload:
            for lodging in self._lodgings.values():
                if lodging.id == payload["id"]:
                    lodging.homes.add(payload["home_id"])
                    lodging.units.add(payload["unit"])
        if step.kind == "amend user":
            new = {Assigned(one["role"], one["home_id"]) for one in payload["assignments"]}
            self._assigned.setdefault(payload["id"], set()).update(new)

    def _watch(self, place: Place, visit: Visit, seen: Seen) -> None:
        """Look for canaries in what a caller got that they must never meet."""
        step = self._steps[place[0]]
        person = self.cast.callers[step.caller].person
        own = self._steps[step.number if step.repeats is None else step.repeats].more.get("word", "")
        for canary in set(canaries_in(orjson.dumps(seen.payload, default=repr).decode())):
            lodging = self._lodgings.get(canary.resident)
            known = lodging is not None and may_ever_meet(
                self._assigned[person.id], person.org, canary, lodging
            )
            # whoever sends a word may have it back, as long as it is about the same resident
            if not known and str(canary) != own:
                self.played.leaks.append(f"{place} {step.kind}: {canary} reached a {person.role}")
            elif lodging is not None:
                self._disclosed.append((f"{place} {step.kind}: {canary}", seen.org, seen.seq, lodging.id))

    def _undisclosed(self) -> list[str]:
        """Return the canaries that left although their entry does not name the resident."""
        return [
            f"{what} left without its resident in the entry"
            for what, org, seq, resident_id in self._disclosed
            if seq is None or resident_id not in self.played.chains[str(org)][seq].get("subs", ())
        ]


def _copied(lodgings: list[Lodging]) -> list[Lodging]:
    return [Lodging(one.id, one.org, set(one.homes), set(one.units)) for one in lodgings]


def _seen(visit: Visit) -> Seen:
    org, seq = (visit.stamp.org, visit.stamp.seq) if visit.stamp is not None else (None, None)
    match visit.outcome:
        case Visited(answer=answer):
            return Seen("ok", answer.status, answer.version, _plain(answer.payload), org, seq)
        case CaretrailError() as error:
            told = {"why": error.why, "detail": error.detail, "after": error.retry_after}
            return Seen(error.slug, error.status, None, told, org, seq)
    return Seen("nothing", None, None, None, org, seq)


def _plain(payload: Any) -> Any:
    """Return a payload as it can be compared: what two visits hand each other is not for callers."""
    if isinstance(payload, SignedIn):
        return payload.body
    if isinstance(payload, Reservation):
        return {"refused": payload.held.refused, "after": payload.held.retry_after_s}
    return payload


def in_the_trail(turn: list[Visit]) -> list[Visit]:
    """Return the visits of a turn in the order of their entries; those without one come first."""
    return sorted(turn, key=lambda v: (v.stamp.org, v.stamp.seq) if v.stamp is not None else ("", 0))


def tables_of(world: World) -> dict[str, list[dict[str, Any]]]:
    """Return what is readable in all tables."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for table in metadata.sorted_tables:
        rows = [
            {str(n): v for n, v in row.items() if not isinstance(v, bytes | memoryview)}
            for row in world.rows(table)
        ]
        tables[table.name] = rows
    return tables
