"""Works of detection: what is behind, who judges it, the next lines, and the end of a piece.

A piece ends in one transaction: the place up to which was judged moves on, from exactly where it stood and
only for who holds the lease, with the habits, with what was told, and with the alerts. If any of that fails,
nothing of it happened and the piece is judged again; if another process was faster, this one begins anew from
what is stored. None of these works makes an entry; only an alert does.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.alerts.judged_rows import BEGIN, place_digest, store, stored
from app.alerts.raising import raise_alert
from app.alerts.settings import rules_of
from app.alerts.table import judged
from app.audit.pruning import first_kept
from app.audit.stored import entry, first_at, lines, size_of
from app.audit.table import head
from app.core.clock import parse, spell
from app.core.errors import AlteredRow, SealBrokenError
from app.core.identifiers import SYSTEM
from app.detection.catalogue import RULES, Setting, by_default
from app.detection.event import Event, read
from app.detection.finding import Finding
from app.detection.habit import Day
from app.detection.quiet import Subject, Told
from app.detection.windows import LONGEST
from app.identity.table import organisation
from app.jobs.lease import holds, latest_end
from app.vault.sealing import same_digest

JUDGE = Operation("*", "*", "system", "self", "detection.judge", 200)
"""What the works of a piece run as; they are silent."""
LEASE = timedelta(seconds=15)
HOLD_EVERY_S = LEASE.total_seconds() / 3
_j = judged.c
_ROW = (_j.org == bindparam("of"), _j.chain == bindparam("chain_"))
_ONE = select(_j.seq, _j.runner, _j.leased_until, _j.state).where(*_ROW)
_CLAIM = (
    update(judged)
    .where(
        *_ROW,
        (_j.runner.is_(None))
        | (_j.runner == bindparam("me"))
        | (_j.leased_until <= bindparam("now"))
        | (_j.leased_until > bindparam("latest")),  # of a clock that ran ahead
    )
    .values(runner=bindparam("me"), leased_until=bindparam("until"))
)
_MOVE = (
    update(judged)
    .where(*_ROW, _j.runner == bindparam("me"), _j.seq == bindparam("was"))
    .values(seq=bindparam("next"), state=bindparam("digest"), leased_until=bindparam("until"))
)
_HOLD = update(judged).where(_j.runner == bindparam("me")).values(leased_until=bindparam("until"))
_HELD = select(_j.org, _j.chain).where(_j.runner == bindparam("me"))
_LEAVE = update(judged).where(*_ROW, _j.runner == bindparam("me")).values(runner=None, leased_until=None)
_RELEASE = update(judged).where(_j.runner == bindparam("me")).values(runner=None, leased_until=None)


class Place(NamedTuple):
    """One thing to judge: a chain, on behalf of an organisation. The system's concerns each of them."""

    org: str
    chain: str


class Behind(NamedTuple):
    """A place, how long its chain is, up to where it was judged, and whether it may be taken."""

    place: Place
    size: int
    seq: int | None
    free: bool


@dataclass
class Survey(Work):
    """Look which chains have lines that were not judged. Answers with a list of `Behind`."""

    runner: str
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Read all heads and all places; organisations first: each of them has a head by then."""
        organisations = opened.execute(select(organisation.c.id)).scalars().all()
        sizes = {row.org: row.size for row in opened.execute(select(head.c.org, head.c.size)).all()}
        known = {(row.org, row.chain): row for row in opened.execute(select(judged)).all()}
        behind = []
        for org in organisations:
            for chain in (org, SYSTEM):
                row = known.get((org, chain))
                free = (
                    row is None
                    or row.runner in (None, self.runner)
                    or not holds(row.leased_until, opened.at, LEASE)
                )
                behind.append(Behind(Place(org, chain), sizes[chain], row.seq if row else None, free))
        return Answer(behind)


class Taken(NamedTuple):
    """What is known of a place when a process begins to judge it."""

    seq: int
    warm_from: int
    days: list[tuple[str, Day]]
    told: list[tuple[Subject, Told]]


@dataclass
class Take(Work):
    """Take the lease of a place. Answers with a `Taken`, or None where another process holds it."""

    chain: str
    runner: str
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Claim it, and read what is stored."""
        where = {"of": opened.org, "chain_": self.chain}
        if opened.execute(_ONE, where).first() is None:
            first = first_place(opened, self.chain)
            row = {"org": opened.org, "chain": self.chain, "seq": first}
            opened.execute(
                BEGIN[opened.connection().dialect.name],
                row | {"state": place_digest(opened, self.chain, first)},
            )
        lease = {"me": self.runner, "now": spell(opened.at), "until": spell(opened.at + LEASE)}
        lease["latest"] = spell(latest_end(opened.at, LEASE))
        if opened.execute(_CLAIM, where | lease).rowcount != 1:
            return Answer(None)
        seq = self._place(opened, where)
        return Answer(Taken(seq, warm_from(opened, self.chain, seq), *stored(opened, self.chain)))

    def _place(self, opened: Opened, where: dict[str, str]) -> int:
        """Return up to where was judged; if somebody moved that, tell it and judge everything again."""
        row = opened.execute(_ONE, where).one()
        if same_digest(row.state, place_digest(opened, self.chain, row.seq)):
            return int(row.seq)
        opened.altered.append(AlteredRow("detection_judged", self.chain))
        first = first_place(opened, self.chain)
        again = {"was": row.seq, "next": first, "digest": place_digest(opened, self.chain, first)}
        lease = {"me": self.runner, "until": spell(opened.at + LEASE)}
        opened.execute(_MOVE, where | lease | again)
        return first


