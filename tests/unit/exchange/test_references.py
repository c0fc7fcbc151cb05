"""Whose resource is it: references are followed, whatever stands next to what."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.exchange.fhir import plan

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NHS = "https://fhir.nhs.uk/Id/nhs-number"
WIN, TOM = "9994731238", "9994731246"


def patient(name: str = "win", number: str = WIN) -> dict[str, Any]:
    """Return a Patient with an NHS number."""
    return {
        "resourceType": "Patient",
        "id": name,
        "identifier": [{"system": NHS, "value": number}],
        "name": [{"family": "Ashdown", "given": [name]}],
        "birthDate": "1938-04-17",
    }


def observation(name: str = "o", **more: Any) -> dict[str, Any]:
    """Return an Observation in words."""
    return {
        "resourceType": "Observation",
        "id": name,
        "code": {"text": "Mood"},
        "valueString": "cheerful",
        **more,
    }


def report(name: str = "r", **more: Any) -> dict[str, Any]:
    """Return a DiagnosticReport."""
    return {
        "resourceType": "DiagnosticReport",
        "id": name,
        "status": "final",
        "code": {"text": "Tests"},
        **more,
    }


def bundle(*resources: dict[str, Any], urls: dict[str, str] | None = None) -> dict[str, Any]:
    """Return a collection of resources, with a fullUrl by id where one is given."""
    entries = []
    for resource in resources:
        url = (urls or {}).get(resource["id"])
        entries.append({"resource": resource} | ({"fullUrl": url} if url else {}))
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def owners(*resources: dict[str, Any], urls: dict[str, str] | None = None) -> dict[str, str]:
    """Return for each resource but the Patients its resident, or the code of the report."""
    made = plan(bundle(*resources, urls=urls), AT)
    found = {record.source_key: record.resident_key for record in made.records}
    return found | {one.key: one.code for one in made.left_out}


UUID = "urn:uuid:0c7e7d38-5b0f-4a63-8f5d-2f1a6f0f4e01"
LOGICAL = {"identifier": {"system": NHS, "value": "999 473 1238"}}


@pytest.mark.parametrize(
    ("subject", "url"),
    [
        ({"reference": "Patient/win"}, None),
        ({"reference": "Patient/win"}, UUID),
        ({"reference": "Patient/win/_history/3"}, None),
        ({"reference": UUID}, UUID),
        ({"reference": "https://a.example/fhir/Patient/win"}, "https://a.example/fhir/Patient/win"),
        (
            {"reference": "https://a.example/fhir/Patient/win/_history/2"},
            "https://a.example/fhir/Patient/win",
        ),
        (LOGICAL, None),
        ({"reference": "https://elsewhere.example/Patient/8", **LOGICAL}, None),
    ],
)
def test_a_subject_is_found_by_url_id_or_nhs_number(subject: dict[str, Any], url: str | None):
    """A subject resolves by fullUrl, by type and id, or by a logical reference's NHS number."""
    found = owners(observation(subject=subject), patient(), urls={"win": url} if url else None)

    assert {"Observation/o": "Patient/win"} == found


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/somebody-else"},
        {"reference": "Group/win"},
        {"reference": "win"},
        {"reference": "Patient/Win"},
        {"reference": "https://a.example/fhir/Patient/win"},
        {"reference": "urn:uuid:ffffffff-5b0f-4a63-8f5d-2f1a6f0f4e01"},
        {"reference": "#win"},
        {"display": "win Ashdown"},
        {"identifier": {"system": NHS, "value": TOM}},
        {"identifier": {"system": "https://other.example", "value": WIN}},
        {"reference": "Patient/win", "identifier": {"system": NHS, "value": TOM}},
        {},
        [],
        [{"reference": "Patient/win"}],
        "Patient/win",
        7,
    ],
)
def test_a_subject_that_is_not_the_patient_is_reported(subject: Any):
    """A subject that does not resolve to a Patient of the bundle - or contradicts itself - is not theirs."""
    assert {"Observation/o": "other-subject"} == owners(patient(), observation(subject=subject))


def test_a_contained_patient_counts_by_nhs_number_only():
    """A contained copy of the Patient is the Patient when the NHS number is; a name is not enough."""
    inside = patient("p1")
    nameless = {key: value for key, value in inside.items() if key != "identifier"}
    same = observation("same", contained=[inside], subject={"reference": "#p1"})
    other = observation("other", contained=[nameless], subject={"reference": "#p1"})

    expected = {"Observation/same": "Patient/win", "Observation/other": "other-subject"}
    assert expected == owners(patient(), same, other)


def test_the_same_id_on_two_servers_is_two_people():
    """A relative reference means the server its resource came from, not whoever has that id."""
    theirs = observation("theirs", subject={"reference": "Patient/win"})
    ours = observation("ours", subject={"reference": "Patient/win"})
    urls = {
        "win": "https://a.example/fhir/Patient/win",
        "ours": "https://a.example/fhir/Observation/ours",
        "theirs": "https://b.example/fhir/Observation/theirs",
    }

    expected = {"Observation/ours": "Patient/win", "Observation/theirs": "other-subject"}
    assert expected == owners(patient(), theirs, ours, urls=urls)


