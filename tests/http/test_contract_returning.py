"""A discharge is taken back by merge patch: somebody came back, or it was a mistake."""

from typing import Any

import httpx2
import pytest

from tests.http.bodies import admission, nhs_number
from tests.support.served import Person, Served

RESIDENTS = "/v1/residents"
BACK = {"status": "resident"}


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Somebody who may do everything in the organisation."""
    return served.world.person("registered_manager", None)


@pytest.fixture
def gone(served: Served, manager: Person) -> str:
    """The path of somebody who was discharged."""
    admitted = served.ask("POST", RESIDENTS, manager, json=admission(served.world.home, "Sample"))
    path = f"{RESIDENTS}/{admitted.json()['id']}"
    left = {"discharged_on": "2026-02-01", "reason": "hospital"}
    assert served.ask("POST", f"{path}/discharge", manager, json=left).status_code == 200
    return path


def amend(served: Served, who: Person, path: str, was: int, patch: dict[str, Any]) -> httpx2.Response:
    """Send a merge patch."""
    return served.ask("PATCH", path, who, json=patch, headers={"If-Match": f'"{was}"'})


def test_a_discharge_is_taken_back(served: Served, manager: Person, gone: str) -> None:
    """The answer is the resident as they are now; done again it is a conflict that says why."""
    back = amend(served, manager, gone, 2, BACK | {"admitted_on": "2026-02-20"})
    again = amend(served, manager, gone, 3, BACK)

    shown = back.json()
    assert (200, '"3"') == (back.status_code, back.headers["ETag"])
    assert ("resident", "2026-02-20", None) == tuple(
        shown[name] for name in ("status", "admitted_on", "discharged_on")
    )
    assert (409, "/problems/conflict") == (again.status_code, again.json()["type"])
    assert "no discharge to take back" in again.json()["detail"]
    assert shown == served.ask("GET", gone, manager).json()


@pytest.mark.parametrize("status", [None, "discharged", "died", "Resident", "", 1, ["resident"]])
def test_no_other_status_is_set_by_a_patch(
    served: Served, manager: Person, gone: str, status: object
) -> None:
    """Leaving has a route of its own; null takes nothing away."""
    refused = amend(served, manager, gone, 2, {"status": status})

    assert 422 == refused.status_code
    assert ["/status"] == [error["pointer"] for error in refused.json()["errors"]]
    assert 2 == served.ask("GET", gone, manager).json()["version"]


def test_who_may_take_it_back(served: Served, gone: str) -> None:
    """Who may amend and discharge; nurse and carer are refused, another home's manager finds nobody."""
    world = served.world
    away = world.person("registered_manager", world.other_home)
    people = [world.person("carer"), world.person("nurse"), away, world.person("administrator")]
    statuses = [amend(served, who, gone, 2, BACK).status_code for who in people]

    assert [403, 403, 404, 200] == statuses


def test_a_refusal_comes_before_the_state_of_the_resident(served: Served, manager: Person, gone: str) -> None:
    """Whoever may not is refused alike for somebody who is here, and for a version that is stale."""
    nurse = served.world.person("nurse")
    before = [amend(served, nurse, gone, was, BACK).status_code for was in (2, 9)]
    amend(served, manager, gone, 2, BACK)

    assert [403, 403, 403] == [*before, amend(served, nurse, gone, 3, BACK).status_code]


def test_a_known_number_names_the_way_back_and_nothing_else(served: Served, manager: Person) -> None:
    """The conflict of a second admission reads the same for who is here, who left and who is elsewhere."""
    world = served.world
    told = []
    for serial, home in ((71, world.home), (72, world.home), (73, world.other_home)):
        body = admission(home, "Known", nhs_number(serial))
        path = f"{RESIDENTS}/{served.ask('POST', RESIDENTS, manager, json=body).json()['id']}"
        if serial == 72:
            left = {"discharged_on": "2026-02-01", "reason": "home"}
            assert served.ask("POST", f"{path}/discharge", manager, json=left).status_code == 200
        again = served.ask(
            "POST", RESIDENTS, world.person("administrator"), json=body | {"home_id": world.home}
        )
        told.append((again.status_code, again.json()["detail"]))

    assert 1 == len(set(told))
    assert 409 == told[0][0]
    assert "`status`: `resident` (PATCH)" in told[0][1]


def test_the_day_of_birth_may_be_of_a_day_that_began(served: Served, manager: Person) -> None:
    """In the first hour of a summer day that day is no future for an admission and a date of birth."""
    world = served.world
    world.pass_time(days=121, hours=14, minutes=30)  # 2026-07-01 23:30 UTC
    world.sign_in(manager)
    assert "2026-07-01T23:30" == world.later()[:16]

    def admitted(day: str) -> int:
        body = admission(world.home, "New") | {"admitted_on": day, "identifiers": {"date_of_birth": day}}
        return served.ask("POST", RESIDENTS, manager, json=body).status_code

    assert [201, 422] == [admitted(day) for day in ("2026-07-02", "2026-07-03")]
