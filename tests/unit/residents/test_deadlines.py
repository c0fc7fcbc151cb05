"""The job that counts what has a date: whose record waits for a review, and whose request for an answer."""

from datetime import timedelta

import pytest

from app.access.visit import System, VisitRefusedError
from app.core.errors import AuditUnavailableError, CaretrailError
from app.jobs.scheduler import JobFailedError, Running
from app.residents import deadlines_job
from app.residents.access_requests import OPEN, OpenRequest
from app.residents.deadlines_job import count
from app.residents.reviewing import DUE, REVIEW, Review

NOTHING = {"due": 0, "unreviewed": 0, "requests": 0, "soon": 0, "late": 0}


def through(provider):
    """Return a door in which visits are served at once, as a job's thread sees it."""

    def visit(visit):
        provider.world.turn.serve([visit])
        if isinstance(visit.outcome, CaretrailError):
            raise VisitRefusedError(visit.outcome, visit.stamp)
        return visit.outcome

    return visit


def counted(provider):
    """Return what a run of the job counts."""
    return count(through(provider), Running("run", 0))


def request(provider, days_ago):
    """Note that somebody asked for a copy so many days ago."""
    resident = provider.admit(number=None)
    received = (provider.world.clock.now() - timedelta(days=days_ago)).date()
    work = OpenRequest(resident, received)
    provider.world.answer(work, OPEN, System("cli", provider.world.org))


def test_what_waits_is_counted(provider):
    """A record that is due, one that is kept, one reviewed; requests of today, of last month, of long ago."""
    assert NOTHING == counted(provider)
    provider.admit(left_on="2017-09-01", number=None)
    reviewed = provider.admit(left_on="2017-09-01", number=None)
    provider.admit(left_on="2025-09-01", number=None)
    assert {"due": 2, "unreviewed": 2} == {name: counted(provider)[name] for name in ("due", "unreviewed")}

    destroy = Review(reviewed, "destroy", None, "appraised", "jo")
    provider.world.answer(destroy, REVIEW, System("cli", provider.world.org))
    for days_ago in (0, 27, 60):
        request(provider, days_ago)  # each of somebody who left in 2017, too

    assert {"due": 5, "unreviewed": 4, "requests": 3, "soon": 1, "late": 1} == counted(provider)
    assert [] == provider.findings()


def test_a_count_is_an_entry_that_names_nobody(provider):
    """Each organisation's chain says that its queue was looked at."""
    provider.admit(left_on="2017-09-01")
    before = len(provider.world.entries(provider.world.org))
    counted(provider)
    [entry] = provider.world.entries(provider.world.org)[before:]

    assert (DUE.act, "ok", False) == (entry["act"], entry["out"], "subs" in entry)


def test_one_organisation_that_fails_is_told_and_hides_no_other(provider, monkeypatch):
    """The run fails and keeps the numbers of the others."""
    real, provider_org = deadlines_job.CountDeadlines.perform, provider.world.org

    def perform(self, opened):
        if opened.org == provider_org:
            raise AuditUnavailableError(why="spoiled")
        return real(self, opened)

    provider.world.found("Other Care")
    monkeypatch.setattr(deadlines_job.CountDeadlines, "perform", perform)
    with pytest.raises(JobFailedError) as failed:
        counted(provider)
    assert [provider_org] == [one["organisation"] for one in failed.value.result["failed"]]
    assert NOTHING.items() <= failed.value.result.items()
