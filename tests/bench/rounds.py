"""Measuring: every round visits each side of a block once, and each round goes the other way round."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from tests.bench.plan import Block, Side
from tests.bench.running import Generator, RunningServer

STATIC_REQUEST = "GET /static HTTP/1.1\r\nHost: bench\r\n\r\n"


@dataclass(frozen=True)
class Measured:
    """One side in one round."""

    side: Side
    kind: str
    connections: int
    round: int
    rate: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    load_cpu_us: float
    answers: int
    failures: int


@dataclass
class Results:
    """All that was measured."""

    measured: list[Measured] = field(default_factory=list)

    def of(self, side: Side, kind: str, connections: int) -> list[Measured]:
        """Return the rounds of one side in one block, in order."""
        found = [m for m in self.measured if (m.side, m.kind, m.connections) == (side, kind, connections)]
        return sorted(found, key=lambda m: m.round)

    def ratios(
        self, ours: Side, theirs: Side, kind: str, connections: int, figure: str = "rate"
    ) -> list[float]:
        """Return the ratio inside each round."""
        their_kind = "static" if theirs.kind == "static" else kind
        pairs = zip(self.of(ours, kind, connections), self.of(theirs, their_kind, connections), strict=True)
        return [getattr(a, figure) / getattr(b, figure) for a, b in pairs if getattr(b, figure)]

    def ratio(
        self, ours: Side, theirs: Side, kind: str, connections: int, figure: str = "rate"
    ) -> float | None:
        """Return the median of the ratios inside each round."""
        ratios = self.ratios(ours, theirs, kind, connections, figure)
        return median(ratios) if ratios else None

    def answers(self, sides: Iterable[Side]) -> int:
        """Return how many answers these sides gave altogether."""
        wanted = set(sides)
        return sum(m.answers for m in self.measured if m.side in wanted)


def measure(
    block: Block, servers: Mapping[Side, RunningServer], generator: Generator, warm: float
) -> list[Measured]:
    """Measure a block."""
    measured = []
    for number in range(block.rounds):
        order = block.sides if number % 2 == 0 else tuple(reversed(block.sides))
        measured += [_one(block, side, number, servers[side.server], generator, warm) for side in order]
    return measured


def _one(
    block: Block, side: Side, number: int, running: RunningServer, generator: Generator, warm: float
) -> Measured:
    kind = "static" if side.kind == "static" else block.kind
    before = running.cpu_seconds()
    result = generator.order(
        kind=kind,
        family=side.family,
        prefix=side.prefix,
        port=running.port,
        connections=block.connections,
        seconds=block.seconds,
        warm=warm,
        request=STATIC_REQUEST if kind == "static" else "",
    )
    answers = result["answers"]
    return Measured(
        side,
        kind,
        block.connections,
        number,
        result["rate"],
        result["p50_ms"],
        result["p99_ms"],
        (running.cpu_seconds() - before) / max(answers, 1) * 1e6,
        result["load_cpu_us"],
        answers,
        answers - result["statuses"].get("200", 0) + result["statuses"].get("lost", 0),
    )
