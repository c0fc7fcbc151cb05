"""A long trail to verify: genuine lines, chained and with their head, stored without a door.

A run of the service would take minutes to write a million entries one turn after the other, so the
lines are made here as `app.audit` makes them and stored in bulk: the acts, members and lengths of the
entries that the load of this benchmark leaves behind.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Engine, insert, make_url, text, update

from app.audit import line, log, merkle, table
from app.audit.checkpoint import Checkpoint, Notary
from app.audit.entry import begin
from app.audit.guard_file import Guards
from app.core.clock import spell
from app.core.identifiers import new_id
from app.core.settings import load
from app.storage.engine import open_engine
from app.vault.provider import SIGNING_KEY, FileKeys

START = datetime(2026, 3, 1, tzinfo=UTC)
BATCH = 20_000
_INSERT = "INSERT INTO audit_event (org, seq, line, leaf) VALUES (?, ?, ?, ?)"
_COPY = "COPY audit_event (org, seq, line, leaf) FROM STDIN (FORMAT BINARY)"
PEOPLE, RESIDENTS, HOMES = 45, 500, 2


class LongTrail:
    """The lines of one chain, made in order."""

    def __init__(self, count: int) -> None:
        self.org = new_id()
        self.count = count
        self.bytes = 0
        self.leaf = bytes.fromhex(line.genesis(self.org))
        self.peaks: list[bytes] = []
        self.last = spell(START)
        self._people = [new_id() for _ in range(PEOPLE)]
        self._residents = [new_id() for _ in range(RESIDENTS)]
        self._homes = [new_id() for _ in range(HOMES)]

    def batches(self) -> Iterator[list[tuple[str, int, bytes, bytes]]]:
        """Give the rows of `audit_event` in batches."""
        for start in range(0, self.count, BATCH):
            yield [self._row(seq) for seq in range(start, min(self.count, start + BATCH))]

    def _row(self, seq: int) -> tuple[str, int, bytes, bytes]:
        self.last = spell(START + timedelta(milliseconds=7 * seq))
        event = line.canonical(self._event(seq))
        whole = line.splice(self.org, seq, self.last, self.leaf.hex(), event)
        self.leaf = merkle.leaf_hash(whole)
        merkle.append(self.peaks, seq, self.leaf)
        self.bytes += len(whole) + 1
        return self.org, seq, whole, self.leaf

    def _event(self, seq: int) -> dict[str, object]:
        person, resident = self._people[seq % PEOPLE], self._residents[seq * 7 % RESIDENTS]
        event = begin("record.read", "ok", {"id": person, "kind": "user", "roles": ["nurse"], "name_seq": 7})
        event["sess"] = person
        event["purpose"] = "care"
        event["src"] = {"rid": new_id(), "ip_h": "0123456789abcdef0123456789abcdef"}
        event["obj"] = {"t": "record", "id": resident, "ver": 1 + seq % 9, "cat": "daily_note"}
        event["homes"] = [self._homes[seq % HOMES]]
        event["subs"] = [resident]
        event["n"] = 1
        return event


def store(trail: LongTrail, databases: Iterable[dict[str, str]]) -> None:
    """Store a trail in migrated databases, each with its head, and a signed and guarded checkpoint."""
    settings = [load(**chosen) for chosen in databases]
    engines = [open_engine(one.database_url.get_secret_value(), patient=True) for one in settings]
    for engine in engines:
        with engine.begin() as connection:
            log.found(connection, trail.org, START)
    for rows in trail.batches():
        for engine in engines:
            _store(engine, rows)
    for one, engine in zip(settings, engines, strict=True):
        notary = Notary(one.deployment, FileKeys(one.keys_dir).secret(SIGNING_KEY))
        signed = _signed(trail, notary)
        peaks = merkle.pack(trail.peaks)
        note = (trail.org, signed.size, signed.root, trail.last, signed.note)
        with engine.begin() as connection:
            connection.execute(
                update(table.head).values(size=trail.count, leaf=trail.leaf, ts=trail.last, peaks=peaks)
            )
            connection.execute(insert(table.checkpoint).values(note))
        Guards(one.guard_dir, notary).move(signed)
        _settle(engine)


def _signed(trail: LongTrail, notary: Notary) -> Checkpoint:
    root = merkle.root(trail.peaks)
    note = notary.sign_checkpoint(trail.org, trail.count, root)
    return Checkpoint(trail.org, notary.origin(trail.org), trail.count, root, tuple(trail.peaks), note)


def _store(engine: Engine, rows: list[tuple[str, int, bytes, bytes]]) -> None:
    if engine.dialect.name == "sqlite":
        with engine.begin() as connection:
            connection.exec_driver_sql(_INSERT, rows)
        return
    plain = make_url(engine.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as raw, raw.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(["text", "int8", "bytea", "bytea"])
        for row in rows:
            copy.write_row(row)


def _settle(engine: Engine) -> None:
    """Have what was stored in bulk look as it does after a while: its pages marked, its log folded in."""
    if engine.dialect.name == "sqlite":
        raw: Any = engine.raw_connection().driver_connection
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    else:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (ANALYZE) audit_event"))
    engine.dispose()
