"""What nobody can mean is refused with words: an empty list would say that it never happened."""

import pytest

from tests.support.served import Person, Served

EVENTS, EXPORT, FHIR = "/v1/audit/events", "/v1/audit/export", "/v1/fhir/AuditEvent"
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
