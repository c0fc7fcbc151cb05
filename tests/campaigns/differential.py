"""Plays many random histories in turns and alone, and writes down what came of it.

    python -m tests.campaigns.differential --seeds 1-200
    python -m tests.campaigns.differential --seeds 1-100 --postgresql

One seed is one history: the same seed and number of visits play the same history again. Ends with 1 when
any two playings differ or a canary met somebody who may not see it.
"""

import argparse
import atexit
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from app.access.door import share_a_turn
from tests.support import cast, postgresql
from tests.support.broken_turns import crowd
from tests.support.cast import Original
from tests.support.comparing import differences
from tests.support.histories import REPETITION, RIVALRY, SHARED, Playwright
from tests.support.playing import Memory, Player, Take

RESULTS = Path(__file__).parent / "results"
KINDS: dict[str, tuple[dict[str, int], Take]] = {
    "as the door forms turns": (SHARED, share_a_turn),
    "many want the same rows": (RIVALRY, crowd),
    "many repeat themselves": (REPETITION, crowd),
}


def play(original: Original, seed: int, visits: int, kind: str) -> dict[str, Any]:
    """Play one history both ways and return what is worth keeping."""
    shared, take = KINDS[kind]
    batches = Playwright(original.cast, seed, shared).write(visits)
    memory = Memory()
    together = Player(original.copy(), original.cast, memory).in_turns(batches, take)
    alone = Player(original.copy(), original.cast, memory).alone(batches, together.turns)
    return {
        "seed": seed,
        "visits": len(together.seen),
        "turns": len(together.turns),
        "largest_turn": max(len(places) for _, places in together.turns),
        "entries": sum(len(entries) for entries in together.chains.values()),
        "differences": differences(together, alone),
        "leaks": together.leaks + alone.leaks,
    }


def campaign(original: Original, seeds: range, visits: int) -> dict[str, Any]:
    """Play every kind of history with every seed."""
    kinds: dict[str, Any] = {}
    for kind in KINDS:
        began = time.monotonic()
        played = [play(original, seed, visits, kind) for seed in seeds]
        kinds[kind] = {
            "histories": len(played),
            **{name: sum(one[name] for one in played) for name in ("visits", "turns", "entries")},
            "largest_turn": max(one["largest_turn"] for one in played),
            "failed": [one for one in played if one["differences"] or one["leaks"]],
            "seconds": round(time.monotonic() - began, 1),
        }
        sys.stderr.write(f"{kind}: {kinds[kind]}\n")
    return kinds


def main() -> None:
    """Run from the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", default="1-20")
    arguments.add_argument("--visits", type=int, default=600)
    arguments.add_argument("--postgresql", action="store_true")
    chosen = arguments.parse_args()
    first, _, last = chosen.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    database = "postgresql" if chosen.postgresql else "sqlite"
    folder = Path(tempfile.mkdtemp(prefix="caretrail-differential-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # runs after the server was stopped
    if chosen.postgresql:
        original = cast.on_postgresql(postgresql.start(folder / "server"), "differential")
    else:
        original = cast.on_sqlite(folder)
    kinds = campaign(original, seeds, chosen.visits)
    result = {"database": database, "seeds": chosen.seeds, "visits_each": chosen.visits, "kinds": kinds}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"differential-{database}.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(any(kind["failed"] for kind in kinds.values()))


if __name__ == "__main__":
    main()
