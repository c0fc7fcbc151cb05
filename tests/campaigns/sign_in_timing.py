"""Does the time of a refused sign-in tell which names exist? A campaign, with the real cost of Argon2.

    .venv/bin/python -m tests.campaigns.sign_in_timing --rounds 1000

Unknown names, wrong passwords and the right passwords of deactivated users are tried in random order over
a real connection. Their times are compared as whole distributions (two-sample Kolmogorov-Smirnov), pair
by pair, at a false alarm rate of 1 in 1,000 for all three together. It also says which constant difference
the run would have noticed. Ends 1 when two distributions differ.
"""

import argparse
import json
import math
import random
import sys
import tempfile
import time
from bisect import bisect_right
from itertools import combinations
from pathlib import Path

from app.identity.passwords import OWASP_46_MIB
from tests.support.served import Database, Deployment, Person, Served
from tests.support.world import PASSWORD

RESULT = Path(__file__).parent / "results" / "sign-in-timing.json"
ALPHA = 0.001 / 3
WRONG = "not this one at all"
PER_WINDOW = 9
"""Fewer failures than the throttle lets through in five minutes."""


def main() -> int:
    """Run the campaign and print its result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1000, help="sign-ins of each kind")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/caretrail.db"
        deployment = Deployment.on(Database("sqlite", url, url), Path(folder), cost=OWASP_46_MIB)
        with Served(deployment) as served:
            times = measured(served, rounds)
    result = compared(times)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(RESULT.read_text())
    return 0 if result["alike"] else 1


def measured(served: Served, rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each kind of refusal, tried in random order."""
    active, left = somebody_active(served), somebody_deactivated(served)
    order, times = random.Random(1), {"unknown": [], "wrong": [], "deactivated": []}
    for number in range(rounds):
        if number % PER_WINDOW == 0:
            served.world.pass_time(minutes=6)
        bodies = {
            "unknown": {"username": f"nobody.{number}", "password": PASSWORD},
            "wrong": {"username": active.username, "password": WRONG},
            "deactivated": {"username": left.username, "password": PASSWORD},
        }
        for kind in order.sample(sorted(bodies), len(bodies)):
            began = time.perf_counter()
            answer = served.ask("POST", "/v1/sessions", json=bodies[kind])
            times[kind].append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 401, answer.text
    return times


def somebody_active(served: Served) -> Person:
    """Return somebody who could sign in."""
    return served.world.person("carer", signed_in=False)


def somebody_deactivated(served: Served) -> Person:
    """Return somebody who left."""
    manager = served.world.person("registered_manager", None)
    left = served.world.person("carer", signed_in=False)
    answer = served.ask("POST", f"/v1/users/{left.id}/deactivate", manager, json={"reason": "left"})
    assert answer.status_code == 200
    return left


def compared(times: dict[str, list[float]]) -> dict[str, object]:
    """Return the distances of all pairs, the critical one, and what would have been noticed."""
    count = min(map(len, times.values()))
    critical = math.sqrt(-math.log(ALPHA / 2) / count)
    distances = {f"{a} / {b}": round(distance(times[a], times[b]), 4) for a, b in combinations(times, 2)}
    return {
        "sign_ins_of_each_kind": count,
        "median_ms": {kind: round(sorted(sample)[count // 2], 2) for kind, sample in times.items()},
        "distances": distances,
        "critical_distance": round(critical, 4),
        "smallest_difference_noticed_ms": noticed(times["wrong"], critical),
        "alike": all(one <= critical for one in distances.values()),
    }


def distance(one: list[float], other: list[float]) -> float:
    """Return the two-sample Kolmogorov-Smirnov statistic: the greatest gap of the distributions."""
    a, b = sorted(one), sorted(other)
    return max(abs(bisect_right(a, x) / len(a) - bisect_right(b, x) / len(b)) for x in (*a, *b))


def noticed(sample: list[float], critical: float) -> float:
    """Return the smallest constant difference, in steps of 0.05 ms, that the test tells from none."""
    step = 0.05
    for steps in range(1, 10_000):
        if distance(sample, [x + steps * step for x in sample]) > critical:
            return round(steps * step, 2)
    raise AssertionError("this run would notice nothing")


if __name__ == "__main__":
    sys.exit(main())
