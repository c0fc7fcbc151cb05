"""Consents: to what, by whom and for whom; and what is none."""

from typing import Any

import pytest

from .making import body, coded, remarks

CATEGORY = [{"text": "Information disclosure"}]


def agreed(*others: dict[str, Any], **fields: Any) -> tuple[str, bool]:
    """Return purpose and outcome of an active consent."""
    made = body("Consent", *others, **({"status": "active", "category": CATEGORY} | fields))
    return made["purpose"], made["given"]


def test_the_scope_is_part_of_the_purpose():
    """Who agreed to research did not agree to all disclosure."""
    assert ("research; Information disclosure", True) == agreed(scope=coded("research"))
    assert ("Privacy Consent; Information disclosure", True) == agreed(scope={"text": "Privacy Consent"})


@pytest.mark.parametrize(
    "rule",
    [coded("OPTOUT"), [coded("OPTOUT")], coded("OPTOUTE"), {"text": "opt-out"}, {"text": "She opted out"}],
)
def test_an_opt_out_is_no_consent(rule: Any):
    """The rule turns the whole around."""
    assert ("Information disclosure; DENIED: opted out", False) == agreed(policyRule=rule)
    assert [] == remarks("Consent", status="active", policyRule=rule)
    assert 1 == len(remarks("Consent", status="active", policyRule=rule, provision={"type": "permit"}))
    assert agreed(policyRule=coded("OPTIN"))[1]


def test_for_whom_and_about_what_a_consent_is_given_is_told():
    """A limit is never cut off, and what cannot be told of it is remarked on."""
    bell = {"resourceType": "Practitioner", "id": "d", "name": [{"text": "Dr Bell"}]}
    actors = [{"reference": {"reference": "Practitioner/d"}}, {"role": {"text": "her GP"}}, {}]
    image = {"meaning": "instance", "reference": {"display": "X-ray of 2020"}}
    long = [{"text": "Information disclosure " * 20}]
    some = "It is about some data only, which its words may not tell: ask whoever sent it."

    only = "only: Dr Bell, her GP, somebody not named"
    assert (f"Information disclosure ({only})", True) == agreed(bell, provision={"actor": actors})
    assert agreed(bell, category=long, provision={"actor": actors})[0].endswith(f"… ({only})")
    assert ("Information disclosure (only: somebody not named)", True) == agreed(provision={"actor": "Bell"})
    assert ("Information disclosure (only: X-ray of 2020)", True) == agreed(provision={"data": [image]})
    assert [] == remarks("Consent", bell, status="active", provision={"actor": actors})
    for limit in (
        {"data": [image]},
        {"securityLabel": [{}]},
        {"class": [{}]},
        {"dataPeriod": {"end": "2020"}},
    ):
        assert [some] == remarks("Consent", status="active", provision=limit)


def test_a_denial_for_somebody_names_them():
    """Whoever may not read it stands beside what they may not read."""
    denied = {"type": "deny", "actor": [{"reference": {"display": "Her son"}}]}
    research = denied | {"purpose": [{"display": "research"}]}

    words = "Information disclosure; DENIED: for Her son, research for Her son"
    assert (words, False) == agreed(provision=[denied, research])


def test_no_words_of_another_resident_come_into_a_consent():
    """What it is about is asked whose it is, like every reference."""
    theirs = {"resourceType": "Observation", "id": "o", "subject": {"reference": "Patient/tom"}}
    image = {"reference": {"reference": "Observation/o", "display": "HIV positive"}}

    assert ("Information disclosure (only: some data)", True) == agreed(theirs, provision={"data": [image]})


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": coded("adr")},
        {"category": [{"coding": [{"code": "dnr", "display": "Do Not Resuscitate"}]}]},
        {"category": [{"text": "DNACPR"}]},
        {"category": [coded("acd")]},
        {"scope": {"text": "Advance Care Directive"}},
    ],
)
def test_an_advance_directive_is_no_consent(fields: dict[str, Any]):
    """Whoever refuses resuscitation has not consented to it, and only the signed original counts."""
    expected = ["It is an advance directive: it does not count as given, ask for its signed original."]

    assert not agreed(**fields)[1]
    assert expected == remarks("Consent", status="active", **fields)
    sharing = [{"text": "Sharing of an end of life care plan"}]
    assert agreed(category=sharing)[1]
    assert [] == remarks("Consent", status="active", category=sharing)


@pytest.mark.parametrize(
    ("fields", "purpose", "review_on"),
    [
        ({"provision": {"period": {"end": "2027-01-01"}}}, " (until 2027-01-01)", "2027-01-01"),
        ({"provision": {"period": {"end": "2027-06-30T23:30:00Z"}}}, " (until 2027-07-01)", "2027-07-01"),
        ({"provision": {"period": {"end": "2027"}}}, " (until 2027)", None),
        ({"provision": {"period": {"end": "9999-12-31"}}}, "", None),
        (
            {
                "provision": [
                    {"period": {"end": "2028-01-01"}, "provision": [{"period": {"end": "2027-01-01"}}]}
                ]
            },
            " (until 2027-01-01)",
            "2027-01-01",
        ),
        (
            {
                "provision": {"period": {"end": "2027-01-01"}},
                "extension": [{"url": "urn:caretrail:review-on", "valueDate": "2026-06-01"}],
            },
            " (until 2027-01-01)",
            "2026-06-01",
        ),
        ({"extension": [{"url": "urn:caretrail:review-on", "valueDate": "2020-01-01"}]}, "", "2020-01-01"),
        ({"extension": [{"url": "urn:another", "valueDate": "2026-06-01"}]}, "", None),
        ({"extension": [{"url": "urn:caretrail:review-on", "valueDate": "soon"}]}, "", None),
    ],
)
def test_an_end_that_will_come_is_told_and_a_review_ends_nothing(fields: Any, purpose: str, review_on: Any):
    """A rule that is valid for a time says so, and by then it is looked at again."""
    made = body("Consent", status="active", category=CATEGORY, **fields)

    assert (f"Information disclosure{purpose}", True) == (made["purpose"], made["given"])
    assert review_on == made.get("review_on")


def test_what_has_ended_is_not_looked_at_again():
    """It is not given any more, whatever anybody finds."""
    made = body("Consent", status="active", category=CATEGORY, provision={"period": {"end": "2020-01-01"}})

    assert {"purpose": "Information disclosure (ended 2020-01-01)", "given": False} == made


def test_a_plain_refusal_is_no_part_of_what_is_refused():
    """Where a category names it; that it was refused is the answer."""
    assert ("Information disclosure", False) == agreed(provision={"type": "deny"})
    limited = {"type": "deny", "securityLabel": [{}]}
    assert ("Information disclosure; DENIED: something", False) == agreed(provision=limited)


def test_a_bare_scope_is_told_where_nothing_else_is():
    """Every consent has one."""
    scope = coded("patient-privacy")

    assert ("Information disclosure", True) == agreed(scope=scope)
    assert ("patient-privacy", True) == agreed(scope=scope, category=[])
    assert "Privacy; Information disclosure" == agreed(scope=scope | {"text": "Privacy"})[0]
