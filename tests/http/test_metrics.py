"""`GET /metrics`: a scraper reads it, it names nobody, and each reading follows what it is of."""

import math
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from app.access.opened import Opened
from app.access.pauses import LONGEST_S
from app.access.visit import System
from app.access.work import Answer, Work
from app.audit.table import head
from app.core.clock import spell
from app.core.errors import ConflictError
from app.core.identifiers import SYSTEM, new_id
from app.identity.throttling import FoldThrottled
from app.jobs.table import job_run
from app.jobs.works import KEEPING, ClaimNow, EndRun, Planned
from app.operations.replication import STANDBYS
from app.storage.engine import open_engine
from app.trail import housekeeping
from app.trail.checkpoints import IndexLines
from app.trail.clock_watch import NewestInstant
from app.webhooks.managing import CreateEndpoint
from app.webhooks.table import webhook_message
from tests.support.announcing import Announcing, tell
from tests.support.served import Database, Deployment, Served
from tests.unit.operations.scraping import Scrape, parsed

TOKEN = "sixteen-letters-or-more"
NIGHTLY = Planned("backup", "15 2 * * *")
FOLDERS = ("data", "guard", "keys", "backups")
PLAIN = {
    *("unrecognised_total", "sound", "database_answers"),
    *("audit_verified_size", "audit_verified_rows", "audit_self_check_rounds", "audit_self_check_findings"),
    *("companions_broken_off", "companions_failing"),
    *("detection_runs", "detection_lines_behind", "detection_chains_held"),
    *("audit_chains", "audit_lines", "audit_unsigned_lines", "audit_checkpoint_age_seconds"),
    *("webhook_delivery_runs", "webhook_messages_waiting", "webhook_messages_dead"),
}
OF_JOBS = ("job_last_success_age_seconds", "job_last_run_failed", "job_overdue_seconds")


