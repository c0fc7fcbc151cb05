"""The last run of a job: looked up by the index made for it, on each database, in the doctor's own words."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import pytest

from app.access.operation import Operation
from app.access.visit import System
from app.core.identifiers import SYSTEM
from app.jobs.works import KEEPING, NEVER, ClaimNow, EndRun, Planned
from app.operations import database_facts
from app.storage.snapshot import all_rows, open_snapshot
from tests.support.world import World

JOBS = System("jobs", SYSTEM)
DRILL = Planned("drill", "0 * * * *")
DRILLED = Operation("*", "*", "system", "self", "drill.run", 200)
INDEX = "ix_job_run_org_job_ended_at"
ASKED = [("", SYSTEM, "drill", NEVER), (" AND outcome = 'ok'", SYSTEM, "drill", NEVER)]


@contextmanager
def viewing(world: World) -> Iterator[Any]:
    with open_snapshot(world.engine) as view:
        yield partial(all_rows, view)


def end(world: World, times: int) -> None:
    for _ in range(times):
        claimed = world.answer(ClaimNow(DRILL, "here"), KEEPING, JOBS).payload
        world.answer(EndRun(claimed.run_id, "ok", {}), DRILLED, JOBS)


@pytest.mark.parametrize("asked", ASKED, ids=["last", "last good"])
@pytest.mark.parametrize("each_world", ["sqlite"], indirect=True)
def test_sqlite_looks_it_up(each_world: World, asked: tuple[str, ...]) -> None:
    """And puts nothing in order: the index is."""
    also, *parameters = asked
    with viewing(each_world) as rows:
        plan = rows(f"EXPLAIN QUERY PLAN {database_facts._LAST_RUN.format(also)}", *parameters)

    assert [f"SEARCH job_run USING INDEX {INDEX} (org=? AND job=? AND ended_at<?)"] == [
        one[-1] for one in plan
    ]


@pytest.mark.parametrize("asked", ASKED, ids=["last", "last good"])
@pytest.mark.parametrize("each_world", ["postgresql"], indirect=True)
def test_postgresql_looks_it_up(each_world: World, asked: tuple[str, ...]) -> None:
    """Of an empty table it would rather read everything, so it is asked not to; it sorts nothing."""
    also, *parameters = asked
    statement = database_facts._LAST_RUN.format(also).replace("?", "%s")
    with closing(each_world.engine.raw_connection()) as pooled:
        cursor = pooled.cursor()
        for other_way in ("seqscan", "bitmapscan"):
            cursor.execute(f"SET LOCAL enable_{other_way} = off")
        cursor.execute(f"EXPLAIN {statement}", parameters)
        plan = "\n".join(one for (one,) in cursor.fetchall())
        pooled.rollback()

    assert f"Index Scan Backward using {INDEX}" in plan, plan
    assert "Sort" not in plan
    condition = next(line for line in plan.splitlines() if "Index Cond" in line)
    assert all(column in condition for column in ("org", "job", "ended_at"))


def test_it_is_the_newest_of_that_job(each_world: World) -> None:
    """Whatever else was run."""
    end(each_world, 1)
    each_world.pass_time(hours=1)
    end(each_world, 1)
    with viewing(each_world) as rows:
        [(ended, outcome, _)] = rows(database_facts._LAST_RUN.format(""), SYSTEM, "drill", NEVER)
        others = rows(database_facts._LAST_RUN.format(""), SYSTEM, "backup", NEVER)

    assert (each_world.now.hour, "ok", []) == (int(ended[11:13]), outcome, others)
