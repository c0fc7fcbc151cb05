"""What `GET /metrics` tells: few, and each of them tied to a control (table in the operations guide).

No organisation, home or person is named, nor is there a label that grows with them: jobs and folders only.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from app.access.visit import System, Visit, Visited, VisitRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.operations.disk import Space, spaces
from app.operations.metrics import Metric, Sample, exposition, gauge
from app.operations.replication import STANDBYS
from app.operations.vitals import VITALS, JobVitals, ReadVitals, Vitals
from app.storage.reserve import Reserve

BESIDE = {
    "audit_verified_size": "Lines this round of the self-check has verified.",
    "audit_verified_rows": "Rows this round of the self-check has compared with the trail.",
    "audit_self_check_rounds": "The number of the present round of the self-check of this process.",
    "audit_self_check_findings": "What the last whole round, or the present one, found amiss.",
    "companions_broken_off": "Tasks beside the serving that a defect broke off and that wait to begin again.",
    "companions_failing": "Tasks beside the serving whose last try of something failed, and that try again.",
    "detection_runs": "1 if this process judges every chain it holds without trouble.",
    "detection_lines_behind": "Lines that were not judged yet, at the last look of this process.",
    "detection_chains_held": "Chains that this process judges.",
    "webhook_delivery_runs": "1 unless a defect broke off this process's delivery to other systems.",
}


@dataclass(frozen=True, slots=True)
class Readings:
    """Takes the readings of one process.

    Attributes:
        visit: The door.
        settings: Where the folders are.
        beside: How far self-check, detection and delivery are, by name.
        sound: Whether nothing amiss was found, as readiness tells it.
        unrecognised: How many requests had no session this service knows.
        standbys: What is known of standbys, by name; nothing where there are none to be.
    """

    visit: Callable[[Visit], Awaitable[Visited]]
    settings: Settings
    beside: Callable[[], Mapping[str, int]]
    sound: Callable[[], bool]
    unrecognised: Callable[[], int]
    standbys: Callable[[], Mapping[str, int]] = dict

    async def text(self) -> str:
        """Return the text of a scrape. What the database does not answer is left out of it."""
        vitals = await self._vitals()
        folders = await asyncio.to_thread(spaces, self.settings)
        reserve = Reserve.beside(self.settings.database_url.get_secret_value())
        return exposition(
            [
                *self._own(),
                gauge("database_answers", "1 if the database answered this scrape.", vitals is not None),
                *(_of_database(vitals) if vitals is not None else []),
                *_of_disk(folders, reserve),
            ]
        )

    async def _vitals(self) -> Vitals | None:
        try:
            visited = await self.visit(Visit(System("metrics", SYSTEM), VITALS, ReadVitals()))
        except VisitRefusedError:
            return None
        vitals: Vitals = visited.answer.payload
        return vitals

    def _own(self) -> list[Metric]:
        unrecognised = "Requests without a session this service knows; no entry."
        known = self.beside()
        return [
            Metric("unrecognised_total", "counter", unrecognised, [Sample(self.unrecognised())]),
            gauge("sound", "1 unless signing, self-check, keys or the disk are amiss.", self.sound()),
            *(gauge(name, BESIDE[name], value) for name, value in known.items()),
            *(gauge(name, STANDBYS[name], value) for name, value in self.standbys().items()),
        ]


def _of_database(vitals: Vitals) -> list[Metric]:
    return [
        *_of_trail(vitals),
        *_of_jobs(vitals.jobs),
        gauge("webhook_messages_waiting", "Messages to other systems that wait.", vitals.waiting),
        gauge("webhook_messages_dead", "Messages of 30 days that were given up.", vitals.dead),
    ]


def _of_trail(vitals: Vitals) -> list[Metric]:
    age = math.inf if vitals.signed_s is None else vitals.signed_s
    return [
        gauge("audit_chains", "Chains of the trail.", vitals.chains),
        gauge("audit_lines", "Lines of all chains.", vitals.lines),
        gauge("audit_unsigned_lines", "Lines that no checkpoint covers yet.", vitals.unsigned),
        gauge("audit_checkpoint_age_seconds", "Seconds since the newest checkpoint of any chain.", age),
    ]


def _of_jobs(jobs: tuple[JobVitals, ...]) -> list[Metric]:
    def each(value: Callable[[JobVitals], float]) -> list[Sample]:
        return [Sample(value(job), {"job": job.name}) for job in jobs]

    return [
        Metric(
            "job_last_success_age_seconds",
            "gauge",
            "Seconds since a run of the job went well; +Inf if none ever did.",
            each(lambda job: math.inf if job.good_s is None else job.good_s),
        ),
        Metric(
            "job_last_run_failed",
            "gauge",
            "1 if the last run of the job failed or was lost.",
            each(lambda job: job.failed),
        ),
        Metric(
            "job_overdue_seconds",
            "gauge",
            "Seconds since the job was due and nobody runs it; 0 while it is not due.",
            each(lambda job: job.overdue_s),
        ),
    ]


def _of_disk(folders: list[Space], reserve: Reserve | None) -> list[Metric]:
    free = [Sample(one.free, {"folder": one.folder}) for one in folders if one.free is not None]
    size = [Sample(one.size, {"folder": one.folder}) for one in folders if one.free is not None]
    kept = [reserve.size] if reserve is not None else []
    return [
        Metric("disk_free_bytes", "gauge", "Bytes the service may still write in a folder.", free),
        Metric("disk_size_bytes", "gauge", "Bytes of the file system a folder is on.", size),
        gauge("disk_reserve_bytes", "Bytes kept back for the day the disk is full.", *kept),
    ]
