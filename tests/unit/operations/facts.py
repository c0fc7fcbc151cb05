"""Facts of a deployment in good order, for tests to spoil one at a time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.core.settings import Settings
from app.operations.database_facts import ChainFacts, DatabaseFacts, JobFacts, RunFacts
from app.operations.disk import Space
from app.operations.host_facts import HostFacts
from app.operations.server_facts import ServerFacts
from app.storage.reserve import RESERVED

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
GIB = 1 << 30
HOUR = timedelta(hours=1)


def space(folder: str, free: int = 50 * GIB, device: int = 1) -> Space:
    """A disk of 100 GiB."""
    return Space(folder, Path("/srv") / folder, free, 100 * GIB, device)


def spaces(**free: int) -> list[Space]:
    """Data, guard and keys on one disk, backups on another."""
    found = [space(name, free.get(name, 50 * GIB)) for name in ("data", "guard", "keys")]
    return [*found, space("backups", free.get("backups", 50 * GIB), 2)]


def host(**spoiled: Any) -> HostFacts:
    """A machine in good order."""
    good = HostFacts(spaces(), RESERVED, None, None, False, [], [], False, False, None, 1, None, None, None)
    return good._replace(**spoiled)


def settings(**chosen: Any) -> Settings:
    """Settings that read no environment of note."""
    return Settings(data_dir=Path("/srv/data"), **chosen)


def chain(**spoiled: Any) -> ChainFacts:
    """A chain whose every line is signed, a minute ago."""
    ago = AT - timedelta(minutes=2)
    return ChainFacts("system", 10, ago, 10, ago, "agrees")._replace(**spoiled)


def server(**spoiled: Any) -> ServerFacts:
    """A PostgreSQL with two standbys, either of which is enough."""
    durability = dict.fromkeys(("fsync", "full_page_writes", "synchronous_commit"), "on")
    standbys = [("streaming", "quorum")] * 2
    return ServerFacts(timedelta(0), durability, "ANY 1 (one, two)", standbys, None)._replace(**spoiled)


def database(**spoiled: Any) -> DatabaseFacts:
    """A database in good order."""
    return DatabaseFacts("r7", "r7", [], "ab" * 32, b"check", [chain()], [], None)._replace(**spoiled)


def run(ago: timedelta, outcome: str = "ok", **result: Any) -> RunFacts:
    """A run that ended so long ago."""
    return RunFacts(AT - ago, outcome, result)


def job(name: str = "backup", **spoiled: Any) -> JobFacts:
    """A nightly job that went well six hours ago."""
    good = run(6 * HOUR)
    return JobFacts(name, "15 2 * * *", AT + timedelta(hours=17, minutes=15), False, good, good)._replace(
        **spoiled
    )
