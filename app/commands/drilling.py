"""`caretrail backup drill`: bring the newest backup back into an empty place, and use it.

It does what somebody would do after a fire, with the same commands: restore, migrate what an older version
made, record the loss and do again what ended since, check trail and rows, start the service, sign in, read.
What it took and what it found is evidence, failures too. The place is a folder of its own and, on
PostgreSQL, a database of its own, both removed afterwards; nothing of the running service is touched.

Source: DSPT 7.3.4.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

from app.access.operation import Operation
from app.access.visit import VisitRefusedError
from app.audit.ended_file import FOLDER, EndedFiles
from app.audit.guard_file import Guards
from app.backups import manifest, restoring, sealing
from app.backups.drill_places import drill_place, sweep_drills
from app.backups.job import refuse_last_room
from app.commands.bringing_back import bring_back, keyring_of, newest, notary_of, retired_roots
from app.commands.calling import Caller, sign_what_moved
from app.commands.ended_check import check_ended, lost_lines
from app.commands.opening import open_service, open_view
from app.commands.reading_back import read_back
from app.commands.starting import begin
from app.commands.stoppable import Ended, ended_like_an_interrupt, run_until_stopped
from app.commands.telling import remark, result
from app.commands.tethered import tethered
from app.core.clock import Clock, monotonic, parse
from app.core.errors import CaretrailError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import PREFIX, Settings
from app.jobs.schedule import check_cron
from app.jobs.scheduler import Job, JobFailedError, Running, run_now
from app.storage.schema import is_older
from app.storage.scratch import scratch_database
from app.storage.snapshot import UNREADABLE
from app.storage.urls import parsed_url

NAME = "drill"
DRILL = Operation("*", "*", "system", "self", "backup.drill", 200)
_REASON = "a restore drill: this copy is thrown away"
_PATIENCE_S = 1800
MOST_FOUND = 3
"""Of what the check found is told; all of it stands where `caretrail audit verify --state` is run."""


class DrillFailedError(Exception):
    """A step of the drill did not do what it should."""


def drill_job(
    settings: Settings, clock: Clock, path: Path | None = None, identity: Path | None = None
) -> Job:
    """Return the job that drills a restore; the newest backup and the configured identity by default."""
    cron = check_cron(settings.drill_schedule, "CARETRAIL_DRILL_SCHEDULE")

    def body(running: Running) -> dict[str, Any]:
        return Drill(settings, clock, running.go_on, path, identity).run()

    return Job(NAME, cron, DRILL, body)


def drill(path: Path | None, identity: Path | None, *, as_json: bool) -> None:
    """Drill a restore now.

    Raises:
        CaretrailError: It failed; that is recorded, with the step.
    """
    with open_service(begin()) as service:
        job = drill_job(service.settings, service.clock, path, identity)
        remark("Restoring a copy and using it ...")
        try:
            with ended_like_an_interrupt():
                told = asyncio.run(run_now(Caller(service, SYSTEM, "caretrail backup drill").do, job))
        except VisitRefusedError as refused:
            raise refused.error from refused
        finally:
            sign_what_moved(service)
    lines = [f"{step['seconds']:>8.1f} s  {step['step']}" for step in told["steps"]]
    lines.append(
        f"{told['seconds']:>8.1f} s  in all; {told['minutes_lost']:.0f} minutes of work would be lost"
    )
    result(told, "\n".join(lines), as_json=as_json)


FORESEEN = (
    DrillFailedError,
    CaretrailError,
    StartRefusedError,
    OSError,
    HTTPException,
    ValueError,
    subprocess.SubprocessError,
    *UNREADABLE,
)
"""What a step may end with: each is the drill's finding, with the step it was met in."""


