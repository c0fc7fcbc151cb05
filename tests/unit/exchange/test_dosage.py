"""A dose in words: nothing lost, nothing turned around, no bound read as the value."""

from typing import Any

import pytest

from .making import body, remarks


def step(amount: Any, unit: str = "unit", **more: Any) -> dict[str, Any]:
    """Return a Dosage of an amount."""
    return {"doseAndRate": [{"doseQuantity": {"value": amount, "unit": unit}}], **more}


def when(code: str) -> dict[str, Any]:
    """Return a Timing by an event of the day."""
    return {"repeat": {"when": [code]}}


def told(*steps: dict[str, Any]) -> tuple[str, str]:
    """Return dose and frequency as they are recorded."""
    made = body("MedicationRequest", dosageInstruction=list(steps))
    return made["dose"], made["frequency"]


def test_every_step_keeps_its_dose_and_its_time():
    """Three doses a day stay three, also where two of them are the same."""
    steps = [
        step(20, timing=when("MORN")),
        step(10, timing=when("NOON")),
        step(20, timing=when("EVE")),
    ]

    assert (
        "20 unit, when MORN; and 10 unit, when NOON; and 20 unit, when EVE",
        "when MORN; and when NOON; and when EVE",
    ) == told(*steps)


def test_doses_of_different_days_keep_their_days():
    """Which dose on which day can be read from the dose itself."""
    monday = step(5, "mg", timing={"repeat": {"dayOfWeek": ["mon", "wed"]}})
    tuesday = step(3, "mg", timing={"repeat": {"dayOfWeek": ["tue", "thu"]}})

    assert "5 mg, on mon, wed; and 3 mg, on tue, thu" == told(monday, tuesday)[0]


def test_numbered_steps_follow_each_other_whatever_their_order_in_the_file():
    """The number of a step says when it comes; the same number twice is at the same time."""
    first, second = step(40, "mg", sequence=1), step(10, "mg", sequence=2)

    assert "40 mg; then 10 mg" == told(second, first)[0]
    assert "40 mg; and 5 mg; then 10 mg" == told(second, first, step(5, "mg", sequence=1))[0]


def test_steps_without_a_number_are_not_said_to_follow_each_other():
    """Where only some have a number, the order of the file stands, and a remark."""
    steps = [step(10, "mg", sequence=2), step(40, "mg"), step(5, "mg", sequence=True)]

    assert "10 mg; and 40 mg; and 5 mg" == told(*steps)[0]
    assert any("in which order" in one for one in remarks("MedicationRequest", dosageInstruction=steps))


def test_all_steps_of_a_dosage_are_told():
    """A dose that changes is told whole, and a medicine taken when needed says so."""
    once = {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}
    bounds = {"low": {"value": 1}, "high": {"value": 2, "unit": "tablets"}}
    then = {
        "sequence": 2,
        "doseAndRate": [{"doseRange": bounds}],
        "timing": {"repeat": {"period": 6, "periodMax": 8, "periodUnit": "h"}},
        "asNeededBoolean": True,
    }

    assert (
        "200 mg, once a day; then 1 to 2 tablets, once every 6 to 8 hours, as needed",
        "once a day; then once every 6 to 8 hours, as needed",
    ) == told(step(200, "mg", sequence=1, timing=once), then)
    assert "once a day; and not stated" == told(step(2, timing=once), step(3))[1]
    assert (
        "2 unit, once a day; and dose not stated, once a day"
        == told(step(2, timing=once), {"timing": once})[0]
    )


def test_ways_and_words_of_steps_are_told_once_where_they_are_the_same():
    """Two routes are told step by step, one route once."""
    mouth, vein = {"route": {"text": "Oral"}}, {"route": {"text": "IV"}}

    assert "Oral" == body("MedicationRequest", dosageInstruction=[mouth, mouth])["route"]
    assert "Oral; and IV" == body("MedicationRequest", dosageInstruction=[mouth, vein])["route"]


MG, HOUR = {"value": 2, "unit": "mg"}, {"value": 24, "unit": "h"}
A_DAY = {"unit": "day"}


