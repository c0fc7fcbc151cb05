"""Words that would change what is read are not dropped on the way."""

from typing import Any

import pytest

from .making import body, coded


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({}, "Do not attempt resuscitation: not answered"),
        ({"answer": []}, "Do not attempt resuscitation: not answered"),
        ({"item": []}, "Do not attempt resuscitation: not answered"),
        ({"text": "DNACPR?"}, "DNACPR? not answered"),
        ({"answer": [{}]}, "Do not attempt resuscitation: answer cannot be read"),
        ({"answer": "no"}, "Do not attempt resuscitation: answer cannot be read"),
        ({"answer": [{"valueReference": {}}]}, "Do not attempt resuscitation: answer cannot be read"),
        ({"answer": [{"valueBoolean": False}]}, "Do not attempt resuscitation: No"),
        (
            {"item": [{"text": "By whom"}]},
            "Do not attempt resuscitation\nBy whom: not answered",
        ),
        (
            {"answer": [{"item": [{"text": "By whom"}]}]},
            "Do not attempt resuscitation: answer cannot be read\nBy whom: not answered",
        ),
    ],
)
def test_a_question_without_an_answer_is_no_statement(item: dict[str, Any], words: str):
    """A heading stands for what is below it; a question that nobody answered says so."""
    asked = [{"text": "Do not attempt resuscitation", **item}]
    made = body("QuestionnaireResponse", status="completed", authored="2026-01-05", item=asked)

    assert words == made["summary"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"bodySite": [{"text": "left heel"}]}, "Requested: Dressing, left heel (active)"),
        ({"quantityQuantity": {"value": 3}}, "Requested: Dressing; how much: 3 (active)"),
        (
            {"quantityRange": {"high": {"value": 3}}},
            "Requested: Dressing; how much: up to 3 (active)",
        ),
        ({"asNeededBoolean": True}, "Requested: Dressing; as needed (active)"),
        (
            {"asNeededCodeableConcept": {"text": "leaking"}},
            "Requested: Dressing; as needed for leaking (active)",
        ),
    ],
)
def test_where_how_much_and_when_a_service_is_asked_for_is_told(fields: dict[str, Any], words: str):
    """Once is not whenever it leaks."""
    assert words == body("ServiceRequest", status="active", code={"text": "Dressing"}, **fields)["outcome"]


def test_notes_about_a_relative_are_told():
    """They may be all there is."""
    mother = {"relationship": {"text": "Mother"}, "note": [{"text": "Well at 95"}]}
    stroke = {"code": {"text": "Stroke"}, "note": [{"text": "twice"}]}

    assert "Mother: Well at 95" == body("FamilyMemberHistory", **mother)["text"]
    assert (
        "Mother: Stroke, twice; Well at 95"
        == body("FamilyMemberHistory", **mother, condition=[stroke])["text"]
    )


def test_two_parts_alike_are_two():
    """A finding made twice was made twice."""
    part = {"code": {"text": "Reading"}, "valueString": "clear"}

    assert "Reading: clear; Reading: clear" == body("Observation", component=[part, part])["text"]


@pytest.mark.parametrize("name", ["type", "category"])
def test_all_words_of_a_kind_of_document_say_who_may_read_it(name: str):
    """What the code calls safeguarding is not read by whoever reads reports."""
    kind = {"text": "Report", "coding": [{"display": "Safeguarding adults report"}, {"code": "1"}]}
    fields = {name: kind if name == "type" else [coded("x"), kind]}

    assert "safeguarding" == body("DocumentReference", **fields)["about"]
