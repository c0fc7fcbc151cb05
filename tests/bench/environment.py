"""Where a run took place: what a reader needs to judge its figures."""

import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from sqlalchemy import create_engine, text

PACKAGES = (
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "pydantic",
    "sqlalchemy",
    "psycopg",
    "asyncpg",
    "cryptography",
    "orjson",
)
PROBES = 200


def environment(folder: Path, server: str) -> dict[str, Any]:
    """Return the environment of a run."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average_at_start": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        **_databases(server),
        "fsync_probe_ms": fsync_probe(folder),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor()


def _databases(server: str) -> dict[str, str]:
    shown = {}
    for name, url, question in (
        ("postgresql", server, "SHOW server_version"),
        ("sqlite", "sqlite://", "SELECT sqlite_version()"),
    ):
        engine = create_engine(url)
        with engine.connect() as connection:
            shown[name] = str(connection.execute(text(question)).scalar_one())
        engine.dispose()
    return shown


def fsync_probe(folder: Path) -> dict[str, float]:
    """Return how long it takes here to make 8 KiB durable: what every commit costs at least."""
    taken = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(PROBES):
            file.write(bytes(8192))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1e3)
    (folder / "probe").unlink()
    return {"median": round(statistics.median(taken), 3), "worst": round(max(taken), 3)}
