"""What each control costs in a turn: `python -m tests.bench.price`. No HTTP, and nobody else on the database.

A turn of 16 readers or writers, as 32 connections make them, is served again and again, and the steps of
`access.turn` are timed where they are called. Processor time is the thread's own, so that what the database
and other processes take shows in the second figure only. Both are medians, in microseconds a visit. The whole
turn is timed apart, with no clock inside it; what the steps leave of it is the turn's own.
"""

import argparse
import gc
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import jwt
from rich.console import Console
from rich.table import Table

from app.access.attempt import Attempt
from app.access.operations import OPERATIONS
from app.access.transaction import Transaction
from app.access.turn import Turn
from app.access.visit import Session, Visit, Visited
from app.audit import log as trail
from app.commands.serving import freeze
from app.core.settings import load
from app.main import assemble
from app.residents.correcting import AmendRecord
from app.residents.gathering import Gathering
from app.residents.records import ReadRecord
from tests.bench.databases import Family, on_postgresql, on_sqlite
from tests.bench.load import PEOPLE_WRITE

TURN_OF = 16
TURNS = 300
RECORDS = "/v1/residents/{resident_id}/records/{record_id}"
TOTAL = "the whole turn"
STEPS: dict[str, tuple[Any, str]] = {
    "recognise callers, gather rows (a round trip)": (Gathering, "gather"),
    "decide": (Attempt, "_decide"),
    "perform: check digests, unseal; seal": (Attempt, "_perform"),
    "write rows": (Turn, "_write"),
    "make the entries": (Attempt, "drafts"),
    "chain them: lines, leaves, peaks, sealed values": (trail, "_grown"),
    "store them (a round trip)": (trail, "_extended"),
    "commit": (Transaction, "commit"),
}
WHOLE: dict[str, tuple[Any, str]] = {TOTAL: (Turn, "serve")}
Spent = dict[str, tuple[float, float]]
"""Microseconds a visit of each step: of the processor, and in all."""


class Stopwatch:
    """Processor and wall time of each step of one turn after another."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = defaultdict(float)
        self.wall: dict[str, float] = defaultdict(float)

    def timed(self, step: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same work with its time taken."""

        def run(*args: Any, **named: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return work(*args, **named)
            finally:
                self.cpu[step] += time.thread_time() - cpu
                self.wall[step] += time.perf_counter() - wall

        return run


def measured(family: Family, kind: str, turns: int = TURNS) -> Spent:
    """Return what each step costs, and last the whole turn."""
    service = assemble(load(**family.settings(), detection="worker"))
    visits = _visits(family, kind)
    freeze()
    for _ in range(len(family.sample.records) // TURN_OF):  # the keys of all residents are unwrapped once
        _serve(service.turn, visits)
    spent = {}
    for steps in (STEPS, WHOLE):
        spent |= _timed(steps, lambda: _serve(service.turn, visits), turns)
    service.turn.close()
    service.engine.dispose()
    gc.unfreeze()
    return spent


def _timed(steps: dict[str, tuple[Any, str]], serve: Callable[[], None], turns: int) -> Spent:
    watch = Stopwatch()
    spent: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with ExitStack() as stack:
        for step, (owner, name) in steps.items():
            stack.enter_context(patch.object(owner, name, watch.timed(step, getattr(owner, name))))
        for _ in range(turns):
            watch.cpu.clear()
            watch.wall.clear()
            serve()
            for step in steps:
                spent[step].append((watch.cpu[step], watch.wall[step]))
    return {
        step: (_each(cpu for cpu, _ in took), _each(wall for _, wall in took)) for step, took in spent.items()
    }


def _each(seconds: Iterable[float]) -> float:
    return round(median(seconds) / TURN_OF * 1e6, 1)


def _serve(turn: Turn, visits: Iterator[Visit]) -> None:
    served = list(islice(visits, TURN_OF))
    turn.serve(served)
    failed = [visit.outcome for visit in served if not isinstance(visit.outcome, Visited)]
    if failed:
        raise RuntimeError(f"a visit of the benchmark failed: {failed[0]!r}")


def _visits(family: Family, kind: str) -> Iterator[Visit]:
    """Yield visits without end, each to the next record."""
    versions = [1] * len(family.sample.records)
    for number, (resident, record, token) in cycle(enumerate(family.sample.records)):
        claims = jwt.decode(token, options={"verify_signature": False})
        session = Session(claims["sid"], claims["org"], claims["sub"])
        if kind == "read":
            yield Visit(session, OPERATIONS[f"GET {RECORDS}"], ReadRecord(resident, record))
            continue
        version = versions[number]
        text = PEOPLE_WRITE[version % 2]
        body = {"text": text * (2000 // len(text)) + f" No. {number}."}
        occurred_at = family.sample.occurred_at
        work = AmendRecord(resident, record, version, occurred_at, body, "A word was missing.")
        versions[number] += 1
        yield Visit(session, OPERATIONS[f"PUT {RECORDS}"], work)


def main() -> None:
    """Measure and print tables, and one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.price", description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    turns: int = parser.parse_args().turns
    found: dict[str, Spent] = {}
    with tempfile.TemporaryDirectory(prefix="caretrail-price-", ignore_cleanup_errors=True) as folder:
        for family in (on_postgresql(Path(folder))[0], on_sqlite(Path(folder))):
            database = "sqlite" if "sqlite" in family.plain_url else "postgresql"
            for kind in ("read", "write"):
                found[f"{database}, {kind}"] = measured(family, kind, turns)
    Console().print(_table(found))
    print(json.dumps(found))


def _table(found: dict[str, Spent]) -> Table:
    table = Table("step", *found, title=f"us a visit in a turn of {TURN_OF}: processor / in all")
    for step in (*STEPS, TOTAL):
        table.add_row(step, *(f"{one[step][0]:.0f} / {one[step][1]:.0f}" for one in found.values()))
    return table


if __name__ == "__main__":
    main()