def first_place(opened: Opened, chain: str) -> int:
    """Return where to begin: with the first line; in the system's chain no earlier than the organisation."""
    if chain == opened.org:
        return 0
    connection = opened.connection()
    founded = entry(connection, opened.org, 0)
    if founded is None:  # pruned, and the deployment's lines before it as well
        return first_kept(connection, chain)
    return first_at(connection, chain, size_of(connection, chain), read(founded.line).ts)


def warm_from(opened: Opened, chain: str, seq: int) -> int:
    """Return from which line on the windows have to be filled again before line `seq` is judged."""
    connection = opened.connection()
    last = entry(connection, chain, seq - 1) if seq else None
    if last is None:
        return seq
    since = spell(parse(read(last.line).ts) - timedelta(seconds=LONGEST))
    return first_at(connection, chain, seq, since)


@dataclass
class ReadPiece(Work):
    """Read the next lines of a chain. Answers with a `Piece`."""

    chain: str
    start: int
    most: int
    silent = True

    def perform(self, opened: Opened) -> Answer:
        """Read them, and the rules as they are in force."""
        connection = opened.connection()
        end = min(self.start + self.most, size_of(connection, self.chain))
        stored = lines(connection, self.chain, self.start, end)
        return Answer(Piece(self.start, end, [bytes(line) for line in stored if line], settings_of(opened)))


class Piece(NamedTuple):
    """Lines from `start` to before `end`, those pruned left out, and the rules to judge them by."""

    start: int
    end: int
    lines: list[bytes]
    settings: dict[str, Setting]

    def events(self) -> list[Event]:
        """Return the lines taken apart."""
        return [read(line) for line in self.lines]


def settings_of(opened: Opened) -> dict[str, Setting]:
    """Return every rule as the organisation set it; settings that were tampered with count for nothing."""
    try:
        chosen = rules_of(opened)
    except SealBrokenError as broken:
        if broken.row is not None:
            opened.altered.append(broken.row)
        chosen = {}
    return {
        name: Setting(rule, chosen[name].enabled, rule.severity, chosen[name].thresholds)
        if name in chosen
        else by_default(rule)
        for name, rule in RULES.items()
    }


@dataclass
class Conclude(Work):
    """End a piece. Answers whether it was this process's to end; if not, nothing was written.

    Attributes:
        chain: Whose lines were judged.
        runner: Who judged them.
        was: Up to where was judged before.
        next: Up to where is judged now.
        days: The days of people that changed.
        told: What is held back from here on.
        findings: What is to be raised.
        upto: The instant of the last line judged.
    """

    chain: str
    runner: str
    was: int
    next: int
    days: dict[tuple[str, str], Day] = field(default_factory=dict)
    told: dict[Subject, Told] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    upto: str | None = None
    silent = True
    own_sql = True

    @property
    def alone(self) -> bool:  # type: ignore[override]
        """Raising takes a turn of its own: two attempts of one turn must not fold into one alert at once."""
        return bool(self.findings)

    def perform(self, opened: Opened) -> Answer:
        """Move on, first of all: its row count says whether the rest may be done."""
        place = {"of": opened.org, "chain_": self.chain, "me": self.runner, "was": self.was}
        becomes = {"next": self.next, "digest": place_digest(opened, self.chain, self.next)}
        until = {"until": spell(opened.at + LEASE)}
        if opened.execute(_MOVE, place | becomes | until).rowcount != 1:
            return Answer(False)
        store(opened, self.chain, self.days, self.told, self.upto)
        for finding in self.findings:
            raise_alert(opened, finding)
        return Answer(True)


@dataclass
class Hold(Work):
    """Hold what this process judges for another while. Answers with the set of places it holds now."""

    runner: str
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Write the leases; one that ended is this process's still if nobody took the place meanwhile."""
        opened.execute(_HOLD, {"me": self.runner, "until": spell(opened.at + LEASE)})
        return Answer({Place(row.org, row.chain) for row in opened.execute(_HELD, {"me": self.runner})})


@dataclass
class Release(Work):
    """Let go of what this process judges, or of one chain alone."""

    runner: str
    chain: str | None = None
    silent = True
    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """End the leases."""
        if self.chain is None:
            opened.execute(_RELEASE, {"me": self.runner})
        else:
            opened.execute(_LEAVE, {"of": opened.org, "chain_": self.chain, "me": self.runner})
        return Answer()
