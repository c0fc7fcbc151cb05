"""What is over, has not come, or was never done must not read like what holds today."""

from datetime import UTC, datetime
from typing import Any

import pytest

from .making import body, coded, drafts, left_out, planned, remarks

OVER = {"start": "2019-01-01", "end": "2020-01-01"}


def test_a_care_plan_and_a_flag_whose_time_is_over_say_so():
    """The end stands beside the words, and the report says what the source calls active."""
    sentence = "The source calls it active, but its time is over or has not come: ended 2020-01-01."
    plan = {"status": "active", "title": "Walking", "period": OVER}
    flag = {"status": "active", "code": {"text": "Puree"}, "period": OVER}

    assert "Walking (ended 2020-01-01)" == body("CarePlan", **plan)["need"]
    assert "Puree (ended 2020-01-01)" == body("Flag", category=[coded("diet")], **flag)["requirements"]
    assert "Flag (ended 2020-01-01)" == body("Flag", **flag)["kind"]
    assert [sentence] == remarks("CarePlan", **plan) == remarks("Flag", **flag)
    assert [] == remarks("CarePlan", **(plan | {"status": "completed"}))


def test_an_allergy_whose_flag_is_over_stays_one():
    """The end of a flag is not the end of an allergy."""
    made = body("Flag", status="active", code={"text": "Nut allergy"}, period=OVER)

    assert ("active", "flag: ended 2020-01-01") == (made["status"], made["reaction"])


@pytest.mark.parametrize(
    ("fields", "given"),
    [
        ({}, True),
        ({"provision": {"type": "permit"}}, True),
        ({"provision": {"period": {"end": "2026-03-01"}}}, True),
        ({"verification": [{"verified": True}, {}]}, True),
        ({"provision": {"type": "deny"}}, False),
        ({"provision": {"type": ["deny"]}}, False),
        ({"provision": [{"type": "deny"}]}, False),
        ({"provision": "deny"}, False),
        ({"provision": {"provision": "deny"}}, False),
        ({"provision": [{"provision": [{"type": "deny"}]}]}, False),
        ({"verification": "no"}, False),
        ({"provision": {"period": OVER}}, False),
        ({"provision": {"period": {"end": "2019"}}}, False),
        ({"provision": {"period": {"start": "2027"}}}, False),
        ({"provision": {"period": {"end": 2019}}}, False),
        ({"provision": {"provision": [{"type": "deny"}]}}, False),
        ({"provision": {"provision": [{"type": "permit", "provision": [{"type": "deny"}]}]}}, False),
        ({"verification": [{"verified": True}, {"verified": False}]}, False),
        ({"status": "rejected"}, False),
        ({"status": "inactive"}, False),
        ({"status": None}, False),
    ],
)
def test_consent_counts_only_while_it_is_active_and_permits(fields: dict[str, Any], given: bool):
    """Nothing but an active consent, in its time, that denies nothing, is a consent given."""
    assert given is body("Consent", **({"status": "active"} | fields))["given"]


def test_a_consent_names_what_it_denies_and_when_it_ended():
    """The purpose says what is not permitted."""
    denied = {"type": "deny", "purpose": [{"display": "research"}], "action": [{"text": "disclose"}]}
    provision = {"purpose": [{"display": "care"}], "provision": [denied, {"type": "deny"}], "period": OVER}
    made = body("Consent", status="active", category=[{"text": "Sharing"}], provision=provision)

    assert "Sharing; care; DENIED: research; disclose, something (ended 2020-01-01)" == made["purpose"]
    assert 2 == len(remarks("Consent", status="active", provision=provision))
    refused = {"status": "active", "scope": {"text": "Photo"}, "provision": {"type": "deny"}}
    assert "Photo; DENIED: something" == body("Consent", **refused)["purpose"]
    assert [] == remarks("Consent", **refused)
    assert "not-valid" == left_out("Consent", status="active", verification=[{"verified": "no"}])


@pytest.mark.parametrize("status", ["unknown", "cancelled", "preliminary"])
def test_a_file_of_a_report_that_is_not_final_says_so(status: str):
    """Its title carries the status, like the report itself."""
    report, file = drafts(
        "DiagnosticReport", status=status, code={"text": "ECG"}, presentedForm=[{"data": "QUJD"}]
    )

    assert f"ECG ({status})" == report.body["kind"] == file.body["title"]
    _, final = drafts("DiagnosticReport", status="final", code={"text": "ECG"}, presentedForm=[{}])
    assert "ECG" == final.body["title"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"abatementDateTime": "2020"}, "Gout; ended: 2020"),
        ({"abatementAge": {"value": 70, "unit": "years"}}, "Gout; ended: 70 years"),
        ({"abatementPeriod": {"end": "2020"}}, "Gout; ended: until 2020"),
        ({"abatementString": "in spring"}, "Gout; ended: in spring"),
        ({"onsetString": "as a boy"}, "Gout; began: as a boy"),
        ({"clinicalStatus": {"text": "Resolved"}}, "Gout (resolved)"),
        ({"verificationStatus": "refuted"}, "Gout (refuted)"),
        ({"stage": [{"summary": {"text": "II"}}]}, "Gout; stage: II"),
    ],
)
def test_the_course_of_a_condition_is_told(fields: dict[str, Any], words: str):
    """When it began and ended, how far it is, and whether it holds at all."""
    assert words == body("Condition", code={"text": "Gout"}, **fields)["text"]


