"""A deployment with a past: the log that is tampered with, row by row of the tamper matrix.

The past is made by the real server on the real database: residents, notes, amendments, reads, refusals,
a month that was closed, a clock set back, exports by HTTP, a checkpoint kept elsewhere and a backup.
"""

import io
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import httpx2
from sqlalchemy import create_engine, make_url, text

from app.access import instants
from app.trail.clock_watch import EVERY_S
from tests.http.bodies import admission, record_of
from tests.support.commands import Told
from tests.support.postgresql import make_database
from tests.support.served import Database, Deployment, Person, Served

APRIL = "2026-04-01T00:00:00.000000Z"
Files = dict[str, bytes]
_numbers = count()


class Place(NamedTuple):
    """A database and the folder beside it."""

    database: Database
    superuser: str
    folder: Path

    @classmethod
    def new(cls, kind: str, server: str, folder: Path) -> "Place":
        """Return an empty one."""
        folder.mkdir(parents=True)
        if kind == "sqlite":
            url = f"sqlite:///{folder}/caretrail.db"
            return cls(Database(kind, url, url), url, folder)
        made = make_database(server, f"matrix_{os.getpid()}_{next(_numbers)}")
        return cls(Database(kind, made.owner, made.service), made.superuser, folder)

    def copied(self, folder: Path) -> "Place":
        """Return a copy of database and folder, while nobody is connected."""
        shutil.copytree(self.folder, folder)
        if self.database.kind == "sqlite":
            url = f"sqlite:///{folder}/caretrail.db"
            return Place(Database("sqlite", url, url), url, folder)
        name, source = f"matrix_{os.getpid()}_{next(_numbers)}", make_url(self.superuser).database
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        owner, service, superuser = (
            make_url(url).set(database=name).render_as_string(hide_password=False)
            for url in (*self.database[1:], self.superuser)
        )
        return Place(Database("postgresql", owner, service), superuser, folder)

    def drop(self) -> None:
        """Let a copy go."""
        shutil.rmtree(self.folder)
        if self.database.kind == "postgresql":
            self._administer(f'DROP DATABASE "{make_url(self.superuser).database}" WITH (FORCE)')

    def _administer(self, statement: str) -> None:
        at = make_url(self.superuser).set(database="postgres")
        engine = create_engine(at, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@dataclass
class Original:
    """What everything is copied from, and what was taken out of it along the way.

    Attributes:
        ids: Of what was made, by name.
        files: The exports: `whole`, `other` (of the other organisation), `resident` and `small` (one
            resident's).
        anchor: A checkpoint kept elsewhere, of the time of the backup.
        backup: Database and folder as they were then.
        blocked: What a reader was told while the trail could take no lines.
    """

    place: Place
    deployment: str = ""
    org: str = ""
    other_org: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    files: dict[str, Files] = field(default_factory=dict)
    anchor: bytes = b""
    backup: Place | None = None
    blocked: Told | None = None

    @classmethod
    def made(cls, kind: str, server: str, folder: Path) -> "Original":
        """Let everything happen that is tampered with later."""
        original = cls(Place.new(kind, server, folder / "original"))
        world = Deployment.on(original.place.database, original.place.folder)
        original.deployment = world.settings.deployment
        original.org, original.other_org = world.org, world.other_org
        with Served(world) as served:
            past = _Past(original, served)
            past.march()
            served.stop()
            past.close()
            original.backup = original.place.copied(folder / "backup")
            served._start()
            past.later_in_march()
            world.pass_time(days=31)
            served.restart()
            past.april()
        return original

    def data_dir(self, place: Place) -> Path:
        """Return where keys and guard are."""
        [found] = [path.parent for path in place.folder.glob("*/keys")]
        return found


class _Past:
    """Who did what, by HTTP."""

    def __init__(self, original: Original, served: Served) -> None:
        self.original, self.served, self.ids = original, served, original.ids
        world = served.world
        self.manager = world.person("registered_manager", None, name="Maria")
        self.nurse = world.person("nurse", name="Noor")
        self.auditor = world.person("auditor", None, name="Avery")
        self.theirs = world.person("auditor", None, org=world.other_org, name="Other")
        for name in ("manager", "nurse", "auditor"):
            self.ids[name] = getattr(self, name).id

    def close(self) -> None:
        """Let the database go, so that it can be copied."""
        world = self.served.world
        if world.turn._connection is not None:
            world.turn._connection.close()
            world.turn._connection = None
        world.engine.dispose()

    def ask(self, status: int, method: str, path: str, who: Person, **more: Any) -> httpx2.Response:
        answer = self.served.ask(method, path, who, **more)
        assert answer.status_code == status, answer.text
        return answer

    def march(self) -> None:
        home = self.served.world.home
        for name in ("ada", "bob", "cyd"):
            made = self.ask(201, "POST", "/v1/residents", self.manager, json=admission(home, name))
            self.ids[name] = made.json()["id"]
        for name, resident in (("note", "ada"), ("plain", "ada"), ("other", "bob"), ("third", "bob")):
            note = record_of("daily_note", name)
            made = self.ask(201, "POST", self._records(resident), self.nurse, json=note)
            self.ids[name] = made.json()["id"]
        self._amend(1)
        self._read("ada", "note", times=3)
        self.ask(200, "GET", f"/v1/residents/{self.ids['cyd']}", self.nurse)
        self.ask(403, "GET", "/v1/audit/events", self.nurse)
        self.original.anchor = self.ask(200, "GET", "/v1/audit/checkpoint", self.auditor).content

    def later_in_march(self) -> None:
        self._amend(2)
        self._read("bob", "other", times=3)
        self._read("ada", "plain", times=2)

    def april(self) -> None:
        for person in (self.manager, self.nurse, self.auditor, self.theirs):
            self.served.world.sign_in(person)
        self._read("bob", "third", times=4)
        self.served.world.pass_time(minutes=3)
        self._read("bob", "third")
        with patch.object(instants, "PACE_BEHIND", 0):  # so that lines have round times, as the matrix wants
            self._set_the_clock_back()
            self._read("bob", "third", times=2)
            self.served.world.pass_time(minutes=3)
        self.served.world.pass_time(minutes=1)
        self._blocked()
        self._wait_for_the_closing()
        whole = {"format": "zip"}
        of_ada, of_cyd = (whole | {"resident_id": self.ids[name], "to": APRIL} for name in ("ada", "cyd"))
        for name, who, asked in (
            ("whole", self.auditor, whole),
            ("other", self.theirs, whole),
            ("resident", self.auditor, of_ada),
            ("small", self.auditor, of_cyd),
        ):
            answer = self.ask(200, "GET", "/v1/audit/export", who, params=asked)
            self.original.files[name] = unpacked(answer.content)

    def _blocked(self) -> None:
        """Keep the trail from taking lines, as a full disk does, and ask all the same."""
        original, path = self.original, f"{self._records('bob')}/{self.ids['third']}"
        with blocked(original.place.superuser):
            answer = self.served.ask("GET", path, self.nurse)
        original.blocked = Told(answer.status_code, answer.text)

    def _set_the_clock_back(self) -> None:
        """An administrator, or a battery: back by three minutes, seen by a service that looks each second."""
        time.sleep(1.2 * EVERY_S)
        self.served.world.clock.advance(timedelta(minutes=-3))
        until = time.monotonic() + 20
        while not any(line.e["act"] == "clock.step" for line in self.served.lines()):
            assert time.monotonic() < until, "nobody entered that the clock was set back"
            time.sleep(0.05)

    def _wait_for_the_closing(self) -> None:
        org = self.served.world.org  # other chains are closed at their own time
        until = time.monotonic() + 60
        while not any((line.org, line.e["act"]) == (org, "segment.close") for line in self.served.lines()):
            assert time.monotonic() < until, "the month is not closed"
            self._read("bob", "third")

    def _records(self, resident: str) -> str:
        return f"/v1/residents/{self.ids[resident]}/records"

    def _read(self, resident: str, record: str, times: int = 1) -> None:
        for _ in range(times):
            self.ask(200, "GET", f"{self._records(resident)}/{self.ids[record]}", self.nurse)

    def _amend(self, version: int) -> None:
        body = record_of("daily_note", f"amended {version}")
        del body["category"]
        path = f"{self._records('ada')}/{self.ids['note']}"
        body |= {"amendment_reason": "it was wrong"}
        self.ask(200, "PUT", path, self.nurse, json=body, headers={"If-Match": f'"{version}"'})


@contextmanager
def blocked(superuser: str) -> Iterator[None]:
    """Have the database refuse every new line of the trail, as one does whose disk is full."""
    sqlite = (
        "CREATE TRIGGER full BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, 'disk full'); END",
        "DROP TRIGGER full",
    )
    no_line = "ALTER TABLE audit_event {} CONSTRAINT no_line"
    postgresql = (no_line.format("ADD") + " CHECK (false) NOT VALID", no_line.format("DROP"))
    engine = create_engine(superuser)
    begin, end = sqlite if engine.dialect.name == "sqlite" else postgresql
    for statement in (begin, end):
        with engine.begin() as connection:
            connection.execute(text(statement))
        if statement == begin:
            yield
    engine.dispose()


def unpacked(data: bytes) -> Files:
    """Return the files of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
