"""What the doctor reads from the database: through a read-only view, in one instant.

Of the trail it is no line, but for when the first was written that waits to be judged.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Engine

from app.alerts.judging import LEASE
from app.audit.guard_file import KnownGuards
from app.audit.schema_digest import check_snapshot
from app.core.clock import AGREED, Clock, parse, spell
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.jobs.lease import holds
from app.jobs.works import NEVER
from app.operations.server_facts import ServerFacts, look_at_server
from app.storage.schema import SERVICE_ROLE, head_revision, lacking
from app.storage.snapshot import Snapshot, all_rows, only, open_snapshot

_CHAINS = """
    SELECT h.org, h.size, h.ts, c.size, c.made_at FROM audit_head h LEFT JOIN audit_checkpoint c
        ON c.org = h.org AND c.size = (SELECT max(n.size) FROM audit_checkpoint n WHERE n.org = h.org)
    ORDER BY h.org"""
_SIGNED_ROOT = "SELECT root FROM audit_checkpoint WHERE org = ? AND size = ?"
_JOBS = "SELECT name, cron, due_at, leased_until FROM job ORDER BY name"
_LAST_RUN = """
    SELECT ended_at, outcome, result FROM job_run
    WHERE org = ? AND job = ? AND ended_at <= ?{} ORDER BY ended_at DESC, id DESC LIMIT 1"""
_ENDPOINTS = """
    SELECT w.id, w.off_because, (
        SELECT min(a.at) FROM webhook_attempt a
        WHERE a.org = w.org AND a.webhook_id = w.id AND a.outcome <> 'ok' AND a.at > coalesce((
            SELECT max(g.at) FROM webhook_attempt g
            WHERE g.org = w.org AND g.webhook_id = w.id AND g.outcome = 'ok'), ''))
    FROM webhook w WHERE w.status <> 'deleted' ORDER BY w.id"""
_UNJUDGED = """
    SELECT h.org, h.size, coalesce(j.seq, 0), j.leased_until FROM audit_head h
    LEFT JOIN detection_judged j ON j.org = h.org AND j.chain = h.org
    WHERE h.org <> ? AND h.size > coalesce(j.seq, 0) ORDER BY h.org"""
_FIRST_LEFT = (
    "SELECT line FROM audit_event WHERE org = ? AND seq >= ? AND length(line) > 0 ORDER BY seq LIMIT 1"
)


class ChainFacts(NamedTuple):
    """One chain: where it ends, how far it is signed, and what the guard says of it.

    Attributes:
        org: The chain.
        size: How many lines it has.
        ts: When the last was written.
        signed: How far its newest checkpoint reaches; None if it has none.
        signed_at: When that was made.
        guard: What the guard says, in a word: agrees, ahead, other, lost, or why it is refused.
    """

    org: str
    size: int
    ts: datetime
    signed: int | None
    signed_at: datetime | None
    guard: str


class RunFacts(NamedTuple):
    """A run of a job that ended."""

    ended_at: datetime
    outcome: str
    result: dict[str, Any]


class JobFacts(NamedTuple):
    """A job, when it is due, and how its last runs ended.

    Attributes:
        name: The job.
        cron: Its time-table.
        due_at: When it is due.
        held: Whether a process runs it now.
        last: Its last run; None if there was none.
        last_good: Its last run that went well.
    """

    name: str
    cron: str
    due_at: datetime
    held: bool
    last: RunFacts | None
    last_good: RunFacts | None


class EndpointFacts(NamedTuple):
    """An endpoint of another system that is told of alerts, as far as its row says.

    Attributes:
        id: The endpoint.
        off_because: Why it is switched off; None where it is on.
        failing_since: Since when nothing came through, although it was tried; None if the last came through.
    """

    id: str
    off_because: str | None
    failing_since: datetime | None


class UnjudgedFacts(NamedTuple):
    """A chain of which lines were not judged yet.

    Attributes:
        org: The chain.
        lines: How many.
        since: When the first of them was written.
        held: Whether a process judges it now.
    """

    org: str
    lines: int
    since: datetime
    held: bool


class DatabaseFacts(NamedTuple):
    """What the database says.

    Attributes:
        revision: Of its schema; None if it has none.
        expected: The revision this version works with.
        differences: What protects the trail and is not as this version made it.
        digest: Over the definitions that protect the trail.
        key_check: The value by which its root key is known.
        chains: The trail.
        jobs: What recurs.
        server: Of a PostgreSQL only.
        rotating: How many organisations' keys are being rotated.
        endpoints: Who is told of alerts and incidents, or was.
        lacking: Tables and columns of this version that are not there, although the revision is its own.
        unjudged: What waits to be judged.
    """

    revision: str | None
    expected: str
    differences: list[str]
    digest: str
    key_check: bytes | None
    chains: list[ChainFacts]
    jobs: list[JobFacts]
    server: ServerFacts | None
    rotating: int = 0
    endpoints: Sequence[EndpointFacts] = ()
    lacking: Sequence[str] = ()
    unjudged: Sequence[UnjudgedFacts] = ()

    @property
    def readable(self) -> bool:
        """Say whether its tables are those of this version: no other is asked for more."""
        return self.revision == self.expected and not self.lacking


def look_at_database(engine: Engine, guards: KnownGuards, clock: Clock) -> DatabaseFacts:
    """Return the facts of a database.

    Args:
        engine: Opens it; a read-only connection of its own is taken.
        guards: The guard files, read before: later a service may have moved them.
        clock: This machine's.
    """
    at = clock.now()
    with open_snapshot(engine) as view:
        revision = only(view, "SELECT version_num FROM alembic_version")
        expected = head_revision()
        server = look_at_server(view, clock, engine.url) if engine.dialect.name == "postgresql" else None
        missing = lacking(partial(all_rows, view), engine.dialect.name) if revision == expected else []
        if revision != expected or missing:  # its tables are others
            return DatabaseFacts(revision, expected, [], "", None, [], [], server, lacking=missing)
        schema = check_snapshot(view, engine.dialect.name, SERVICE_ROLE)
        checked = only(view, "SELECT value FROM key_check")
        return DatabaseFacts(
            revision,
            expected,
            schema.differences,
            schema.digest,
            bytes(checked) if checked is not None else None,
            _chains(view, guards),
            [_job(view, row, at) for row in all_rows(view, _JOBS)],
            server,
            only(view, "SELECT count(*) FROM organisation_key WHERE completed_at IS NULL") or 0,
            [
                EndpointFacts(which, because, parse(since) if since is not None else None)
                for which, because, since in all_rows(view, _ENDPOINTS)
            ],
            unjudged=waiting_to_be_judged(view, at),
        )


def _chains(view: Snapshot, guards: KnownGuards) -> list[ChainFacts]:
    found = []
    for org, size, ts, signed, signed_at in all_rows(view, _CHAINS):
        guard = _guard(view, guards, org, size, signed)
        found.append(ChainFacts(org, size, parse(ts), signed, parse(signed_at) if signed_at else None, guard))
    known = {one.org for one in found}
    missing = sorted(set(guards.read_before) - known)
    never = datetime.min.replace(tzinfo=UTC)
    return found + [ChainFacts(org, 0, never, None, None, "ahead") for org in missing]


def _guard(view: Snapshot, guards: KnownGuards, org: str, size: int, signed: int | None) -> str:
    try:
        guard = guards.read(org)
    except StartRefusedError as refused:
        return str(refused)
    if guard is None:
        return "lost" if signed is not None else "agrees"
    if guard.size > size:
        return "ahead"
    root = only(view, _SIGNED_ROOT, org, guard.size)
    if root is not None and bytes(root) != guard.root:
        return "other"
    return "agrees"


def _job(view: Snapshot, row: tuple[Any, ...], at: datetime) -> JobFacts:
    name, cron, due_at, leased_until = row
    last, good = (_run(view, name, also, at) for also in ("", " AND outcome = 'ok'"))
    return JobFacts(name, cron, parse(due_at), holds(leased_until, at), last, good)


def _run(view: Snapshot, job: str, also: str, at: datetime) -> RunFacts | None:
    """Return the last run that ended; one that is still to come only where there is no other."""
    for by in (spell(at + AGREED), NEVER):
        for ended, outcome, result in all_rows(view, _LAST_RUN.format(also), SYSTEM, job, by):
            return RunFacts(parse(ended), outcome, orjson.loads(result))
    return None


def waiting_to_be_judged(view: Snapshot, at: datetime) -> list[UnjudgedFacts]:
    """Return what waits of each chain; of lines that were pruned there is nothing left to judge."""
    found = []
    for org, size, seq, leased_until in all_rows(view, _UNJUDGED, SYSTEM):
        held = holds(leased_until, at, LEASE)
        for (line,) in all_rows(view, _FIRST_LEFT, org, seq):
            since = parse(orjson.loads(bytes(line))["c"]["ts"])
            found.append(UnjudgedFacts(org, size - seq, since, held))
    return found
