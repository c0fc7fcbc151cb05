"""How what an answer showed goes out of its caller's sight, and where it would be read now."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2

from app.core.identifiers import new_id
from tests.http import errands_of_webhooks
from tests.http.errands import REASON, Ground, errand
from tests.http.published import OPERATIONS, Caller
from tests.support.served import Ask, Person, Served

DEPUTY = Caller("deputy_manager")
WIDE_IT = Caller("it_admin", wide=True)
WIDE = Caller("registered_manager", wide=True)
CALLERS = {
    "POST /v1/residents": Caller("administrator"),
    "POST /v1/residents/{resident_id}/records": Caller("carer"),
    "PUT /v1/residents/{resident_id}/records/{record_id}": Caller("nurse"),
    "POST /v1/users/{user_id}/shifts": Caller("senior_carer"),
}
"""Who makes the call, where it is no deputy of the home: whoever may make it, and holds least else."""


@dataclass
class Shown:
    """A call that went through, and what it showed."""

    ground: Ground
    operation: str
    who: Person
    ask: Ask
    told: Any

    @property
    def served(self) -> Served:
        """Return where it was sent."""
        return self.ground.served

    @property
    def keeper(self) -> Person:
        """Return somebody else, who sees all of it and may give the caller another assignment."""
        world = self.ground.world
        return world.person("it_admin", None) if self.who.role == "it_admin" else self.ground.keepers["own"]

    @property
    def thing(self) -> str:
        """Return the path of what it is about: a resident, a user, an incident."""
        _, version, kind, *rest = self.ask.path.split("/")
        return f"/{version}/{kind}/{rest[0] if rest else self.told['id']}"

    @property
    def record(self) -> str:
        """Return the path of the record it is about."""
        return f"{self.ask.path}/{self.told['id']}" if self.ask.method == "POST" else self.ask.path

    def again(self) -> httpx2.Response:
        """Repeat the call."""
        return self.served.ask_all([self.ask])[0]

    def read(self) -> httpx2.Response | None:
        """Read what it is about as its caller; None where that is read in lists only."""
        if "/records" in self.ask.path:
            return self.served.ask("GET", self.record, self.who, params={"include": "entered-in-error"})
        path = f"{self.thing}/shifts" if "/shifts" in self.ask.path else self.thing
        listed = any(kind in self.operation for kind in ("/homes", "/alert-rules", "/eras"))
        return None if listed else self.served.ask("GET", path, self.who)

    def done(self, method: str, path: str, body: Any = None, **headers: str) -> None:
        """Have the keeper do something that must succeed, to the version there is."""
        keeper = self.keeper
        told = self.served.ask("GET", path, keeper)
        if "ETag" in told.headers:
            headers["If-Match"] = told.headers["ETag"]
        answer = self.served.ask(method, path, keeper, json=body, headers=headers)
        assert answer.status_code in (200, 204), answer.text

    def assign(self, user: str, role: str, home: str | None) -> None:
        """Give somebody one other assignment."""
        self.done("PATCH", user, {"assignments": [{"role": role, "home_id": home}]})


def caller_of(operation: str) -> Caller:
    """Return who makes the call of an operation."""
    if "/webhooks" in operation:
        return WIDE_IT
    return WIDE if OPERATIONS[operation]["scope"] == "organisation" else CALLERS.get(operation, DEPUTY)


def shown(ground: Ground, operation: str, caller: Caller | None = None) -> Shown:
    """Make the call of an operation, with a key, as somebody new; it must go through, and again."""
    caller = caller or caller_of(operation)
    who = ground.world.person(caller.role, None if caller.wide else ground.homes["own"])
    if "/records" in operation:  # of a resident of its own: where they are may change
        ground.residents["own"] = ground.new_resident("own")
    ask = errand(ground, operation, caller, "own")
    ask.who, ask.headers = who, ask.headers | {"Idempotency-Key": new_id()}
    first, again = (ground.served.ask_all([ask])[0] for _ in range(2))
    assert [OPERATIONS[operation]["success"]] * 2 == [first.status_code, again.status_code], first.text
    told = first.json() if first.content else None
    return Shown(ground, operation, who, ask, told)


# --- out of sight ----------------------------------------------------------------------------------


def caller_moves(one: Shown) -> None:
    """Whoever called works at the other home from now on, and nowhere else."""
    one.assign(f"/v1/users/{one.who.id}", str(one.who.role), one.ground.homes["other"])


def user_moves(one: Shown) -> None:
    """The user the answer shows works at the other home from now on."""
    there = one.served.ask("GET", one.thing, one.keeper).json()["assignments"][0]
    one.assign(one.thing, there["role"], one.ground.homes["other"])


def resident_moves(one: Shown) -> None:
    """The resident moves to the other home."""
    one.done("PATCH", one.thing, {"home_id": one.ground.homes["other"]})


def resident_removed(one: Shown) -> None:
    """The resident turns out to have been entered in error."""
    one.done("DELETE", one.thing, **REASON)


def record_removed(one: Shown) -> None:
    """The record turns out to have been entered in error."""
    one.done("DELETE", one.record, **REASON)


def caller_named(one: Shown) -> None:
    """The incident is about its caller from now on."""
    one.done("PATCH", one.thing, {"concerned_ids": [one.who.id]})


def webhook_removed(one: Shown) -> None:
    """The endpoint is removed by another administrator."""
    one.done("DELETE", one.thing)
    errands_of_webhooks._endpoints.pop(one.ground, None)


Hide = Callable[[Shown], None]
