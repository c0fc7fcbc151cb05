"""How well does detection find misuse, on our simulator? Prints a table, writes `detect.json`.

    .venv/bin/python -m tests.tools.detect_report
    .venv/bin/python -m tests.tools.detect_report --seeds 1 2 --no-live      # while tuning

Seeds for tuning and for reporting differ: nobody looks at the second kind while changing a threshold.
Ends with 1 when a goal was missed. What the numbers are worth: decision 0030.
"""

import argparse
import atexit
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tests.simulation.live import Live, Trial
from tests.simulation.live_misuse import ONCE, TWICE
from tests.simulation.reporting import Seed, broken_goals, lines, numbers, run_seed
from tests.simulation.simulating import DAYS, WARM_UP
from tests.support import postgresql
from tests.support.served import Database
from tests.support.server_process import Scene

TUNING_SEEDS = (1, 2, 3, 4)
REPORTING_SEEDS = (101, 102, 103, 104)
RESULT = Path(__file__).parents[1] / "campaigns" / "results" / "detect.json"


def main() -> int:
    """Run seeds and trials, print the table, keep the result."""
    asked = _asked()
    seeds = _seeds(asked.seeds, asked.days)
    live = {} if asked.no_live else _live()
    found = numbers(seeds, TUNING_SEEDS, live) | {"environment": _environment()}
    print("\n".join(lines(found)))
    _show_details(seeds, asked.details)
    if asked.out is not None:
        asked.out.write_text(json.dumps(found, indent=2) + "\n")
    if tuple(asked.seeds) == REPORTING_SEEDS and asked.days == DAYS and live:
        RESULT.write_text(json.dumps(found, indent=2) + "\n")
    return 1 if broken_goals(found) else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(REPORTING_SEEDS))
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--no-live", action="store_true", help="leave the time to alert out")
    parser.add_argument("--details", action="store_true", help="name what was missed and what was false")
    return parser.parse_args()


def _seeds(seeds: Sequence[int], days: int) -> list[Seed]:
    """Run seeds on as many cores as there are."""
    done: list[Seed] = []
    quiet = min(WARM_UP, days * 3 // 4)
    with ProcessPoolExecutor(min(len(seeds), os.cpu_count() or 1)) as pool:
        for future in as_completed([pool.submit(run_seed, seed, days, quiet_until=quiet) for seed in seeds]):
            seed = future.result()
            done.append(seed)
            missed = sum(not case.found for case in seed.cases)
            sys.stderr.write(
                f"seed {seed.seed}: {seed.entries} entries, {len(seed.cases)} misused, {missed} not found,"
                f" {len(seed.false)} false alerts\n"
            )
    return sorted(done, key=lambda one: one.seed)


def _live() -> dict[str, Any]:
    """Measure the time to an alert on both databases."""
    folder = Path(tempfile.mkdtemp(prefix="caretrail-live-"))
    folder.chmod(0o755)  # the PostgreSQL server runs as another user
    # registered before the server's own end, so it runs after it: a server without its folder never stops
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    url = f"sqlite:///{folder}/caretrail.db"
    found = {"sqlite": _trials(Database("sqlite", url, url), folder / "sqlite")}
    made = postgresql.make_database(postgresql.start(folder / "postgresql"), "live")
    found["postgresql"] = _trials(Database("postgresql", made.owner, made.service), folder / "pg")
    return found


def _trials(database: Database, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    with Scene(database, folder) as scene, scene.serve() as server:
        live = Live(scene, server)
        try:
            done = [live.trial(kind, misuse) for kind, misuse in (*TWICE, *ONCE, *TWICE)]
        finally:
            live.close()
    sys.stderr.write(f"{database.kind}: {len(done)} trials\n")
    return _told(done)


def _told(trials: list[Trial]) -> dict[str, Any]:
    rows = [one.row_s for one in trials if one.row_s is not None]
    streamed = [one.stream_s for one in trials if one.stream_s is not None]
    return {
        "trials": len(trials),
        "told": len(rows),
        "median": round(statistics.median(rows), 2) if rows else None,
        "worst": round(max(rows), 2) if rows else None,
        "median_on_stream": round(statistics.median(streamed), 2) if streamed else None,
        "worst_on_stream": round(max(streamed), 2) if streamed else None,
        "not_told": [one.kind for one in trials if one.row_s is None],
        "seconds": [None if one.row_s is None else round(one.row_s, 2) for one in trials],
        "kinds": [one.kind for one in trials],
    }


def _show_details(seeds: list[Seed], wanted: bool) -> None:
    if not wanted:
        return
    for seed in seeds:
        for case in seed.cases:
            if not case.found:
                print(f"not found: seed {seed.seed} {case.kind} {case.size}: {case.variant} {case.told_by}")
        for one in seed.false:
            print(f"false: seed {seed.seed} week {one.week} {one.rule} ({one.post}): {one.explanation}")


def _environment() -> dict[str, Any]:
    return {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}


if __name__ == "__main__":
    raise SystemExit(main())