def test_two_subject_fields_must_agree():
    """A resource that names two people as its subject belongs to nobody."""
    both = observation(subject={"reference": "Patient/win"}, patient={"reference": "Patient/tom"})

    assert "several-subjects" == owners(patient(), patient("tom", TOM), both)["Observation/o"]


def test_results_are_reached_through_reports_and_through_each_other():
    """A resource without subject belongs to the Patient from whose resources a way of references leads."""
    group = observation("group", hasMember=[{"reference": "Observation/part"}])
    theirs = report(subject={"reference": "Patient/win"}, result=[{"reference": "Observation/group"}])

    found = owners(observation("part"), group, theirs, patient(), observation("alone"))
    assert {
        "DiagnosticReport/r": "Patient/win",
        "Observation/alone": "no-subject",
        "Observation/group": "Patient/win",
        "Observation/part": "Patient/win",
    } == found


def test_a_resource_reached_from_two_people_is_nobodys():
    """What can be reached from two residents, or from a resident and a stranger, is reported."""
    shared = [{"reference": "Observation/o"}]
    mine = report("mine", subject={"reference": "Patient/win"}, result=shared)
    for subject, code in (("Patient/tom", "several-subjects"), ("Patient/stranger", "several-subjects")):
        theirs = report("theirs", subject={"reference": subject}, result=shared)
        assert code == owners(patient(), patient("tom", TOM), mine, theirs, observation())["Observation/o"]


def test_a_stranger_stays_a_stranger_even_when_referred_to():
    """A named subject wins over any reference that leads to the resource."""
    mine = report(subject={"reference": "Patient/win"}, result=[{"reference": "Observation/o"}])

    found = owners(patient(), mine, observation(subject={"reference": "Patient/tom"}))
    assert "other-subject" == found["Observation/o"]


def test_no_way_leads_through_staff_or_through_an_error():
    """Staff and places are shared by all, and a resource entered in error claims nothing."""
    win = {"reference": "Patient/win"}
    doctor = {
        "resourceType": "Practitioner",
        "id": "d",
        "extension": [{"valueReference": {"reference": "Observation/x"}}],
    }
    by_doctor = report("r1", subject=win, performer=[{"reference": "Practitioner/d"}])
    in_error = report("r2", subject=win, result=[{"reference": "Observation/y"}]) | {
        "status": "entered-in-error"
    }

    found = owners(patient(), doctor, by_doctor, in_error, observation("x"), observation("y"))
    assert "no-subject" == found["Observation/x"] == found["Observation/y"]
    assert "no-category" == found["Practitioner/d"]


def test_no_way_leads_through_a_product_a_stranger_or_a_wrong_result():
    """A product, a person without a resident, and a result entered in error lead no further."""
    product = {"resourceType": "Medication", "id": "p", "extension": [{"reference": "Observation/x"}]}
    stranger = {"resourceType": "RelatedPerson", "id": "s", "photo": {"reference": "Observation/y"}}
    wrong = observation("wrong", status="entered-in-error", hasMember=[{"reference": "Observation/z"}])
    listed = [{"reference": one} for one in ("Medication/p", "RelatedPerson/s", "Observation/wrong")]
    mine = report(subject={"reference": "Patient/win"}, result=listed)

    found = owners(patient(), product, stranger, wrong, mine, *map(observation, "xyz"))
    assert {
        "DiagnosticReport/r": "Patient/win",
        "Medication/p": "no-subject",
        "Observation/wrong": "Patient/win",
        "Observation/x": "no-subject",
        "Observation/y": "no-subject",
        "Observation/z": "no-subject",
        "RelatedPerson/s": "no-subject",
    } == found


def test_several_patients_each_have_their_own():
    """A bundle of several Patients makes several residents, each with their own records."""
    mine = observation("mine", subject={"reference": "Patient/win"})
    his = observation("his", subject={"identifier": {"system": NHS, "value": TOM}})

    expected = {"Observation/mine": "Patient/win", "Observation/his": "Patient/tom"}
    assert expected == owners(his, patient(), mine, patient("tom", TOM))


def test_two_patients_with_one_nhs_number_are_not_admitted():
    """Whose number it is cannot be told, so neither is admitted, nor any record of theirs."""
    found = owners(patient(), patient("tom", WIN), observation(subject={"reference": "Patient/win"}))

    expected = {"Patient/win": "not-valid", "Patient/tom": "not-valid", "Observation/o": "resident-left-out"}
    assert expected == found


@pytest.mark.parametrize(
    "more",
    [
        {"birthDate": "1938"},
        {"birthDate": "2026-03-02"},
        {"birthDate": None},
        {"name": []},
        {"name": [{"text": "Win Ashdown"}]},
        {"identifier": [{"system": NHS, "value": "9994731239"}]},
        {"identifier": [{"system": NHS, "value": WIN}, {"system": NHS, "value": TOM}]},
        {"identifier": [{"system": NHS, "value": 9994731238}]},
        {"recordStatus": "entered-in-error"},
    ],
)
def test_a_patient_whose_identity_is_not_sound_is_not_admitted(more: dict[str, Any]):
    """Without name, full date of birth or a sound NHS number a Patient and all records are reported."""
    found = owners(patient() | more, observation(subject={"reference": "Patient/win"}))
    assert {"Patient/win": "not-valid", "Observation/o": "resident-left-out"} == found
