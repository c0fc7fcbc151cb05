"""`audit prune`: entries whose time is over are taken out by the owner, whole or not at all."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from app.audit import verify
from app.commands.calling import Caller
from app.commands.opening import open_service
from app.commands.starting import begin
from app.core.clock import SystemClock, spell
from app.trail.checkpoints import HOUSEKEEPING
from app.trail.closing import close_due
from tests.unit.commands.places import Place

LATER = timedelta(days=9 * 366)
AHEAD = """
import os, sys
from datetime import datetime
from app.audit import pruning
from app.core.clock import SystemClock, spell
SystemClock.now = lambda self: datetime.fromisoformat({now!r})
pruning.{step} = lambda *_: os._exit(9)
from app.__main__ import main
main()
"""


@pytest.fixture
def grown(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A deployment whose first month was closed, nine years ago."""
    line, now = place.line, datetime.now(UTC)
    for _ in range(3):
        assert 0 == line.run("audit", "checkpoint").code
    assert 0 == line.run("audit", "reindex").code
    at_clock(monkeypatch, now + timedelta(days=31))
    with line._as_a_process("close"), open_service(begin()) as service:
        caller = Caller(service, org_of(place), "close")

        async def do(_org: str, work: Any) -> Any:
            return (await caller.do(HOUSEKEEPING, work)).answer.payload

        assert asyncio.run(close_due(do, org_of(place))) is not None
    at_clock(monkeypatch, now + LATER)
    return place


def at_clock(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr(SystemClock, "now", lambda _: now)


def org_of(place: Place) -> str:
    return str(place.founded["organisation_id"])


def prune(place: Place, *more: str) -> Any:
    day = f"{(datetime.now(UTC) + timedelta(days=31)):%Y-%m}-01"
    return place.line.run("audit", "prune", "--before", day, "--reason", "board, 4 May", *more)


def lines(place: Place) -> list[bytes]:
    """Return the lines of the organisation's chain."""
    url = place.line.variables.get("CARETRAIL_DATABASE_URL", f"sqlite:///{place.line.data_dir}/caretrail.db")
    engine = create_engine(url)
    query = text("SELECT line FROM audit_event WHERE org = :org ORDER BY seq")
    with engine.connect() as connection:
        found = connection.execute(query, {"org": org_of(place)}).scalars().all()
    engine.dispose()
    return [bytes(one) for one in found]


def test_what_is_due_goes_and_the_rest_verifies(grown: Place, tmp_path: Path) -> None:
    """The owner prunes, an entry says so, the database and an export of the rest are intact."""
    told = prune(grown, "--json")
    assert 0 == told.code, told.err
    [of_org] = [one for one in told.json["pruned"] if one["organisation"] == org_of(grown)]
    verified = grown.line.run("audit", "verify", "--state")

    assert of_org["lines"] == sum(not line for line in lines(grown)) > 0
    assert (0, 1) == (verified.code, verified.out.count("after the rule of 8 years")), verified.out
    assert "the definitions" not in verified.err
    out = tmp_path / "rest.zip"
    exported = grown.line.run("audit", "export", "--out", str(out), "--organisation", org_of(grown))
    assert 0 == exported.code, exported.err
    key, now = exported.err.split()[-1], spell(SystemClock().now())  # nine years on, as the service was
    report = verify.verify_export(out, [key], now=now)
    assert (0, of_org["first"]) == (report.exit_code, report.first), report.as_text()
    again = prune(grown)
    assert (0, True) == (again.code, "nothing to prune" in again.out)


def test_the_reason_is_sealed(grown: Place) -> None:
    """Why it was done stands in the trail, sealed."""
    prune(grown)
    events = [json.loads(line)["e"] for line in lines(grown) if line]
    [entry] = [event for event in events if event["act"] == "segment.prune"]

    assert ("system:cli", "ok") == (entry["actor"]["id"], entry["out"])
    assert 64 == len(entry["reason_h"])
    assert all(b"board" not in line for line in lines(grown))


def test_what_is_not_due_is_refused(grown: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule set longer, a day that is none, no reason: nothing goes, and it is said why."""
    before = lines(grown)
    monkeypatch.setitem(grown.line.variables, "CARETRAIL_TRAIL_YEARS", "10")
    refused = prune(grown, "--organisation", org_of(grown))
    assert (1, True) == (refused.code, "the rule is 10 years. Nothing was pruned" in refused.err)
    assert 1 == grown.line.run("audit", "prune", "--before", "soon", "--reason", "x").code
    assert 1 == grown.line.run("audit", "prune", "--before", "2020-01-01", "--reason", " ").code
    monkeypatch.setitem(grown.line.variables, "CARETRAIL_TRAIL_YEARS", "7")
    below = prune(grown)

    assert (2, True) == (below.code, "CARETRAIL_TRAIL_YEARS" in below.err)
    assert before == lines(grown)[: len(before)]
    assert all(lines(grown))


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_the_login_of_the_service_cannot(grown: Place) -> None:
    """On PostgreSQL only the owner's login prunes; with the service's, or none that works, nothing goes."""
    grown.line.variables["CARETRAIL_OWNER_DATABASE_URL"] = grown.line.variables["CARETRAIL_DATABASE_URL"]
    refused = prune(grown)

    assert (2, True) == (refused.code, "does not own the tables" in refused.err)
    nobody = make_url(grown.line.variables["CARETRAIL_DATABASE_URL"]).set(database="there_is_none")
    grown.line.variables["CARETRAIL_OWNER_DATABASE_URL"] = nobody.render_as_string(hide_password=False)
    refused = prune(grown)

    assert (2, True) == (refused.code, refused.err.startswith("caretrail: nothing was pruned: "))
    assert "there_is_none" in refused.err
    assert all(lines(grown))


@pytest.mark.parametrize("step", ["remove", "_take_from_lists"])
def test_a_crash_leaves_all_or_nothing(grown: Place, step: str) -> None:
    """A process that dies in the middle leaves everything as it was, and the next run does it."""
    before, now = lines(grown), datetime.now(UTC) + LATER
    day = f"{(datetime.now(UTC) + timedelta(days=31)):%Y-%m}-01"
    program = AHEAD.format(now=now.isoformat(), step=step)
    command = [sys.executable, "-c", program, "audit", "prune", "--before", day, "--reason", "x"]
    died = subprocess.run(
        command, env=grown.line.environment, cwd=grown.line.data_dir.parent, capture_output=True, check=False
    )

    assert 9 == died.returncode, died.stderr
    assert before == lines(grown)[: len(before)]
    assert all(lines(grown))
    assert 0 == grown.line.run("audit", "verify").code
    assert 0 == prune(grown).code
    assert not all(lines(grown))
