"""Everything that is answered is declared: each operation's answers, against its own description.

A client made from the description drops what it does not know. So an answer has no field and no header that
is not declared, in what is done and in what is refused.
"""

from typing import Any

import httpx2
import pytest

from app.core.clock import spell
from tests.http.bodies import admission, nhs_number, record_of
from tests.http.declared import Declared, bare
from tests.http.published import CATEGORIES, NOT_BUILT_YET, OPERATIONS
from tests.http.walking import Walk
from tests.support.alarming import finding, raised
from tests.support.reporting import INCIDENTS, SCORED, incident, path_of, recorded, said
from tests.support.served import Ask, Person, Served

ROWS = sorted(OPERATIONS.keys() - NOT_BUILT_YET)
RESIDENT = "/v1/residents/{resident_id}"
RECORDS = f"{RESIDENT}/records"
VERSIONS = f"{RECORDS}/{{record_id}}/versions"
PACK = "GET /v1/incidents/{incident_id}/pack"
EXPORT = "GET /v1/audit/export"
OF_FHIR = "BundleOut"
"""What is in its entries FHIR declares."""


@pytest.fixture(scope="module")
def described(served: Served) -> dict[str, Any]:
    """The description as it is served."""
    document: dict[str, Any] = served.ask("GET", "/openapi.json").json()
    return document


@pytest.fixture(scope="module")
def declared(described: dict[str, Any]) -> Declared:
    """What is declared, made strict."""
    return Declared(described)


@pytest.fixture(scope="module")
def walk(served: Served) -> Walk:
    """What each operation needs."""
    return Walk(served)


def send(served: Served, ask: Ask) -> httpx2.Response:
    """Send one prepared request."""
    return served.ask_all([ask])[0]


@pytest.mark.parametrize("operation", ROWS)
def test_what_is_done_is_answered_as_declared(
    operation: str, walk: Walk, served: Served, declared: Declared
) -> None:
    """Every field and header of a success is declared, and an ETag is sent where one is declared."""
    answer = send(served, walk.permitted(operation))

    assert OPERATIONS[operation]["success"] == answer.status_code
    assert [] == declared.faults(operation, answer)


@pytest.mark.parametrize("operation", ROWS)
def test_what_is_refused_is_answered_as_declared(
    operation: str, walk: Walk, served: Served, declared: Declared
) -> None:
    """Every field and header of a refusal is declared: of whom nobody knows, and of whom may not."""
    ask, status = walk.refused(operation)
    refused = send(served, ask)
    path = OPERATIONS[operation]["path"].replace("{version}", "1").replace("{seq}", "1")
    unknown = served.ask(OPERATIONS[operation]["method"], path, content=b"")

    assert (status, True) == (refused.status_code, unknown.status_code in (401, 422))
    assert [] == declared.faults(operation, refused) + declared.faults(operation, unknown)


class Told:
    """A resident of whom there is everything that can be recorded, and a manager who made it."""

    def __init__(self, served: Served) -> None:
        self.served, self.manager = served, served.world.person("registered_manager", None)
        body = admission(served.world.home, "Declared", nhs_number(4_321))
        self.path = self.made("/v1/residents", body)
        self.records = {category: self._record(category) for category in CATEGORIES}
        self.note = f"{self.path}/records/{self.records['daily_note']}"

    def made(self, path: str, body: Any) -> str:
        """Make something and return its path."""
        answer = self.served.ask("POST", path, self.manager, json=body)
        assert 201 == answer.status_code, answer.text
        return f"{path}/{answer.json()['id']}"

    def _record(self, category: str) -> str:
        medication = record_of("medication", "tablets")
        body = record_of(category, "told", medication_id=self._id(medication) if "admin" in category else "")
        return self._id(body)

    def _id(self, body: Any) -> str:
        return self.made(f"{self.path}/records", body).rpartition("/")[2]

    def amended(self) -> None:
        """Have a second version of the note and of the resident."""
        note = {"occurred_at": "2026-03-02T08:30:00Z", "body": {"text": "well"}, "amendment_reason": "a slip"}
        for method, path, body in (
            ("PUT", self.note, note),
            ("PATCH", self.path, {"room": None, "identity": {"preferred_name": None, "sex": "female"}}),
        ):
            first = {"If-Match": '"1"'}
            answer = self.served.ask(method, path, self.manager, json=body, headers=first)
            assert 200 == answer.status_code, answer.text


@pytest.fixture(scope="module")
def told(served: Served) -> Told:
    """A resident with everything."""
    told = Told(served)
    told.amended()
    return told


def looked(served: Served, who: Person, path: str, **query: str) -> httpx2.Response:
    """Return the answer to a question that must be answered."""
    answer = served.ask("GET", path, who, params=query)
    assert 200 == answer.status_code, answer.text
    return answer


def test_records_of_each_category_are_answered_as_declared(
    served: Served, told: Told, declared: Declared
) -> None:
    """The body of a record has the fields that are declared of a body, whatever its category."""
    answers = [
        (f"GET {RECORDS}/{{record_id}}", looked(served, told.manager, f"{told.path}/records/{one}"))
        for one in told.records.values()
    ]
    listed = looked(served, told.manager, f"{told.path}/records", limit="200")

    assert 18 == len(answers)
    assert [] == [fault for one in answers for fault in declared.faults(*one)]
    assert [] == declared.faults(f"GET {RECORDS}", listed)


