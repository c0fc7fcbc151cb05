"""A server under a steady load for a while: nothing may grow, drift or fail. Writes a JSON for each database.

    python -m tests.campaigns.soak 30                 # minutes, on SQLite, then on PostgreSQL
    python -m tests.campaigns.soak 480 postgresql

`caretrail serve` as somebody has it who installed it - detection, jobs, self-check, backups, the real cost of
Argon2 - and the people of `tests.campaigns.soaking`. A sample is taken every ten seconds, and judged by
`tests.campaigns.soaked`. Then the trail is exported and verified offline, every answer is looked for in it,
and the server has to stop when told, with a stream still open. Ends with 1 when any of it fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psutil  # type: ignore[import-untyped]
import pyrage
from sqlalchemy import create_engine, text

from app.access.visit import System
from app.identity.passwords import OWASP_46_MIB
from app.residents.admission import AdmitResident
from tests.campaigns.soaked import Sample, judged, lines_of, unaccounted
from tests.campaigns.soaking import Account, Ledger, Listener, Plan, Told, User
from tests.support.forking import ROOT
from tests.support.postgresql import make_database, programs, server_of_its_own
from tests.support.served import Database, Deployment
from tests.support.server_process import _free_port

RESULTS = Path(__file__).parent / "results"
SAMPLE_EVERY_S = 10.0
RATE = 100
"""Requests a second of all people together."""
PEOPLE = Counter(carer=9, senior_carer=3, nurse=3, agency_carer=1, kitchen=1, auditor=1, registered_manager=3)
"""The last of the managers does nothing but listen to alerts."""
RESIDENTS = 12
"""At each of two homes; everybody works at one of them."""
SOUND = {"sound": 1, "companions_broken_off": 0, "audit_self_check_findings": 0, "detection_runs": 1}
"""What the server has to say of itself at every sample."""
METRICS_TOKEN = "sixteen-letters-or-more"
KEPT_SAMPLES = 60
MOST_PROBLEMS = 100
STOPS_WITHIN_S = 25
AMISS = {"error", "critical", "fail", "lost"}
"""Levels of the log, and outcomes of jobs."""
VERIFIER = ROOT / "app" / "audit" / "verify.py"


class House:
    """A deployment with its people, and the server they use."""

    def __init__(self, database: Database, folder: Path, minutes: float, plan: Plan) -> None:
        self._world = world = Deployment.on(database, folder, cost=OWASP_46_MIB)
        world.pass_time(seconds=(datetime.now(UTC) - world.now).total_seconds() - 5)
        self._service = world.assembled()
        self._folder, self._log, plan.port = folder, folder / "server.log", _free_port()
        recipient = pyrage.x25519.Identity.generate().to_public()
        (world.folder / "backup-recipients.txt").write_text(f"{recipient}\n")
        own = {
            "CARETRAIL_DATA_DIR": str(world.folder),
            "CARETRAIL_DATABASE_URL": world.url,
            "CARETRAIL_DEPLOYMENT": world.settings.deployment,
            "CARETRAIL_PORT": str(plan.port),
            "CARETRAIL_METRICS_TOKEN": METRICS_TOKEN,
            "CARETRAIL_BACKUP_SCHEDULE": f"*/{min(59, max(2, round(minutes / 6)))} * * * *",
            "PATH": f"{programs() or ''}{os.pathsep}{os.environ['PATH']}",
        }
        self._environment = {n: v for n, v in os.environ.items() if not n.startswith("CARETRAIL_")} | own
        here, there = (
            [self._admit(home, n) for n in range(RESIDENTS)] for home in (world.home, world.other_home)
        )
        self.accounts = [self._enter(role, here, there, minutes) for role in PEOPLE.elements()]
        self._owner = create_engine(database.owner, isolation_level="AUTOCOMMIT")
        with self._log.open("wb") as log:
            serve = [sys.executable, "-m", "app", "serve"]
            self._server = subprocess.Popen(serve, cwd=ROOT, env=self._environment, stderr=log)
        self._process, self._cpu_s = psutil.Process(self._server.pid), 0.0
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{plan.port}", timeout=600)

    def _admit(self, home: str, number: int) -> str:
        identity = {"given_name": "Ada", "family_name": f"Marlow{number}"}
        work = AdmitResident(home, None, None, identity, {"date_of_birth": "1940-01-01"}, "2026-01-01")
        admitted = self._world.answer(work, "POST /v1/residents", System("cli", self._world.org))
        return str(admitted.payload["id"])

    def _enter(self, role: str, here: list[str], there: list[str], minutes: float) -> Account:
        home = None if role == "auditor" else self._world.home
        one = self._world.person(role, home, signed_in=False, shift_hours=minutes / 60 + 2)
        return Account(one.username, one.password, str(one.totp_secret), role, here, there)

    def await_ready(self) -> None:
        """Wait until it serves."""
        deadline = time.monotonic() + 60
        while not self._ready():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self._log.read_text()[-2000:])
            time.sleep(0.2)

    def _ready(self) -> bool:
        try:
            return self._client.get("/health/ready").status_code == 200
        except httpx2.HTTPError:
            return False

    def readings(self) -> dict[str, float]:
        """Return what the server tells of itself, without what has labels."""
        told = self._client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text
        lines = [line.removeprefix("caretrail_").split() for line in told.splitlines() if line[0] != "#"]
        return {name: float(value) for name, value in lines if "{" not in name}

    def sample(self, at_s: float, ledger: Ledger) -> Sample:
        """Measure; what is amiss by the server's own account is a surprise."""
        took, told = sorted(ledger.interval()) or [0.0], self.readings()
        for name, right in SOUND.items():
            if told.get(name) != right:
                ledger.surprise(f"after {at_s:.0f} s {name} is {told.get(name)}")
        with self._process.oneshot():
            times, memory = self._process.cpu_times(), self._process.memory_info()
            counts = self._process.num_fds(), self._process.num_threads()
        was, self._cpu_s = self._cpu_s, times.user + times.system
        return Sample(
            round(at_s, 1),
            round(memory.rss / 2**20, 1),
            *counts,
            len(took),
            round(took[len(took) // 2], 2),
            round(took[len(took) * 99 // 100], 2),
            round((self._cpu_s - was) * 1000 / len(took), 2),
            **self._of_database(),
            behind=int(told["detection_lines_behind"]),
            idle=round(1 - psutil.cpu_percent() / 100, 2),
        )

    def _of_database(self) -> dict[str, Any]:
        if self._owner.dialect.name == "sqlite":
            file = Path(str(self._owner.url.database))
            sizes = [one.stat().st_size / 2**20 for one in (file, file.with_name(file.name + "-wal"))]
            return {"database_mb": round(sizes[0], 1), "wal_mb": round(sizes[1], 1)}
        wanted = (
            "SELECT pg_database_size(current_database()), (SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename <> current_user)"
        )
        with self._owner.connect() as connection:
            size, others = connection.execute(text(wanted)).one()
        return {"database_mb": round(size / 2**20, 1), "connections": others}

    def used(self, minutes: float, plan: Plan) -> tuple[list[User], list[Sample]]:
        """Have everybody work for so long, and return them with what was measured."""
        kinds = [User] * (len(self.accounts) - 1) + [Listener]
        users = [kind(plan, n, one) for n, (kind, one) in enumerate(zip(kinds, self.accounts, strict=True))]
        began, samples = time.monotonic(), []
        for user in users:
            user.start()
        try:
            while time.monotonic() - began < minutes * 60:
                time.sleep(SAMPLE_EVERY_S - (time.monotonic() - began) % SAMPLE_EVERY_S)
                samples.append(self.sample(time.monotonic() - began, plan.ledger))
                sys.stderr.write(f"{samples[-1]}\n")
        finally:  # a server that is gone ends the run here
            plan.stopping.set()
            for user in users:
                user.join()
        return users, samples

    def verified(self, auditor: User, told: Mapping[str, Told]) -> list[str]:
        """Export the whole trail, verify it offline and look for every answer in it."""
        export = self._folder / "trail.zip"
        headers = auditor.headers("export")
        with (
            self._client.stream("GET", "/v1/audit/export", headers=headers) as answer,
            export.open("wb") as out,
        ):
            out.writelines(answer.iter_raw())
        key = self._service.notary.vkeys(self._world.org)[0]
        problems = self._python("-I", str(VERIFIER), str(export), "--key", key)
        return problems + unaccounted(told, lines_of(export))

    def stopped(self, manager: User) -> list[str]:
        """Tell the server to stop while somebody listens; return what it did not do in order."""
        manager.sign_in()
        with self._client.stream("GET", "/v1/alerts/stream", headers=manager.headers("stream")) as answer:
            self._server.terminate()
            problems = [] if b"stopping" in answer.read() else ["the stream ended without a word"]
        try:
            code = self._server.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            return [*problems, f"it still runs {STOPS_WITHIN_S} s after it was told to stop"]
        problems += [f"it ended with {code}"] if code != 0 else []
        return problems + self._python("-m", "app", "audit", "verify", "--state")

    def _python(self, *arguments: str) -> list[str]:
        """Run Python with these arguments and return what it said, if it did not end well."""
        command, environment = [sys.executable, *arguments], self._environment
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        return [f"{arguments[1:3]} ended with {done.returncode}: {said[-500:]}"] if done.returncode else []

    def logged(self) -> Counter[str]:
        """Return how often the server logged what, at which level."""
        return Counter(kind_of(line) for line in self._log.read_text().splitlines())

    def close(self) -> None:
        """End the server, if it still runs, and let go of the database."""
        if self._server.poll() is None:
            self._server.kill()
            self._server.wait()
        self._client.close()
        for engine in (self._owner, self._service.engine):
            engine.dispose()
        self._world.close()


def kind_of(line: str) -> str:
    """Return what a line of the log is, in few words; what is no line of ours is an error."""
    try:
        told = json.loads(line)
        return " ".join(filter(None, (told["level"], told["event"], told.get("job"), told.get("outcome"))))
    except (ValueError, KeyError, TypeError):
        return f"error {line[:200]}"


@contextmanager
def database_of(kind: str, folder: Path) -> Iterator[Database]:
    """Yield an empty database of a kind."""
    if kind == "sqlite":
        url = f"sqlite:///{folder}/caretrail.db"
        yield Database(kind, url, url)
        return
    with server_of_its_own() as url:
        made = make_database(url, "soaked")
        yield Database(kind, made.owner, made.service)


def soak(kind: str, minutes: float, seed: int) -> dict[str, Any]:
    """Run on one database and return what came of it."""
    began, plan = time.monotonic(), Plan(seed, RATE / PEOPLE.total())
    with (
        tempfile.TemporaryDirectory(prefix="caretrail-soak-") as folder,
        database_of(kind, Path(folder)) as database,
        closing(House(database, Path(folder), minutes, plan)) as house,
    ):
        house.await_ready()
        users, samples = house.used(minutes, plan)
        measured, problems = judged(samples)
        auditor = next(one for one in users if one.account.role == "auditor")
        auditor.sign_in()
        told = dict(plan.ledger.told)
        problems += house.verified(auditor, told) + house.stopped(users[-2])
        logged = house.logged()
    problems += [
        f"logged: {one}, {n} times" for one, n in logged.items() if AMISS.intersection(one.split()[:4])
    ]
    problems += plan.ledger.surprises
    return {
        "kind": kind,
        "seed": seed,
        "minutes": minutes,
        "requests": len(told),
        "answers_checked": sum(one.status is not None for one in told.values()),
        "answers": dict(sorted(Counter(f"{one.op} {one.status}" for one in told.values()).items())),
        "logged": dict(sorted(logged.items())),
        "measured": measured,
        "problems": problems[:MOST_PROBLEMS],
        "sound": not problems,
        "seconds": round(time.monotonic() - began),
        "samples": [asdict(one) for one in samples[:: -(-len(samples) // KEPT_SAMPLES)]],
    }


def main() -> None:
    """Run from the command line."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("minutes", type=float, nargs="?", default=30)
    arguments.add_argument("kind", choices=["sqlite", "postgresql"], nargs="?")
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    sound = True
    for kind in [chosen.kind] if chosen.kind else ["sqlite", "postgresql"]:
        result = soak(kind, chosen.minutes, chosen.seed)
        sound = sound and result["sound"]
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"soak-{kind}.json").write_text(json.dumps(result, indent=2) + "\n")
    sys.exit(not sound)


if __name__ == "__main__":
    main()