@pytest.mark.parametrize(
    ("dosage", "dose"),
    [
        ({"doseAndRate": [{"doseRange": {"high": {"value": 2, "unit": "tablet"}}}]}, "up to 2 tablet"),
        ({"doseAndRate": [{"doseRange": {"low": {"value": 2, "unit": "tablet"}}}]}, "at least 2 tablet"),
        ({"doseAndRate": [{"rateQuantity": {"value": 2, "unit": "mg/h"}}]}, "at 2 mg/h"),
        ({"doseAndRate": [{"rateRatio": {"numerator": MG, "denominator": HOUR}}]}, "at 2 mg per 24 h"),
        ({"dose": MG, "rateQuantity": {"value": 5, "unit": "mL/h"}}, "2 mg, at 5 mL/h"),
        (
            {"text": "One", "maxDosePerPeriod": {"numerator": MG, "denominator": HOUR}},
            "One, at most 2 mg in 24 h",
        ),
        (
            {"text": "One", "maxDosePerPeriod": {"numerator": MG, "denominator": A_DAY}},
            "One, at most 2 mg in day",
        ),
        ({"text": "One", "maxDosePerPeriod": {"numerator": MG}}, "One"),
        ({"text": "One", "maxDosePerPeriod": {"denominator": HOUR}}, "One"),
        ({"rateRatio": {"numerator": MG, "denominator": {"unit": "h"}}}, "at 2 mg per h"),
        ({"rateRatio": {"numerator": MG, "denominator": MG}}, "at 2 mg per 2 mg"),
        ({"maxDosePerAdministration": MG}, "at most 2 mg at a time"),
        ({"maxDosePerLifetime": MG}, "at most 2 mg in a lifetime"),
        (
            {
                "doseAndRate": [
                    {"type": {"text": "ordered"}, "doseQuantity": MG},
                    {"type": {"text": "calculated"}, "doseQuantity": {"value": 1.8, "unit": "mg"}},
                ]
            },
            "ordered, 2 mg; calculated, 1.8 mg",
        ),
    ],
)
def test_limits_and_rates_are_part_of_the_dose(dosage: dict[str, Any], dose: str):
    """A bound is told as a bound, and what must not be exceeded stands beside the dose."""
    assert dose == told(dosage)[0]


@pytest.mark.parametrize(
    ("repeat", "often"),
    [
        ({"frequency": 4}, "4 times in a time not stated"),
        ({"frequency": 1, "frequencyMax": 2, "period": 1, "periodUnit": "d"}, "1 to 2 times a day"),
        ({"frequencyMax": 3, "period": 1, "periodUnit": "d"}, "up to 3 times a day"),
        ({"period": 2, "periodUnit": "fortnight"}, "once every 2 fortnight"),
        ({"period": 1}, "once every 1 (unit not stated)"),
        ({"count": 3}, "3 times in all"),
        ({"count": 1}, "once in all"),
        ({"when": ["AC"], "offset": 30}, "when AC, 30 minutes off"),
        ({"duration": 30, "durationUnit": "min"}, "over 30 minutes each"),
        ({"boundsPeriod": {"end": "2025-01-01"}}, "until 2025-01-01"),
        ({"boundsPeriod": {"start": "2025-01-01"}}, "from 2025-01-01"),
        ({"boundsPeriod": {"start": "2025-01-01", "end": "2025-02-01"}}, "2025-01-01 to 2025-02-01"),
        ({"boundsRange": {"high": {"value": 5, "unit": "days"}}}, "for up to 5 days"),
    ],
)
def test_how_often_and_until_when_is_told_with_its_end(repeat: dict[str, Any], often: str):
    """The number of times, the length of each, and the end of it all are told."""
    assert often == told({"timing": {"repeat": repeat}})[1]


@pytest.mark.parametrize(
    ("dosage", "unread"),
    [
        ({"text": "One", "extension": [{"url": "x"}]}, "extension"),
        ({"timing": {"repeat": {"frequency": "4"}}}, "frequency"),
        ({"asNeededBoolean": "true"}, "asNeededBoolean"),
        ({"doseAndRate": [{"doseQuantity": 5, "type": {"text": "ordered"}}]}, "doseQuantity"),
        ({"maxDosePerPeriod": "8 in 24 h", "timing": {"odd": 1}}, "maxDosePerPeriod, odd"),
        ({"text": "One", "maxDosePerPeriod": {"numerator": MG}}, "maxDosePerPeriod"),
        ({"text": "One", "rateRatio": {"denominator": HOUR}}, "rateRatio"),
        ({"doseAndRate": [{"doseRange": {"low": MG, "high": {"unit": "mg"}}}]}, "doseRange"),
        ({"timing": {"repeat": {"boundsPeriod": {"start": "2026-01-01", "end": 2027}}}}, "boundsPeriod"),
    ],
)
def test_what_of_a_dosage_is_not_read_is_remarked_on(dosage: dict[str, Any], unread: str):
    """A part of a dose that no words were made of is named in the report."""
    sentence = f"Of its dosage this could not be read: {unread}. See the original."

    assert [sentence] == remarks("MedicationRequest", dosageInstruction=[dosage])
    assert [] == remarks("MedicationRequest", dosageInstruction=[step(5, timing=when("MORN"))])


@pytest.mark.parametrize("dosage", ["2 tablets", ["2 tablets"], [{"text": "One"}, None]])
def test_a_dosage_that_is_none_is_remarked_on(dosage: Any):
    """A dosage of the wrong type is not dropped in silence."""
    (sentence,) = remarks("MedicationRequest", dosageInstruction=dosage)

    assert "not written as FHIR says" in sentence


@pytest.mark.parametrize(
    ("bounds", "words"), [({"low": {"value": 5}}, "at least 5"), ({"high": {"value": 9}}, "up to 9")]
)
def test_one_end_of_a_range_never_reads_as_the_value(bounds: dict[str, Any], words: str):
    """Also in a finding."""
    assert words == body("Observation", valueRange=bounds)["text"]
