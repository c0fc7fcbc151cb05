"""Schemathesis for all fifteen roles over the real server: the whole of what `tests/http` has a slice of.

    .venv/bin/python -m tests.campaigns.schemathesis_roles --examples 100 [--database postgresql]

Prints a line of JSON for each role - requests, statuses, findings -, writes them down together, and ends 1
when there is a finding.
`CARETRAIL_TEST_POSTGRESQL` names another PostgreSQL than the one the tests start themselves.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.http.errands import Ground
from tests.http.fuzzing import Fuzzer
from tests.http.published import ROLES
from tests.support import postgresql
from tests.support.served import Database, Deployment, Served

RESULTS = Path(__file__).parent / "results"
WIDE = ("registered_manager", "privacy_officer", "auditor", "it_admin")
"""Roles a provider gives in the whole organisation."""


def main() -> int:
    """Run the campaign."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=100, help="for each operation, fitting and not")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--roles", nargs="*", default=ROLES, choices=ROLES)
    chosen = parser.parse_args()
    told = []
    with tempfile.TemporaryDirectory(prefix="caretrail-campaign-") as folder:
        for role in chosen.roles:
            place = database(chosen.database, Path(folder), role)
            told.append(try_role(place, Path(folder), role, chosen.examples))
    result = RESULTS / f"schemathesis-{chosen.database}.json"
    made = {
        "examples": chosen.examples,
        "seed_of_an_operation": "zlib.crc32(f'{operation} {role} {mode}')",
        "roles": told,
    }
    result.write_text(json.dumps(made, indent=2) + "\n")
    return 1 if any(one["findings"] for one in told) else 0


def database(kind: str, folder: Path, role: str) -> Database:
    """Return an empty database."""
    if kind == "sqlite":
        url = f"sqlite:///{folder}/{role}.db"
        return Database(kind, url, url)
    server = postgresql.start(Path(tempfile.gettempdir()) / "caretrail-postgresql-campaign")
    made = postgresql.make_database(server, f"campaign_{role}")
    return Database(kind, made.owner, made.service)


def try_role(place: Database, folder: Path, role: str, examples: int) -> dict[str, Any]:
    """Try one role on a deployment of its own, print what came of it and return it."""
    began = time.monotonic()
    with Served(Deployment.on(place, folder)) as served:
        found = Fuzzer(served, Ground(served), role, wide=role in WIDE).run(examples)
    told: dict[str, Any] = {
        "role": role,
        "database": place.kind,
        "requests": found.requests,
        "not_http": found.not_http,
        "statuses": dict(sorted(found.statuses.items())),
        "findings": sorted(set(found.wrong)),
        "seconds": round(time.monotonic() - began),
    }
    print(json.dumps(told), flush=True)
    return told


if __name__ == "__main__":
    sys.exit(main())
