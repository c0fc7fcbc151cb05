"""Which of several PostgreSQL servers is the primary: asked each time a connection is made.

A database URL may name a primary and its standbys (`?host=a,b&port=5432,5432`). After a fail-over the old
primary may come back and take writes again, beside the promoted one. libpq alone would go to whichever
stands first. Here all are asked, and the one on the newest timeline is taken: a promotion begins a new one.
What this process has seen once it does not go back behind, even if nobody else answers.

Not proven here: that the newest timeline has everything that was acknowledged (`access.witness` asks).
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import psycopg
from sqlalchemy import URL, Engine, event

from app.core.errors import StartRefusedError
from app.storage.urls import parsed_url

logger = logging.getLogger(__name__)

PRIMARY = "read-write"
_PROMOTE = "; no server that takes writes was reached: see The primary is lost in the operations guide"
TIMELINE = "caretrail.timeline"
"""What a connection knows of its server, where several are named."""
_WHERE = """
    SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint
    FROM pg_control_system()"""


class Address(NamedTuple):
    """Where one server listens; no port is the usual one."""

    host: str
    port: str | None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


class StaleServerError(psycopg.OperationalError):
    """Only a server answers that was the primary once; or two of different databases do."""


class Primary(NamedTuple):
    """A server that takes writes.

    Attributes:
        address: Where it listens.
        line: An open connection to it.
        cluster: Which database cluster it has, a number that its copies share.
        timeline: How often that was promoted, and one.
    """

    address: Address
    line: "psycopg.Connection[Any]"
    cluster: int
    timeline: int


def addresses_in(url: URL) -> list[Address]:
    """Return the servers a URL names, in its order.

    Raises:
        StartRefusedError: They are not written as libpq has it.
    """
    hosts, ports = (url.query.get(name, "") for name in ("host", "port"))
    if not isinstance(hosts, str) or not isinstance(ports, str):
        raise StartRefusedError("several servers in a database URL are written host=a,b&port=5432,5432")
    if not hosts:
        return [Address(url.host or "", str(url.port) if url.port else None)]
    names = hosts.split(",")
    numbers = ports.split(",") if ports else [""] * len(names)
    if len(numbers) != len(names):
        raise StartRefusedError("the database URL names as many ports as hosts, or none")
    return [Address(host, port or None) for host, port in zip(names, numbers, strict=True)]


def server_of(line: psycopg.Connection[Any]) -> dict[str, Any]:
    """Return where the server of a connection listens, as libpq names it."""
    return {"host": line.info.host, "port": line.info.port}


class Servers:
    """The servers of one database, as one process knows them.

    Attributes:
        addresses: Where they listen.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        self.addresses = list(addresses)
        self._newest = 0
        self._lock = threading.Lock()

    def connect(self, options: Mapping[str, Any]) -> Primary:
        """Return the primary, with a connection to it.

        Args:
            options: What psycopg is to be called with; hosts and ports in it are replaced.

        Raises:
            psycopg.OperationalError: None is there.
            StaleServerError: One is there, and it is not the newest.
        """
        found = self.primaries(options)
        chosen = max(found, key=lambda one: one.timeline)
        for other in found:
            if other is not chosen:
                other.line.close()
        try:
            self._refuse_older(chosen, found)
        except StaleServerError:
            chosen.line.close()
            raise
        return chosen

    def primaries(self, options: Mapping[str, Any]) -> list[Primary]:
        """Return every server that takes writes, each with an open connection; at least one.

        Raises:
            psycopg.OperationalError: None is there; says why.
        """
        found: list[Primary] = []
        failures: list[psycopg.Error] = []
        for address in self.addresses:
            at = {"host": address.host, "port": address.port, "target_session_attrs": PRIMARY}
            try:
                line = psycopg.connect(**{**options, **at})
                found.append(Primary(address, line, *_where(line)))
            except psycopg.Error as error:  # also one that went away, or became a standby, just now
                failures.append(error)
        if not found:
            raise _none_of(failures)
        return found

    def _refuse_older(self, chosen: Primary, found: Sequence[Primary]) -> None:
        if len({one.cluster for one in found}) > 1:
            raise StaleServerError("the servers in the database URL are not copies of one database")
        with self._lock:
            if chosen.timeline < self._newest:
                told = f"timeline {chosen.timeline}, after {self._newest} was seen"
                raise StaleServerError(f"{chosen.address} takes writes on {told}: it was a primary once")
            if chosen.timeline > self._newest > 0:
                logger.warning("primary-changed", extra={"why": f"timeline {chosen.timeline}"})
            self._newest = chosen.timeline


