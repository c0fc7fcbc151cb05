"""What a run says: a table to read, and `bench.json` in the contract's shape."""

import json
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench import plan
from tests.bench.plan import CONTROLLED, LITE, LITE_ORM, MAIN, Side
from tests.bench.rounds import Results
from tests.bench.trail import Trail

# name in `bench.json`: the goal, ours, theirs, what, connections, which figure
_VERSUS: dict[str, tuple[str, Side, Side, str, int, str]] = {
    "pg_read_vs_like_for_like_c32": (">= 0.5", CONTROLLED, plan.LIKE_FOR_LIKE, "read", MAIN, "rate"),
    "pg_read_vs_orm_async_c32": (">= 2.0", CONTROLLED, plan.ORM_ASYNC, "read", MAIN, "rate"),
    "pg_read_vs_orm_sync_c32": (">= 4", CONTROLLED, plan.ORM_SYNC, "read", MAIN, "rate"),
    "pg_read_p99_vs_orm_async_c32": ("<= 0.3", CONTROLLED, plan.ORM_ASYNC, "read", MAIN, "p99_ms"),
    "pg_read_vs_orm_async_c1": (">= 0.4", CONTROLLED, plan.ORM_ASYNC, "read", 1, "rate"),
    "pg_read_vs_orm_async_c8": ("", CONTROLLED, plan.ORM_ASYNC, "read", 8, "rate"),
    "pg_read_vs_orm_async_c128": ("", CONTROLLED, plan.ORM_ASYNC, "read", 128, "rate"),
    "pg_read_vs_static_c32": (">= 0.2", CONTROLLED, plan.STATIC, "read", MAIN, "rate"),
    "pg_read_vs_naive_c32": (">= 3", CONTROLLED, plan.NAIVE, "read", MAIN, "rate"),
    "pg_write_vs_orm_async_c32": (">= 2.3", CONTROLLED, plan.ORM_ASYNC, "write", MAIN, "rate"),
    "pg_two_workers_vs_one_c32": (">= 0.9", plan.TWO_WORKERS, CONTROLLED, "read", MAIN, "rate"),
    "sqlite_read_vs_orm_sync_c32": (">= 5", LITE, LITE_ORM, "read", MAIN, "rate"),
    "sqlite_write_vs_orm_sync_c32": (">= 6", LITE, LITE_ORM, "write", MAIN, "rate"),
    "sqlite_read_vs_orm_sync_c1": ("", LITE, LITE_ORM, "read", 1, "rate"),
}
# printed beside them: the same against the plain application in its leanest spelling
_LEAN: dict[str, tuple[str, Side, Side, str, int, str]] = {
    "read vs lean async, postgresql, 32": ("", CONTROLLED, plan.ASYNC_LEAN, "read", MAIN, "rate"),
    "p99 of a read vs lean async, postgresql, 32": ("", CONTROLLED, plan.ASYNC_LEAN, "read", MAIN, "p99_ms"),
    "read vs lean def, postgresql, 32": ("", CONTROLLED, plan.SYNC_LEAN, "read", MAIN, "rate"),
    "read vs lean def, sqlite, 32": ("", LITE, plan.LITE_LEAN, "read", MAIN, "rate"),
    "read vs like for like, sqlite, 32": ("", LITE, plan.LITE_LIKE_FOR_LIKE, "read", MAIN, "rate"),
    "read vs naive, sqlite, 32": ("", LITE, plan.LITE_NAIVE, "read", MAIN, "rate"),
    "read, judging vs not, postgresql, 32": ("", plan.JUDGING, CONTROLLED, "read", MAIN, "rate"),
    "read, judging vs like for like, postgresql, 32": (
        "",
        plan.JUDGING,
        plan.LIKE_FOR_LIKE,
        "read",
        MAIN,
        "rate",
    ),
    "p99 of a read, judging vs async, postgresql, 32": (
        "",
        plan.JUDGING,
        plan.ORM_ASYNC,
        "read",
        MAIN,
        "p99_ms",
    ),
    "write vs naive, postgresql, 32": ("", CONTROLLED, plan.NAIVE, "write", MAIN, "rate"),
}
_VERIFY_GOAL = ">= 0.4"


