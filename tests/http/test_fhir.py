"""The trail for FHIR clients, over HTTP: a stock client reads it, page by page."""

import httpx2
import pytest
from fhirclient.models.auditevent import AuditEvent
from fhirclient.server import FHIRServer

from tests.http.bodies import admission
from tests.support.served import Person, Served

SEARCH = "/v1/fhir/AuditEvent"


@pytest.fixture(scope="module")
def auditor(served: Served) -> Person:
    """Somebody who may read the whole trail."""
    return served.world.person("auditor", None, name="Auditor")


@pytest.fixture(scope="module")
def resident(served: Served) -> str:
    """Somebody at whom a manager looked three times."""
    manager = served.world.person("registered_manager", None, name="Manager")
    body = admission(served.world.home, "Sample")
    identifier = str(served.ask("POST", "/v1/residents", manager, json=body).json()["id"])
    for _ in range(3):
        assert served.ask("GET", f"/v1/residents/{identifier}", manager).status_code == 200
    return identifier


def stock_client(served: Served, who: Person) -> FHIRServer:
    """Return the client of the SMART on FHIR project, with a token."""
    server = FHIRServer(None, base_uri=f"{served.url}/v1/fhir")
    server.session.headers["Authorization"] = f"Bearer {served.token(who)}"
    return server


def test_a_stock_client_reads_the_trail_of_a_resident(served: Served, auditor: Person, resident: str) -> None:
    """The client finds who looked at a resident, follows the pages, and reads every element it knows."""
    asked = {"patient": f"Patient/{resident}", "action": "R", "_count": "2", "outcome": "0"}
    bundles = list(AuditEvent.where(struct=asked).perform_iter(stock_client(served, auditor)))
    events = [entry.resource for bundle in bundles for entry in bundle.entry or []]

    assert [len(bundle.entry or []) for bundle in bundles[:2]] == [2, 1]
    assert {event.recorded.isostring for event in events} != {None}
    users = [agent for event in events for agent in event.agent if agent.requestor]
    assert {agent.name.split()[0] for agent in users} == {"Manager"}
    assert {e.what.reference for event in events for e in event.entity if e.type.code == "1"} == {
        f"Patient/{resident}"
    }


def test_the_answer_is_a_searchset(served: Served, auditor: Person, resident: str) -> None:
    """The answer is FHIR JSON with its receipt, links to itself and the next page, and full addresses."""
    answer = served.ask("GET", f"{SEARCH}?_count=1&date=ge2020&date=lt2100&_format=json", auditor)
    bundle = answer.json()
    links = {link["relation"]: link["url"] for link in bundle["link"]}

    assert answer.headers["Content-Type"] == "application/fhir+json"
    assert served.lines_of(answer)[0].receipt == answer.headers["Audit-Event"]
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    assert links["self"] == f"{served.url}{SEARCH}?_count=1&date=ge2020&date=lt2100&_format=json"
    [entry] = bundle["entry"]
    assert entry["fullUrl"] == f"{served.url}{SEARCH}/{entry['resource']['id']}"
    assert entry["search"] == {"mode": "match"}
    following = httpx2.get(links["next"], headers={"Authorization": f"Bearer {served.token(auditor)}"}).json()
    assert following["entry"][0]["resource"]["id"] != entry["resource"]["id"]


def test_dates_narrow_the_search(served: Served, auditor: Person, resident: str) -> None:
    """Several dates are met together; where nothing fits the bundle has no entries."""
    today = served.world.now.date().isoformat()
    found = {
        query: len(served.ask("GET", f"{SEARCH}?patient={resident}&{query}", auditor).json().get("entry", []))
        for query in (f"date={today}", f"date=lt{today}", f"date=ge{today}&date=le{today}", "date=gt2099")
    }

    assert [bool(count) for count in found.values()] == [True, False, True, False]


def test_a_filtered_export_over_http(served: Served, auditor: Person, resident: str) -> None:
    """An export of one resident's entries comes as a stream with a name that says that it is a selection."""
    asked = {"format": "jsonl", "resident_id": resident, "act": "resident.read"}
    answer = served.ask("GET", "/v1/audit/export", auditor, params=asked)

    assert answer.status_code == 200
    assert len(answer.text.splitlines()) == 3
    assert "-selection.jsonl" in answer.headers["Content-Disposition"]