def test_what_is_told_only_when_asked_for_is_declared(served: Served, told: Told, declared: Declared) -> None:
    """Changes of a resident, reasons of versions and what differs between two are declared."""
    changes = looked(served, told.manager, told.path, changes_since="0")
    versions = looked(served, told.manager, f"{told.note}/versions")
    compared = looked(served, told.manager, f"{told.note}/versions/2", compare="1")
    accesses = looked(served, told.manager, f"{told.path}/access-log")

    assert 2 == len(changes.json()["changes"])
    assert "a slip" == versions.json()["items"][0]["amendment_reason"]
    assert 1 == len(compared.json()["changed"])
    assert accesses.json()["items"]
    assert [] == [
        *declared.faults(f"GET {RESIDENT}", changes),
        *declared.faults(f"GET {VERSIONS}", versions),
        *declared.faults(f"GET {VERSIONS}/{{version}}", compared),
        *declared.faults(f"GET {RESIDENT}/access-log", accesses),
    ]


def test_a_one_time_password_is_declared(walk: Walk, served: Served, described: dict[str, Any]) -> None:
    """A generated client shows the password of a new account, which is told once."""
    answer = send(served, walk.permitted("POST /v1/users"))
    reference = described["paths"]["/v1/users"]["post"]["responses"]["201"]["content"]["application/json"]
    name = reference["schema"]["$ref"].rpartition("/")[2]

    assert "initial_password" in answer.json()
    assert "initial_password" in described["components"]["schemas"][name]["properties"]


def test_an_incident_with_everything_is_answered_as_declared(
    walk: Walk, served: Served, declared: Declared
) -> None:
    """Scores, notifications, actions, corrections, what was shut and what it repeats are declared."""
    earlier = incident(served.world.home, occurred_at="2026-03-01T08:00:00Z")
    assert 201 == served.ask("POST", INCIDENTS, walk.manager, json=earlier).status_code
    path = path_of(recorded(served, walk.manager, served.world.home))
    shut = {"user_ids": [walk.ground.workers["own"].id], "freeze_exports": "users", "reason": "a list"}
    for method, more, body in (
        ("POST", "/assessments", SCORED),
        ("POST", "/notifications", {"recipient": "senior_management", "told_at": spell(served.world.now)}),
        ("POST", "/actions", {"what": "call the family", "due_on": "2026-03-09"}),
        ("POST", "/containment", shut),
        ("PATCH", "", {"detected_at": "2026-03-02T08:00:00Z"}),
        ("PATCH", "", {"detected_at": "2026-03-02T08:10:00Z", "reason": "the clock was wrong"}),
    ):
        said(served, method, path + more, walk.manager, body)
    answer = looked(served, walk.manager, path)
    whole = answer.json()

    parts = ("assessments", "notifications", "actions", "containments", "history", "repeats")
    assert [] == [part for part in parts if not whole[part]]
    assert [] == declared.faults("GET /v1/incidents/{incident_id}", answer)


def test_an_alert_with_everything_is_answered_as_declared(
    walk: Walk, served: Served, declared: Declared
) -> None:
    """Figures, evidence, steps and comments of an alert are declared."""
    org = served.world.org
    found = finding(org, served.world.home, entries=(1, 2, 3), resident_ids=(walk.ground.residents["own"],))
    [alert_id] = raised(served.world, found, org=org)
    path = f"/v1/alerts/{alert_id}"
    said(served, "POST", f"{path}/steps", walk.manager, {"state": "in_review", "comment": "looked into"})
    answer = looked(served, walk.manager, path)
    whole = answer.json()

    parts = ("figures", "resident_ids", "evidence", "history", "comments")
    assert [] == [part for part in parts if not whole[part]]
    assert [] == declared.faults("GET /v1/alerts/{alert_id}", answer)


@pytest.mark.parametrize("format_", ["zip", "json", "csv", "pdf"])
def test_a_pack_is_declared_in_each_of_its_forms(
    format_: str, walk: Walk, served: Served, declared: Declared
) -> None:
    """The pack is an object as JSON, a text as CSV, and bytes otherwise; all of it with a file name."""
    path = walk.permitted("PUT /v1/incidents/{incident_id}/scope")
    assert 200 == send(served, path).status_code
    answer = looked(served, walk.manager, path.path.replace("/scope", "/pack"), format=format_)

    assert [] == declared.faults(PACK, answer)


@pytest.mark.parametrize("format_", ["zip", "jsonl", "csv", "fhir"])
def test_an_export_is_declared_in_each_of_its_forms(
    format_: str, walk: Walk, served: Served, declared: Declared
) -> None:
    """The export is bytes as a zip and a text otherwise; all of it with a file name."""
    answer = looked(served, walk.manager, "/v1/audit/export", format=format_)

    assert [] == declared.faults(EXPORT, answer)


def test_being_held_up_is_answered_as_declared(served: Served, declared: Declared) -> None:
    """Who tries too often is told when to come again, by a header that is declared."""
    body = {"username": "nobody.at.all", "password": "not this one either"}
    answers = [served.ask("POST", "/v1/sessions", json=body) for _ in range(12)]
    held = [answer for answer in answers if answer.status_code == 429]

    assert held
    assert all("Retry-After" in answer.headers for answer in held)
    assert [] == [fault for answer in answers for fault in declared.faults("POST /v1/sessions", answer)]


def test_no_object_is_declared_without_what_is_in_it(described: dict[str, Any]) -> None:
    """Every object of an answer says its fields, or of what kind its values are."""
    answered = {
        name: schema
        for name, schema in described["components"]["schemas"].items()
        if not name.endswith(("In", "Patch")) and name != OF_FHIR
    }

    assert len(answered) > 100
    assert [] == bare(answered)
