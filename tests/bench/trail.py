"""The verifier against a bare chain of SHA-256 over a long stored trail, and the speed of the export.

One process for each pass, never two at once; rounds go the other way round each time, ratios are formed
inside a round. `bench.json` has one number for both databases: the lower one, and the rate and memory
that belong to it.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from app.core.entropy import SystemEntropy
from app.storage.engine import open_engine
from app.storage.migration import migrate
from app.vault.provider import SIGNING_KEY, FileKeys
from tests.bench.databases import Family
from tests.bench.long_trail import LongTrail, store
from tests.support import postgresql

WITHIN_S = 300.0


@dataclass
class Verified:
    """What one database came to."""

    ratios: list[float]
    entries_per_s: float
    bare_per_s: float
    peak_mb: float


@dataclass
class Trail:
    """What was found out about the trail."""

    verified: dict[str, Verified]
    exported: dict[str, float]
    lines: int

    @property
    def lowest(self) -> Verified:
        """Return the database on which the verifier does worst."""
        return min(self.verified.values(), key=lambda one: median(one.ratios))

    @property
    def peak_mb(self) -> float:
        """Return the most memory verifying took anywhere."""
        return max(one.peak_mb for one in self.verified.values())

    def details(self) -> dict[str, Any]:
        """Return all of it, for the environment of `bench.json`."""
        return {
            "lines": self.lines,
            "databases": {
                name: {
                    "verify_vs_bare_chain": [round(ratio, 3) for ratio in one.ratios],
                    "verify_entries_per_s": round(one.entries_per_s),
                    "bare_entries_per_s": round(one.bare_per_s),
                    "verify_peak_mb": round(one.peak_mb, 1),
                }
                for name, one in self.verified.items()
            },
            "export_mb_per_s": {name: round(rate, 2) for name, rate in self.exported.items()},
        }


def measure(folder: Path, server: str, family: Family, lines: int, rounds: int) -> Trail:
    """Store a long trail on both databases and measure."""
    settings = _databases(folder, server)
    trail = LongTrail(lines)
    store(trail, settings.values())
    verified = {name: _verified(chosen, trail, rounds) for name, chosen in settings.items()}
    exported = {format_: _exported(folder, family, format_) for format_ in ("zip", "jsonl")}
    return Trail(verified, exported, lines)


def _databases(folder: Path, server: str) -> dict[str, dict[str, str]]:
    """Return the settings of a migrated database of each kind, with one signing key for both."""
    FileKeys(folder / "trail-keys").create(SIGNING_KEY, SystemEntropy())
    urls = {
        "postgresql": postgresql.make_database(server, "bench_trail").owner,
        "sqlite": f"sqlite:///{folder}/trail.db",
    }
    for url in urls.values():
        engine = open_engine(url, patient=True)
        migrate(engine)
        engine.dispose()
    places = {"data_dir": str(folder), "keys_dir": str(folder / "trail-keys")}
    return {name: {**places, "database_url": url} for name, url in urls.items()}


def _verified(chosen: dict[str, str], trail: LongTrail, rounds: int) -> Verified:
    order = {"settings": chosen, "org": trail.org}
    passes: dict[str, list[dict[str, float]]] = {"verify": [], "bare": []}
    for number in range(rounds):
        for kind in ("verify", "bare") if number % 2 == 0 else ("bare", "verify"):
            passes[kind].append(_pass({**order, "kind": kind}, trail.count))
    ratios = [b["seconds"] / v["seconds"] for v, b in zip(passes["verify"], passes["bare"], strict=True)]
    rates = {kind: median(trail.count / one["seconds"] for one in passes[kind]) for kind in passes}
    peak = max(one["peak_mb"] for one in passes["verify"])
    return Verified(ratios, rates["verify"], rates["bare"], peak)


def _exported(folder: Path, family: Family, format_: str) -> float:
    order = {
        "kind": "export",
        "settings": family.chosen,
        "org": family.sample.org,
        "format": format_,
        "out": str(folder / f"export.{format_}"),
    }
    done = _pass(order, None)
    return done["bytes"] / 1e6 / done["seconds"]


def _pass(order: dict[str, Any], expected: int | None) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.trail_reader"],
        input=json.dumps(order) + "\n",
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{order['kind']} failed: {done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout)
    if expected is not None and result["entries"] != expected:
        raise RuntimeError(f"{order['kind']} saw {result['entries']} of {expected} lines")
    return result
