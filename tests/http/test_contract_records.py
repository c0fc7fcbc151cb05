"""Residents and their records, as the contract words them."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from app.core.clock import spell
from tests.http.bodies import admission, nhs_number, record_of
from tests.support.served import Ask, Person, Served

RESIDENTS = "/v1/residents"
REASON = {"Audit-Reason": "written%20for%20somebody%20else"}


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Somebody who may do everything in the organisation."""
    return served.world.person("registered_manager", None)


@pytest.fixture
def resident(served: Served, manager: Person) -> str:
    """The path of somebody at the world's own home."""
    return admitted(served, manager, "Sample")


def admitted(served: Served, manager: Person, name: str, nhs: str | None = None) -> str:
    """Admit somebody and return their path."""
    answer = served.ask("POST", RESIDENTS, manager, json=admission(served.world.home, name, nhs))
    assert answer.status_code == 201, answer.text
    return f"{RESIDENTS}/{answer.json()['id']}"


def record(served: Served, who: Person, resident: str, category: str, **more: Any) -> str:
    """Record something and return its path."""
    answer = served.ask("POST", f"{resident}/records", who, json=record_of(category, "text", **more))
    assert answer.status_code == 201, answer.text
    return f"{resident}/records/{answer.json()['id']}"


def problem(answer: httpx2.Response) -> tuple[int, str]:
    """Return status and slug of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


def identifier(path: str) -> str:
    """Return the id at the end of a path."""
    return path.rpartition("/")[2]


# --- when -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ago", "status", "late"),
    [
        (timedelta(minutes=60), 201, False),
        (timedelta(minutes=60, microseconds=1), 201, True),
        (timedelta(days=400), 201, True),
        (timedelta(0), 201, False),
        (-timedelta(minutes=5), 201, False),
        (-timedelta(minutes=5, microseconds=1), 422, None),
    ],
)
def test_what_is_recorded_later_than_an_hour_is_late(
    served: Served, manager: Person, resident: str, ago: timedelta, status: int, late: bool | None
) -> None:
    """Later than 60 minutes after the event is `late`; more than 5 minutes before it is refused."""
    note = record_of("daily_note", "slept") | {"occurred_at": spell(served.world.now - ago)}

    answer = served.ask("POST", f"{resident}/records", manager, json=note)

    assert (status, late) == (answer.status_code, answer.json().get("late"))


def test_an_amendment_may_not_lie_in_the_future_either(
    served: Served, manager: Person, resident: str
) -> None:
    """Five minutes in the future is the limit for amendments too."""
    path = record(served, manager, resident, "daily_note")
    amendment = {"occurred_at": served.world.later(minutes=6), "body": {"text": "x"}, "amendment_reason": "y"}

    answer = served.ask("PUT", path, manager, json=amendment, headers={"If-Match": '"1"'})

    assert (422, "invalid-request") == problem(answer)
    assert ["/occurred_at"] == [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ("2026-03-02T08:30:00Z", "2026-03-02T08:30:00.000000Z"),
        ("2026-03-02T08:30:00.1Z", "2026-03-02T08:30:00.100000Z"),
        ("2026-03-02T08:30:00.123456Z", "2026-03-02T08:30:00.123456Z"),
        ("2026-03-02T09:30:00+01:00", "2026-03-02T08:30:00.000000Z"),
        ("2026-03-01T22:30:00-10:00", "2026-03-02T08:30:00.000000Z"),
        ("2026-03-02T08:30:00.1234567Z", None),
        ("2026-03-02T08:30:00", None),
        ("2026-03-02 08:30", None),
        ("2026-02-29T08:30:00Z", None),
        ("2026-03-02T08:30:60Z", None),
        (1772440200, None),
    ],
)
def test_instants_answer_in_one_spelling(
    served: Served, manager: Person, resident: str, given: object, answered: str | None
) -> None:
    """Any offset and up to six digits are accepted; UTC with microseconds is answered; the rest is 422."""
    note = record_of("daily_note", "slept") | {"occurred_at": given}

    answer = served.ask("POST", f"{resident}/records", manager, json=note)

    assert (201 if answered else 422, answered) == (answer.status_code, answer.json().get("occurred_at"))


# --- one resident of a number -------------------------------------------------------------------------


def test_a_second_resident_with_the_same_nhs_number_is_a_conflict(served: Served, manager: Person) -> None:
    """One organisation holds an NHS number once, however it is spaced; another may hold it too."""
    number = nhs_number(1)
    spaced = f"{number[:3]} {number[3:6]} {number[6:]}"
    first = admitted(served, manager, "First", number)
    stranger = served.world.person("registered_manager", None, org=served.world.other_org)
    other = admitted(served, manager, "Other", nhs_number(2))

    again = served.ask("POST", RESIDENTS, manager, json=admission(served.world.home, "Again", spaced))
    patch = {"identifiers": {"nhs_number": number}}
    moved = served.ask("PATCH", other, manager, json=patch, headers={"If-Match": '"1"'})
    theirs = served.ask(
        "POST", RESIDENTS, stranger, json=admission(served.world.foreign_home, "Theirs", number)
    )

    assert [(409, "conflict")] * 2 == [problem(again), problem(moved)]
    assert number not in again.text + moved.text
    assert theirs.status_code == 201
    served.ask("DELETE", first, manager, headers={"If-Match": '"1"'} | REASON)
    assert (
        served.ask("POST", RESIDENTS, manager, json=admission(served.world.home, "Again", spaced)).status_code
        == 201
    )


@pytest.mark.parametrize(
    "number", ["9990000000", "999000000", "99900000261", "٩٩٩٠٠٠٠٠٢٦", "999.000.0026", ""]
)
def test_a_wrong_nhs_number_is_refused(served: Served, manager: Person, number: str) -> None:
    """A number that fails modulus 11, or is written otherwise, is 422 wherever it is given."""
    admit = served.ask(
        "POST",
        RESIDENTS,
        manager,
        json=admission(served.world.home, "W")
        | {"identifiers": {"date_of_birth": "1940-05-06", "nhs_number": number}},
    )
    search = served.ask("POST", f"{RESIDENTS}/search", manager, json={"nhs_number": number})

    assert [422, 422] == [admit.status_code, search.status_code]


def test_a_search_folds_names_and_finds_by_number(served: Served, manager: Person) -> None:
    """Names are equal after NFKC and casefold, without spaces, hyphens and apostrophes."""
    number = nhs_number(3)
    path = admitted(served, manager, "O’Neill-Smith", number)
    bodies: list[dict[str, str]] = [
        {"family_name": "oneill smith"},
        {"family_name": "O'NEILL-SMITH"},
        {"family_name": "Oneillsmith", "date_of_birth": "1940-05-06"},
        {"nhs_number": f"{number[:3]}-{number[3:6]}-{number[6:]}"},
    ]
    others = [{"family_name": "Oneill"}, {"family_name": "Oneillsmith", "date_of_birth": "1940-05-07"}]

    def found(body: dict[str, str]) -> list[str]:
        items = served.ask("POST", f"{RESIDENTS}/search", manager, json=body).json()["items"]
        return [f"{RESIDENTS}/{item['id']}" for item in items]

    assert [[path]] * 4 == [found(body) for body in bodies]
    assert [[], []] == [found(body) for body in others]


# --- what is gone -------------------------------------------------------------------------------------


def test_a_medication_with_doses_stays(served: Served, manager: Person, resident: str) -> None:
    """A medication whose administrations are recorded is not deleted: 409; without them it is."""
    medication = record(served, manager, resident, "medication")
    dose = record(
        served, manager, resident, "medication_administration", medication_id=identifier(medication)
    )
    removal = {"If-Match": '"1"'} | REASON

    kept = served.ask("DELETE", medication, manager, headers=removal)
    gone = [served.ask("DELETE", path, manager, headers=removal).status_code for path in (dose, medication)]

    assert (409, "conflict") == problem(kept)
    assert [204, 204] == gone


def test_a_dose_names_a_medication_of_the_resident(served: Served, manager: Person, resident: str) -> None:
    """A dose of a medication that is another resident's, deleted, or none at all is 422."""
    theirs = identifier(record(served, manager, admitted(served, manager, "Next"), "medication"))
    note = identifier(record(served, manager, resident, "daily_note"))
    unknown = "01890000-0000-7000-8000-000000000001"
    answers = [
        served.ask(
            "POST",
            f"{resident}/records",
            manager,
            json=record_of("medication_administration", "x", medication_id=medication_id),
        )
        for medication_id in (theirs, note, unknown)
    ]

    assert [(422, "invalid-request")] * 3 == [problem(answer) for answer in answers]


