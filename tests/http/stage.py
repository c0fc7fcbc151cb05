"""Who and what the authorisation tests are about: callers, and what lies at each place for them."""

from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.http.bodies import CANARY, admission, record_of
from tests.http.published import CALLERS, CATEGORIES, PERMISSIONS, PLACES, Caller, Place
from tests.support.served import Ask, Person, Served

Key = tuple[Caller, Place]


@dataclass
class Target:
    """What one caller tries their hand at, at one place: a resident with a record of each category."""

    resident: str = ""
    medication: str = ""
    records: dict[str, str] = field(default_factory=dict)
    canaries: dict[str, str] = field(default_factory=dict)


class Stage:
    """Residents and records made by managers of their places, and the callers.

    Every caller has a target of their own at each place, so that what one is allowed to change or
    remove is missed by nobody. Somebody who is given named residents is given the one at their home.
    """

    def __init__(
        self,
        served: Served,
        callers: tuple[Caller, ...] = CALLERS,
        categories: tuple[str, ...] = CATEGORIES,
    ) -> None:
        world = served.world
        self.categories = categories
        self.served = served
        self.homes: dict[Place, str] = {
            "own": world.home,
            "other": world.other_home,
            "foreign": world.foreign_home,
        }
        ours = world.person("registered_manager", None)
        theirs = world.person("registered_manager", None, org=world.other_org)
        self.keepers: dict[Place, Person] = {"own": ours, "other": ours, "foreign": theirs}
        self.targets: dict[Key, Target] = {(c, place): Target() for c in callers for place in PLACES}
        self._admit()
        self._record()
        self.people = {caller: self._person(caller) for caller in callers}

    def _admit(self) -> None:
        asks = []
        for number, ((_, place), target) in enumerate(self.targets.items()):
            target.canaries["identity"] = f"{CANARY}-who-{number}"
            body = admission(self.homes[place], target.canaries["identity"])
            asks.append(Ask("POST", "/v1/residents", self.keepers[place], body))
        for target, made in zip(self.targets.values(), self.made(asks), strict=True):
            target.resident = made["id"]

    def _record(self) -> None:
        spare = [self.recording(key, "medication", f"{CANARY}-spare") for key in self.targets]
        for target, made in zip(self.targets.values(), self.made(spare), strict=True):
            target.medication = made["id"]
        asks, places = [], []
        for number, (key, target) in enumerate(self.targets.items()):
            for category in self.categories:
                target.canaries[category] = f"{CANARY}-{category}-{number}"
                asks.append(self.recording(key, category, target.canaries[category]))
                places.append((target, category))
        for (target, category), made in zip(places, self.made(asks), strict=True):
            target.records[category] = made["id"]

    def _person(self, caller: Caller) -> Person:
        home = None if caller.wide else self.homes["own"]
        assignment: dict[str, Any] = {"role": caller.role, "home_id": home}
        if caller.role == "visiting_professional":
            assignment["resident_ids"] = [self.targets[caller, "own"].resident]
        return self.served.world.person(caller.role, home, assignments=[assignment])

    def come_back(self, *, hours: float) -> None:
        """Let time pass, then sign everybody in anew; who is of an agency gets a new shift."""
        world = self.served.world
        world.pass_time(hours=hours)
        for caller, person in self.people.items():
            if PERMISSIONS["roles"][caller.role]["user_kind"] == "agency":
                world.shift(person)
            world.sign_in(person)

    def recording(self, key: Key, category: str, canary: str, **more: Any) -> Ask:
        """Return the request by which the manager of a place records something about a target."""
        target = self.targets[key]
        body = record_of(category, canary, medication_id=target.medication, **more)
        return Ask("POST", f"/v1/residents/{target.resident}/records", self.keepers[key[1]], body)

    def made(self, asks: list[Ask]) -> list[dict[str, Any]]:
        """Send requests that must create something, and return what they made."""
        answers: list[httpx2.Response] = self.served.ask_all(asks)
        assert {answer.status_code for answer in answers} <= {201}
        return [answer.json() for answer in answers]
