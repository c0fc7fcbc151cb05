"""What is wrong with a body is told in our own words, and in the same ones whoever refuses it."""

import base64
from typing import Any, NamedTuple

import httpx2
import pytest

from tests.http.bodies import admission, body_of
from tests.support.served import Person, Served

CANARY = "kanarie"
AT = "2026-03-02T08:30:00Z"
LARGEST = 5 * 1024 * 1024
MISTAKES: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "control characters": (
        "daily_note",
        {"text": f"{CANARY}\x1b"},
        "/body/text",
        "Must not hold control characters or broken Unicode.",
    ),
    "nothing to be seen": ("daily_note", {"text": " \u200b"}, "/body/text", "Must not be blank."),
    "no text": ("daily_note", {"text": ""}, "/body/text", "Must have 1 or more characters."),
    "too much text": (
        "daily_note",
        {"text": CANARY * 3000},
        "/body/text",
        "Must have at most 20000 characters.",
    ),
    "another type": ("daily_note", {"text": [CANARY]}, "/body/text", "Must be text."),
    "another type of a date": (
        "advance_care_plan",
        {"valid_from": f"1.3.2026 {CANARY}"},
        "/body/valid_from",
        "Must be a date written YYYY-MM-DD.",
    ),
    "a day there is not": (
        "advance_care_plan",
        {"valid_from": "2026-02-30"},
        "/body/valid_from",
        "Must be a day of the calendar.",
    ),
    "null": (
        "advance_care_plan",
        {"review_on": None},
        "/body/review_on",
        "Leave the field out instead of sending null.",
    ),
    "a word that is none of them": (
        "incident_report",
        {"harm": CANARY},
        "/body/harm",
        "Must be one of 'none', 'low', 'moderate', 'severe' or 'death'.",
    ),
    "too high a level": ("diet", {"iddsi_food": 8}, "/body/iddsi_food", "Must be at most 7."),
    "no whole number": ("diet", {"iddsi_food": CANARY}, "/body/iddsi_food", "Must be a whole number."),
    "two things at once": (
        "observation",
        {"value": "1"},
        "/body",
        "Send exactly one of value, text and components.",
    ),
    "a unit of nothing": ("observation", {"unit": CANARY}, "/body", "A unit goes only with a value."),
    "no decimal": (
        "finance",
        {"amount": CANARY},
        "/body/amount",
        "Must be pounds as text, such as 12.50 or -3: up to 12 digits, then up to 2 after a point.",
    ),
    "no instant": (
        "medication_administration",
        {"given_at": f"today {CANARY}"},
        "/body/given_at",
        "Must be an instant written as RFC 3339, such as 2026-03-01T10:00:00Z.",
    ),
    "no base64": (
        "document",
        {"content_base64": f"{CANARY}\n"},
        "/body/content_base64",
        "Must be base64 with padding and without line breaks.",
    ),
    "an unknown field": (
        "daily_note",
        {CANARY: CANARY},
        "/body",
        "There is a field here that is not part of it. Send only the documented fields.",
    ),
}
NHS_NUMBER = "Is not an NHS number: its check digit does not fit. Compare it with the source."


class Kept(NamedTuple):
    """A resident with a note and a medicine, and who keeps them."""

    resident: str
    medication: str
    manager: Person


@pytest.fixture(scope="module")
def kept(served: Served) -> Kept:
    """A resident of ours."""
    manager = served.world.person("registered_manager", None, name="Manager")
    made = served.ask("POST", "/v1/residents", manager, json=admission(served.world.home, "Sample"))
    records = f"/v1/residents/{made.json()['id']}/records"
    sent = [recorded(category, body_of(category, "Sample")) for category in ("daily_note", "medication")]
    ids = [served.ask("POST", records, manager, json=one).json()["id"] for one in sent]
    return Kept(made.json()["id"], ids[-1], manager)


