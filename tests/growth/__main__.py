"""Is a trail of many entries as fast as one of 100,000? On PostgreSQL, through the door's turn.

    GROWTH_ENTRIES=1000000 .venv/bin/python -m tests.growth

Ends 1 if a median is more than 1.5 times what it is at 100,000. See `loading` for what is assumed.
"""

import json
import os
import tempfile
import time
from pathlib import Path

from app.audit.database_check import check_database
from tests.growth.loading import NOTARY, Grown, grow
from tests.growth.measuring import measured
from tests.support import postgresql

RESULT = Path(__file__).parents[1] / "campaigns" / "results" / "growth.json"
SMALL = 100_000
GOAL = 1.5
ROUNDS = 300


def main() -> int:
    """Grow two trails, measure both, print the table and keep the result."""
    entries = int(os.environ.get("GROWTH_ENTRIES", "10_000_000"))
    with tempfile.TemporaryDirectory(prefix="caretrail-growth-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the server runs as another user
        url = postgresql.start(Path(folder) / "postgresql")
        sizes = (SMALL, entries)
        trails = [_grown(url, Path(folder), size) for size in sizes]
        sound = [_is_sound(grown) for grown in trails]
        found = measured(trails, ROUNDS)
        for grown in trails:
            grown.world.close()
    result = _result(sizes, found)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    _show(result)
    return 0 if all(sound) and result["within_goal"] else 1


def _grown(url: str, folder: Path, size: int) -> Grown:
    began = time.monotonic()
    database = postgresql.make_database(url, f"growth_{size}")
    grown = grow(database.owner, folder / f"guard-{size}", size)
    print(f"{size:>10,} entries loaded in {time.monotonic() - began:.0f} s", flush=True)
    return grown


def _is_sound(grown: Grown) -> bool:
    """Say whether what was loaded is a trail at all: its lines, leaves, head and checkpoint."""
    chains = check_database(grown.world.engine, NOTARY, grown.guards).chains
    [report] = [one for one in chains if one.organisation == grown.world.org]
    print(
        f"{report.count:>10,} lines checked: {[one.kind for one in report.findings] or 'sound'}", flush=True
    )
    return not report.findings


def _result(sizes: tuple[int, int], found: dict[str, list[float]]) -> dict[str, object]:
    rows = {
        name: {"ms": [round(value, 3) for value in values], "ratio": round(values[1] / values[0], 2)}
        for name, values in found.items()
    }
    within = all(values[1] <= GOAL * values[0] for values in found.values())
    return {"entries": sizes, "goal": GOAL, "rounds": ROUNDS, "p50": rows, "within_goal": within}


def _show(result: dict[str, object]) -> None:
    small, large = result["entries"]
    print(f"{'p50, ms':26}{small:>12,}{large:>14,}{'ratio':>8}")
    for name, row in result["p50"].items():
        print(f"{name:26}{row['ms'][0]:>12.2f}{row['ms'][1]:>14.2f}{row['ratio']:>8.2f}")
    print(f"each within {result['goal']} x: {'yes' if result['within_goal'] else 'NO'}")


if __name__ == "__main__":
    raise SystemExit(main())
