"""What the doctor says of the database and of the trail in it. Pure: from facts to findings."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.audit.guard_file import HOW_TO_RECOVER
from app.operations.database_facts import ChainFacts, DatabaseFacts
from app.operations.finding import Finding, failed, ok, unknown, warning
from app.operations.server_facts import ServerFacts
from app.storage.schema import in_words
from app.storage.standbys import how_to_empower
from app.vault.away import KeyUnreachableError
from app.vault.keyring import Keyring

NEEDS_DATABASE = (
    *("clock", "schema", "root-key", "trail", "replication"),
    *("backup", "drill", "continuity", "deadlines", "jobs", "webhooks", "detection", "housekeeping"),
)
"""The checks that are unknown while the database is down."""
_NOT_ASKED = "not asked: the schema is another version's"
NOTICED, WRONG = timedelta(seconds=2), timedelta(seconds=60)
"""A clock that is off by more is told of; by more than the lease of a job, it is wrong."""
_AWAY = "See Standby away in the operations guide."
SIGNED_WITHIN, LATEST = timedelta(minutes=1), timedelta(minutes=10)


def check_database(facts: DatabaseFacts, keyring: Keyring | None, at: datetime) -> list[Finding]:
    """Return the findings about database and trail, without those about jobs."""
    return [
        clock(facts.chains, facts.server, at),
        schema(facts),
        root_key(facts, keyring),
        trail(facts.chains, at),
        replication(facts.server),
    ]


def check_another_schema(facts: DatabaseFacts, at: datetime) -> list[Finding]:
    """Return the findings about a database whose tables are another version's: they were not read."""
    found = [schema(facts)]
    if facts.server is not None:
        found += [clock(facts.chains, facts.server, at), replication(facts.server)]
    told = {one.name: one for one in found}
    return [told.get(name) or unknown(name, _NOT_ASKED) for name in NEEDS_DATABASE]


def clock(chains: Sequence[ChainFacts], server: ServerFacts | None, at: datetime) -> Finding:
    """Say whether this clock agrees with the newest entry and with the server's. No network is asked."""
    advice = "Set the clock by NTP: see Wrong clock in the operations guide. Do not serve before."
    newest = max((chain.ts for chain in chains if chain.size), default=None)
    if newest is not None and newest - at > NOTICED:
        told = f"this clock is {_span(newest - at)} before the newest entry of the trail"
        return failed("clock", f"{told}: either it is slow, or it was fast", advice)
    if server is None:
        return ok("clock", "this clock is not before the newest entry")
    off, towards = abs(server.ahead), "ahead of" if server.ahead > timedelta(0) else "behind"
    told = f"the database server's clock is {_span(off)} {towards} this one"
    if off > WRONG:
        return failed("clock", told, advice)
    return warning("clock", told, advice) if off > NOTICED else ok("clock", told)


def schema(facts: DatabaseFacts) -> Finding:
    """Say whether the tables, and what protects the trail in them, are as this version made them."""
    if facts.revision != facts.expected:
        told = f"the schema is at revision {facts.revision}, this version works with {facts.expected}"
        return failed("schema", told, "Run `caretrail migrate`, or the newer version.", stops=True)
    if facts.lacking:
        advice = "Make a new database with `caretrail init`, or see Bringing a backup back."
        return failed("schema", in_words(facts.lacking), advice, stops=True)
    if facts.differences:
        told = f"what protects the trail was changed: {'; '.join(facts.differences)}"
        advice = "Find out who and why, look at `caretrail audit verify`, then put it back."
        return failed("schema", told, advice, stops=True)
    if facts.server is not None and facts.server.power is not None:
        told = f"the service's log-in must not serve: {facts.server.power}"
        return failed("schema", told, "Use a member of caretrail_service and of nothing else.", stops=True)
    if facts.server is not None and facts.server.open_to_all:
        told = "every log-in of the server may connect to this database"
        advice = "REVOKE and GRANT CONNECT as in On PostgreSQL in the operations guide."
        return warning("schema", told, advice)
    return ok("schema", f"revision {facts.revision}; the trail is protected, digest {facts.digest[:16]}")


def root_key(facts: DatabaseFacts, keyring: Keyring | None) -> Finding:
    """Say whether the root key is the one the database was made with."""
    if facts.key_check is None:
        if not facts.readable:
            return unknown("root-key", _NOT_ASKED)
        return failed("root-key", "this database has no keys yet", "Run `caretrail init`.", stops=True)
    if keyring is None:
        return unknown("root-key", "there is no root key to compare with")
    return _compared(keyring, facts.key_check, facts.rotating)


