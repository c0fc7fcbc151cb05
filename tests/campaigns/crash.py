"""Many crashes, each held against the database with the full checker; writes one JSON for each kind.

    python -m tests.campaigns.crash sqlite 200
    python -m tests.campaigns.crash postgresql 100
    python -m tests.campaigns.crash cluster 20

`sqlite` and `postgresql` kill the serving process (SIGKILL) at a random moment under load; `cluster`
crashes PostgreSQL itself under a server that goes on. Ends with 1 when any promise was broken.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.door.test_kill import cluster_round, crash_round, held_against
from tests.support.cluster import Cluster
from tests.support.crash import Chronicle, Ward
from tests.support.postgresql import make_database
from tests.support.served import Database

RESULTS = Path(__file__).parent / "results"
ROUNDS_ON_ONE = 25
"""After so many rounds a new deployment is begun, or checking from line 0 takes longer than the rest."""


class Tally:
    """What came of all rounds."""

    def __init__(self) -> None:
        self.rounds = 0
        self.asked = 0
        self.answers: Counter[str] = Counter()
        self.unknown = 0
        self.problems: list[str] = []

    def take(self, run: str, chronicle: Chronicle, unknown: int, problems: list[str]) -> None:
        """Take in one round."""
        self.rounds += 1
        self.asked += len(chronicle.asked)
        self.answers += Counter(f"{one.op} {one.status}" for one in chronicle.answers)
        self.unknown += unknown
        self.problems += [f"round {run}: {problem}" for problem in problems]
        if self.rounds % 10 == 0:
            sys.stderr.write(f"{self.rounds} rounds, {self.asked} requests, {len(self.problems)} problems\n")


def kills(database: Database, folder: Path, rounds: range, seed: int, tally: Tally) -> None:
    """Kill the server of one deployment again and again."""
    chance = random.Random(f"{seed} {rounds.start}")
    with Ward(database, folder) as ward:
        server = ward.serve()
        try:
            for run in rounds:
                chronicle = crash_round(ward, server, f"{run}", chance)
                unknown = sum(one.unknown for one in chronicle.asked.values())
                server = ward.serve()
                tally.take(f"{run}", chronicle, unknown, held_against(ward, chronicle, server))
        finally:
            server.kill()


def cluster_crashes(cluster: Cluster, folder: Path, rounds: range, _seed: int, tally: Tally) -> None:
    """Crash the cluster under one server again and again."""
    made = make_database(cluster.url, f"crashing_{rounds.start}")
    with (
        Ward(Database("postgresql", made.owner, made.service), folder) as ward,
        ward.serve() as server,
    ):
        for run in rounds:
            chronicle = cluster_round(ward, server, cluster, f"{run}")
            unknown = sum(one.unknown for one in chronicle.asked.values())
            tally.take(f"{run}", chronicle, unknown, held_against(ward, chronicle, server))


def campaign(kind: str, rounds: int, seed: int, above: Path) -> Tally:
    """Run so many rounds of a kind."""
    tally = Tally()
    act: Callable[[Path, range], None]
    if kind == "sqlite":

        def act(folder: Path, part: range) -> None:
            url = f"sqlite:///{folder}/caretrail.db"
            kills(Database("sqlite", url, url), folder, part, seed, tally)

        _in_parts(act, rounds, above)
        return tally
    with Cluster() as cluster:

        def act(folder: Path, part: range) -> None:
            if kind == "cluster":
                cluster_crashes(cluster, folder, part, seed, tally)
                return
            made = make_database(cluster.url, f"kill_{part.start}")
            kills(Database("postgresql", made.owner, made.service), folder, part, seed, tally)

        _in_parts(act, rounds, above)
    return tally


def _in_parts(act: Callable[[Path, range], None], rounds: int, above: Path) -> None:
    for start in range(0, rounds, ROUNDS_ON_ONE):
        folder = above / f"part-{start}"
        folder.mkdir()
        act(folder, range(start, min(rounds, start + ROUNDS_ON_ONE)))
        shutil.rmtree(folder)


def main() -> None:
    """Run from the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("kind", choices=["sqlite", "postgresql", "cluster"])
    arguments.add_argument("rounds", type=int)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="caretrail-crash-") as folder:
        tally = campaign(chosen.kind, chosen.rounds, chosen.seed, Path(folder))
    result: dict[str, Any] = {
        "kind": chosen.kind,
        "seed": chosen.seed,
        "rounds": tally.rounds,
        "requests": tally.asked,
        "answers_checked": sum(tally.answers.values()),
        "answers": dict(sorted(tally.answers.items())),
        "changes_of_unknown_outcome_settled": tally.unknown,
        "problems": tally.problems,
        "seconds": round(time.monotonic() - began),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"crash-{chosen.kind}.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(bool(tally.problems))


if __name__ == "__main__":
    main()
