"""One pass over a trail, in a process of its own: `python -m tests.bench.trail_reader`.

The order stands on standard input, the result goes to standard output: seconds, entries, bytes of lines
and the most memory the process ever had.

`verify` is `caretrail audit verify`, with all that the command loads. `bare` is what it is measured against:
the lines of the same chain, read from the same database by the same reader, under nothing but a chain of
SHA-256. `export` writes the organisation's chain to a file as `caretrail audit export` does.
"""

import asyncio
import io
import json
import os
import resource
import sys
import time
from contextlib import redirect_stdout
from hashlib import sha256
from pathlib import Path
from typing import Any

from app.commands import auditing
from app.commands.calling import Caller
from app.core.settings import load, variable_of
from app.main import assemble
from app.storage.engine import open_engine
from app.storage.snapshot import open_snapshot
from app.trail.exporting import begin

_LINES = "SELECT line FROM audit_event WHERE org = ? ORDER BY seq"
_BYTES = "SELECT count(*), sum(length(line) + 1) FROM audit_event WHERE org = ? AND seq < ?"


def bare(order: dict[str, Any]) -> tuple[int, int]:
    """Chain SHA-256 over all lines; return how many lines and bytes there were."""
    link, count, size = bytes(32), 0, 0
    with open_snapshot(open_engine(order["settings"]["database_url"], patient=True)) as snapshot:
        for rows in snapshot.rows(_LINES, order["org"]):
            for (line,) in rows:
                link = sha256(link + line).digest()
                size += len(line) + 1
            count += len(rows)
    return count, size


def verify(order: dict[str, Any]) -> tuple[int, int]:
    """Run the command; anything but a trail found intact is no figure worth having."""
    for name, value in order["settings"].items():
        os.environ[variable_of(name)] = value
    told = io.StringIO()
    with redirect_stdout(told):
        code = auditing.verify(as_json=True)
    if code != 0:
        raise RuntimeError(f"exit {code}: {told.getvalue()}")
    return int(json.loads(told.getvalue())["count"]), 0


def export(order: dict[str, Any]) -> tuple[int, int]:
    """Write the chain's export to a file; return how many lines and bytes of lines it holds."""
    service = assemble(load(**order["settings"]))
    size = asyncio.run(_export(service, order))
    with open_snapshot(service.engine) as snapshot:
        [[(count, total)]] = snapshot.rows(_BYTES, order["org"], size)
    return int(count), int(total)


async def _export(service: Any, order: dict[str, Any]) -> int:
    caller = Caller(service, order["org"], "bench")
    begun = await begin(caller.do, service.notary, service.guards, order["format"])
    with Path(order["out"]).open("wb") as file:
        async for piece in begun.stream():
            file.write(piece)
    # `audit-<chain>-<size>.<format>` names how many lines were exported
    return int(begun.filename.rpartition(".")[0].rpartition("-")[2])


def _peak_mb() -> float:
    """Return the most memory this process had. `getrusage` would count its parent's before the start."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    [peak] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return int(peak) / 1024


def run() -> None:
    """Carry out the order."""
    order = json.loads(sys.stdin.readline())
    begun = time.perf_counter()
    count, size = {"bare": bare, "verify": verify, "export": export}[order["kind"]](order)
    result = {
        "seconds": time.perf_counter() - begun,
        "entries": count,
        "bytes": size,
        "peak_mb": _peak_mb(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    run()
