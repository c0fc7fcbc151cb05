"""What the doctor asks a PostgreSQL of itself: its clock, what it promises of a commit, its standbys."""

from datetime import timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy import URL

from app.core.clock import Clock
from app.storage.schema import power_of
from app.storage.servers import addresses_in
from app.storage.snapshot import Snapshot, all_rows, only
from app.storage.standbys import COMMITS_WAIT, POWERLESS_OWNER

_STANDBYS = "SELECT coalesce(state, ''), coalesce(sync_state, '') FROM pg_stat_replication"
_OPEN_TO_ALL = "SELECT has_database_privilege('public', current_database(), 'CONNECT')"
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
_KNOWS_RIGHTS = 150_000
"""The first version that has rights to single settings, as `server_version_num` spells it."""


class ServerFacts(NamedTuple):
    """A PostgreSQL: its clock, what it promises of a commit, its standbys.

    Attributes:
        ahead: By how much its clock is ahead of this machine's.
        durability: The settings that decide whether a commit can be forgotten.
        standby_names: Whom a commit waits for, as the server is told; empty for nobody.
        standbys: State and part of each that is attached; empty words where this log-in may not see them.
        power: What makes this log-in more powerful than serving needs.
        servers: How many the URL names.
        open_to_all: Whether every log-in of the server may connect to the database.
        waiting: How many commits wait for a standby for longer than they should, as far as may be seen.
        powerless: The database's owner and name, where that log-in may not say whom commits wait for.
    """

    ahead: timedelta
    durability: dict[str, str]
    standby_names: str
    standbys: list[tuple[str, str]]
    power: str | None
    servers: int = 1
    open_to_all: bool = False
    waiting: int = 0
    powerless: tuple[str, str] | None = None


def look_at_server(view: Snapshot, clock: Clock, url: URL) -> ServerFacts:
    """Return the facts of a PostgreSQL.

    Args:
        view: Of a database on it.
        clock: This machine's.
        url: Of the database.
    """
    ask = partial(only, view)

    def setting(name: str) -> str:
        return str(ask(f"SELECT current_setting('{name}')"))

    knows_rights = int(setting("server_version_num")) >= _KNOWS_RIGHTS
    return ServerFacts(
        ask("SELECT clock_timestamp()") - clock.now(),
        {name: setting(name) for name in _DURABLE},
        setting("synchronous_standby_names"),
        [(state, sync) for state, sync in all_rows(view, _STANDBYS)],
        power_of(ask),
        len(addresses_in(url)),
        ask(_OPEN_TO_ALL),
        ask(COMMITS_WAIT),
        _powerless(view) if knows_rights else None,
    )


def _powerless(view: Snapshot) -> tuple[str, str] | None:
    return next(((owner, database) for owner, database in all_rows(view, POWERLESS_OWNER)), None)
