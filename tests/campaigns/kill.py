"""Many kills: `make campaign-kill`. Writes seed and result beside this file, one JSON for each database.

python -m tests.campaigns.kill [sqlite ROUNDS] [postgresql ROUNDS] [seed N]
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from tests.support import postgresql
from tests.support.killing import Ground, rounds
from tests.support.served import Database

RESULTS = Path(__file__).parent / "results"
DEFAULT = {"sqlite": 200, "postgresql": 100, "seed": 1}


def campaign(kind: str, number: int, seed: int, folder: Path) -> dict[str, object]:
    """Run the rounds on one kind of database and return what to keep of it."""
    began = time.monotonic()
    ground = Ground(_database(kind, folder), folder)
    checked = rounds(ground, number, seed)
    return {
        "campaign": "kill -9 of the server under load",
        "database": kind,
        "rounds": number,
        "seed": seed,
        "acknowledged_answers_checked": checked,
        "creations": len(ground.history.keys),
        "violations": 0,
        "seconds": round(time.monotonic() - began),
    }


def _database(kind: str, folder: Path) -> Database:
    if kind == "sqlite":
        url = f"sqlite:///{folder}/caretrail.db"
        return Database("sqlite", url, url)
    made = postgresql.make_database(postgresql.start(folder / "server"), "campaign_kill")
    return Database("postgresql", made.owner, made.service)


def main(arguments: list[str]) -> None:
    """Run what was asked for, by default everything."""
    given = dict(zip(arguments[::2], map(int, arguments[1::2]), strict=True))
    asked = given if set(given) - {"seed"} else DEFAULT | given
    seed = asked.get("seed", DEFAULT["seed"])
    for kind in ("sqlite", "postgresql"):
        if kind in asked:
            with tempfile.TemporaryDirectory(prefix="caretrail-") as folder:
                result = campaign(kind, asked[kind], seed, Path(folder))
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / f"kill-{kind}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
