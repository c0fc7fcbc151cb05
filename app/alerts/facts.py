"""Facts beside the trail, gathered for the entries that are judged next. Nothing of them leaves this process.

What changes rarely - where residents live, who holds which rights - is kept between pieces and read again
when an entry of the piece says that it changed. A family name is compared by its blind index, computed in
memory for the person: no column tells that two people are called alike.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Select, func, select

from app.access.opened import Opened
from app.access.work import Answer, Work
from app.core.clock import parse, spell
from app.core.errors import SealBrokenError
from app.core.identifiers import SYSTEM
from app.detection.event import Event
from app.detection.facts import Facts, Happened, Shift, Written, place_of
from app.identity.account_rows import ACCOUNT_COLUMNS, key_of, private_of
from app.identity.recognising import permissions_of
from app.identity.rows import AccountRow
from app.identity.table import account, role, shift
from app.jobs.table import job, job_run
from app.jobs.works import NEVER
from app.residents.boxes import family_index
from app.residents.identity import fold_name
from app.residents.table import record, resident

FAR_REACHING = frozenset(
    {"audit:export", "homes:manage", "keys:rotate", "residents:erase", "roles:manage", "users:manage"}
)
"""Whoever holds one of these changes what others may do, or takes everything out."""
REVIEWING = frozenset({"alerts:manage", "incidents:manage"})
ROTA = timedelta(days=15)
KNOWN = timedelta(days=7)
WRITTEN = timedelta(days=2)
INCIDENT = "incident_report"
_RIGHTS = ("user.", "role.")
MOST_KIN = 4096

Execute = Callable[..., Any]
Incidents = Callable[[Execute, str, Iterable[str]], Mapping[str, tuple[Happened, ...]]]
"""Tells what else happened to residents of an organisation than their records say."""


def no_others(_execute: Execute, _org: str, _residents: Iterable[str]) -> Mapping[str, tuple[Happened, ...]]:
    """Know of no incidents but those in the records."""
    return {}


@dataclass
class Kept:
    """What is kept between pieces of one organisation's chain."""

    places: dict[str, str] | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    powerful: frozenset[str] = frozenset()
    reviewers: frozenset[str] = frozenset()
    created: dict[str, float] | None = None
    kin: dict[str, frozenset[str]] = field(default_factory=dict)

    def forget_changed(self, events: Iterable[Event]) -> None:
        """Forget what entries say has changed."""
        for event in events:
            if event.act.startswith("resident.") and event.fields:
                self.places, self.kin = None, {}
            elif event.act.startswith(_RIGHTS) and event.fields:
                self.created = None
                self.kin.pop(event.object_id or "", None)


