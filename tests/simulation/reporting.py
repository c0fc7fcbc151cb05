"""What a report says: recall by kind and size, false alerts, how fast; from seeds to numbers to a table."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.detection.finding import Finding
from tests.simulation.matching import measure
from tests.simulation.misusing import NOT_MEASURED, SIZES, TOLD_BY
from tests.simulation.simulating import DAYS, WARM_UP, Simulated, scratch, simulate
from tests.simulation.watching import Watcher

ON = "on our simulator"


class Case(NamedTuple):
    """One injected misuse, and whether it was told: by a rule meant for it, by any."""

    seed: int
    kind: str
    size: str
    variant: str
    entries: int
    found: bool
    told_by: tuple[str, ...]


class FalseAlert(NamedTuple):
    """One false alert."""

    seed: int
    week: int
    rule: str
    post: str
    explanation: str


@dataclass(frozen=True)
class Seed:
    """What one seed came to."""

    seed: int
    days: int
    quiet_days: int
    entries: int
    judged_s: float
    surprises: dict[str, int]
    cases: list[Case]
    false: list[FalseAlert]


def run_seed(
    seed: int, days: int = DAYS, *, quiet_until: int = WARM_UP, sizes: Sequence[str] = SIZES
) -> Seed:
    """Simulate a seed with the consumer beside it, and match what it told with what was injected."""
    with scratch() as folder, Watcher() as watcher:
        simulated = simulate(seed, folder, days, quiet_until=quiet_until, sizes=sizes, look=watcher.look)
        came_to = seen(simulated, watcher.findings, watcher.seconds)
        simulated.world.close()
    return came_to


def seen(simulated: Simulated, findings: Iterable[Finding], judged_s: float = 1.0) -> Seed:
    """Return what a simulated home comes to, with these findings."""
    measured = measure(simulated.days, simulated.misuse, findings)
    posts = {f"user:{m.person.id}": m.post for m in simulated.house.members if m.is_engaged}
    seed = simulated.seed
    cases = [
        Case(
            seed, one.kind, one.size, one.variant, len(one.entries), measured.found(one), tuple(sorted(rules))
        )
        for one, rules in measured.told
    ]
    false = [
        FalseAlert(seed, alarm.week, alarm.rule, posts.get(alarm.subject, ""), alarm.explanation)
        for alarm in measured.false
    ]
    surprises = dict(simulated.surprises)
    days, quiet = simulated.days, simulated.quiet_days
    return Seed(seed, days, quiet, simulated.entries, judged_s, surprises, cases, false)


# --- numbers ------------------------------------------------------------------------------------


def recall(cases: Iterable[Case], **only: str) -> float | None:
    """Return which share of the misuse of a kind and size was found; None if there was none."""
    fits = [case for case in cases if all(getattr(case, name) == value for name, value in only.items())]
    return round(sum(case.found for case in fits) / len(fits), 3) if fits else None


def false_a_week(seeds: Sequence[Seed], part: str = "all") -> float:
    """Return false alerts for each home and week: of `all` weeks, of the `first` or of the `steady` ones."""
    alerts, days = 0, 0
    for seed in seeds:
        quiet, quiet_weeks = seed.quiet_days, seed.quiet_days // 7
        first = sum(one.week <= quiet_weeks for one in seed.false)
        alerts += {"all": len(seed.false), "first": first, "steady": len(seed.false) - first}[part]
        days += {"all": seed.days, "first": quiet, "steady": seed.days - quiet}[part]
    return round(alerts * 7 / days, 2) if days else 0.0


def numbers(seeds: Sequence[Seed], tuning: Sequence[int], live: dict[str, Any]) -> dict[str, Any]:
    """Return the members of `detect.json`."""
    cases = [case for seed in seeds for case in seed.cases]
    times = [s for run in live.values() for s in run["seconds"] if s is not None]
    by_size = {kind: {size: recall(cases, kind=kind, size=size) for size in SIZES} for kind in TOLD_BY}
    return {
        "on": ON,
        "recall": {kind: by_size[kind]["gross"] for kind in TOLD_BY},
        "recall_is": "the share of gross misuse of a kind that a rule meant for it told of",
        "recall_by_size": by_size,
        "recall_of_all_sizes": {size: recall(cases, size=size) for size in SIZES},
        "injected": Counter(case.size for case in cases),
        "not_measured": dict(NOT_MEASURED),
        "false_alerts_per_home_week": false_a_week(seeds),
        "false_alerts_per_home_week_first_weeks": false_a_week(seeds, "first"),
        "false_alerts_per_home_week_steady": false_a_week(seeds, "steady"),
        "false_alerts_by_rule": dict(Counter(one.rule for seed in seeds for one in seed.false).most_common()),
        "median_seconds_to_alert": round(statistics.median(times), 2) if times else None,
        "worst_seconds_to_alert": round(max(times), 2) if times else None,
        "time_to_alert": live,
        "seeds": [seed.seed for seed in seeds],
        "tuning_seeds": list(tuning),
        "days": seeds[0].days,
        "entries": sum(seed.entries for seed in seeds),
        "entries_a_day": round(sum(s.entries for s in seeds) / sum(s.days for s in seeds)),
        "entries_judged_a_second": round(sum(s.entries for s in seeds) / sum(s.judged_s for s in seeds)),
        "unforeseen_answers": sum((Counter(s.surprises) for s in seeds), Counter()),
    }


def broken_goals(found: dict[str, Any]) -> list[str]:
    """Return which goals were missed, each in a sentence."""
    missed = [
        f"gross misuse not always found: {kind} {share}"
        for kind, share in found["recall"].items()
        if share != 1.0
    ]
    if found["false_alerts_per_home_week"] > 1:
        missed.append(f"{found['false_alerts_per_home_week']} false alerts a home and week, at most 1 wanted")
    median = found["median_seconds_to_alert"]
    if median is not None and median >= 5:
        missed.append(f"{median} s to an alert, less than 5 wanted")
    return missed


# --- the table ----------------------------------------------------------------------------------


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Return the report as lines of text."""
    yield f"Detection, measured {ON}: seeds {found['seeds']} (tuned on {found['tuning_seeds']})"
    yield (
        f"{found['days']} days each, {found['entries']:,} entries, {found['entries_a_day']:,} a day;"
        f" judged at {found['entries_judged_a_second']:,} a second"
    )
    yield ""
    yield f"{'recall, ' + ON:38}" + "".join(f"{size:>10}" for size in SIZES)
    for kind, shares in found["recall_by_size"].items():
        yield f"{kind:38}" + "".join(f"{_share(shares[size]):>10}" for size in SIZES)
    yield f"{'all':38}" + "".join(f"{_share(found['recall_of_all_sizes'][size]):>10}" for size in SIZES)
    for kind, why in found["not_measured"].items():
        yield f"{kind:38}  not measured: {why}"
    yield ""
    yield f"false alerts a home and week, {ON}: {found['false_alerts_per_home_week']}"
    first, steady = (found[f"false_alerts_per_home_week_{part}"] for part in ("first_weeks", "steady"))
    yield f"  first weeks {first}, then {steady}"
    for rule, alerts in found["false_alerts_by_rule"].items():
        yield f"  {rule:36}{alerts:>6}"
    yield ""
    for database, run in found["time_to_alert"].items():
        times = f"median {run['median']}, worst {run['worst']} of {run['told']} told of {run['trials']}"
        yield f"seconds to an alert on {database}: {times}"
        yield from (f"  not told on {database}: {kind}" for kind in run["not_told"])
    yield from (f"MISSED: {goal}" for goal in broken_goals(found))


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"
