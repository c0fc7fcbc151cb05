"""What is known of allergies is shown with the resident, whatever was recorded last."""

import pytest
from sqlalchemy import event, insert

from app.access.visit import System
from app.residents.recording import MakeRecord
from app.residents.register import ListResidents, ReadResident
from app.residents.table import record

READ = "GET /v1/residents/{resident_id}"
MAKE = "POST /v1/residents/{resident_id}/records"
NONE_KNOWN = {"none_known": True}
NUTS = {"substance": "nuts", "severity": "severe", "status": "active"}


@pytest.mark.parametrize(
    ("bodies", "status"),
    [
        ((), "not_recorded"),
        ((NONE_KNOWN,), "none_known"),
        ((NONE_KNOWN, NUTS), "recorded"),
        ((NUTS, NONE_KNOWN), "recorded"),
    ],
    ids=["nothing", "none-known", "nuts-last", "none-known-last"],
)
def test_an_allergy_is_not_hidden_by_none_known(provider, bodies, status):
    """One allergy that is recorded counts, before or after somebody said that none is known."""
    world, resident = provider.world, provider.admit(left_on=None)
    cli, nurse = System("cli", world.org), world.person("nurse")
    for minutes, body in enumerate(bodies, -9):
        work = MakeRecord(resident, "allergy", world.later(minutes=minutes), body)
        world.answer(work, MAKE, cli)

    read = world.answer(ReadResident(resident), "GET /v1/residents/{resident_id}", nurse).payload
    [listed] = world.answer(ListResidents(None, None, 50, None), "GET /v1/residents", nurse).payload["items"]

    assert [status, status] == [read["allergy_status"], listed["allergy_status"]]


def test_of_all_their_records_only_allergies_are_gone_through(provider):
    """Neither who is read nor who is listed costs more with every note: an index leads to the category."""
    world, resident = provider.world, provider.admit(left_on=None)
    nurse, [note] = world.person("nurse"), world.rows(record)
    notes = [note | {"id": f"note-{number}"} for number in range(3_000)]
    world.looking(lambda c: c.execute(insert(record), notes))
    if world.engine.dialect.name == "postgresql":  # it does so by itself before long, SQLite never
        world.looking(lambda c: c.exec_driver_sql("ANALYZE"))

    plans = [
        _plan(world, lambda: world.answer(ReadResident(resident), READ, nurse)),
        _plan(world, lambda: world.answer(ListResidents(None, None, 50, None), "GET /v1/residents", nurse)),
    ]

    for plan in plans:
        assert "ix_record_org_resident_id_category" in plan
        assert "category=?" in plan or "category = " in plan
        assert "Rows Removed" not in plan


def _plan(world, act):
    """Return how the database goes through the records while something is done."""
    said = []

    def executing(_connection, _cursor, statement, parameters, _context, _many):
        if "FROM record" in statement:
            said.append((statement, parameters))

    event.listen(world.engine, "before_cursor_execute", executing)
    act()
    event.remove(world.engine, "before_cursor_execute", executing)
    [(statement, parameters)] = said
    explain = "EXPLAIN QUERY PLAN" if world.engine.dialect.name == "sqlite" else "EXPLAIN ANALYZE"
    rows = world.looking(lambda c: c.exec_driver_sql(f"{explain} {statement}", parameters).all())
    return " ".join(str(row[-1]) for row in rows)
