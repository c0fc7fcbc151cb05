"""`caretrail residents schedule|due|review|agree|access-request`: what an operator types and is told."""

import pytest

from app.access.operations import operation
from app.commands import keeping_records
from app.commands.calling import present
from app.commands.opening import open_service
from app.core.settings import Settings
from app.identity.homes import OpenHome
from app.residents.admission import AdmitResident
from app.residents.leaving import DischargeResident
from tests.unit.commands.conftest import Line

NOBODY = "01890000-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def left(founded: tuple[Line, dict[str, str]]) -> str:
    """The id of somebody who left long ago."""
    line, told = founded
    org = told["organisation_id"]
    with open_service(Settings(data_dir=line.data_dir)) as service:
        home = present(service, org, operation("POST", "/v1/homes"), OpenHome("Elm", None, None), "test")
        names, born = {"given_name": "Ada", "family_name": "Example"}, {"date_of_birth": "1938-04-05"}
        work = AdmitResident(home["id"], None, None, names, born, "2010-01-05")
        resident = present(service, org, operation("POST", "/v1/residents"), work, "test")["id"]
        gone = DischargeResident(resident, "2012-01-05", "moved")
        present(service, org, operation("POST", "/v1/residents/{resident_id}/discharge"), gone, "test")
    return str(resident)


def run(founded, *arguments, code=0):
    """Run a command and return what it told, as JSON if it ended well."""
    told = founded[0].run("residents", *arguments, "--json")
    assert code == told.code, told.err
    return told.json if code == 0 else told.err


def test_an_operator_goes_from_due_to_agreed(founded, left, monkeypatch):
    """Due, reviewed, agreed to by another operating user; each name counts once."""
    assert [left] == [one["resident_id"] for one in run(founded, "due")["due"]]
    review = ("review", "--resident", left, "--reason", "inquiry", "--decision")
    assert "Goes with `continue`" in run(founded, *review, "destroy", "--until", "2050-01-01", code=1)
    made = run(founded, *review, "continue", "--until", "2050-01-01")
    assert ([], [made]) == (run(founded, "due")["due"], run(founded, "due")["waiting"])
    told = founded[0].run("residents", "due").out
    assert f"{left}  continue until 2050-01-01 is proposed" in told
    assert f"residents agree {made['id']}" in told
    assert "Ask a colleague" in run(founded, "agree", made["id"], code=1)

    monkeypatch.setattr(keeping_records, "operating_user", lambda: "somebody else")
    assert "approved" == run(founded, "agree", made["id"])["status"]
    assert [] == run(founded, "due")["waiting"]
    assert "is kept until 2050-01-01" in run(founded, *review, "destroy", code=1)


def test_a_name_that_somebody_gives_themselves_is_nobody_else(founded, left):
    """Whoever proposed it does not become another operating user by saying so in a variable."""
    line = founded[0]
    reason = ("--resident", left, "--reason", "inquiry", "--decision", "continue", "--until", "2050-01-01")
    made = run(founded, "review", *reason)
    renamed = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "bob")
    other = Line(line.data_dir, line.variables | renamed)

    told = other.run("residents", "agree", made["id"])
    assert (1, True) == (told.code, "Ask a colleague" in told.err)


def test_what_is_wrong_is_said_in_words_of_the_command_line(founded, left):
    """A fault of a field names the field, and nobody is told of lists that are only in an answer by HTTP."""
    bad = ("review", "--resident", left, "--reason", "x", "--decision", "destroy", "--until", "2050-01-01")
    told = run(founded, *bad, code=1)

    assert "caretrail: until: Goes with `continue`, and only with it.\n" == told


def test_a_schedule_is_shown_and_changed(founded):
    """A change takes years and who says so; below the floor it is refused with the reason of the floor."""
    change = ("schedule", "incident_report", "--years", "20")
    assert "--source" in run(founded, *change, code=1)
    assert 1 == run(founded, *change, "--source", "serious incidents")["edition"]
    told = run(founded, "schedule")["in_force"]

    assert {"care_record": 8, "incident_report": 20} == {r["what"]: r["years"] for r in told}
    low = ("schedule", "care_record", "--years", "3", "--source", "x")
    assert "Limitation Act" in run(founded, *low, code=1)
    assert "takes WHAT" in run(founded, "schedule", "care_record", code=1)


def test_a_request_is_opened_extended_and_answered(founded, left):
    """The clock of a request as an operator sees it."""
    assert "--received" in run(founded, "access-request", "--resident", left, code=1)
    bad = ("access-request", "--resident", left, "--received", "soon")
    assert "takes a day" in run(founded, *bad, code=1)
    made = run(founded, "access-request", "--resident", left, "--received", "2020-01-31")
    assert ("2020-02-29", True) == (made["due_on"], made["days_left"] < 0)
    assert "DAYS LATE" in founded[0].run("residents", "access-request", "list").out
    late = ("access-request", "extend", made["id"], "--reason", "x")
    assert "month is over" in run(founded, *late, code=1)
    assert "answered" == run(founded, "access-request", "answer", made["id"])["status"]
    assert [] == run(founded, "access-request", "list")
    assert 1 == len(run(founded, "access-request", "list", "--all"))
    assert "none with this id" in run(founded, "access-request", "answer", NOBODY, code=1)
