"""Contacts: who is close, who may decide, and how to reach them - now, not once."""

from typing import Any

import pytest

from app.exchange.drafts import Plan
from app.exchange.fhir import plan

from .making import AT, PATIENT, WIN, body, left_out, remarks

LPA = "lasting power of attorney"


def related(words: str = f"Wife, next of kin, {LPA}", **fields: Any) -> dict[str, Any]:
    """Return the contact that is made of a RelatedPerson."""
    return body("RelatedPerson", patient=WIN, relationship=[{"text": words}], **fields)


def claims(made: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether a contact is next of kin and holds a lasting power."""
    return made["next_of_kin"], made["lasting_power_of_attorney"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (f"Wife, next of kin, {LPA}", (True, True)),
        ("Daughter (LPA)", (False, True)),
        ("Next-of-kin", (True, False)),
        ("Son - does NOT hold lasting power of attorney", (False, False)),
        ("Son, doesn't hold LPA", (False, False)),
        ("Former LPA", (False, False)),
        ("LPA revoked 2020", (False, False)),
        ("LPA?", (False, False)),
        ("Niece; not next of kin", (False, False)),
        ("Friend", (False, False)),
        ("LPA application submitted", (False, False)),
        ("LPA awaiting registration", (False, False)),
        ("LPA lapsed", (False, False)),
        ("LPA withdrawn", (False, False)),
        ("LPA, suspended by court", (False, False)),
        ("LPA refused by OPG", (False, False)),
        ("To be appointed LPA", (False, False)),
        ("Will be LPA", (False, False)),
        ("LPA in progress", (False, False)),
        ("LPA (disclaimed)", (False, False)),
        ("Replacement attorney, LPA", (False, False)),
        ("Mother, donor of LPA", (False, False)),
        ("LPA (died 2021)", (False, False)),
        ("Late husband, next of kin", (False, False)),
        ("Husband, next of kin (deceased)", (False, False)),
        ("Cousin once removed, next of kin", (True, False)),
        ("Next of kin, to be called first", (True, False)),
        ("LPA, will be informed of falls", (False, True)),
        ("Next of kin; works late shifts", (True, False)),
        ("LPA since the late stage of her dementia", (False, True)),
        ("LPA; late-onset diabetes", (False, True)),
    ],
)
def test_a_claim_counts_only_where_the_words_make_it_plainly(words: str, expected: tuple[bool, bool]):
    """Words that deny a claim, or put it into the past, leave it to be read."""
    assert expected == claims(related(words))


def test_a_claim_that_is_not_plain_is_remarked_on():
    """Somebody is to read the words; where nothing is claimed there is nothing to read."""

    def remarked(words: str, **fields: Any) -> list[str]:
        return remarks("RelatedPerson", patient=WIN, relationship=[{"text": words, **fields}])

    expected = ["Whether a contact is next of kin or attorney is not told plainly: read the words."]
    assert (
        expected == remarked("LPA application submitted") == remarked("Late husband", coding=[{"code": "N"}])
    )
    assert expected == remarked("Son, LPA lapsed", coding=[{"code": "N"}])
    assert [] == remarked("Friend of her late husband") == remarked("Son (LPA)") == remarked("Late husband")


def test_nobody_who_has_died_is_next_of_kin_by_a_code():
    """A code stands for the claim, and not for the life."""
    relationship = [{"text": "Husband (deceased)", "coding": [{"code": "N"}]}]

    assert (False, False) == claims(body("RelatedPerson", patient=WIN, relationship=relationship))


@pytest.mark.parametrize("end", ["9999-12-31", "2299-12-31"])
def test_an_open_end_is_no_end(end: str):
    """A contact, a number and a name stay in use however far away their end is written."""
    period = {"start": "2020-01-01", "end": end}
    made = related(
        period=period,
        name=[{"use": "official", "text": "Ann Now", "period": period}, {"use": "usual", "text": "Ann"}],
        telecom=[{"system": "phone", "value": "1", "period": period}],
    )

    assert ("Ann Now", "1", True, True) == (made["name"], made["phone"], *claims(made))
    names = [
        {"use": "official", "family": "Now", "given": ["Win"], "period": period},
        {"use": "usual", "family": "Other", "given": ["Win"]},
    ]
    assert "Now" == with_patient(name=names).residents[0].identity.family_name


def test_a_name_of_the_past_is_not_what_a_resident_prefers():
    """A usual name or a nickname counts while its period lasts."""
    official = {"use": "official", "family": "Now", "given": ["Winifred"]}
    then = {"use": "usual", "given": ["Fred"], "period": {"end": "2015"}}
    made = [
        with_patient(name=names).residents[0]
        for names in ([official, then], [official, {**then, "period": None}])
    ]

    assert [None, "Fred"] == [one.identity.preferred_name for one in made]


def test_a_code_makes_a_next_of_kin_but_no_power_of_attorney():
    """A word about something else denies no code, and a denial of the same wins over it."""

    def coded(words: str) -> tuple[bool, bool]:
        relationship = [{"text": words, "coding": [{"code": "N"}]}]
        return claims(body("RelatedPerson", patient=WIN, relationship=relationship))

    assert (True, False) == coded("Son - does NOT hold lasting power of attorney")
    assert (False, False) == coded("Son, not next of kin")


@pytest.mark.parametrize(
    ("fields", "mark"),
    [
        ({"active": False}, " (no longer active)"),
        ({"period": {"end": "2015"}}, " (ended 2015)"),
        ({"period": {"end": "2026-02-28"}}, " (ended 2026-02-28)"),
        ({"period": {"start": "2026-03-02"}}, " (begins 2026-03-02)"),
        ({"period": {"end": 2015}}, " (its end cannot be read)"),
        ({"period": "until 2015"}, " (its period cannot be read)"),
        ({"active": False, "period": {"end": "2015"}}, " (no longer active, ended 2015)"),
        ({"active": True, "period": {"end": "2026-03-01"}}, ""),
        ({"period": {"start": "2015", "end": "2026"}}, ""),
    ],
)
def test_a_contact_who_is_gone_decides_nothing(fields: dict[str, Any], mark: str):
    """Not in use, or outside their period: marked, and neither next of kin nor attorney."""
    made = related(**fields)

    assert f"Wife, next of kin, {LPA}{mark}" == made["relationship"]
    assert ((False, False) if mark else (True, True)) == claims(made)


def test_a_contact_of_a_patient_has_a_period_too():
    """Contacts inside a Patient are read by the same rule."""
    contact = {"relationship": [{"text": "Wife, LPA"}], "period": {"end": "2015"}, "name": {"text": "Ann"}}
    made = with_patient(contact=[contact])

    assert [("Ann", "Wife, LPA (ended 2015)", False)] == [
        (one.body["name"], one.body["relationship"], one.body["lasting_power_of_attorney"])
        for one in made.records
    ]


def test_whether_a_contact_is_active_is_not_guessed():
    """A text that stands for false is not taken for true."""
    assert "not-valid" == left_out("RelatedPerson", patient=WIN, active="false")


def test_the_name_and_the_number_of_today_are_chosen():
    """Official before usual before others; a former name, or a number given up, last or not at all."""
    names = [
        {"use": "old", "text": "Ann Old"},
        {"use": "official", "text": "Ann Then", "period": {"end": "2010"}},
        {"text": "Ann Other"},
        {"use": "usual", "text": "Ann Usual"},
    ]
    phones = [
        {"system": "phone", "value": "1", "period": {"end": "2020-01-01"}},
        {"system": "phone", "value": "2", "use": "old"},
        {"system": "email", "value": "3"},
        {"system": "phone", "value": "4", "rank": 2},
        {"system": "sms", "value": "5", "rank": 1},
        {"system": "phone", "value": "6"},
    ]

    assert ("Ann Usual", "5") == tuple(related(name=names, telecom=phones)[key] for key in ("name", "phone"))
    assert "Ann Then" == related(name=names[:2])["name"]
    assert "Ann Old" == related(name=names[:1])["name"]
    assert "phone" not in related(telecom=phones[:3])


def with_patient(**fields: Any) -> Plan:
    """Return the plan of a Patient alone."""
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT | fields}]}
    return plan(bundle, AT)


def test_a_resident_has_the_name_of_today():
    """A name whose period is over gives way to one in use."""
    names = [
        {"use": "official", "family": "Then", "given": ["Win"], "period": {"end": "2010"}},
        {"use": "usual", "family": "Now", "given": ["Win"]},
    ]
    (resident,) = with_patient(name=names).residents

    assert "Now" == resident.identity.family_name


@pytest.mark.parametrize(
    "fields", [{"active": False}, {"deceasedBoolean": True}, {"deceasedDateTime": "2026-01-01"}]
)
def test_a_patient_who_has_died_or_is_no_longer_in_use_is_remarked_on(fields: dict[str, Any]):
    """The resident is imported, and the report says what to ask."""
    made = with_patient(**fields)

    assert ["Patient/win"] == [remark.key for remark in made.remarks]
    assert 1 == len(made.residents)


@pytest.mark.parametrize(
    "fields",
    [
        {"active": False, "link": [{"type": "replaced-by", "other": {"reference": "Patient/new"}}]},
        {"link": {"type": "replaced-by"}},
        {"active": "false"},
        {"deceasedBoolean": "true"},
    ],
)
def test_a_patient_who_was_replaced_or_cannot_be_read_is_not_admitted(fields: dict[str, Any]):
    """The record that replaced it is to be imported, not both."""
    made = with_patient(**fields)

    assert ["not-valid"] == [one.code for one in made.left_out]
    assert () == made.residents == made.remarks