def test_what_was_entered_in_error_is_seen_by_who_may_delete(
    served: Served, manager: Person, resident: str
) -> None:
    """A deleted record is gone for everybody; with `include=entered-in-error` who may delete sees it."""
    nurse, carer = served.world.person("nurse"), served.world.person("carer")
    kept = identifier(record(served, nurse, resident, "daily_note"))
    path = record(served, nurse, resident, "daily_note")
    assert served.ask("DELETE", path, manager, headers={"If-Match": '"1"'} | REASON).status_code == 204
    error = {"include": "entered-in-error"}

    for who in (manager, nurse, carer):
        assert [404] * 3 == [
            served.ask("GET", f"{path}{tail}", who).status_code for tail in ("", "/versions", "/versions/1")
        ]
    for who in (nurse, carer):
        assert served.ask("GET", path, who, params=error).status_code == 404
    shown = [served.ask("GET", f"{path}{tail}", manager, params=error) for tail in ("", "/versions")]
    assert [200, 200] == [answer.status_code for answer in shown]
    assert (True, 2) == (shown[0].json()["deleted"], shown[0].json()["version"])
    assert [True, False] == [version["deleted"] for version in shown[1].json()["items"]]
    assert "written for somebody else" == shown[1].json()["items"][0]["amendment_reason"]

    def listed(who: Person, **params: str) -> list[str]:
        items = served.ask("GET", f"{resident}/records", who, params=params).json()["items"]
        return [item["id"] for item in items]

    assert [[kept]] * 3 == [listed(who) for who in (manager, nurse, carer)]
    assert [2, 1, 1] == [len(listed(who, **error)) for who in (manager, nurse, carer)]


