"""What nobody can mean is refused with words: an empty list would say that it never happened."""

from collections.abc import Callable

import pytest

from app.trail.fhir_search import ACTION_SYSTEM
from tests.http.bodies import admission
from tests.support.served import Person, Served

EVENTS, EXPORT, FHIR = "/v1/audit/events", "/v1/audit/export", "/v1/fhir/AuditEvent"
NOBODY = "01890000-0000-7000-8000-0000000000ab"
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


@pytest.fixture(scope="module")
def auditor(served: Served) -> Person:
    """Somebody who may read and export the whole trail."""
    return served.world.person("auditor", None, name="Auditor")


REFUSED = {
    "an unknown act": (EVENTS, {"act": "nonsense"}, "/query/act"),
    "an empty act": (EVENTS, {"act": ""}, "/query/act"),
    "an export of an unknown act": (EXPORT, {"act": "nonsense", "format": "jsonl"}, "/query/act"),
    "a reversed period": (EVENTS, {"from": LATE, "to": EARLY}, "/query/to"),
    "an export of a reversed period": (EXPORT, {"from": LATE, "to": EARLY}, "/query/to"),
    "dates that exclude each other": (FHIR, {"date": ["gt2026-02-01", "lt2026-01-01"]}, "/query/date"),
    "an action there is not": (FHIR, {"action": "X"}, "/query/action"),
    "an action of another system": (FHIR, {"action": "bad|R"}, "/query/action"),
    "an outcome of another system": (FHIR, {"outcome": "bad|0"}, "/query/outcome"),
    "an outcome of no system": (FHIR, {"outcome": "0,|0"}, "/query/outcome"),
    "a patient of another server": (
        FHIR,
        {"patient": f"https://x.example/Patient/{NOBODY}"},
        "/query/patient",
    ),
    "a person as a device": (FHIR, {"agent": f"Device/{NOBODY}"}, "/query/agent"),
    "the service as a person": (FHIR, {"agent": "Practitioner/system:cli"}, "/query/agent"),
    "a word for a resident": (EVENTS, {"resident_id": "nobody"}, "/query/resident_id"),
    "no resident": (EVENTS, {"resident_id": ""}, "/query/resident_id"),
    "the service as a resident": (EVENTS, {"resident_id": "system:cli"}, "/query/resident_id"),
    "a word for an agent": (EVENTS, {"agent_id": "nobody"}, "/query/agent_id"),
    "a part of the service without a name": (EVENTS, {"agent_id": "system:"}, "/query/agent_id"),
    "an export about a word": (EXPORT, {"resident_id": "nobody"}, "/query/resident_id"),
    "an export of what a word did": (EXPORT, {"agent_id": "nobody"}, "/query/agent_id"),
    "a word for a patient": (FHIR, {"patient": "Patient/nobody"}, "/query/patient"),
    "a patient beside a word": (FHIR, {"patient": f"{NOBODY},nobody"}, "/query/patient"),
    "a word for a practitioner": (FHIR, {"agent": "Practitioner/nobody"}, "/query/agent"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_nobody_can_mean_is_refused(served: Served, auditor: Person, what: str) -> None:
    """It is a 422 that names the place, and an entry."""
    path, asked, pointer = REFUSED[what]
    answer = served.ask("GET", path, auditor, params=asked)

    assert 422 == answer.status_code
    assert [pointer] == [one["pointer"] for one in answer.json()["errors"]]
    assert "Audit-Event" in answer.headers


@pytest.mark.parametrize("act", ["record.read", "segment.close", "audit.export.end"])
def test_an_act_that_never_happened_is_an_empty_list(served: Served, auditor: Person, act: str) -> None:
    """An act the service knows is searched for, whether it happened or not."""
    assert 200 == served.ask("GET", EVENTS, auditor, params={"act": act}).status_code


@pytest.mark.parametrize(
    "asked",
    [
        {"from": "0001-01-01T00:00:00Z"},
        {"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31T23:59:59-14:00"},
        {"from": EARLY, "to": EARLY},
    ],
)
def test_a_period_may_begin_and_end_with_the_calendar(served: Served, auditor: Person, asked: dict) -> None:
    """Whoever wants everything may say so by the first instant there is, in any zone."""
    answer = served.ask("GET", EVENTS, auditor, params=asked)

    assert 200 == answer.status_code
    assert bool(answer.json()["items"]) == ("to" not in asked or asked["to"] != EARLY)


@pytest.mark.parametrize(
    "open_end", ["9999", "9999-12-31", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"]
)
def test_an_open_end_of_a_search_is_none(served: Served, auditor: Person, open_end: str) -> None:
    """Clients write an end that never comes as the last day there is."""
    answer = served.ask("GET", FHIR, auditor, params={"date": ["ge2020", f"le{open_end}"], "_count": 1})
    after = served.ask("GET", FHIR, auditor, params={"date": f"gt{open_end}"})

    assert (200, True) == (answer.status_code, "entry" in answer.json())
    assert (200, False) == (after.status_code, "entry" in after.json())


@pytest.fixture(scope="module")
def admitted(served: Served) -> tuple[str, str]:
    """Somebody who was admitted, and the manager who did it."""
    manager = served.world.person("registered_manager", None, name="Manager")
    body = admission(served.world.home, "Sample")
    return served.ask("POST", "/v1/residents", manager, json=body).json()["id"], manager.id


@pytest.mark.parametrize("spelled", [str, str.upper])
def test_an_id_is_found_however_it_is_spelled(
    served: Served, auditor: Person, admitted: tuple[str, str], spelled: Callable[[str], str]
) -> None:
    """An id in capital letters is the same id, of a resident or a user, wherever the trail is asked."""
    whom, who = map(spelled, admitted)
    made = {"act": "resident.create"}
    asks = [
        (EVENTS, made | {"resident_id": whom}),
        (EVENTS, made | {"agent_id": who}),
        (EXPORT, made | {"resident_id": whom, "agent_id": who, "format": "jsonl"}),
        (
            FHIR,
            {"patient": f"{served.url}/v1/fhir/Patient/{whom}", "agent": who, "action": f"{ACTION_SYSTEM}|C"},
        ),
    ]
    answers = [served.ask("GET", path, auditor, params=asked) for path, asked in asks]
    listed, done, exported, searched = answers

    assert [200] * 4 == [answer.status_code for answer in answers]
    assert (1, 1) == (len(listed.json()["items"]), len(done.json()["items"]))
    assert (1, 1) == (len(exported.text.splitlines()), len(searched.json()["entry"]))


@pytest.mark.parametrize("agent", [NOBODY, "system:cli", "system:detection"])
def test_an_agent_that_did_nothing_is_an_empty_list(served: Served, auditor: Person, agent: str) -> None:
    """What may be an agent, a person or a part of the service, is searched for, whether it acted or not."""
    for path, asked in ((EVENTS, {"agent_id": agent}), (FHIR, {"agent": agent})):
        assert 200 == served.ask("GET", path, auditor, params=asked).status_code