def recorded(category: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return what records a body."""
    return {"category": category, "occurred_at": AT, "body": body}


def told(answer: httpx2.Response) -> list[tuple[str, str]]:
    """Return the places and sentences of a refusal that repeats no input."""
    assert 422 == answer.status_code
    assert CANARY not in answer.text
    return [(one["pointer"], one["detail"]) for one in answer.json()["errors"]]


def refused_twice(
    served: Served, kept: Kept, category: str, body: dict[str, Any]
) -> list[list[tuple[str, str]]]:
    """Return what is told of a body by POST, and by PUT of a record of its category."""
    base = f"/v1/residents/{kept.resident}/records"
    whole = body_of(category, "Sample", medication_id=kept.medication)
    made = served.ask("POST", base, kept.manager, json=recorded(category, whole))
    assert 201 == made.status_code
    amended = {"occurred_at": AT, "body": body, "amendment_reason": "Put right."}
    return [
        told(served.ask("POST", base, kept.manager, json=recorded(category, body))),
        told(
            served.ask(
                "PUT", f"{base}/{made.json()['id']}", kept.manager, json=amended, headers={"If-Match": '"1"'}
            )
        ),
    ]


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_told_alike_by_post_and_put(served: Served, kept: Kept, what: str) -> None:
    """One mistake has one place and one sentence that says what to do, whether a record is new or not."""
    category, wrong, pointer, sentence = MISTAKES[what]
    body = body_of(category, "Sample", medication_id=kept.medication) | wrong

    assert [[(pointer, sentence)]] * 2 == refused_twice(served, kept, category, body)


@pytest.mark.parametrize("size", [LARGEST + 1, LARGEST + 2])
def test_a_document_that_is_too_large_is_told_its_limit(served: Served, kept: Kept, size: int) -> None:
    """One byte more than 5 MiB and many more are told the same limit, in the unit that people count in."""
    body = body_of("document", "Sample") | {"content_base64": base64.b64encode(bytes(size)).decode()}
    expected = [("/body/content_base64", "Must be at most 5 MiB when decoded.")]

    assert [expected] * 2 == refused_twice(served, kept, "document", body)


def test_an_nhs_number_is_told_alike_wherever_it_is_sent(served: Served, kept: Kept) -> None:
    """Admission, amendment and search say of a wrong check digit that it is one."""
    wrong = "9990000017"
    admitted = admission(served.world.home, "Sample", nhs_number=wrong)
    path, patch = f"/v1/residents/{kept.resident}", {"identifiers": {"nhs_number": wrong}}
    told_ = [
        told(served.ask("POST", "/v1/residents", kept.manager, json=admitted)),
        told(served.ask("PATCH", path, kept.manager, json=patch, headers={"If-Match": '"1"'})),
        told(served.ask("POST", "/v1/residents/search", kept.manager, json={"nhs_number": wrong})),
    ]

    pointers = ["/identifiers/nhs_number"] * 2 + ["/nhs_number"]
    assert [[(pointer, NHS_NUMBER)] for pointer in pointers] == told_


UNESCAPED = "Must have + or - before the offset: in an address write + as %2B, or send the instant with Z."


@pytest.mark.parametrize(
    ("path", "query", "pointer", "sentence"),
    [
        ("records", "from=2026-11-20T10:00:00+00:00", "/query/from", UNESCAPED),
        ("access-log", "to=2026-11-20T10:00:00.5+01:00", "/query/to", UNESCAPED),
        (
            "access-log",
            "from=2026-02-30T10:00:00Z",
            "/query/from",
            "Must be an instant of the calendar and the clock.",
        ),
        ("records", "limit=201", "/query/limit", "Must be at most 200."),
        ("records", "limit=0", "/query/limit", "Must be at least 1."),
    ],
)
def test_a_parameter_is_told_in_words(
    served: Served, kept: Kept, path: str, query: str, pointer: str, sentence: str
) -> None:
    """A parameter of an address is told what is wrong with it, an unescaped plus above all."""
    answer = served.ask("GET", f"/v1/residents/{kept.resident}/{path}?{query}", kept.manager)

    assert [(pointer, sentence)] == told(answer)


def test_a_cursor_of_another_page_size_is_told_what_to_send(served: Served, kept: Kept) -> None:
    """A cursor goes with the parameters of its list, the limit too; whoever changes one is told so."""
    base = f"/v1/residents/{kept.resident}/records"
    cursor = served.ask("GET", f"{base}?limit=1", kept.manager).json()["next_cursor"]
    answer = served.ask("GET", f"{base}?limit=2&cursor={cursor}", kept.manager)
    sentence = "Send a next_cursor with the same parameters as the page it came from, limit included."

    assert cursor is not None
    assert 200 == served.ask("GET", f"{base}?limit=1&cursor={cursor}", kept.manager).status_code
    assert [("/query/cursor", sentence)] == told(answer)


def test_a_reused_key_is_told_what_to_do(served: Served, kept: Kept) -> None:
    """A key with the same fields in another order is another request, and the caller learns why."""
    headers = {"Idempotency-Key": "one-note", "Content-Type": "application/json"}
    base = f"/v1/residents/{kept.resident}/records"
    sent = [
        b'{"category":"daily_note","occurred_at":"2026-03-02T08:30:00Z","body":{"text":"Slept."}}',
        b'{"occurred_at":"2026-03-02T08:30:00Z","category":"daily_note","body":{"text":"Slept."}}',
    ]
    answers = [served.ask("POST", base, kept.manager, content=one, headers=headers) for one in sent]

    assert [201, 422] == [answer.status_code for answer in answers]
    sentence = (
        "The key came with another request. Repeat with the same bytes, or use a new key for a new one."
    )
    assert sentence == answers[1].json()["detail"]