def test_what_was_not_done_and_why_is_told():
    """A procedure that was not done says why, and what is only proposed is not requested."""
    undone = body("Procedure", status="not-done", code={"text": "Scan"}, statusReason={"text": "Refused"})
    assert "not-done: Refused; Scan (not-done)" == undone["outcome"]
    asked = {"code": {"text": "Scan"}, "occurrenceDateTime": "2026-05-01"}
    assert "Requested: Scan; when: 2026-05-01" == body("ServiceRequest", **asked)["outcome"]
    assert "Requested: Scan; when: 2026-05-01" == body("ServiceRequest", intent="order", **asked)["outcome"]
    for intent, said in (("proposal", "proposal"), (["order"], "cannot be read")):
        made = body("ServiceRequest", intent=intent, **asked)
        assert f"Not ordered (intent: {said}): Scan; when: 2026-05-01" == made["outcome"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"interpretation": [{"text": "Positive"}]}, "Positive"),
        ({"valueString": "grown", "interpretation": [{"text": "Positive"}]}, "grown; Positive"),
        ({"valueInteger": 5, "dataAbsentReason": {"text": "error"}}, "5; No value: error"),
        (
            {"component": [{"code": {"text": "Nitrite"}, "interpretation": [{"text": "Positive"}]}]},
            "Nitrite: Positive",
        ),
    ],
)
def test_a_finding_without_a_number_tells_its_meaning(fields: dict[str, Any], words: str):
    """What a value means stands for it, and a value called absent is no number."""
    assert words == body("Observation", **fields)["text"]


def test_more_parts_than_a_record_takes_are_not_cut_off():
    """All components are told in words, and actions left out are remarked on."""
    parts = [{"code": {"text": f"P{n}"}, "valueQuantity": {"value": n, "unit": "g"}} for n in range(120)]
    activities = [{"detail": {"description": f"Step {n}"}} for n in range(120)]

    assert body("Observation", component=parts)["text"].endswith("P119: 119 g")
    assert 100 == len(body("Observation", component=parts[:100])["components"])
    assert 100 == len(body("CarePlan", activity=activities)["actions"])
    assert ["Of its 120 activities the first 100 are imported."] == remarks("CarePlan", activity=activities)


@pytest.mark.parametrize("written", ["2026-03-02", "yesterday", 20260228])
def test_a_date_that_cannot_be_taken_is_remarked_on(written: Any):
    """The record counts from the import, and the report says so."""
    assert 1 == len(remarks("Observation", effectiveDateTime=written))
    assert [] == remarks("Observation") == remarks("Observation", effectiveDateTime="2026-03-01")


@pytest.mark.parametrize("end", ["9999-12-31", "2299-12-31", "9999-12-31T23:59:59Z"])
def test_an_end_that_never_comes_is_none(end: str):
    """An open end lies beyond any day that a record may hold, and has not passed for that."""
    period = {"start": "2020-01-01", "end": end}
    made = body("Consent", status="active", provision={"period": period})

    assert made["given"] is True
    assert "review_on" not in made
    assert [] == remarks("CarePlan", status="active", title="Walking", period=period)
    assert "Walking" == body("CarePlan", status="active", title="Walking", period=period)["need"]


@pytest.mark.parametrize("end", ["9999-02-30", "9999-99-99", "20990101", "2026-W10-1", "soon"])
def test_an_end_that_is_no_day_counts_as_passed(end: str):
    """Not every text that begins like a year is an open end."""
    assert body("Consent", status="active", provision={"period": {"end": end}})["given"] is False


@pytest.mark.parametrize(
    ("authored", "day"),
    [
        ("2025-06-30T23:30:00Z", "2025-07-01"),
        ("2025-06-30T23:30Z", "2025-07-01"),
        ("2025-07-01T00:30:00.123456789+02:00", "2025-06-30"),
        ("2025-12-30T23:30:00Z", "2025-12-30"),
        ("2025-06-30T23:30:00", "2025-06-30"),
        ("2025-06-30", "2025-06-30"),
    ],
)
def test_the_day_of_an_instant_is_the_day_in_london(authored: str, day: str):
    """Whoever wrote it at half past midnight wrote it on the new day."""
    item = [{"text": "DNACPR?", "answer": [{"valueBoolean": True}]}]
    made = body("QuestionnaireResponse", status="completed", authored=authored, item=item)

    assert day == made["valid_from"]


def test_a_period_ends_with_the_day_in_london():
    """At half past eleven in UTC of a summer day it ends tomorrow, which has not passed."""
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    period = {"end": "2026-06-30T23:30:00Z"}
    (made,) = planned("CarePlan", at=noon, status="active", title="Walking", period=period).records

    assert "Walking" == made.body["need"]


def test_today_has_come_in_the_first_hour_of_a_summer_day():
    """It is today in London, although yesterday in UTC."""
    half_past_midnight = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)
    today = planned("Observation", at=half_past_midnight, effectiveDateTime="2026-07-01")
    tomorrow = planned("Observation", at=half_past_midnight, effectiveDateTime="2026-07-02")

    assert [("2026-06-30T23:30:00.000000Z", False)] == [
        (one.occurred_at, one.occurred_at_estimated) for one in today.records
    ]
    assert [None] == [one.occurred_at for one in tomorrow.records]
