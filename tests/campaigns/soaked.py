"""What a soak showed: whether anything grew or drifted, and whether every answer has its entry.

Pure functions: `judged` compares the last third of the samples with the middle one, the first being for
warming up; `unaccounted` holds what people were told against the lines of an export.
"""

import hashlib
import json
import statistics
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from tests.campaigns.soaking import RUN, Told

NO_RECEIPT = ("mistyped",)
"""Who did not sign in is told of no entry: its chain would tell whose name it was."""
LEAVES_MORE = ("export", "stream", "stream_left")
"""What leaves an entry when it begins and another when it ends."""


@dataclass(frozen=True)
class Sample:
    """What was measured at one moment, or since the sample before.

    Attributes:
        at_s: Seconds since the load began.
        cpu_ms: Processor time of the server for each answer.
        database_mb: The database with what lies beside its file.
        wal_mb: SQLite's write-ahead log.
        connections: The service's connections to PostgreSQL.
        behind: Lines not judged yet.
        idle: The share of the machine that nobody wanted.
    """

    at_s: float
    rss_mb: float
    descriptors: int
    threads: int
    answers: int
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    database_mb: float
    wal_mb: float = 0
    connections: int = 0
    behind: int = 0
    idle: float = 1


class Bound(NamedTuple):
    """How far the median of the last third may be above that of the middle one: both have to be passed.

    What grows evenly from nothing is 1.67 times as much in the last third: a larger ratio would find nothing.
    """

    ratio: float
    by: float


BOUNDS = {
    "rss_mb": Bound(1.0, 8),
    "descriptors": Bound(1.0, 4),
    "threads": Bound(1.0, 2),
    "connections": Bound(1.0, 2),
    "wal_mb": Bound(1.5, 16),
    "behind": Bound(1.5, 1_000),
    "cpu_ms": Bound(1.25, 0.5),
    "p50_ms": Bound(1.3, 4),
    "p99_ms": Bound(1.5, 40),
}
LATENCIES = ("p50_ms", "p99_ms")
IDLE = 0.15
FEWEST = 3
MB_AN_HOUR = 40.0
"""How fast memory may grow. At 100 requests a second that is 116 bytes a request."""
FILLING_MB_AN_HOUR = 120.0
"""How much faster while detection's windows fill: they hold 5,000 items a person and kind, and no more."""
FULL_S = 3_000.0
"""When they are full at this load: only a run of two and a half hours has a middle third after that."""
WARM_S = 300.0
"""How long memory may do what it likes: of a run of less than a quarter of an hour it is not judged."""


def judged(samples: Sequence[Sample]) -> tuple[dict[str, Any], list[str]]:
    """Return what became of each measure, and what grew or drifted beyond its bound.

    How long an answer takes is judged by moments at which the machine had time left, if there were enough:
    it may be busy with something else. The processor time of an answer tells of the server alone.
    """
    third = len(samples) // 3
    if third < FEWEST:
        return {}, [f"{len(samples)} samples tell nothing"]
    parts = samples[-2 * third : -third], samples[-third:]
    bound_an_hour = MB_AN_HOUR + (FILLING_MB_AN_HOUR if parts[0][0].at_s < FULL_S else 0)
    told: dict[str, Any] = {
        "rss_mb_an_hour": round(slope([*parts[0], *parts[1]]), 1),
        "rss_mb_an_hour_at_most": bound_an_hour,
    }
    problems = []
    for name, bound in BOUNDS.items():
        fair = [[one for one in part if one.idle >= IDLE or name not in LATENCIES] for part in parts]
        if name == "rss_mb" and parts[0][0].at_s < WARM_S:
            told[name] = "not judged: the run was too short"
            continue
        if min(map(len, fair)) < FEWEST:
            told[name] = "not judged: the machine was busy"
            continue
        was, now = (statistics.median(getattr(one, name) for one in part) for part in fair)
        told[name] = {"middle": round(was, 2), "last": round(now, 2)}
        grows = name != "rss_mb" or told["rss_mb_an_hour"] > bound_an_hour
        if grows and now > was * bound.ratio and now - was > bound.by:
            problems.append(f"{name} went from {was:.2f} to {now:.2f}")
    return told, problems


def slope(samples: Sequence[Sample]) -> float:
    """Return how fast memory grew, in MB an hour: the median of all pairs (Theil and Sen), deaf to peaks."""
    some = samples[:: len(samples) // 300 + 1]
    pairs = combinations(some, 2)
    return statistics.median((b.rss_mb - a.rss_mb) / (b.at_s - a.at_s) * 3600 for a, b in pairs)


def unaccounted(told: Mapping[str, Told], lines: Iterable[tuple[str, str, str]]) -> list[str]:
    """Return every answer that has not exactly its own entry, and every entry of a request nobody sent.

    Args:
        told: What was answered, by request id.
        lines: Receipt, request id and outcome of every entry that names one of our requests.
    """
    found: dict[str, list[tuple[str, str]]] = {rid: [] for rid in told}
    problems = []
    for receipt, rid, out in lines:
        if rid in found:
            found[rid].append((receipt, out))
        else:
            problems.append(f"{receipt} is of {rid}, which nobody sent")
    for rid, one in told.items():
        entries = found[rid][:1] if one.op in LEAVES_MORE else found[rid]
        if wrong := _wrong(one, entries):
            problems.append(f"{rid} {one.op} ({one.status}): {wrong}")
    return problems


def _wrong(told: Told, entries: list[tuple[str, str]]) -> str:
    if len(entries) > 1 or (told.status is not None and not entries):
        return f"{len(entries)} entries"
    if told.status is None:
        return ""
    [(receipt, out)] = entries
    if told.receipt != (None if told.op in NO_RECEIPT else receipt):
        return f"{told.receipt} was given, {receipt} is there"
    return "" if (out == "ok") == (told.status < 300) else f"its entry says {out}"


def lines_of(export: Path) -> Iterator[tuple[str, str, str]]:
    """Yield receipt, request id and outcome of the lines of an export that name a request of a client."""
    with zipfile.ZipFile(export) as archive, archive.open("events.jsonl") as lines:
        for line in lines:
            whole = json.loads(line)
            rid = whole["e"].get("src", {}).get("rid", "")
            if rid.startswith(RUN):
                leaf = hashlib.sha256(b"\0" + line.rstrip(b"\n")).hexdigest()
                yield f"{whole['c']['org']}/{whole['c']['seq']}/{leaf[:16]}", rid, whole["e"]["out"]
