"""Chains to read, sign and tamper with: the trail's tables alone, on either database, with no door."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from app.audit import log, protection, table
from app.audit.entry import Draft, Stamp, begin
from app.storage.base import metadata
from app.storage.engine import open_engine
from app.storage.guard import carrying, fence
from tests.support import postgresql
from tests.support.unprotected import removal

ORG = "0190a000-0000-7000-8000-00000000000a"
OTHER = "0190a000-0000-7000-8000-00000000000b"
HOMES = [f"0190a000-0000-7000-8000-00000000040{n}" for n in range(3)]
PEOPLE = [f"0190a000-0000-7000-8000-00000000010{n}" for n in range(3)]
RESIDENTS = [f"0190a000-0000-7000-8000-00000000020{n}" for n in range(4)]
START = datetime(2026, 3, 1, 10, tzinfo=UTC)
TABLES = (
    table.head,
    table.event,
    table.value,
    table.name,
    table.checkpoint,
    table.index,
    table.indexed,
    table.tile,
)


class Chains:
    """A database that holds nothing but the trail."""

    def __init__(self, engine: Engine, *, protected: bool = True) -> None:
        self.engine = engine
        with engine.begin() as connection:
            metadata.drop_all(connection, tables=TABLES)
            _drop_functions(connection)
            metadata.create_all(connection, tables=TABLES)
            for statement in protection.statements(engine.dialect.name) if protected else ():
                connection.execute(text(statement))
        fence(engine)
        self.lines = 0

    @contextmanager
    def turn(self) -> Iterator[Connection]:
        """A transaction whose statements pass the guard."""
        with self.engine.connect() as connection, carrying(connection, self), connection.begin():
            yield connection

    def found(self, *orgs: str) -> None:
        """Start chains."""
        with self.turn() as connection:
            for org in orgs:
                log.found(connection, org, START)

    def append(self, count: int, org: str = ORG) -> list[Stamp]:
        """Append `count` entries, one a second, each about somebody else, in turns of at most 1,000."""
        stamps: list[Stamp] = []
        while count:
            part = min(count, 1000)
            with self.turn() as connection:
                for _ in range(part):
                    at = START + timedelta(seconds=self.lines)
                    stamps += log.append(connection, [Draft(org, event(self.lines))], at)
                    self.lines += 1
            count -= part
        return stamps

    def tamper(self, statement: str, **parameters: object) -> None:
        """Change rows as somebody with the file or a superuser's password can: triggers are off."""
        dialect = self.engine.dialect.name
        with self.turn() as connection:
            for taken in removal(dialect):
                connection.execute(text(taken))
            connection.execute(text(statement), parameters)
            for made in protection.statements(dialect):
                connection.execute(text(made))

    def wipe(self) -> None:
        """Remove everything, as somebody does who then writes a history of their own."""
        for gone in TABLES:
            self.tamper(f"DELETE FROM {gone.name}")


def _drop_functions(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        for name in protection.function_bodies():
            connection.execute(text(f"DROP FUNCTION IF EXISTS {name}()"))


def event(number: int) -> dict[str, object]:
    """Return an event; who, where, whom, what and how follow from its number."""
    acts = ("record.read", "record.create", "record.delete", "resident.list")
    e = begin(acts[number % 4], "deny" if number % 10 == 9 else "ok", actor(PEOPLE[number % 3]))
    e["homes"] = [HOMES[number % 2]] if number % 7 else [HOMES[0], HOMES[2]]
    if number % 4 != 3:
        e["subs"] = [RESIDENTS[number % 4]]
        e["obj"] = {"t": "record", "id": RESIDENTS[number % 4], "cat": "daily_note", "ver": 1}
    else:
        e["subs"] = RESIDENTS[:2]
    return e


def actor(person: str) -> dict[str, object]:
    """Return who acted."""
    return {"id": person, "kind": "user", "roles": ["carer"]}


def on_sqlite(folder: Path, *, protected: bool = True) -> Chains:
    """Return an empty trail in a SQLite file."""
    return Chains(open_engine(f"sqlite:///{folder}/trail.db"), protected=protected)


def on_postgresql(server: str, name: str, *, protected: bool = True) -> Chains:
    """Return an empty trail in a PostgreSQL database. One of that name is emptied, which is quicker."""
    if name not in _databases:
        _databases[name] = postgresql.make_database(server, name).superuser
    return Chains(open_engine(_databases[name], patient=True), protected=protected)


_databases: dict[str, str] = {}
