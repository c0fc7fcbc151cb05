"""Whoever reads the trail of one home sees what was done to its residents and staff, and by whom."""

from typing import Any

import httpx2
import pytest

from tests.http.bodies import admission, body_of
from tests.support.served import Person, Served

RESIDENTS, USERS = "/v1/residents", "/v1/users"
KEY = {"Idempotency-Key": "5f9c2f0e-7c1a-4a53-9f0e-0c1d8c3b7a11"}


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Somebody who acts for the whole organisation and at no home in particular."""
    return served.world.person("registered_manager", None)


@pytest.fixture(scope="module")
def deputies(served: Served) -> list[Person]:
    """Who reads the trail of the one home, and of the other."""
    world = served.world
    return [world.person("deputy_manager", home) for home in (world.home, world.other_home)]


@pytest.fixture(scope="module")
def resident(served: Served, manager: Person) -> str:
    """Somebody at the one home."""
    body = admission(served.world.home, "Everywhere")
    return str(served.ask("POST", RESIDENTS, manager, json=body).json()["id"])


def event(served: Served, answer: httpx2.Response) -> dict[str, Any]:
    """Return the entry of a request."""
    (line,) = served.lines_of(answer)
    return line.e


def seen(served: Served, readers: list[Person], answer: httpx2.Response) -> list[int]:
    """Return what each reader is answered who asks for the entry."""
    (line,) = [one for one in served.lines_of(answer) if one.e["act"] != "identity.set"]
    return [served.ask("GET", f"/v1/audit/events/{line.seq}", who).status_code for who in readers]


def test_whoever_is_found_or_listed_is_told_where_they_live(
    served: Served, manager: Person, deputies: list[Person], resident: str
) -> None:
    """A search, a list and the look-up of an auditor disclose people of a home, so its reader sees them."""
    home, auditor = served.world.home, served.world.person("auditor", None)
    asked = [
        served.ask("POST", f"{RESIDENTS}/search", manager, json={"family_name": "Everywhere"}),
        served.ask("GET", RESIDENTS, manager, params={"home_id": home}),
        served.ask("POST", "/v1/audit/subject-lookup", auditor, json={"family_name": "Everywhere"}),
    ]

    assert [200] * 3 == [one.status_code for one in asked]
    assert [[home]] * 3 == [event(served, one)["homes"] for one in asked]
    assert [[200, 404]] * 3 == [seen(served, deputies, one) for one in asked]


def test_what_is_done_to_staff_is_told_at_their_homes(
    served: Served, manager: Person, deputies: list[Person]
) -> None:
    """An account, its shift and its move to another home: each is seen where somebody works, or did."""
    world = served.world
    here, there = ([{"role": "carer", "home_id": home}] for home in (world.home, world.other_home))
    new = {"username": "moved.about", "display_name": "Mo", "kind": "staff", "assignments": here}
    made = served.ask("POST", USERS, manager, json=new)
    assert 201 == made.status_code, made.text
    path = f"{USERS}/{made.json()['id']}"
    times = {"starts_at": world.later(hours=1), "ends_at": world.later(hours=6)}
    shift = {"home_id": world.home, "role": "carer", **times}
    rostered = served.ask("POST", f"{path}/shifts", manager, json=shift)
    moved = served.ask("PATCH", path, manager, json={"assignments": there}, headers={"If-Match": '"1"'})

    assert [201, 201, 200] == [one.status_code for one in (made, rostered, moved)]
    told = [
        [line.e["homes"] for line in served.lines_of(one) if "homes" in line.e] for one in (rostered, moved)
    ]
    assert [[[world.home]], [[world.home, world.other_home]]] == told
    assert [[200, 404], [200, 404], [200, 200]] == [
        seen(served, deputies, one) for one in (made, rostered, moved)
    ]


def test_a_repeated_call_is_told_like_the_first(served: Served, manager: Person, resident: str) -> None:
    """Its entry names the homes, the category and the version: it showed the same once more."""
    admitting = {"json": admission(served.world.home, "Twice"), "headers": KEY}
    note = {
        "category": "daily_note",
        "occurred_at": "2026-03-02T08:00:00Z",
        "body": body_of("daily_note", "x"),
    }
    noting = {"json": note, "headers": KEY}
    admitted = [served.ask("POST", RESIDENTS, manager, **admitting) for _ in range(2)]
    noted = [served.ask("POST", f"{RESIDENTS}/{resident}/records", manager, **noting) for _ in range(2)]

    assert [201] * 4 == [one.status_code for one in (*admitted, *noted)]
    for first, again in (admitted, noted):
        one, other = event(served, first), event(served, again)
        assert [one[name] for name in ("obj", "homes", "subs")] == [
            other[name] for name in ("obj", "homes", "subs")
        ]
        assert "chg" in one
        assert not {"chg", "state"} & other.keys()
    assert "daily_note" == event(served, noted[1])["obj"]["cat"]


def entered(served: Served, readers: list[Person]) -> list[int]:
    """Return how many new shifts each reader sees."""
    asked = [served.ask("GET", "/v1/audit/events", who, params={"act": "shift.create"}) for who in readers]
    return [len(answer.json()["items"]) for answer in asked]


def test_the_shift_of_an_admission_is_seen_where_it_is(
    served: Served, manager: Person, deputies: list[Person]
) -> None:
    """It has an entry of its own beside the account's, and its home stands in it."""
    world = served.world
    body = {
        "username": "night.help",
        "display_name": "Night Help",
        "kind": "agency",
        "assignments": [{"role": "agency_carer", "home_id": world.home}],
        "shift": {"starts_at": world.later(hours=1), "ends_at": world.later(hours=9)},
    }

    before = entered(served, deputies)
    made = served.ask("POST", USERS, manager, json=body)

    assert 201 == made.status_code
    assert [1, 0] == [now - was for now, was in zip(entered(served, deputies), before, strict=True)]
