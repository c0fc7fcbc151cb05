"""Shifts of somebody known in several places, to planners of one unit: on each database, over HTTP."""

from collections.abc import Sequence

import httpx2
import pytest

from tests.support.served import Deployment, Person, Served

UNITS = (("agency_carer", "Garden"), ("agency_nurse", "Lane"))


class Rota:
    """An agency worker with a shift as each of their roles, and who plans Garden alone."""

    def __init__(self, served: Served, assigned: Sequence[tuple[str, str | None]] = UNITS) -> None:
        self.served, world = served, served.world
        self.manager = world.person("registered_manager", None)
        self.planner = self._of(world, "senior_carer", "Garden")
        assignments = [_assigned(world, role, unit) for role, unit in assigned]
        self.worker = world.person(assignments=assignments, signed_in=False, shift_hours=0)
        self.path = f"/v1/users/{self.worker.id}/shifts"
        self.shifts = {role: self.entered(self.manager, role).json()["id"] for role, _ in assigned}

    def _of(self, world: Deployment, role: str, unit: str) -> Person:
        return world.person(assignments=[_assigned(world, role, unit)])

    def entered(self, by: Person, role: str) -> httpx2.Response:
        """Enter one more shift."""
        world = self.served.world
        times = {"starts_at": world.later(hours=-1), "ends_at": world.later(hours=6)}
        return self.served.ask("POST", self.path, by, json={"home_id": world.home, "role": role, **times})

    def changed(self, by: Person, role: str) -> tuple[int, int]:
        """Move the end of a shift, then cancel it; return both statuses."""
        one = f"{self.path}/{self.shifts[role]}"
        later = {"ends_at": self.served.world.later(hours=7)}
        amended = self.served.ask("PATCH", one, by, json=later)
        return amended.status_code, self.served.ask("DELETE", one, by).status_code

    def listed(self, by: Person) -> list[str]:
        """Return the roles of the shifts somebody is shown, one at a time."""
        found, more = [], ""
        while True:
            page = self.served.ask("GET", f"{self.path}?limit=1{more}", by).json()
            found += [shift["role"] for shift in page["items"]]
            if page["next_cursor"] is None:
                return sorted(found)
            more = f"&cursor={page['next_cursor']}"

    def assign(self, *assigned: tuple[str, str | None]) -> None:
        """Give the worker other assignments."""
        world = self.served.world
        wanted = [_assigned(world, role, unit) for role, unit in assigned]
        path = f"/v1/users/{self.worker.id}"
        headers = {"If-Match": self.served.ask("GET", path, self.manager).headers["ETag"]}
        answer = self.served.ask("PATCH", path, self.manager, json={"assignments": wanted}, headers=headers)
        assert 200 == answer.status_code, answer.text


def _assigned(world: Deployment, role: str, unit: str | None) -> dict[str, str | None]:
    return {"role": role, "home_id": world.home} | ({"unit": unit} if unit else {})


@pytest.fixture
def rota(served: Served) -> Rota:
    return Rota(served)


def test_planner_of_a_unit_plans_the_shifts_in_it(rota):
    """Whoever plans a unit enters, changes and cancels the shifts of roles held in that unit."""
    assert 201 == rota.entered(rota.planner, "agency_carer").status_code
    assert (200, 204) == rota.changed(rota.planner, "agency_carer")


def test_planner_of_a_unit_changes_no_shift_of_another(rota):
    """A shift in a role of another unit can be neither entered nor found there to be changed or cancelled."""
    assert 403 == rota.entered(rota.planner, "agency_nurse").status_code
    assert (404, 404) == rota.changed(rota.planner, "agency_nurse")
    shown = rota.served.ask("GET", rota.path, rota.manager).json()["items"]
    assert {(1, False)} == {(shift["version"], shift["cancelled"]) for shift in shown}


def test_refused_changes_are_entries_that_say_why(rota):
    """The trail tells a shift that was hidden from one that is not there."""
    one = f"{rota.path}/{rota.shifts['agency_nurse']}"
    answers = [
        rota.served.ask(method, one, rota.planner, json=body)
        for method, body in (("PATCH", {"ends_at": rota.served.world.later(hours=7)}), ("DELETE", None))
    ]

    told = [(e.e["act"], e.e["out"], e.e["why"]) for a in answers for e in rota.served.lines_of(a)]
    assert [("shift.update", "deny", "out-of-scope"), ("shift.cancel", "deny", "out-of-scope")] == told


def test_lists_show_the_shifts_one_may_plan(rota):
    """A planner of one unit is shown its shifts page by page, a manager those of the whole home."""
    assert ["agency_carer"] == rota.listed(rota.planner)
    assert ["agency_carer", "agency_nurse"] == rota.listed(rota.manager)


def test_roles_of_the_whole_home_are_not_those_of_a_unit(served):
    """A role held in the whole home is not planned from one of its units."""
    rota = Rota(served, (("agency_carer", "Garden"), ("agency_nurse", None)))

    assert ["agency_carer"] == rota.listed(rota.planner)
    assert (404, 404) == rota.changed(rota.planner, "agency_nurse")
    assert (200, 204) == rota.changed(rota.manager, "agency_nurse")


def test_shift_whose_role_was_taken_belongs_to_the_whole_home(rota):
    """A shift in a role that its user holds no longer is seen and cancelled by planners of the whole home."""
    rota.assign(("agency_nurse", "Garden"))

    assert (404, 404) == rota.changed(rota.planner, "agency_carer")
    assert ["agency_nurse"] == rota.listed(rota.planner)
    assert ["agency_carer", "agency_nurse"] == rota.listed(rota.manager)
    assert (200, 204) == rota.changed(rota.manager, "agency_carer")