def test_deleting_wants_a_reason(served: Served, manager: Person, resident: str) -> None:
    """DELETE of a resident or a record without `Audit-Reason` is 422 and deletes nothing."""
    path = record(served, manager, resident, "daily_note")
    answers = [served.ask("DELETE", p, manager, headers={"If-Match": '"1"'}) for p in (path, resident)]

    assert [(422, "invalid-request")] * 2 == [problem(answer) for answer in answers]
    assert [["/headers/Audit-Reason"]] * 2 == [[e["pointer"] for e in a.json()["errors"]] for a in answers]
    assert [200, 200] == [served.ask("GET", p, manager).status_code for p in (path, resident)]


def test_a_removed_resident_is_gone_with_everything(served: Served, manager: Person, resident: str) -> None:
    """A resident entered in error is 404 for everybody, and so is every record of theirs."""
    path = record(served, manager, resident, "daily_note")
    removed = served.ask("DELETE", resident, manager, headers={"If-Match": '"1"'} | REASON)

    statuses = [served.ask("GET", p, manager).status_code for p in (resident, f"{resident}/records", path)]
    listed = served.ask("GET", RESIDENTS, manager, params={"limit": "200"}).json()["items"]

    assert (204, [404, 404, 404]) == (removed.status_code, statuses)
    assert identifier(resident) not in [item["id"] for item in listed]


# --- discharge ----------------------------------------------------------------------------------------


def test_after_care_lasts_thirty_days(served: Served, manager: Person) -> None:
    """30 days after discharge managers, administrator and nurse still see the resident, nobody else."""
    world = served.world
    resident = admitted(served, manager, "Leaving")
    roles = (
        "registered_manager",
        "deputy_manager",
        "administrator",
        "nurse",
        "senior_carer",
        "carer",
        "kitchen",
    )
    people = [world.person(role) for role in roles]
    discharge = {"discharged_on": world.now.date().isoformat(), "reason": "moved"}
    assert served.ask("POST", f"{resident}/discharge", manager, json=discharge).status_code == 200

    def seen() -> list[int]:
        for person in people:
            world.sign_in(person)
        answers = served.ask_all(Ask("GET", resident, person) for person in people)
        lists = served.ask_all(Ask("GET", RESIDENTS, p, params={"limit": "200"}) for p in people)
        shown = [identifier(resident) in answer.text for answer in lists]
        statuses = [answer.status_code for answer in answers]
        assert shown == [status == 200 for status in statuses]
        return statuses

    world.pass_time(days=30)
    within = seen()
    world.pass_time(days=1)
    beyond = seen()
    world.sign_in(manager)

    assert [200] * 7 == within
    assert [200] * 4 + [404] * 3 == beyond