def _none_of(failures: Sequence[psycopg.Error]) -> psycopg.OperationalError:
    """Return what each server said: the one that would help may have been asked first."""
    if len(failures) == 1 and isinstance(failures[0], psycopg.OperationalError):
        return failures[0]
    said = [" ".join(str(one).split()) for one in failures] or ["the database URL names no server"]
    none = psycopg.OperationalError("; ".join(said) + (_PROMOTE if len(failures) > 1 else ""))
    none.__cause__ = failures[-1] if failures else None
    return none


def _where(line: "psycopg.Connection[Any]") -> tuple[int, int]:
    try:
        row = line.execute(_WHERE).fetchone()
        line.rollback()
    except psycopg.Error:
        line.close()
        raise
    cluster, timeline = row or (0, 0)
    return int(cluster), int(timeline)


def choose_primary(engine: Engine, servers: Servers) -> None:
    """Let an engine connect to whichever of several servers is the primary then."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, record: Any, _positional: Any, named: dict[str, Any]) -> Any:
        chosen = servers.connect(named)
        record.info[TIMELINE] = chosen.timeline
        return chosen.line


class ServerState(NamedTuple):
    """What one server says of itself.

    Attributes:
        address: Where it listens.
        role: What it is.
        timeline: Of a primary.
        names: Whom commits wait for where it is the primary; empty for nobody.
        standbys: How many are attached to it.
    """

    address: Address
    role: Literal["primary", "standby", "unreachable"]
    timeline: int | None = None
    names: str = ""
    standbys: int = 0


_ASKED = """
    SELECT pg_is_in_recovery(), current_setting('synchronous_standby_names'),
        (SELECT count(*) FROM pg_stat_replication)"""


def line_at(url: str, address: Address) -> "psycopg.Connection[Any]":
    """Return a connection to one server of a URL, whatever it is. No table is read over it.

    Raises:
        StartRefusedError: The URL cannot be used.
        psycopg.Error: It does not answer.
    """
    parsed = parsed_url(url)
    options: dict[str, Any] = {
        **parsed.translate_connect_args(username="user", database="dbname"),
        **{name: value for name, value in parsed.query.items() if isinstance(value, str)},
        "connect_timeout": 2,
        "options": "-c statement_timeout=1800",
        "host": address.host,
        "port": address.port,
        "target_session_attrs": "any",
    }
    return psycopg.connect(**options, autocommit=True)


def survey(url: str) -> list[ServerState]:
    """Return what each server of a URL says of itself, in its order. Changes nothing, waits for nobody.

    Raises:
        StartRefusedError: The URL cannot be used.
    """
    return [_asked(url, address) for address in addresses_in(parsed_url(url))]


def survey_several(url: str) -> list[ServerState]:
    """Return what each server of a URL says of itself where it names several; nothing where it names one."""
    parsed = parsed_url(url)
    if parsed.get_backend_name() == "sqlite" or len(addresses_in(parsed)) < 2:
        return []
    return survey(url)


def _asked(url: str, address: Address) -> ServerState:
    try:
        with line_at(url, address) as line:
            recovering, names, attached = line.execute(_ASKED).fetchone() or (True, "", 0)
            if recovering:
                return ServerState(address, "standby", None, names, attached)
            return ServerState(address, "primary", _where(line)[1], names, attached)
    except psycopg.Error:
        return ServerState(address, "unreachable")
