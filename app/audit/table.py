"""The trail's tables. Nothing refers to them by foreign key and they refer to nothing.

`audit_event.line` holds the exact bytes that are hashed and exported; all else here is either
derived from the lines (`audit_index`, `audit_tile`), or sealed and named by its hash inside a line. On
SQLite they have no hidden rowid: a row can be named, and so replaced, by nothing but the key its trigger
looks at. On PostgreSQL the lines are partitioned (`partitions`).
"""

from sqlalchemy import DDL, Column, LargeBinary, Table, Text
from sqlalchemy.event import listen

from app.audit import partitions
from app.storage.base import (
    digest,
    identifier,
    instant,
    metadata,
    number,
    organisation_key,
    position,
    sealed,
    word,
)

head = Table(
    "audit_head",
    metadata,
    organisation_key(),
    position("size"),
    digest("leaf"),
    instant("ts"),
    Column("peaks", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
    comment="one row for each chain: how long it is, its last leaf, its Merkle peaks",
)

event = Table(
    "audit_event",
    metadata,
    organisation_key(),
    position("seq", key=True),
    Column("line", LargeBinary, nullable=False),
    digest("leaf"),
    sqlite_with_rowid=False,
    postgresql_partition_by="RANGE (seq)",
    comment="the trail, append-only: exact lines and their RFC 6962 leaf hashes",
)
for statement in partitions.statements():
    made = DDL(statement)  # type: ignore[no-untyped-call]
    listen(event, "after_create", made.execute_if(dialect="postgresql"))

value = Table(
    "audit_value",
    metadata,
    organisation_key(),
    position("seq", key=True),
    position("n", key=True),
    word("field"),
    word("side"),
    identifier("owner"),
    sealed("ct"),
    sqlite_with_rowid=False,
    comment="sealed values before (b) and after (a) a change, sealed reasons (r); the line has their hashes",
)

name = Table(
    "audit_name",
    metadata,
    organisation_key(),
    position("seq", key=True),
    identifier("user_id"),
    sealed("ct"),
    sqlite_with_rowid=False,
    comment="salt and name of a person, sealed under the person's key, for the name_h of the line",
)

checkpoint = Table(
    "audit_checkpoint",
    metadata,
    organisation_key(),
    position("size", key=True),
    digest("root"),
    instant("made_at"),
    Column("note", Text, nullable=False),
    sqlite_with_rowid=False,
    comment="signed checkpoints (C2SP signed notes)",
)

index = Table(
    "audit_index",
    metadata,
    organisation_key(),
    word("kind", key=True),
    word("key", key=True),
    position("first", key=True),
    Column("seqs", Text, nullable=False),
    sqlite_with_rowid=False,
    comment="inverted index of the lines: derived, can be rebuilt, proves nothing",
)

indexed = Table(
    "audit_indexed",
    metadata,
    organisation_key(),
    position("size"),
    comment="how far audit_index has come",
)

tile = Table(
    "audit_tile",
    metadata,
    organisation_key(),
    number("level", key=True),
    position("n", key=True),
    digest("hash"),
    sqlite_with_rowid=False,
    comment="inner nodes of the Merkle tree, every 8th level: derived, can be rebuilt, prove nothing",
)