def document(environment: dict[str, Any], results: Results, trail: Trail) -> dict[str, Any]:
    """Return what `bench.json` holds."""
    return {
        "environment": environment | {"trail": trail.details()},
        "rounds": [_round(m) for m in results.measured],
        "rows": [_row(*key, results) for key in _keys(results)],
        "ratios": _ratios(results) | {"verify_vs_bare_chain": _rounded(median(trail.lowest.ratios))},
        "verify_entries_per_s": round(trail.lowest.entries_per_s),
        "verify_peak_mb": round(trail.peak_mb, 1),
        "export_mb_per_s": _rounded(trail.exported["zip"]),
    }


def _round(measured: Any) -> dict[str, Any]:
    return {
        "name": f"{measured.side.name}, {measured.kind}",
        "database": measured.side.database,
        "connections": measured.connections,
        "workers": measured.side.workers,
        "round": measured.round,
        "rate": round(measured.rate, 1),
        "p50_ms": round(measured.p50_ms, 3),
        "p99_ms": round(measured.p99_ms, 3),
        "server_cpu_us": round(measured.server_cpu_us, 1),
        "load_cpu_us": round(measured.load_cpu_us, 1),
        "answers": measured.answers,
        "failures": measured.failures,
    }


def _keys(results: Results) -> list[tuple[Side, str, int]]:
    return list(dict.fromkeys((m.side, m.kind, m.connections) for m in results.measured))


def _row(side: Side, kind: str, connections: int, results: Results) -> dict[str, Any]:
    rounds = results.of(side, kind, connections)
    return {
        "name": f"{side.name}, {kind}",
        "database": side.database,
        "connections": connections,
        "workers": side.workers,
        "rate": round(median(m.rate for m in rounds), 1),
        "p50_ms": round(median(m.p50_ms for m in rounds), 3),
        "p99_ms": round(median(m.p99_ms for m in rounds), 3),
    }


def _ratios(results: Results) -> dict[str, float | None]:
    return {
        name: _rounded(results.ratio(ours, theirs, kind, connections, figure))
        for name, (_, ours, theirs, kind, connections, figure) in _VERSUS.items()
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def write(path: Path, made: dict[str, Any]) -> None:
    """Write `bench.json`."""
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def show(made: dict[str, Any], results: Results) -> None:
    """Print the ratios, like for like first, then the rates."""
    console = Console()
    console.print(_ratio_table(made, results))
    console.print(_rate_table(results))
    trail = made["environment"]["trail"]
    console.print(f"trail: {json.dumps(trail)}")
    console.print(f"load generator: could send {made['environment']['generator_ceiling_per_s']} requests/s")
    failures = sum(m.failures for m in results.measured)
    console.print(f"answers: {sum(m.answers for m in results.measured)}, of which not 200: {failures}")


def _ratio_table(made: dict[str, Any], results: Results) -> Table:
    table = Table("ratio", "goal", "median", "rounds", title="Ratios inside each round")
    for name, (goal, ours, theirs, kind, connections, figure) in (_VERSUS | _LEAN).items():
        rounds = results.ratios(ours, theirs, kind, connections, figure)
        middle = median(rounds) if rounds else None
        table.add_row(name, goal, _shown(middle), " ".join(f"{r:.2f}" for r in rounds))
    for name, one in made["environment"]["trail"]["databases"].items():
        rounds = one["verify_vs_bare_chain"]
        table.add_row(
            f"verify_vs_bare_chain, {name}",
            _VERIFY_GOAL,
            _shown(median(rounds)),
            " ".join(f"{r:.2f}" for r in rounds),
        )
    return table


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _rate_table(results: Results) -> Table:
    table = Table("", "", "conn.", "1/s", "p50 ms", "p99 ms", "server CPU us", title="Medians")
    for key in _keys(results):
        rounds = results.of(*key)
        row = _row(*key, results)
        cpu = median(m.server_cpu_us for m in rounds)
        table.add_row(
            row["database"],
            row["name"],
            str(row["connections"]),
            f"{row['rate']:.0f}",
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.1f}",
            f"{cpu:.0f}",
        )
    return table