def test_nobody_is_discharged_twice_or_before_they_came(
    served: Served, manager: Person, resident: str
) -> None:
    """A second discharge is 409; a day before the admission or in the future is 422."""
    days = {"2025-12-31": 422, served.world.later(days=1)[:10]: 422, "2026-01-01": 200, "2026-01-02": 409}
    answers = [
        served.ask("POST", f"{resident}/discharge", manager, json={"discharged_on": day, "reason": "died"})
        for day in days
    ]

    assert list(days.values()) == [answer.status_code for answer in answers]
    assert served.ask("GET", resident, manager).json()["status"] == "died"


# --- what each may see ----------------------------------------------------------------------------------


def test_the_kitchen_sees_who_is_here_and_what_they_may_eat(served: Served, manager: Person) -> None:
    """The kitchen sees names, room, allergies and diet: no date of birth, no NHS number, no other record."""
    number = nhs_number(4)
    resident = admitted(served, manager, "Eats", number)
    for category in ("allergy", "diet", "daily_note", "medication", "care_plan"):
        record(served, manager, resident, category)
    kitchen = served.world.person("kitchen")

    answers = [
        served.ask("GET", resident, kitchen),
        served.ask("GET", RESIDENTS, kitchen),
        served.ask("GET", f"{resident}/records", kitchen),
    ]

    assert [200, 200, 200] == [answer.status_code for answer in answers]
    assert not any(secret in a.text for a in answers for secret in (number, "1940-05-06", "identifiers"))
    assert answers[0].json()["allergy_status"] == "recorded"
    assert {"allergy", "diet"} == {item["category"] for item in answers[2].json()["items"]}


def test_an_empty_list_of_allergies_says_not_recorded(served: Served, manager: Person, resident: str) -> None:
    """Without a record: `not_recorded`. With one: `none_known`, or `recorded` once a substance is named."""
    statuses = [served.ask("GET", resident, manager).json()["allergy_status"]]
    for body in ({"none_known": True}, {"substance": "nuts", "severity": "severe", "status": "active"}):
        allergy = record_of("allergy", "x") | {"body": body}
        assert served.ask("POST", f"{resident}/records", manager, json=allergy).status_code == 201
        statuses.append(served.ask("GET", resident, manager).json()["allergy_status"])

    assert ["not_recorded", "none_known", "recorded"] == statuses


def test_a_unit_and_named_residents_limit_a_role(served: Served, manager: Person) -> None:
    """Who is assigned to a unit, or to named residents, finds nobody else of the home, by any way."""
    world = served.world
    paths = {}
    for unit in ("North", "South"):
        body = admission(world.home, f"Of {unit}") | {"unit": unit}
        paths[unit] = f"{RESIDENTS}/{served.ask('POST', RESIDENTS, manager, json=body).json()['id']}"
    north = identifier(paths["North"])
    by_unit = {"role": "carer", "home_id": world.home, "unit": "North"}
    by_name = {"role": "visiting_professional", "home_id": world.home, "resident_ids": [north]}
    people = [world.person(a["role"], world.home, assignments=[a]) for a in (by_unit, by_name)]

    for person in people:
        listed = served.ask("GET", RESIDENTS, person, params={"limit": "200"}).json()["items"]
        search = served.ask("POST", f"{RESIDENTS}/search", person, json={"family_name": "Of South"})
        assert [200, 404] == [served.ask("GET", path, person).status_code for path in paths.values()]
        assert [200, 404] == [
            served.ask("GET", f"{path}/records", person).status_code for path in paths.values()
        ]
        assert [north] == [item["id"] for item in listed]
        assert [] == search.json()["items"]


def test_the_days_of_somebody_of_today_are_accepted(served: Served, manager: Person) -> None:
    """Admission and discharge on the present day are accepted, on the next one refused."""
    today, tomorrow = served.world.now.date().isoformat(), served.world.later(days=1)[:10]
    bodies = [admission(served.world.home, "Today") | {"admitted_on": day} for day in (today, tomorrow)]

    assert [201, 422] == [served.ask("POST", RESIDENTS, manager, json=b).status_code for b in bodies]