def _compared(keyring: Keyring, key_check: bytes, rotating: int) -> Finding:
    try:
        fits = keyring.take_up(key_check)
    except KeyUnreachableError as away:
        return failed("root-key", away.told, "See Root key in Transit in the operations guide.", stops=True)
    if not fits:
        told = "the root key is not the one of this database"
        return failed("root-key", told, "See Lost key in the operations guide.", stops=True)
    if rotating:
        told = f"the rotation of {rotating} organisations' keys was begun and is not whole"
        return warning("root-key", told, "Run `caretrail keys rotate organisation` again.")
    return ok("root-key", f"the root key ({keyring.root.kind}) is the one of this database")


_DIVERGED = {
    "ahead": "ROLLBACK: the guard of {org} knows more lines than the database has",
    "other": "ROLLBACK: the guard of {org} knows other lines than the database has",
    "lost": "the guard of {org} is lost",
}


def trail(chains: Sequence[ChainFacts], at: datetime) -> Finding:
    """Say whether guard and database tell of the same chains, and whether what is written gets signed.

    Lines are not read: that is what `caretrail audit verify` is for.
    """
    for chain in chains:
        if chain.guard != "agrees":
            told = _DIVERGED.get(chain.guard, "{guard}").format(org=chain.org, guard=chain.guard)
            advice = f"Put the newer database, or the kept guard, back. {HOW_TO_RECOVER}"
            return failed("trail", told, advice, stops=True)
        if chain.signed is not None and chain.signed > chain.size:
            told = f"{chain.org} has {chain.size} lines, and a checkpoint over {chain.signed}"
            return failed("trail", told, "Put a whole backup of the database back.", stops=True)
    late = [chain for chain in chains if chain.size > (chain.signed or 0) and at - chain.ts > SIGNED_WITHIN]
    if late:
        worst = min(late, key=lambda chain: chain.ts)
        told = f"lines of {worst.org} are unsigned since {_span(at - worst.ts)}"
        advice = "Look for chain-not-signed in the log; if nothing serves, start the service."
        make = failed if at - worst.ts > LATEST else warning
        return make("trail", told, advice)
    lines, newest = (
        sum(chain.size for chain in chains),
        max((c.signed_at for c in chains if c.signed_at), default=None),
    )
    since = f", the newest checkpoint is {_span(at - newest)} old" if newest is not None else ""
    return ok("trail", f"{len(chains)} chains, {lines} lines{since}; the guard agrees (lines not read)")


def replication(server: ServerFacts | None) -> Finding:
    """Say whether a commit is safe from the loss of one server, and whether it has to wait for one."""
    if server is None:
        return ok("replication", "SQLite: one machine; what comes after the last backup is lost with it")
    weak = [
        f"{name}={value}" for name, value in server.durability.items() if value not in ("on", "remote_apply")
    ]
    if weak:
        told = f"an acknowledged commit may be lost: {', '.join(weak)}"
        return failed("replication", told, "Set them to on.", stops=True)
    if not server.standby_names and (server.servers > 1 or server.standbys):
        told = "DEGRADED: commits wait for no standby; what only this server has is lost with it"
        advice = "Once a standby streams: `caretrail replication restore`. See Standby away in the guide."
        return warning("replication", told, advice)
    if not server.standby_names:
        return ok("replication", "one server, no standby; what comes after the last backup is lost with it")
    if not server.standbys:
        told = f"no standby is attached, and commits wait for {server.standby_names}"
        return failed("replication", told, _AWAY)
    return _standbys(server)


def _standbys(server: ServerFacts) -> Finding:
    if server.waiting:  # also for one that is attached, and silent: the server goes on counting on it
        told = f"{server.waiting} commits wait for a standby that does not answer, and nobody is served"
        return failed("replication", told, _AWAY)
    if not any(state for state, _ in server.standbys):
        told = f"{len(server.standbys)} attached; this log-in may not see their state"
        return unknown("replication", told, "GRANT pg_read_all_stats to the service's log-in.")
    waited_for = [
        sync for state, sync in server.standbys if state == "streaming" and sync in ("sync", "quorum")
    ]
    if not waited_for:
        told = f"no synchronous standby streams, and commits wait for {server.standby_names}"
        return failed("replication", told, _AWAY)
    if weak := _weak(server):
        return warning("replication", "; ".join(told for told, _ in weak), " ".join(todo for _, todo in weak))
    return ok("replication", f"{len(server.standbys)} standbys, {len(waited_for)} of them synchronous")


def _weak(server: ServerFacts) -> list[tuple[str, str]]:
    """Return what would hurt once a standby is away, and how to mend it: one does not hide the other."""
    found = []
    if len(server.standbys) == 1:
        told = "one standby streams; while it restarts, everything waits"
        found.append((told, "Two standbys and ANY 1 keep serving when one is away."))
    if server.powerless is not None:
        told = f"`replication degrade` would be refused: {server.powerless[0]} may not do it"
        todo = f"{how_to_empower(*server.powerless)} Where a manager sets whom commits wait for, use that."
        found.append((told, todo))
    return found


def _span(length: timedelta) -> str:
    seconds = abs(length.total_seconds())
    for unit, word in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {word}"
    return f"{seconds:.1f} seconds"
