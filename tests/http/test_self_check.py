"""A service that is served checks itself: gauges, readiness and the trail say what it found."""

import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Executable, text

from app.identity.table import shift
from app.storage.engine import open_engine
from app.trail import self_checking
from tests.support.served import Database, Deployment, Served

TOKEN = "sixteen-letters-or-more"


@pytest.fixture(scope="module")
def served(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A deployment that checks itself as fast as it can, and tells its gauges to whoever has the token."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_checking, "PIECE_EVERY_S", 0.0)
        patch.setattr(self_checking, "SHARE_OF_A_CORE", 0)
        with Served(Deployment.on(database, tmp_path_factory.mktemp("deployment"))) as served:
            served.desk.metrics_token = TOKEN.encode()
            yield served


def gauge(served: Served, name: str) -> int:
    """Return what `/metrics` says of one gauge."""
    told = served.ask("GET", "/metrics", TOKEN)
    assert 200 == told.status_code
    values = dict(line.split(" ") for line in told.text.splitlines() if not line.startswith("#"))
    return int(values[f"caretrail_{name}"])


def tamper(served: Served, statement: Executable, **parameters: str) -> None:
    """Change the database with the login that owns the tables: the service's own may not delete."""
    owner = open_engine(served.world.owner or served.world.url, patient=True)
    with owner.begin() as connection:
        connection.execute(statement, parameters)
    owner.dispose()


def until(reached: Callable[[], bool]) -> None:
    """Wait for what the self-check brings about by itself."""
    for _ in range(1500):
        if reached():
            return
        time.sleep(0.01)
    raise AssertionError("the self-check did not come to it")


def ready(served: Served) -> int:
    return served.ask("GET", "/health/ready").status_code


def alarms(served: Served) -> list[tuple[str, str]]:
    """Return what the entries `integrity.fail` are about."""
    entries = served.world.entries()
    return [(e["obj"]["t"], e["obj"]["id"]) for e in entries if e["act"] == "integrity.fail"]


def rounds(served: Served, more: int) -> None:
    """Wait for some whole rounds from now on."""
    now = gauge(served, "audit_self_check_rounds")
    until(lambda: gauge(served, "audit_self_check_rounds") >= now + more)


def test_a_deleted_row_makes_the_service_unready_until_it_is_back(served: Served) -> None:
    """Nobody asks for the row: the service finds by itself that it is gone, and says so until it is back."""
    agency = served.world.person("agency_carer", signed_in=False)
    rounds(served, 2)
    assert (200, 0, []) == (ready(served), gauge(served, "audit_self_check_findings"), alarms(served))
    (row,) = [row for row in served.world.rows(shift) if row["user_id"] == agency.id]
    delete, bring_back = text("DELETE FROM shift WHERE id = :id"), shift.insert().values(**row)
    tamper(served, delete, id=row["id"])
    until(lambda: 503 == ready(served))
    rounds(served, 2)
    assert (503, 1) == (ready(served), gauge(served, "audit_self_check_findings"))
    assert [("shift", row["id"])] == alarms(served)

    tamper(served, bring_back)
    until(lambda: 200 == ready(served))


def test_a_row_refused_to_a_reader_and_found_by_itself_is_told_of_once(served: Served) -> None:
    """Reader and self-check share one memory of what was told."""
    carer = served.world.person("carer")
    change = text("UPDATE account SET assignments = '[ ]' WHERE id = :id")
    tamper(served, change, id=carer.id)
    answers = [served.ask("GET", "/v1/users/me", carer) for _ in range(3)]
    until(lambda: 503 == ready(served))
    rounds(served, 2)

    assert [(500, "integrity")] * 3 == [
        (answer.status_code, answer.json()["type"].rsplit("/", 1)[-1]) for answer in answers
    ]
    assert 1 == alarms(served).count(("user", carer.id))
