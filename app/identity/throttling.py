"""The rows of the throttle: reserve an attempt, give it back, tell the trail of what was refused.

Rows are made and locked in the order of their keys, so attempts of several processes wait for each other
and cannot wait in a circle; the conditional write then never misses. A crash after the reservation leaves
an attempt counted as failed, never one that was free.

Source: THROTTLE-1 (ASVS 5.0 6.3.1, 6.6.3), promise P6.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import Executable, bindparam, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit.entry import Draft, begin
from app.core.clock import parse, spell
from app.identity import throttle as rules
from app.identity.account_rows import homes_of
from app.identity.assignments import parse_assignments
from app.identity.table import account, throttle
from app.identity.throttle_subjects import Kind, Subject

FOLD_THROTTLED = Operation("*", "*", "system", "self", "auth.throttled", 200)
MOST_FOLDED = 256
_SPELLED = 27
"""Letters of one stored instant."""

LIMITS: Final[Mapping[Kind, rules.Limit]] = {"account": rules.ACCOUNT, "source": rules.SOURCE}

_c = throttle.c
_KNOWN = select(throttle).where(_c.key.in_(bindparam("keys", expanding=True)))
_WRITTEN = ("org", "user_id", "failures", "waits", "blocked_until", "refused", "refused_since", "version")
_WRITE = (
    update(throttle)
    .where(_c.key == bindparam("of"), _c.version == bindparam("was"))
    .values({name: bindparam(f"new_{name}") for name in _WRITTEN})
)
_DUE = (
    select(throttle)
    .where(_c.refused > 0, _c.refused_since <= bindparam("due"))
    .order_by(_c.key)
    .limit(MOST_FOLDED)
    .with_for_update()
)
_OVER = (
    select(throttle)
    .where(
        _c.refused == 0,
        func.substr(_c.failures, func.length(_c.failures) - (_SPELLED - 1)) <= bindparam("horizon"),
        (_c.waits == 0) | (_c.blocked_until <= bindparam("forgotten")),
    )
    .order_by(_c.key)
    .limit(MOST_FOLDED)
    .with_for_update()
)
_ASSIGNED = select(account.c.assignments).where(
    account.c.org == bindparam("of"), account.c.id == bindparam("which")
)
_DELETE = delete(throttle).where(_c.key == bindparam("of"), _c.version == bindparam("was"))


@dataclass(frozen=True, slots=True)
class Hold:
    """An attempt reserved in one counter, with what that counter said of waits before."""

    subject: Subject
    at: datetime
    waits: int
    blocked_until: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """What came of reserving an attempt: holds in every counter, or a refusal and no hold at all."""

    holds: tuple[Hold, ...] = ()
    retry_after_s: int | None = None

    @property
    def refused(self) -> bool:
        """Say whether the throttle refuses the attempt."""
        return self.retry_after_s is not None


# --- reserving and giving back ----------------------------------------------------------------


def reserve(opened: Opened, subjects: Sequence[Subject], *, fold: bool = True) -> Held:
    """Reserve an attempt in every counter, or hold none when one of them refuses.

    Args:
        opened: The open door, inside work with SQL of its own.
        subjects: The counters, the first that refuses counts the refusal.
        fold: Count a refusal for the folded entry; False where the attempt has an entry of its own.
    """
    known = _counters(opened, subjects)
    verdicts = {s: rules.admit(known[s.key], opened.at, LIMITS[s.kind]) for s in subjects}
    for subject, verdict in verdicts.items():
        if not verdict.allowed:
            if fold:
                _write(opened, subject, verdict.counter)
                if verdict.counter.refused > rules.HAMMERING:
                    _count_source(opened, verdicts)
            return Held(retry_after_s=verdict.retry_after_s)
    holds = []
    for subject, verdict in verdicts.items():
        _write(opened, subject, verdict.counter)
        before = known[subject.key]
        holds.append(Hold(subject, opened.at, before.waits, before.blocked_until))
    return Held(tuple(holds))


def _count_source(opened: Opened, verdicts: Mapping[Subject, rules.Verdict]) -> None:
    """Count an attempt that an account refused against its source all the same.

    Hammering at a name would else be free, and whoever does it be first whenever its owner may try again.
    """
    for subject, verdict in verdicts.items():
        if subject.kind == "source" and verdict.allowed:
            _write(opened, subject, verdict.counter)


def forgive(opened: Opened, subject: Subject) -> None:
    """Forget failures and waits: an operator vouches for the one who signs in. Refusals are told of."""
    counter = _counters(opened, [subject])[subject.key]
    spared = replace(counter, failures=(), waits=0, blocked_until=None, version=counter.version + 1)
    _write(opened, subject, spared)


def give_back(opened: Opened, held: Held, *, signed_in: bool) -> None:
    """Give an attempt back that was no guess.

    A sign-in also ends earlier waits. An attempt that only fell short - a right password without its
    one-time code - leaves them as they were, or a thief of the password could end the waits of the code.
    """
    known = _counters(opened, [hold.subject for hold in held.holds])
    for hold in held.holds:
        counter, limit = known[hold.subject.key], LIMITS[hold.subject.kind]
        returned = rules.succeeded(counter, hold.at, limit) if signed_in else withdrawn(counter, hold, limit)
        _write(opened, hold.subject, returned)


def withdrawn(counter: rules.Counter, hold: Hold, limit: rules.Limit) -> rules.Counter:
    """Return a counter as if the attempt had not been made; waits that others earned stay."""
    returned = rules.succeeded(counter, hold.at, limit)
    most = limit.then if hold.waits else limit.failures
    if len(returned.failures) >= most:
        return replace(returned, waits=counter.waits, blocked_until=counter.blocked_until)
    return replace(returned, waits=hold.waits, blocked_until=hold.blocked_until)


def _counters(opened: Opened, subjects: Sequence[Subject]) -> dict[bytes, rules.Counter]:
    """Return the counters, each made if it is missing, and locked until the turn ends."""
    make = _MAKE[opened.connection().dialect.name]
    for subject in sorted(subjects, key=lambda s: s.key):
        opened.execute(make, subject._asdict())
    rows = opened.execute(_KNOWN, {"keys": [s.key for s in subjects]}).all()
    return {bytes(row.key): _counter(row) for row in rows}


def _write(opened: Opened, subject: Subject, counter: rules.Counter) -> None:
    values = {
        "new_org": subject.org,
        "new_user_id": subject.user_id,
        "new_failures": rules.spell_failures(counter),
        "new_waits": counter.waits,
        "new_blocked_until": _spelled(counter.blocked_until),
        "new_refused": counter.refused,
        "new_refused_since": _spelled(counter.refused_since),
        "new_version": counter.version,
    }
    written = opened.execute(_WRITE, values | {"of": subject.key, "was": counter.version - 1}).rowcount
    assert written == 1  # noqa: S101 - the row is locked: nobody else can have changed it


def _counter(row: Any) -> rules.Counter:
    return rules.Counter(
        failures=rules.read_failures(row.failures),
        waits=row.waits,
        blocked_until=parse(row.blocked_until) if row.blocked_until else None,
        refused=row.refused,
        refused_since=parse(row.refused_since) if row.refused_since else None,
        version=row.version,
    )


def _spelled(at: datetime | None) -> str | None:
    return spell(at) if at is not None else None


def _make(dialect: Any) -> Executable:
    given: dict[str, Any] = {name: bindparam(name) for name in Subject._fields}
    statement = dialect.insert(throttle).values(**given, failures="", waits=0, refused=0, version=0)
    # To set what is there already locks the row, also against housekeeping that deletes it meanwhile.
    made: Executable = statement.on_conflict_do_update(
        index_elements=["key"], set_={"kind": statement.excluded.kind}
    )
    return made


_MAKE = {"postgresql": _make(postgresql), "sqlite": _make(sqlite)}


# --- telling the trail ------------------------------------------------------------------------


@dataclass
class FoldThrottled(Work):
    """Write one entry for each account and source whose minute of refusals is over.

    Housekeeping runs this every second as the service itself; it also removes rows that say nothing
    any more. It has no entry of its own.
    """

    changes = True
    alone = True
    own_sql = True
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Fold what is due, forget what is over; return how many of each."""
        due = self._due(opened)
        for row in due:
            self._fold(opened, row)
        over = [row for row in self._over(opened) if rules.is_spent(_counter(row), opened.at)]
        for row in over:
            opened.execute(_DELETE, {"of": row.key, "was": row.version})
        return Answer({"folded": len(due), "forgotten": len(over)})

    def _due(self, opened: Opened) -> Sequence[Any]:
        return opened.execute(_DUE, {"due": spell(opened.at - rules.REPORTED_AFTER)}).all()

    def _over(self, opened: Opened) -> Sequence[Any]:
        times = {
            "horizon": spell(opened.at - rules.WINDOW),
            "forgotten": spell(opened.at - rules.FORGOTTEN_AFTER),
        }
        return opened.execute(_OVER, times).all()

    def _fold(self, opened: Opened, row: Any) -> None:
        count, counter = rules.reported(_counter(row), opened.at)
        _write(opened, Subject(row.kind, bytes(row.key), row.org, row.user_id), counter)
        opened.also.append(_throttled(row, count, self._homes(opened, row)))

    def _homes(self, opened: Opened, row: Any) -> tuple[str, ...]:
        if row.user_id is None:
            return ()
        found = opened.execute(_ASSIGNED, {"of": row.org, "which": row.user_id}).scalar()
        return homes_of(parse_assignments(orjson.loads(found))) if found is not None else ()


def _throttled(row: Any, count: int, homes: tuple[str, ...]) -> Draft:
    event = begin("auth.throttled", "deny", {"id": "system:throttle", "kind": "system"})
    event["why"] = "too-many-attempts"
    event["n"] = count
    if row.user_id is not None:
        event["obj"] = {"t": "user", "id": row.user_id}
    if row.kind == "source":
        event["src"] = {"ip_h": bytes(row.key).hex()[:32]}
    if homes:
        event["homes"] = list(homes)
    return Draft(row.org, event)
