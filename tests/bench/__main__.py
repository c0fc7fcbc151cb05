"""The command: `python -m tests.bench [--quick] [--out bench.json]`."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bench import correctness, plan, reporting, trail
from tests.bench.databases import Family, asynchronous, on_postgresql, on_sqlite
from tests.bench.environment import environment
from tests.bench.plan import Length, Side
from tests.bench.rounds import Results, measure
from tests.bench.running import Generator, RunningServer, first_answer, generator, server


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about 90 s; too short to quote")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where the result is written")
    parser.add_argument("--only", help="only sides and blocks of this name, to try something out")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # servers are stopped on the way out
    length = plan.QUICK if chosen.quick else plan.WHOLE
    begun = time.monotonic()
    with _folder() as folder:
        made, results = _run(folder, length, chosen.only)
    made["environment"]["seconds"] = round(time.monotonic() - begun)
    reporting.show(made, results)
    reporting.write(chosen.out, made)
    return 0


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="caretrail-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path, length: Length, only: str | None) -> tuple[dict[str, Any], Results]:
    _say("making a PostgreSQL server and a SQLite file with a sample provider each")
    on_server, superuser = on_postgresql(folder)
    families = {"postgresql": on_server, "sqlite": on_sqlite(folder)}
    place = environment(folder, superuser)
    results = Results()
    with ExitStack() as stack:
        generating = stack.enter_context(generator())
        servers = _start(stack, families, generating)
        _say(f"load: about {plan.seconds(length):.0f} s")
        before = {side: _entries(side, families) for side in servers if side.audited}
        for block in plan.blocks(length, only):
            _say(f"  {block.name}")
            results.measured += measure(block, servers, generating, length.warm)
    for side, start in before.items():
        family = families[side.database]
        due = start + results.answers([side])
        held = correctness.check(family.settings(side.apart), family.sample.org, due)
        _say(f"{side.database}, {side.name}: {held} entries, as many as answers; the chain holds")
    _say(f"trail: {length.lines} lines, {length.trail_rounds} rounds")
    measured = trail.measure(folder, superuser, families["postgresql"], length.lines, length.trail_rounds)
    place["generator_ceiling_per_s"] = _ceiling(results)
    return reporting.document(place, results, measured), results


def _start(
    stack: ExitStack,
    families: dict[str, Family],
    generating: Generator,
    sides: Iterable[Side] = plan.SERVERS,
) -> dict[Side, RunningServer]:
    """Start the servers and have each answer once: what it should."""
    servers = {}
    for side in sides:
        family = families[side.database]
        generating.order(kind="sample", family=side.family, sample=family.sample.for_load())
        servers[side] = stack.enter_context(server(_order(side, family), side.workers))
        if side.kind == "static":
            continue
        resident, record, token = family.sample.records[0]
        answer = first_answer(servers[side], f"/v1/residents/{resident}/records/{record}", token)
        if json.loads(answer) != family.sample.shown[0]:
            raise RuntimeError(f"{side.name} on {side.database} does not answer the record: {answer!r}")
    return servers


def _entries(side: Side, families: dict[str, Family]) -> int:
    family = families[side.database]
    return correctness.entries(family.settings(side.apart), family.sample.org)


def _order(side: Side, family: Family) -> dict[str, Any]:
    plain = asynchronous(family.plain_url) if side.kind == "orm_async" else family.plain_url
    return {
        "kind": side.kind,
        "plain_url": plain,
        "settings": family.settings(side.apart) | {"detection": "on" if side.judging else "worker"},
        "answer": json.dumps(family.sample.shown[0]),
    }


def _ceiling(results: Results) -> int:
    """Return how many requests a second the generator could send, from its own processor time."""
    busiest = [m.load_cpu_us for m in results.measured if m.side.kind == "static"]
    return round(1e6 / min(busiest)) if busiest else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