class Drill:
    """One drill, step by step."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        go_on: Callable[[], None],
        path: Path | None,
        identity: Path | None,
    ) -> None:
        self._settings, self._clock, self._go_on = settings, clock, go_on
        self._path, self._identity = path, identity or settings.backup_identity
        self._told: dict[str, Any] = {"steps": []}

    def run(self) -> dict[str, Any]:
        """Do all of it and return what is worth keeping.

        Raises:
            JobFailedError: A step failed; its result says which, and what went well before it.
            StoppedError: The process stops.
        """
        began = monotonic()
        try:
            with ExitStack() as stack:
                self._steps(stack)
        except FORESEEN as failed:
            detail = str(getattr(failed, "detail", "") or failed or type(failed).__name__)[:500]
            raise JobFailedError("drill-failed", detail=f"{self._step}: {detail}", **self._told) from failed
        self._told["seconds"] = round(monotonic() - began, 2)
        return self._told

    def _steps(self, stack: ExitStack) -> None:
        settings = self._settings
        with self._timed("check the backup"):
            path = self._path or newest(settings)
            keys, keyring = notary_of(settings).keys(SYSTEM), keyring_of(settings)
            identities = sealing.identities(self._identity)
            checked = restoring.check(path, keys, keyring, identities, retired_roots(settings))
        made = parse(checked.manifest["made_at"])
        self._told |= {
            "backup": checked.manifest["id"],
            "minutes_lost": round((self._clock.now() - made).total_seconds() / 60, 1),
        }
        with self._timed("restore it"):
            place = stack.enter_context(_scratch(settings))
            bring_back(checked, place, place.data_dir / "restored")
        with self._timed("compare counts"):
            self._told["rows"] = _compare_counts(place, checked.manifest)
            self._told["lines_lost"] = _lines_lost(settings, checked.manifest)
            ledgers = EndedFiles(place.guard_dir / FOLDER, notary_of(place))
            lost = lost_lines(ledgers, checked.manifest["chains"])
        if is_older(checked.manifest["schema"]):
            with self._timed("migrate it"):
                self._command(place, "migrate")
        with self._timed("record the loss"):
            done = self._command(place, "audit", "recover", "--yes", "--reason", _REASON, "--json")
        with self._timed("re-apply what ended"):
            self._told["ended"] = check_ended(place, lost, json.loads(done.stdout)["ended"])
        with self._timed("check trail and rows"):
            self._verify(place)
        with self._timed("start it, sign in and read"):
            self._told["read"] = read_back(place, environment(place), self._go_on)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        self._go_on()
        self._step, began = step, monotonic()
        yield
        self._told["steps"].append({"step": step, "seconds": round(monotonic() - began, 2)})

    def _verify(self, place: Settings) -> None:
        """Have trail and rows checked. Exit 2 is the recovery just recorded: it must be the only doubt."""
        done = self._command(place, "audit", "verify", "--state", "--json", may_end=(0, 1, 2))
        for chain in json.loads(done.stdout)["chains"]:
            doubts = [doubt for doubt in chain["doubts"] if "RECOVERED" not in str(doubt)]
            if found := [one["text"] for one in chain["findings"]] or doubts:
                told = "; ".join(found[:MOST_FOUND])
                more = f"; and {len(found) - MOST_FOUND} more" if len(found) > MOST_FOUND else ""
                raise DrillFailedError(f"the restored trail does not hold: {told}{more}")
        if done.code == 1:
            raise DrillFailedError("the restored trail does not hold: `caretrail audit verify` ended with 1")

    def _command(self, place: Settings, *arguments: str, may_end: tuple[int, ...] = (0,)) -> Ended:
        done = run_until_stopped(tethered(*arguments), environment(place), self._go_on, _PATIENCE_S)
        if done.code not in may_end:
            said = done.stderr[-300:].strip() or done.stdout[-300:].strip() or "it said nothing"
            raise DrillFailedError(f"`caretrail {' '.join(arguments[:2])}` ended with {done.code}: {said}")
        return done


@contextmanager
def _scratch(settings: Settings) -> Iterator[Settings]:
    """Open an empty place, and remove it with all that came into it."""
    sweep_drills(settings.data_dir)  # first: it may be what takes the room
    refuse_last_room(settings, settings.data_dir)
    with ExitStack() as stack:
        folder = stack.enter_context(drill_place(settings.data_dir))
        Guards(settings.guard_dir, notary_of(settings)).copy_to(folder / "guard")
        chosen: dict[str, Any] = {"data_dir": folder, "keys_dir": settings.keys_dir}
        chosen |= {"backup_dir": folder / "backups"}  # a copy's ledger must not come beside the real backups
        chosen |= {"guard_dir": folder / "guard", "host": "127.0.0.1", "workers": 1, "anchors_dir": None}
        service, owner = (
            parsed_url(url.get_secret_value()) for url in (settings.database_url, settings.owner_database_url)
        )
        if service.get_backend_name() == "sqlite":
            chosen["database_url"] = f"sqlite:///{folder}/restored/caretrail.db"
            chosen["owner_database_url"] = chosen["database_url"]
        else:
            name = stack.enter_context(scratch_database(owner))
            for field, url in (("database_url", service), ("owner_database_url", owner)):
                chosen[field] = url.set(database=name).render_as_string(hide_password=False)
        yield settings.model_validate(settings.model_dump() | chosen | {"tls_cert": None, "tls_key": None})


def _compare_counts(place: Settings, told: dict[str, Any]) -> int:
    with open_view(place.database_url.get_secret_value()) as view:
        found = manifest.survey(view, told["counts"])
    for name in ("counts", "chains", "schema"):
        if getattr(found, name) != told[name]:
            raise DrillFailedError(f"{name} are not those of the manifest")
    return sum(found.counts.values())


def _lines_lost(settings: Settings, told: dict[str, Any]) -> int:
    """Return how many lines the running service has that the backup has not."""
    with open_view(settings.database_url.get_secret_value()) as view:
        now = sum(int(size) for batch in view.rows("SELECT size FROM audit_head") for (size,) in batch)
    return now - sum(int(head["size"]) for head in told["chains"].values())


_ROOT_KEY = [name for name in Settings.model_fields if name.startswith(("keys_provider", "transit_"))]


def environment(place: Settings) -> dict[str, str]:
    """Return the environment of commands on the restored copy: this process's, with other places."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    named = {
        "DATA_DIR": place.data_dir / "restored",
        "KEYS_DIR": place.keys_dir,
        "GUARD_DIR": place.guard_dir,
        "DATABASE_URL": place.database_url.get_secret_value(),
        "OWNER_DATABASE_URL": place.owner_database_url.get_secret_value(),
        "DEPLOYMENT": place.deployment,
        "JOBS": "worker",
        "SELF_CHECK_ROWS": 0,
    }
    named |= {name.upper(): value for name in _ROOT_KEY if (value := getattr(place, name)) is not None}
    return kept | {f"{PREFIX}{name}": str(value) for name, value in named.items()}
