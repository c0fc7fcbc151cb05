"""What is known of allergies is shown with the resident, whatever was recorded last."""

import pytest

from app.access.visit import System
from app.residents.recording import MakeRecord
from app.residents.register import ListResidents, ReadResident

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
