"""What is asked for often is looked up: nothing reads a table that grows for ever to find a few of its rows.

SQLite tells beforehand how a statement would go, and without statistics it says the same of an empty table
as of a large one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from app.access.operation import Operation
from app.access.visit import System
from app.access.work import Work
from app.core.identifiers import SYSTEM
from app.identity.directory import ListAccounts
from app.identity.past_sessions import FORGET_SESSIONS, ForgetSessions
from app.identity.repeats import FORGET_ANSWERS, ForgetOutdated
from app.identity.shifts import CancelShift
from app.operations.vitals import VITALS, ReadVitals
from app.residents.erasing import ApproveErasure
from app.residents.records import ListRecords
from app.residents.register import ListResidents, ReadResident
from app.webhooks.claiming import DISPATCH, AnyDue, ClaimMessages
from app.webhooks.settling import PruneMessages
from tests.support.world import World
from tests.unit.residents.conftest import APPROVE, Provider

OF_CATEGORY = "ix_record_org_resident_id_category (org=? AND resident_id=? AND category=?)"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    """A provider with somebody whose record need not be kept, on SQLite."""
    with World.at(tmp_path) as world:
        yield Provider(world)


@contextmanager
def plans(world: World) -> Iterator[list[str]]:
    """Collect how each statement that is run meanwhile would go."""
    told: list[str] = []

    def explain(_connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.split(maxsplit=1)[0] in ("SELECT", "UPDATE", "DELETE", "WITH"):
            asked = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            told.extend(step[-1] for step in asked.fetchall())

    event.listen(world.engine, "before_cursor_execute", explain)
    yield told
    event.remove(world.engine, "before_cursor_execute", explain)


def _erasure(provider: Provider) -> tuple[Any, ...]:
    asked = provider.ask(provider.admit())
    return ApproveErasure(asked["id"]), APPROVE, provider.manager


def _shift(provider: Provider) -> tuple[Any, ...]:
    agency = provider.world.person("agency_carer", signed_in=False, shift_hours=0)
    work = CancelShift(agency.id, provider.world.shift(agency))
    return work, "DELETE /v1/users/{user_id}/shifts/{shift_id}", provider.manager


def _resident(provider: Provider) -> tuple[Any, ...]:
    return ReadResident(provider.admit()), "GET /v1/residents/{resident_id}", provider.manager


def _accounts(provider: Provider) -> tuple[Any, ...]:
    return ListAccounts(), "GET /v1/users", provider.manager


def _everybody(provider: Provider, home: str | None = None) -> tuple[Any, ...]:
    return ListResidents(home, None, 50, None), "GET /v1/residents", provider.manager


def _home(provider: Provider) -> tuple[Any, ...]:
    return _everybody(provider, provider.world.home)


def _service(work: Work, operation: Operation) -> Callable[[Provider], tuple[Any, ...]]:
    return lambda _: (work, operation, System("housekeeping", SYSTEM))


def _records(provider: Provider, category: str | None) -> tuple[Any, ...]:
    work = ListRecords(provider.admit(), category, None, None, 50, None)
    return work, "GET /v1/residents/{resident_id}/records", provider.manager


LOOKED_UP: dict[str, Callable[[Provider], tuple[Any, ...]]] = {
    "session USING INDEX ix_session_org_shift_id (org=? AND shift_id=?)": _shift,
    "idempotency USING INDEX ix_idempotency_org_subject (org=? AND subject=?)": _erasure,
    "idempotency USING INDEX ix_idempotency_made_at (made_at<?)": _service(ForgetOutdated(), FORGET_ANSWERS),
    "session USING INDEX ix_session_ends_at (ends_at<?)": _service(ForgetSessions(), FORGET_SESSIONS),
    "webhook_message USING INDEX ix_webhook_message_ended_at (ended_at<?)": _service(
        PruneMessages(), DISPATCH
    ),
    "webhook_message USING INDEX ix_webhook_message_status_due_at (status=? AND due_at<?)": _service(
        AnyDue(), DISPATCH
    ),
    "webhook_message USING INDEX ix_webhook_message_status_due_at (status=? AND due_at>?)": _service(
        ClaimMessages(1), DISPATCH
    ),
    "job_run USING INDEX ix_job_run_org_job_ended_at (org=? AND job=? AND ended_at<?)": _service(
        ReadVitals(), VITALS
    ),
    "account USING INDEX ix_account_org_created_at (org=?)": _accounts,
    "resident USING INDEX ix_resident_org_created_at (org=?)": _everybody,
    "resident USING INDEX ix_resident_org_home_id_created_at (org=? AND home_id=?)": _home,
    f"record USING INDEX {OF_CATEGORY}": _resident,
}


@pytest.mark.parametrize("index", LOOKED_UP)
def test_rows_are_looked_up(provider: Provider, index: str) -> None:
    """Each of these works finds its rows by the index made for it."""
    work, operation, who = LOOKED_UP[index](provider)

    with plans(provider.world) as told:
        provider.world.answer(work, operation, who)

    assert f"SEARCH {index}" in told, "\n".join(told)


@pytest.mark.parametrize(
    ("category", "index"),
    [
        ("care_plan", OF_CATEGORY),
        (None, "ix_record_org_resident_id_occurred_at (org=? AND resident_id=?)"),
    ],
)
def test_a_page_of_records_is_read_in_its_order(provider: Provider, category: str | None, index: str) -> None:
    """Of one category or of all: the page is read, never the whole record of somebody to put it in order."""
    visit = _records(provider, category)

    with plans(provider.world) as told:
        provider.world.answer(*visit)

    assert f"SEARCH record USING INDEX {index}" in told, "\n".join(told)
