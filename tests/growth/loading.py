"""A world whose trail is long already: genuine lines in bulk, everything derived made by the service's code.

Assumed: every home has 60 residents and 9 care workers, all homes are busy at once, and each home leaves
100,000 entries. More entries are more homes: a resident has as long a log in a small trail as in a large one,
about 1,300 entries, only spread further.
"""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Engine, insert, make_url, text, update

from app.audit import indexing, line, log, merkle, protection, table, tiles
from app.audit.checkpoint import Checkpoint, Notary
from app.audit.entry import begin
from app.audit.guard_file import Guards
from app.core.clock import parse, spell
from app.core.identifiers import new_id
from app.storage.engine import open_engine
from app.trail.housekeeping import INDEX_AT_ONCE
from tests.support.world import Person, World
from tests.unit.trail.stories import admit

ENTRIES_OF_A_HOME = 100_000
RESIDENTS, STAFF, REAL = 60, 9, 5
BATCH = 20_000
TILES_AT_ONCE = 1024
APART = timedelta(milliseconds=100)
NOTARY = Notary("care.example", bytes(range(32)))
_ACTS = {"record.read": 60, "record.create": 20, "resident.read": 10, "resident.list": 5, "record.update": 5}
_COPY = "COPY audit_event (org, seq, line, leaf) FROM STDIN (FORMAT BINARY)"


class Grown(NamedTuple):
    """A world with a long trail, and who asks about whom."""

    world: World
    guards: Guards
    residents: list[str]
    auditor: Person
    carer: Person
    size: int


class _Home(NamedTuple):
    id: str
    residents: list[str]
    staff: list[dict[str, Any]]


class _Lines:
    """What a chain is extended by, from where its head is."""

    def __init__(self, head: Any, homes: list[_Home]) -> None:
        self.org, self.size, self.leaf = head.org, head.size, bytes(head.leaf)
        self.peaks = merkle.unpack(bytes(head.peaks), head.size)
        self.at = parse(head.ts)
        self._homes = homes
        self._random = random.Random(7)

    def batch(self, count: int) -> Iterator[tuple[str, int, bytes, bytes]]:
        acts = self._random.choices(list(_ACTS), list(_ACTS.values()), k=count)
        for act, home in zip(acts, self._random.choices(self._homes, k=count), strict=True):
            self.at += APART
            spelled = line.canonical(self._event(act, home))
            whole = line.splice(self.org, self.size, spell(self.at), self.leaf.hex(), spelled)
            self.leaf = merkle.leaf_hash(whole)
            merkle.append(self.peaks, self.size, self.leaf)
            yield self.org, self.size, whole, self.leaf
            self.size += 1

    def _event(self, act: str, home: _Home) -> dict[str, Any]:
        resident = home.residents[int(self._random.random() * RESIDENTS)]
        event = begin(act, "ok", home.staff[int(self._random.random() * STAFF)])
        event |= {"sess": event["id"], "purpose": "care", "homes": [home.id], "n": 1}
        event["src"] = {"rid": event["id"], "ip_h": "0123456789abcdef0123456789abcdef"}
        if act != "resident.list":
            event["subs"] = [resident]
            event["obj"] = {"t": "record", "id": resident, "ver": 1, "cat": "daily_note"}
        return event


def grow(url: str, folder: Path, entries: int) -> Grown:
    """Make a world in a PostgreSQL database and have its trail grow to `entries`.

    Args:
        url: The owner's login.
        folder: Where the guard stands.
        entries: How long the chain of its organisation becomes.
    """
    world = World(url)
    world.looking(_protect)
    residents = [admit(world, world.home) for _ in range(REAL)]
    staff = [world.person("carer", name="Carer", signed_in=False) for _ in range(STAFF)]
    auditor = world.person("auditor", None, name="Auditor", signed_in=False)
    engine = open_engine(url, patient=True)
    with engine.connect() as connection:
        lines = _Lines(
            log.heads(connection, [world.org])[world.org], _homes(world, residents, staff, entries)
        )
    _load(engine, lines, entries)
    guards = Guards(folder, NOTARY)
    _settle(engine, lines, guards)
    engine.dispose()
    world.pass_time(seconds=(lines.at - world.now).total_seconds() + 60)
    for person in (auditor, staff[0]):
        world.sign_in(person)
    return Grown(world, guards, residents, auditor, staff[0], lines.size)


def _protect(connection: Any) -> None:
    for statement in protection.statements("postgresql"):
        connection.execute(text(statement))


def _homes(world: World, residents: list[str], staff: list[Person], entries: int) -> list[_Home]:
    """Return the homes, the first with real people."""
    seqs = {
        entry["obj"]["id"]: n for n, entry in enumerate(world.entries()) if entry["act"] == "identity.set"
    }
    known = [{"id": one.id, "kind": "user", "roles": ["carer"], "name_seq": seqs[one.id]} for one in staff]
    others = [new_id() for _ in range(RESIDENTS - len(residents))]
    homes = [_Home(world.home, [*residents, *others], known)]
    for _ in range(1, max(1, entries // ENTRIES_OF_A_HOME)):
        people = [{"id": new_id(), "kind": "user", "roles": ["carer"]} for _ in range(STAFF)]
        homes.append(_Home(new_id(), [new_id() for _ in range(RESIDENTS)], people))
    return homes


def _load(engine: Engine, lines: _Lines, entries: int) -> None:
    plain = make_url(engine.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as raw:
        raw.execute("SET synchronous_commit = off")
        while lines.size < entries:
            with raw.cursor() as cursor, cursor.copy(_COPY) as copy:
                copy.set_types(["text", "int8", "bytea", "bytea"])
                for row in lines.batch(min(BATCH, entries - lines.size)):
                    copy.write_row(row)
            raw.commit()


def _settle(engine: Engine, lines: _Lines, guards: Guards) -> None:
    """Move the head, have index and tiles built by the service, sign, and have the server tidy up."""
    org, peaks = lines.org, merkle.pack(lines.peaks)
    with engine.begin() as connection:
        moved = update(table.head).where(table.head.c.org == org)
        ts = spell(lines.at)
        connection.execute(moved.values(size=lines.size, leaf=lines.leaf, ts=ts, peaks=peaks))
        root = merkle.root(lines.peaks)
        note = NOTARY.sign_checkpoint(org, lines.size, root)
        connection.execute(insert(table.checkpoint).values((org, lines.size, root, ts, note)))
    guards.move(Checkpoint(org, NOTARY.origin(org), lines.size, root, tuple(lines.peaks), note))
    for catch_up, most in ((indexing.catch_up, INDEX_AT_ONCE), (tiles.catch_up, TILES_AT_ONCE)):
        with engine.connect() as connection:
            connection.execute(text("SET synchronous_commit = off"))
            while catch_up(connection, org, most):
                connection.commit()
            connection.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
