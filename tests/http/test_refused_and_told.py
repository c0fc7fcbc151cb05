"""What a refusal says to the trail: why, and what was asked for."""

import httpx2
import pytest

from tests.http.bodies import admission, body_of
from tests.support.served import Person, Served

RESIDENTS = "/v1/residents"
UNKNOWN = "01890000-0000-7000-8000-0000000000ab"


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Somebody who may do everything in the organisation."""
    return served.world.person("registered_manager", None)


def told(served: Served, answer: httpx2.Response) -> tuple[int, str, str | None]:
    """Return status, outcome and reason."""
    (line,) = served.lines_of(answer)
    return answer.status_code, line.e["out"], line.e.get("why")


def test_a_carer_of_the_house_is_not_told_of_as_a_stranger(served: Served, manager: Person) -> None:
    """The caller is answered alike; the trail, and the family who reads it, are told which it was."""
    world = served.world
    path = (
        f"{RESIDENTS}/"
        + served.ask("POST", RESIDENTS, manager, json=admission(world.home, "Hers")).json()["id"]
    )
    body = {
        "category": "medication",
        "occurred_at": "2026-03-02T08:00:00Z",
        "body": body_of("medication", "x"),
    }
    made = served.ask("POST", f"{path}/records", manager, json=body)
    one = f"{path}/records/{made.json()['id']}"
    here, away = world.person("carer"), world.person("carer", world.other_home)

    assert [(404, "deny", "not-for-role"), (404, "deny", "out-of-scope")] == [
        told(served, served.ask("GET", one, who)) for who in (here, away)
    ]


@pytest.mark.parametrize(("kind", "path"), [("shift", f"/v1/users/{UNKNOWN}/shifts/{UNKNOWN[:-1]}c")])
def test_what_cannot_be_read_is_entered_under_what_it_named(
    served: Served, manager: Person, kind: str, path: str
) -> None:
    """A change of a shift with an unknown field is one of the shift, not of the user above it."""
    answer = served.ask("PATCH", path, manager, json={"x": 1})
    (line,) = served.lines_of(answer)

    assert (422, {"t": kind, "id": path.rpartition("/")[2]}) == (answer.status_code, line.e["obj"])


def test_a_session_that_is_ended_with_a_body_is_named(served: Served, manager: Person) -> None:
    """The entry says which session it was about."""
    answer = served.ask("DELETE", f"/v1/sessions/{UNKNOWN}", manager, json={"x": 1})
    (line,) = served.lines_of(answer)

    assert (422, {"t": "session", "id": UNKNOWN}) == (answer.status_code, line.e["obj"])


def test_a_patch_that_names_nothing_changes_nothing(served: Served, manager: Person) -> None:
    """For accounts and shifts as for residents: no new version, and a word what is lacking."""
    world = served.world
    person = world.person("carer")
    path = f"/v1/users/{person.id}"
    times = {"starts_at": world.later(hours=1), "ends_at": world.later(hours=6)}
    shift = served.ask(
        "POST", f"{path}/shifts", manager, json={"home_id": world.home, "role": "carer", **times}
    )
    version = served.ask("GET", path, manager).headers["ETag"]
    refused = [
        served.ask("PATCH", path, manager, json={}, headers={"If-Match": version}),
        served.ask("PATCH", f"{path}/shifts/{shift.json()['id']}", manager, json={}),
    ]

    assert [422, 422] == [one.status_code for one in refused]
    assert all("at least one field" in one.text for one in refused)
    assert version == served.ask("GET", path, manager).headers["ETag"]
