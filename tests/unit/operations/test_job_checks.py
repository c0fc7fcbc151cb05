"""What the doctor says of backups, drills and jobs."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.commands import drilling
from app.core.clock import parse
from app.jobs.works import NEVER
from app.operations import job_checks
from app.operations.database_facts import JobFacts
from app.operations.job_checks import backup, check_jobs, drill, interval, overdue
from tests.unit.operations.facts import AT, HOUR, job, run

OLD = run(27 * HOUR)
FAILED = run(HOUR, "fail", why="not-written", detail="no room")
DAY = 24 * HOUR
BACKUPS: dict[str, tuple[JobFacts | None, str]] = {
    "in good order": (job(), "ok"),
    "never planned": (None, "failed"),
    "not due yet": (job(last=None, last_good=None), "warning"),
    "due, and none": (job(last=None, last_good=None, due_at=AT - HOUR), "failed"),
    "never well": (job(last=FAILED, last_good=None), "failed"),
    "of 26 hours": (job(last=run(26 * HOUR), last_good=run(26 * HOUR), cron="0 * * * *"), "ok"),
    "of 27 hours": (job(last=OLD, last_good=OLD, cron="0 * * * *"), "failed"),
    "of 27 hours, nightly": (job(last=OLD, last_good=OLD), "ok"),
    "of two days, nightly": (job(last=run(49 * HOUR), last_good=run(49 * HOUR)), "failed"),
    "weekly": (job(cron="0 2 * * 0", last=run(13 * DAY), last_good=run(13 * DAY)), "ok"),
    "failed since": (job(last=FAILED), "warning"),
    "taken away": (job(last_good=run(HOUR, path="/nowhere/at/all")), "failed"),
}
DRILLS: dict[str, tuple[JobFacts | None, str]] = {
    "in good order": (job("drill"), "ok"),
    "never": (None, "warning"),
    "not due yet": (job("drill", last=None, last_good=None), "warning"),
    "never well": (job("drill", last=FAILED, last_good=None), "failed"),
    "failed since": (job("drill", last=FAILED), "failed"),
    "of 92 days": (job("drill", last=run(92 * DAY), last_good=run(92 * DAY)), "ok"),
    "of 93 days": (job("drill", last=run(93 * DAY), last_good=run(93 * DAY)), "failed"),
    "stopped since": (job("drill", last=run(HOUR, "stopped")), "ok"),
}
DUE: dict[str, tuple[dict[str, Any], str]] = {
    "to come": ({}, "ok"),
    "just due": ({"due_at": AT - timedelta(minutes=14)}, "ok"),
    "late": ({"due_at": AT - timedelta(minutes=16)}, "failed"),
    "late and running": ({"due_at": AT - timedelta(hours=3), "held": True}, "ok"),
    "a night too far": ({"due_at": AT + timedelta(hours=41, minutes=15)}, "failed"),
    "by hand": ({"due_at": parse(NEVER)}, "ok"),
}


@pytest.mark.parametrize("which", BACKUPS)
def test_the_last_good_backup_is_young_and_there(which: str) -> None:
    """Younger than 26 hours, or than twice its interval, and the file is where it was put."""
    facts, expected = BACKUPS[which]

    assert expected == backup(facts, AT).result


@pytest.mark.parametrize("which", ["never planned", "not due yet", "due, and none"])
def test_backups_of_before_a_restore_are_not_denied(which: str) -> None:
    """The database that a first backup brings back knows of no backup, and there is one."""
    assert "none is recorded" in backup(BACKUPS[which][0], AT).told


SENDING: dict[str, tuple[JobFacts, list[str]]] = {
    "in good order": (job("backup-offsite"), ["ok"]),
    "not due yet": (job("backup-offsite", last=None, last_good=None), ["warning"]),
    "never well": (job("backup-offsite", last=FAILED, last_good=None), ["failed"]),
    "of two days": (job("backup-offsite", last=run(49 * HOUR), last_good=run(49 * HOUR)), ["failed"]),
    "failed since": (job("backup-offsite", last=FAILED), ["warning"]),
    "given up": (job("backup-offsite", due_at=parse(NEVER)), []),
}


@pytest.mark.parametrize("which", SENDING)
def test_copies_elsewhere_are_as_young_as_backups(which: str) -> None:
    """Where copies are sent they are judged as backups are; where they are not, nothing is said."""
    facts, expected = SENDING[which]

    assert expected == [one.result for one in check_jobs([facts], AT) if one.name == "offsite"]


COUNTED: dict[str, tuple[dict[str, int], str, str]] = {
    "nothing waits": ({"due": 3, "unreviewed": 0, "requests": 2, "soon": 0, "late": 0}, "ok", "no request"),
    "records wait": ({"due": 3, "unreviewed": 2}, "warning", "2 records' time is over"),
    "requests are late": ({"requests": 2, "soon": 1, "late": 1}, "warning", "1 requests for access are LATE"),
}


@pytest.mark.parametrize("which", COUNTED)
def test_deadlines_are_told_from_the_last_count(which: str) -> None:
    """What waits is a warning, with where to look; what does not is well."""
    result, expected, words = COUNTED[which]
    facts = job("record-deadlines", last_good=run(HOUR, **result))
    [told] = [one for one in check_jobs([facts], AT) if one.name == "deadlines"]

    assert (expected, True) == (told.result, told.told.startswith(words))
    assert (expected == "warning") == ("caretrail residents" in (told.advice or ""))


PACKS: dict[str, tuple[JobFacts | None, str, str]] = {
    "in good order": (job("continuity"), "ok", "the last good one"),
    "nobody named": (None, "warning", "no emergency pack is made"),
    "not planned any more": (job("continuity", last=None, due_at=parse(NEVER)), "warning", "no emergency"),
    "not due yet": (job("continuity", last=None, last_good=None), "warning", "none yet"),
    "never well": (job("continuity", last=FAILED, last_good=None), "failed", "none was ever made"),
    "failed since": (job("continuity", last=FAILED), "warning", "the last good one"),
    "of 27 hours": (job("continuity", cron="0 5 * * *", last=OLD, last_good=OLD), "ok", "the last"),
    "of two days": (job("continuity", last=FAILED, last_good=run(49 * HOUR)), "failed", "the last good one"),
    "given up": (
        job("continuity", due_at=parse(NEVER), last_good=run(49 * HOUR)),
        "warning",
        "the last good",
    ),
    "stick away": (
        job("continuity", last_good=run(HOUR, packs=[{"path": "/no/stick"}, {"path": "/"}])),
        "warning",
        "the last good one is 1.0 hours old, and 1 of its files are not there any more: /no/stick",
    ),
}


@pytest.mark.parametrize("which", PACKS)
def test_there_is_paper_to_go_on_with(which: str) -> None:
    """A pack that was never made, is old, or lies nowhere any more is told of."""
    facts, expected, words = PACKS[which]
    [told] = [one for one in check_jobs([facts] if facts else [], AT) if one.name == "continuity"]

    assert (expected, True) == (told.result, told.told.startswith(words)), told


@pytest.mark.parametrize(
    ("name", "spoiled", "expected"),
    [
        ("record-deadlines", {"last": FAILED}, "failed"),
        ("incident-clocks", {"last": run(HOUR, "lost")}, "failed"),
        ("incident-clocks", {"last": run(HOUR, "stopped")}, "ok"),
        ("incident-clocks", {"last": FAILED, "due_at": parse(NEVER)}, "ok"),
        ("backup", {"last": FAILED}, "ok"),
    ],
)
def test_what_no_other_check_tells_of_is_told_here(name: str, spoiled: dict[str, Any], expected: str) -> None:
    """A job without a finding of its own that failed fails `jobs`; given up or stopped it does not."""
    told = overdue([job(name, **spoiled)], AT)

    assert (expected, expected == "failed") == (told.result, f"{name}; the last run" in told.told)


def test_what_is_run_by_hand_is_never_due() -> None:
    """A job that nobody plans has no instant: it is run when somebody asks."""
    assert "due next: drill when asked" == overdue([job("drill", due_at=parse(NEVER))], AT).told


@pytest.mark.parametrize("which", DRILLS)
def test_a_restore_went_well_within_a_quarter(which: str) -> None:
    """A drill that failed after a good one counts more than the good one."""
    facts, expected = DRILLS[which]

    assert expected == drill(facts, AT).result


@pytest.mark.parametrize("which", DUE)
def test_what_is_due_is_run_by_somebody(which: str) -> None:
    """A job nobody holds a quarter of an hour after it was due is told of."""
    spoiled, expected = DUE[which]

    assert expected == overdue([job(**spoiled)], AT).result


def test_a_failure_says_why() -> None:
    """The reason of the last run is repeated, so that nobody has to look it up."""
    told = backup(job(last=FAILED, last_good=None), AT).told

    assert "failed: no room" in told


def test_a_backup_that_is_there_counts(tmp_path: Path) -> None:
    """The file of the last good run is looked for where its run says."""
    path = tmp_path / "one"
    path.touch()

    assert "ok" == backup(job(last_good=run(HOUR, path=str(path))), AT).result


def test_five_findings_and_the_interval_of_a_time_table() -> None:
    """Five findings are always there; nightly means every 24 hours."""
    always = ["backup", "drill", "continuity", "deadlines", "jobs"]
    assert always == [one.name for one in check_jobs([job()], AT)]
    assert DAY == interval("15 2 * * *", AT)


def test_the_drill_is_called_here_as_it_is_there() -> None:
    """The name of the job is the one its runs are recorded under."""
    assert drilling.NAME == job_checks.DRILL


YEAR_AHEAD = run(-365 * DAY)


@pytest.mark.parametrize("name", ["backup", "backup-offsite", "continuity", "drill"])
def test_a_run_still_to_come_is_none_to_rely_on(name: str) -> None:
    """A clock that was ahead makes no backup young: nobody knows how old it is. A minute is no matter."""
    found = {one.name: one for one in check_jobs([job(name, last=YEAR_AHEAD, last_good=YEAR_AHEAD)], AT)}
    told = found[name.removeprefix("backup-")]
    near = run(-timedelta(minutes=1))
    agreed = {one.name: one for one in check_jobs([job(name, last=near, last_good=near)], AT)}

    assert "failed" == told.result
    assert told.told.startswith("the last good one is of 2027-11-22 09:00 UTC, which is still to come")
    assert ("ok", "the last good one is 0.0 hours old") == agreed[name.removeprefix("backup-")][1:3]


def test_a_job_that_waits_for_a_wrong_hour_is_named() -> None:
    """Which one, when it would run, and that starting anew plans it again."""
    told = overdue([job(due_at=AT + 365 * DAY), job("incident-clocks")], AT)

    assert "backup waits for 2027-11-22 09:00 UTC, later than by its time-table" == told.told
    assert "start" in (told.advice or "")
