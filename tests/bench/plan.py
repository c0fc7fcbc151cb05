"""Who is compared with whom, at how many connections, for how long."""

from dataclasses import dataclass, replace
from typing import Literal

from tests.bench.plain_parts import LEAN

Kind = Literal["read", "write", "static"]
CONNECTIONS = (1, 8, 32, 128)
MAIN = 32
"""The number of connections at which the promises are made."""


LEANLY = ", lean"


@dataclass(frozen=True)
class Side:
    """One server of the run. `kind` is what `serving.build` makes."""

    name: str
    kind: str
    database: Literal["postgresql", "sqlite"]
    workers: int = 1
    prefix: str = ""
    apart: str = ""
    """Which copy of the database it has to itself: what one side leaves behind must not burden another."""
    judging: bool = False
    """Whether it judges the trail as well; the others leave that to a worker, which does not run here."""

    @property
    def server(self) -> "Side":
        """Return the side whose server answers this one too: two spellings of one plain application."""
        return replace(self, name=self.name.removesuffix(LEANLY), prefix="")

    @property
    def audited(self) -> bool:
        """Say whether each of its answers has an entry, and nothing else has."""
        return self.kind in ("controlled", "naive") and not self.judging  # alerts are entries, too

    @property
    def family(self) -> str:
        """Return whose versions of the records it counts."""
        return f"{self.database}, {'plain' if self.kind.startswith('orm') else self.apart}"


CONTROLLED = Side("controlled", "controlled", "postgresql")
TWO_WORKERS = Side("controlled, two workers", "controlled", "postgresql", workers=2, apart="two")
JUDGING = Side("controlled, judging", "controlled", "postgresql", apart="judging", judging=True)
LIKE_FOR_LIKE = Side("like for like", "like_for_like", "postgresql")
ORM_ASYNC = Side("plain ORM, async", "orm_async", "postgresql")
ORM_SYNC = Side("plain ORM, def", "orm_sync", "postgresql")
ASYNC_LEAN = replace(ORM_ASYNC, name=ORM_ASYNC.name + LEANLY, prefix=LEAN)
SYNC_LEAN = replace(ORM_SYNC, name=ORM_SYNC.name + LEANLY, prefix=LEAN)
NAIVE = Side("naive", "naive", "postgresql", apart="naive")
STATIC = Side("static", "static", "postgresql")
LITE = Side("controlled", "controlled", "sqlite")
LITE_LIKE_FOR_LIKE = Side("like for like", "like_for_like", "sqlite")
LITE_ORM = Side("plain ORM, def", "orm_sync", "sqlite")
LITE_LEAN = replace(LITE_ORM, name=LITE_ORM.name + LEANLY, prefix=LEAN)
LITE_NAIVE = Side("naive", "naive", "sqlite", apart="naive")

READERS = (
    *(CONTROLLED, TWO_WORKERS, JUDGING, LIKE_FOR_LIKE, ORM_ASYNC),
    *(ASYNC_LEAN, ORM_SYNC, SYNC_LEAN, NAIVE, STATIC),
)
LITE_READERS = (LITE, LITE_LIKE_FOR_LIKE, LITE_ORM, LITE_LEAN, LITE_NAIVE)
SERVERS = tuple(dict.fromkeys(side.server for side in (*READERS, *LITE_READERS)))


@dataclass(frozen=True)
class Block:
    """Sides that are measured together: each round visits every one of them once."""

    kind: Kind
    connections: int
    sides: tuple[Side, ...]
    rounds: int
    seconds: float

    @property
    def name(self) -> str:
        """Return what it is called."""
        return f"{self.sides[0].database}-{self.kind}-{self.connections}"


@dataclass(frozen=True)
class Length:
    """How long a run takes."""

    main_rounds: int
    main_seconds: float
    other_rounds: int
    other_seconds: float
    lines: int
    trail_rounds: int
    warm: float = 0.3


WHOLE = Length(5, 1.5, 3, 1.0, 1_000_000, 3)
QUICK = Length(2, 0.6, 1, 0.4, 50_000, 1, warm=0.2)


def blocks(length: Length, only: str | None = None) -> list[Block]:
    """Return the blocks of a run, the main ones first; or only those named, as `postgresql-read-32`."""
    main = (length.main_rounds, length.main_seconds)
    other = (length.other_rounds, length.other_seconds)
    planned = [
        Block("read", MAIN, READERS, *main),
        Block("write", MAIN, (CONTROLLED, ORM_ASYNC, ORM_SYNC, NAIVE), *main),
        Block("read", MAIN, LITE_READERS, *main),
        Block("write", MAIN, (LITE, LITE_ORM, LITE_NAIVE), *main),
    ]
    for connections in CONNECTIONS:
        if connections != MAIN:
            # see `plain_parts`: the documented spelling of `def` locks itself up at 128 connections
            sync, lite = (SYNC_LEAN, LITE_LEAN) if connections > MAIN else (ORM_SYNC, LITE_ORM)
            planned += [
                Block(
                    "read", connections, (CONTROLLED, LIKE_FOR_LIKE, ORM_ASYNC, sync, NAIVE, STATIC), *other
                ),
                Block("write", connections, (CONTROLLED, ORM_ASYNC, NAIVE), *other),
                Block("read", connections, (LITE, lite, LITE_NAIVE), *other),
                Block("write", connections, (LITE, lite, LITE_NAIVE), *other),
            ]
    return [block for block in planned if only is None or only in block.name]


def seconds(length: Length) -> float:
    """Return how long the load of a run takes, without set-up and trail."""
    return sum(len(b.sides) * b.rounds * (b.seconds + length.warm) for b in blocks(length))
