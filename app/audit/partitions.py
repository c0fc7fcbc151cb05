"""Partitions of the lines on PostgreSQL: ranges of their numbers, alike for all chains.

They are made once, by the migration, because the service owns no table and so cannot make any. What
is numbered past the last range goes to `audit_event_rest`: no append ever waits for a partition or
fails for want of one. Every database of a version has the same, so a missing one is a finding.

SQLite has one table. Why this width and this many: `app/decisions/0017-partitions-and-links.md`.
"""

from typing import NamedTuple

PARENT = "audit_event"
REST = f"{PARENT}_rest"
WIDTH = 1 << 23
RANGES = 8


class Partition(NamedTuple):
    """One partition of the lines."""

    name: str
    bounds: str


def partitions() -> list[Partition]:
    """Return all partitions, the one for the rest last; bounds as PostgreSQL spells them."""
    ranges = [
        Partition(f"{PARENT}_p{n}", f"FOR VALUES FROM ('{n * WIDTH}') TO ('{(n + 1) * WIDTH}')")
        for n in range(RANGES)
    ]
    return [*ranges, Partition(REST, "DEFAULT")]


def statements() -> list[str]:
    """Return what makes the partitions of a new table."""
    return [f"CREATE TABLE {one.name} PARTITION OF {PARENT} {one.bounds}" for one in partitions()]


def line_before() -> str:
    """Return PL/pgSQL that reads the leaf before the line `l` into `before`, each partition by its name.

    Through the parent, every look-up would be planned anew or lock all partitions: twice the price.
    """
    found = "SELECT leaf INTO before FROM {} WHERE org = l.org AND seq = l.seq - 1;"
    ranges = [
        f"IF l.seq <= {(n + 1) * WIDTH} THEN\n                {found.format(one.name)}"
        for n, one in enumerate(partitions()[:-1])
    ]
    return (
        "\n            ELS".join(ranges)
        + f"\n            ELSE\n                {found.format(REST)}\n            END IF;"
    )