@dataclass
class GatherFacts(Work):
    """Read what the rules have to know about some entries. Answers with `Facts`."""

    events: list[Event]
    kept: Kept
    incidents: Incidents = no_others
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Read what is not kept, and what belongs to these entries alone."""
        before = self.kept.reviewers
        self.kept.forget_changed(self.events)
        self._keep(opened)
        reading = [e for e in self.events if e.opens and e.person is not None]
        people = {str(e.person) for e in reading}
        incidents = self._incidents(opened)
        return Answer(
            Facts(
                shifts=self._shifts(opened, people),
                places=self.kept.places or {},
                kin=self._kin(opened, people),
                powerful=self.kept.powerful,
                reviewers=before | self.kept.reviewers,
                sizes=self.kept.sizes,
                created=self.kept.created or {},
                incidents=incidents,
                records=self._records(opened, list(incidents)),
                backup_at=last_backup(opened),
            )
        )

    def _keep(self, opened: Opened) -> None:
        kept = self.kept
        seen = {one for event in self.events if event.opens for one in event.residents}
        if kept.places is None or not seen <= kept.places.keys():
            kept.places, kept.sizes = _places(opened)
        if kept.created is None:
            kept.created, kept.powerful, kept.reviewers = _accounts(opened)

    def _first(self) -> datetime:
        return parse(self.events[0].ts)

    def _last(self) -> str:
        return self.events[-1].ts

    def _shifts(self, opened: Opened, people: set[str]) -> dict[str, tuple[Shift, ...]]:
        if not people:
            return {}
        c = shift.c
        first, last = self._first() - ROTA, parse(self._last()) + ROTA
        query = (
            select(c.user_id, c.starts_at, c.ends_at, c.home_id)
            .where(c.org == opened.org, c.user_id.in_(sorted(people)), c.cancelled.is_(False))
            .where(c.ends_at >= spell(first), c.starts_at <= spell(last))
            .order_by(c.starts_at)
        )
        found: dict[str, list[Shift]] = {}
        for user_id, starts, ends, home in _rows(opened, query):
            found.setdefault(user_id, []).append(Shift(_seconds(starts), _seconds(ends), home))
        return {person: tuple(shifts) for person, shifts in found.items()}

    def _kin(self, opened: Opened, people: set[str]) -> dict[str, frozenset[str]]:
        kin = self.kept.kin
        if len(kin) > MOST_KIN:
            kin.clear()
        unknown = sorted(people - kin.keys())
        if unknown:
            kin |= _related(opened, unknown)
        return {person: kin[person] for person in people if kin.get(person)}

    def _incidents(self, opened: Opened) -> dict[str, tuple[Happened, ...]]:
        written = {r for e in self.events if e.act in ("record.create", "record.update") for r in e.residents}
        if not written:
            return {}
        c = record.c
        query = (
            select(c.resident_id, c.occurred_at, c.first_recorded_at)
            .where(c.org == opened.org, c.resident_id.in_(sorted(written)), c.category == INCIDENT)
            .where(
                c.deleted.is_(False), c.first_recorded_at.between(spell(self._first() - KNOWN), self._last())
            )
            .order_by(c.first_recorded_at, c.id)
        )
        found: dict[str, tuple[Happened, ...]] = {}
        for one, occurred, known in _rows(opened, query):
            found[one] = (*found.get(one, ()), Happened(_seconds(occurred), _seconds(known)))
        for one, others in self.incidents(opened.execute, opened.org, written).items():
            found[one] = (*found.get(one, ()), *others)
        return found

    def _records(self, opened: Opened, residents: list[str]) -> dict[str, Written]:
        if not residents:
            return {}
        c = record.c
        query = (
            select(c.id, c.occurred_at, c.first_recorded_at)
            .where(c.org == opened.org, c.resident_id.in_(residents), c.category != INCIDENT)
            .where(c.recorded_at >= spell(self._first() - WRITTEN), c.first_recorded_at <= self._last())
        )
        return {
            one: Written(_seconds(occurred), _seconds(first)) for one, occurred, first in _rows(opened, query)
        }


def last_backup(opened: Opened) -> float | None:
    """Return when the last good backup ended, or the first was tried; None where none is planned."""
    planned = select(job.c.due_at).where(job.c.org == SYSTEM, job.c.name == "backup", job.c.due_at != NEVER)
    if opened.execute(planned).first() is None:
        return None
    runs = job_run.c
    of_backup = (runs.org == SYSTEM, runs.job == "backup")
    good = opened.execute(select(func.max(runs.ended_at)).where(*of_backup, runs.outcome == "ok")).scalar()
    since = good or opened.execute(select(func.min(runs.started_at)).where(*of_backup)).scalar()
    return _seconds(since) if since is not None else None


def _places(opened: Opened) -> tuple[dict[str, str], dict[str, int]]:
    """Return where residents live or lived, and how many live in each home."""
    c = resident.c
    rows = _rows(opened, select(c.id, c.home_id, c.unit, c.status).where(c.org == opened.org))
    sizes = Counter(home for _, home, _, status in rows if status == "resident")
    return {one: place_of(home, unit) for one, home, unit, _ in rows}, dict(sizes)


def _accounts(opened: Opened) -> tuple[dict[str, float], frozenset[str], frozenset[str]]:
    """Return since when accounts are there, whose rights reach far, and who reviews."""
    c = role.c
    stored = _rows(opened, select(c.name, c.permissions).where(c.org == opened.org))
    may = {name: permissions_of(orjson.loads(permissions)) for name, permissions in stored}
    created: dict[str, float] = {}
    powerful: set[str] = set()
    reviewers: set[str] = set()
    c = account.c
    for one, at, assigned in _rows(
        opened, select(c.id, c.created_at, c.assignments).where(c.org == opened.org)
    ):
        created[one] = _seconds(at)
        held = {what for given in orjson.loads(assigned) for what in may.get(given["role"], ())}
        if held & FAR_REACHING:
            powerful.add(one)
        if held & REVIEWING:
            reviewers.add(one)
    return created, frozenset(powerful), frozenset(reviewers)


def _related(opened: Opened, people: list[str]) -> dict[str, frozenset[str]]:
    """Return, for each person, the residents who have their family name: the last word of their own."""
    query = select(*ACCOUNT_COLUMNS).where(account.c.org == opened.org, account.c.id.in_(people))
    called: dict[str, bytes] = {}
    for row in opened.execute(query).all():
        one = AccountRow._make(row)
        name = _family_name(opened, one)
        if name:
            called[one.id] = family_index(opened, name)
    c = resident.c
    alike: dict[bytes, set[str]] = {}
    alike_called = c.family_index.in_(set(called.values()))
    found = _rows(opened, select(c.family_index, c.id).where(c.org == opened.org, alike_called))
    for index, resident_id in found:
        alike.setdefault(bytes(index), set()).add(resident_id)
    return {person: frozenset(alike.get(called.get(person, b""), ())) for person in people}


def _family_name(opened: Opened, row: AccountRow) -> str:
    """Return the folded family name of a person; nothing if their account cannot be opened."""
    try:
        words = private_of(key_of(opened, row), row).display_name.split()
    except SealBrokenError:
        return ""  # whoever meets the row in a request is told; here it only is not compared
    return fold_name(words[-1]) if words else ""


def _rows(opened: Opened, query: Select[Any]) -> list[Any]:
    return list(opened.execute(query).all())


def _seconds(instant: str) -> float:
    return parse(instant).timestamp()
