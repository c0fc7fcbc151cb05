"""Many fail-overs under load, each held against the database with the full checker; writes one JSON.

    python -m tests.campaigns.failover 100

A round is what `tests.support.failover` says: kill -9 of the primary, promotion, `replication degrade`, the
old primary back as if nothing had happened, then as a standby, `replication restore`. Ends with 1 when any
promise was broken.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.failover import House, Round

RESULTS = Path(__file__).parent / "results"
ROUNDS_ON_ONE = 10
"""After so many rounds a new deployment is begun, or checking from line 0 takes longer than the rest."""


class Tally:
    """What came of all rounds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.healthy: list[float] = []
        self.answers: Counter[str] = Counter()
        self.unknown = 0
        self.problems: list[str] = []

    def take(self, run: int, told: Round, seconds: float) -> None:
        """Take in one round."""
        self.seconds.append(seconds)
        self.healthy.append(told.healthy_s)
        for chronicle in told.chronicles:
            self.answers += Counter(f"{one.op} {one.status}" for one in chronicle.answers)
        self.unknown += told.unknown
        self.problems += [f"round {run}: {problem}" for problem in told.problems]
        sys.stderr.write(
            f"round {run}: {seconds:.0f} s, healthy after {told.healthy_s:.1f} s,"
            f" {len(self.problems)} problems\n"
        )


def rounds_on_one(rounds: range, seed: int, tally: Tally) -> None:
    """Fail over there and back on one deployment."""
    with tempfile.TemporaryDirectory(prefix="caretrail-failover-") as folder, House(Path(folder)) as house:
        for run in rounds:
            began = time.monotonic()
            told = house.fail_over(f"{run}", random.Random(f"{seed} {run}"))
            house.rejoin()
            tally.take(run, told, time.monotonic() - began)
        verified = house.command("audit", "verify", "--state")
        if verified.code != 0:
            tally.problems.append(f"after round {rounds[-1]}: {verified.text[-500:]}")


def main() -> None:
    """Run from the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("rounds", type=int)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    began, tally = time.monotonic(), Tally()
    for start in range(0, chosen.rounds, ROUNDS_ON_ONE):
        rounds_on_one(range(start, min(chosen.rounds, start + ROUNDS_ON_ONE)), chosen.seed, tally)
    result: dict[str, Any] = {
        "seed": chosen.seed,
        "seed_of_a_round": "random.Random(f'{seed} {round}')",
        "rounds": len(tally.seconds),
        "answers_checked": sum(tally.answers.values()),
        "answers": dict(sorted(tally.answers.items())),
        "changes_of_unknown_outcome_settled": tally.unknown,
        "healthy_after_s": {
            "median": round(sorted(tally.healthy)[len(tally.healthy) // 2], 1),
            "longest": round(max(tally.healthy), 1),
        },
        "problems": tally.problems,
        "seconds": round(time.monotonic() - began),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "failover.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(bool(tally.problems))


if __name__ == "__main__":
    main()
