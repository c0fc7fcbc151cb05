"""For each operation: a request that is let through and one that is refused."""

from dataclasses import replace
from typing import Any

import pyotp

from tests.http.errands import Ground, errand
from tests.http.published import OPERATIONS, SELF, Caller, permitted
from tests.support.served import Ask, Person, Served
from tests.support.world import PASSWORD

MANAGER = Caller("registered_manager", wide=True)
"""Holds what any operation needs; who walks is an administrator, too, for endpoints of other systems."""
REFUSED = (Caller("kitchen"), Caller("auditor"))
"""Between them they lack what any operation needs that not every session may call."""
SIGN_IN = "POST /v1/sessions"
UNLOCK = "POST /v1/sessions/current/unlock"
SIGN_OUT = "DELETE /v1/sessions/current"
CONFIRM = "POST /v1/users/me/totp/confirm"
STEP_UP = "POST /v1/sessions/current/step-up"
CHANGE_PASSWORD = "PUT /v1/users/me/password"
WRONG = "this is not the password"


class Walk:
    """Makes the requests of a walk, each with what it needs."""

    def __init__(self, served: Served) -> None:
        self.served, self.world = served, served.world
        self.ground = Ground(served)
        roles = [{"role": role, "home_id": None} for role in (MANAGER.role, "it_admin")]
        self.manager = self.world.person(assignments=roles)
        self.locked = self.lock(self.person())

    def person(self) -> Person:
        """Return somebody new with a session."""
        return self.world.person("carer")

    def lock(self, person: Person) -> Person:
        """Lock the session of somebody."""
        assert self.served.ask("POST", "/v1/sessions/current/lock", person).status_code == 204
        return person

    def permitted(self, operation: str) -> Ask:
        """Return a request that must succeed."""
        if operation in SELF:
            return self._own(operation, self.person())
        return replace(errand(self.ground, operation, MANAGER, "own"), who=self.manager)

    def refused(self, operation: str) -> tuple[Ask, int]:
        """Return a request of somebody who may not do this now, and the status it must get.

        Where any session may call, it is a locked one. Unlocking is refused for a wrong password, signing
        in too, and signing out when that was done already.
        """
        if OPERATIONS[operation]["permission"] == "session" and operation != SIGN_OUT:
            ask = self._own(operation, self.locked) if operation in SELF else Ask.to(operation)
            return replace(ask, who=self.locked), 401
        if operation == SIGN_OUT:
            person = self.person()
            self.served.ask("DELETE", "/v1/sessions/current", person)
            return Ask.to(operation, person), 401
        if operation in (SIGN_IN, UNLOCK):
            ask = self._own(operation, self.person())
            return replace(ask, json=ask.json | {"password": WRONG}), 401
        caller = next(c for c in REFUSED if permitted(operation, c, "own") == 403)
        person = self.world.person(caller.role)
        return replace(errand(self.ground, operation, caller, "own"), who=person), 403

    def _own(self, operation: str, person: Person) -> Ask:
        who = None if operation == SIGN_IN else person
        return Ask.to(operation, who, self._body(operation, person))

    def _body(self, operation: str, person: Person) -> Any:
        """Return the body of an operation on oneself, after the steps that must come before it."""
        if operation == UNLOCK:
            self.lock(person)
            return {"password": PASSWORD}
        if operation == SIGN_IN:
            return {"username": person.username, "password": PASSWORD, "otp": self.world.otp(person)}
        if operation == STEP_UP:
            return {"otp": "000000" if person is self.locked else self.world.otp(person)}
        if operation == CHANGE_PASSWORD:
            return {"current_password": PASSWORD, "new_password": "seven lanterns over a slow canal"}
        if operation == CONFIRM:
            offered = self.served.ask("POST", "/v1/users/me/totp", person)
            secret = offered.json().get("secret", pyotp.random_base32())
            return {"otp": pyotp.TOTP(secret).at(self.world.now)}
        return None