@pytest.fixture(scope="module")
def served(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A deployment whose readings are for whoever has the token."""
    with Served(Deployment.on(database, tmp_path_factory.mktemp("deployment"), detection=True)) as served:
        served.desk.metrics_token = TOKEN.encode()
        yield served


def scraped(served: Served) -> Scrape:
    told = served.ask("GET", "/metrics", TOKEN)
    assert 200 == told.status_code
    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(told.text)


def reading(served: Served, name: str, **labels: str) -> float:
    return scraped(served)[f"caretrail_{name}", tuple(labels.items())]


def of_backup(served: Served) -> tuple[float, float, float]:
    told = scraped(served)
    return tuple(told[f"caretrail_{name}", (("job", "backup"),)] for name in OF_JOBS)  # type: ignore[return-value]


def run(served: Served, outcome: str) -> None:
    """Have a backup run and end like this."""
    jobs = System("jobs", SYSTEM)
    claimed = served.world.answer(ClaimNow(NIGHTLY, "here"), KEEPING, jobs).payload
    ended = EndRun(claimed.run_id, outcome, {"why": "tried"})  # type: ignore[arg-type]
    if outcome == "ok":
        served.world.answer(ended, KEEPING, jobs)
    else:
        served.world.refusal(ended, KEEPING, jobs)


def test_every_reading_is_there_and_names_nobody(served: Served) -> None:
    """The names are a fixed list; labels are jobs and folders; no organisation is named."""
    run(served, "ok")
    told = scraped(served)
    disk = {"disk_free_bytes", "disk_size_bytes"}
    expected = {(name, ()) for name in PLAIN} | {(n, (("folder", f),)) for n in disk for f in FOLDERS}
    expected |= {(name, (("job", "backup"),)) for name in OF_JOBS}
    if "sqlite" == served.world.engine.dialect.name:
        expected.add(("disk_reserve_bytes", ()))
    else:
        expected |= {(name, ()) for name in STANDBYS}

    assert {(f"caretrail_{name}", labels) for name, labels in expected} == set(told)
    assert served.world.org not in str(told)


def test_it_is_for_whoever_has_the_token(served: Served) -> None:
    """Without the token, or with another, there is no such page; no scrape makes an entry."""
    before = len(served.lines())
    for token in (None, "Bearer wrong", f"Basic {TOKEN}", TOKEN):
        headers = {} if token is None else {"Authorization": token}
        refused = served.ask("GET", "/metrics", headers=headers)
        assert (404, "/problems/not-found") == (refused.status_code, refused.json()["type"])
    scraped(served)

    assert before == len(served.lines())


def test_the_trail_is_counted_as_it_grows(served: Served) -> None:
    """Lines and chains are those of the database."""
    carer = served.world.person("carer")
    served.ask("GET", "/v1/users/me", carer)
    lines = served.lines()

    assert len(lines) == reading(served, "audit_lines")
    heads = served.world.looking(lambda connection: connection.execute(select(head.c.org)).all())
    assert {line.org for line in lines} <= {org for (org,) in heads}  # one may be empty so far
    assert len(heads) == reading(served, "audit_chains")
    assert 0 <= reading(served, "audit_unsigned_lines") <= len(lines)
    assert reading(served, "audit_checkpoint_age_seconds") < math.inf


def test_a_backup_grows_old_and_a_failed_one_shows(served: Served) -> None:
    """Age counts from the last run that went well; a failure is told beside it, until one goes well again."""
    run(served, "ok")
    assert (0, 0, 0) == of_backup(served)
    served.world.pass_time(hours=25)
    age, failed, overdue = of_backup(served)
    assert (25 * 3600, 0) == (age, failed)
    assert 0 < overdue < 25 * 3600

    run(served, "fail")
    assert (25 * 3600, 1) == of_backup(served)[:2]
    run(served, "ok")
    assert (0, 0) == of_backup(served)[:2]


def test_a_run_of_a_clock_that_was_ahead_makes_no_job_young(served: Served) -> None:
    """What is still to come tells nothing: the age is that of the run before, and alarms still fire."""
    run(served, "ok")
    served.world.pass_time(hours=3)
    to_come = update(job_run).where(
        job_run.c.outcome == "ok", job_run.c.started_at == spell(served.world.now)
    )
    run(served, "ok")
    run(served, "fail")
    served.world.looking(lambda c: c.execute(to_come.values(ended_at=served.world.later(days=365))))

    assert (3 * 3600, 1) == of_backup(served)[:2]


def test_a_job_that_never_went_well_is_infinitely_old(served: Served) -> None:
    """An alarm on age fires although there is no run to count from."""
    owner = open_engine(served.world.owner or served.world.url, patient=True)
    with owner.begin() as connection:
        due = "2026-01-01T00:00:00.000000Z"
        connection.execute(
            text("INSERT INTO job (org, name, cron, due_at) VALUES ('system', 'drill', '0 0 1 1 *', :due)"),
            {"due": due},
        )
    owner.dispose()

    assert math.inf == reading(served, "job_last_success_age_seconds", job="drill")
    assert reading(served, "job_overdue_seconds", job="drill") > timedelta(days=1).total_seconds()


def test_messages_that_wait_and_those_given_up_are_counted(served: Served) -> None:
    """To all endpoints of all organisations; one that was taken is neither."""
    of = ("webhook_messages_waiting", "webhook_messages_dead")
    made = CreateEndpoint("https://localhost:1025/hooks", ["incident.clock"])
    data = {"incident_id": new_id(), "clock": "72h", "hours": 24}
    for org in (served.world.org, served.world.other_org):
        served.world.answer(made, "POST /v1/webhooks", System("cli", org))
        for _ in range(2):
            tell(served.world, Announcing("incident.clock", data), org)
    assert [4, 0] == [reading(served, name) for name in of]

    for message, status in zip(served.world.rows(webhook_message), ("done", "dead", "dropped"), strict=False):
        ended = update(webhook_message).where(webhook_message.c.id == message["id"])
        ended = ended.values(status=status, lease=None)
        served.world.looking(lambda connection, ended=ended: connection.execute(ended))
    assert [1, 1] == [reading(served, name) for name in of]


@pytest.mark.parametrize("work", [FoldThrottled, IndexLines, NewestInstant])
def test_what_the_service_does_for_itself_and_fails_at_is_counted(
    served: Served, monkeypatch: pytest.MonkeyPatch, work: type[Work]
) -> None:
    """Whose task it is says the log; the service stays ready, and the count goes when it goes well again."""

    def fails(_self: Work, _opened: Opened) -> Answer:
        raise ConflictError

    assert 0 == reading(served, "companions_failing")
    monkeypatch.setattr(work, "perform", fails)
    if work is IndexLines:
        monkeypatch.setattr(housekeeping, "INDEX_AT_ONCE", 1)
        served.world.person("carer")  # there is a line to index
    if work is NewestInstant:
        served.restart()  # it is asked for when a process starts
        served.desk.metrics_token = TOKEN.encode()
    until(lambda: reading(served, "companions_failing") == 1)
    assert 200 == served.ask("GET", "/health/ready").status_code

    monkeypatch.undo()
    until(lambda: reading(served, "companions_failing") == 0)


def until(so: Callable[[], bool]) -> None:
    """Wait for what the service does once a second, or after a pause where it failed."""
    patience = time.monotonic() + LONGEST_S + 30
    while not so():
        assert time.monotonic() < patience
        time.sleep(0.1)


def test_requests_without_a_session_are_counted(served: Served) -> None:
    """A token this service never issued makes no entry, and is a number here."""
    before = reading(served, "unrecognised_total")
    assert 401 == served.ask("POST", "/v1/users", "nonsense", json={"a": 1}).status_code

    assert before + 1 == reading(served, "unrecognised_total")


def test_a_database_that_does_not_answer_leaves_the_rest(served: Served) -> None:
    """Readings of this machine are told all the same, and that the database is away."""
    owner = open_engine(served.world.owner or served.world.url, patient=True)
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE job RENAME TO job_away"))
    told = scraped(served)
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE job_away RENAME TO job"))
    owner.dispose()

    assert 0 == told["caretrail_database_answers", ()]
    assert ("caretrail_audit_lines", ()) not in told
    assert told["caretrail_disk_free_bytes", (("folder", "data"),)] > 0
    assert 1 == reading(served, "database_answers")
