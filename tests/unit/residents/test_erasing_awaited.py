"""Nobody erases a record of which somebody waits for a copy."""

from datetime import date

import pytest

from app.access.visit import System, Visited
from app.core.errors import ConflictError
from app.residents.access_requests import ANSWER, OPEN, AnswerRequest, OpenRequest
from app.residents.erasing import AskErasure
from tests.unit.residents.conftest import ASK


def cli(provider, work, operation):
    """Do a work as the command line does, and return what it answers."""
    return provider.world.answer(work, operation, System("cli", provider.world.org)).payload


def test_an_erasure_waits_for_the_copy(provider):
    """While a request for access is open it is refused, with what to do; when it is answered it is not."""
    resident, other = provider.admit(), provider.admit(number=None)
    opened = cli(provider, OpenRequest(resident, date(2026, 3, 1)), OPEN)
    refused = provider.world.refusal(AskErasure(resident, "retention_ended", "x"), ASK, provider.officer)

    assert (ConflictError, "access-request-open") == (type(refused), refused.why)
    assert "hand it over first" in refused.detail
    assert "approved" == provider.erase(other)["status"]
    cli(provider, AnswerRequest(opened["id"]), ANSWER)
    assert "approved" == provider.erase(resident)["status"]
    assert [] == provider.findings()


def test_a_request_that_came_since_holds_the_approval_back(provider):
    """Asked for before somebody wanted a copy, it is not approved until they have it."""
    resident = provider.admit()
    erasure = provider.ask(resident)
    opened = cli(provider, OpenRequest(resident, date(2026, 3, 1)), OPEN)
    refused = provider.approve(erasure["id"])
    assert (ConflictError, "access-request-open") == (type(refused), refused.why)
    assert provider.row("resident", id=resident)["wrapped_key"]

    cli(provider, AnswerRequest(opened["id"]), ANSWER)
    assert isinstance(provider.approve(erasure["id"]), Visited)


@pytest.mark.parametrize("basis", ["court_order", "never_our_record"])
def test_what_erases_whatever_the_date_does_not_wait(provider, basis):
    """A court's order, or a record that never was ours, is no reason to hand it out first."""
    resident = provider.admit()
    cli(provider, OpenRequest(resident, date(2026, 3, 1)), OPEN)

    assert "approved" == provider.erase(resident, basis)["status"]
