"""One valid request for each operation of the contract, about something at a place of one's choosing.

`Ground` holds what lies at each place: a home with somebody who manages it, a resident, a record,
colleagues, a shift, a session. An errand that would use up what it is about gets one of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from tests.http.bodies import CANARY, admission, record_of
from tests.http.errands_of_alerts import OF_ALERTS
from tests.http.errands_of_breach import OF_BREACH
from tests.http.errands_of_incidents import OF_INCIDENTS
from tests.http.errands_of_webhooks import OF_WEBHOOKS
from tests.http.published import OPERATIONS, Caller, Place, permitted
from tests.support.served import Ask, Person, Served

FIRST = {"If-Match": '"1"'}
REASON = {"Audit-Reason": "entered%20twice"}


class Ground:
    """What lies at each place."""

    def __init__(self, served: Served) -> None:
        world = served.world
        self.served, self.world = served, world
        self.homes: dict[Place, str] = {
            "own": world.home,
            "other": world.other_home,
            "foreign": world.foreign_home,
        }
        self.orgs: dict[Place, str] = {"own": world.org, "other": world.org, "foreign": world.other_org}
        ours = world.person("registered_manager", None)
        theirs = world.person("registered_manager", None, org=world.other_org)
        self.keepers: dict[Place, Person] = {"own": ours, "other": ours, "foreign": theirs}
        self.residents = {place: self.new_resident(place) for place in self.homes}
        self.records = {place: self.new_record(place) for place in self.homes}
        self.users = {place: self.new_user(place) for place in self.homes}
        self.workers = {place: self.new_worker(place) for place in self.homes}
        self.shifts = {place: self.new_shift(place) for place in self.homes}
        self.sessions = {place: self.new_session(place) for place in self.homes}
        self.erasures = {place: self.new_erasure(place) for place in self.homes}
        self.positions = {place: self._position(place) for place in self.homes}

    # --- what is there, made anew for an errand that uses it up ---------------------------------------

    def new_resident(self, place: Place) -> str:
        """Admit somebody with a canary for a name."""
        body = admission(self.homes[place], f"{CANARY}-{place}")
        return str(self._made(place, "/v1/residents", body)["id"])

    def new_record(self, place: Place) -> str:
        """Write a note that holds a canary about the resident of a place."""
        note = record_of("daily_note", f"{CANARY}-{place}")
        return str(self._made(place, f"/v1/residents/{self.residents[place]}/records", note)["id"])

    def new_erasure(self, place: Place) -> str:
        """Have somebody's erasure asked for by somebody who is none of the callers."""
        body = {"legal_basis": "court_order", "reason": "ordered"}
        path = f"/v1/residents/{self.new_resident(place)}/erasure"
        return str(self._made(place, path, body)["id"])

    def _made(self, place: Place, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.served.ask("POST", path, self.keepers[place], json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def new_user(self, place: Place, *, signed_in: bool = False) -> Person:
        """Enter an activities coordinator."""
        return self.world.person(
            "activities",
            self.homes[place],
            org=self.orgs[place],
            name=f"{CANARY}-{place}",
            signed_in=signed_in,
        )

    def new_worker(self, place: Place) -> Person:
        """Enter a carer of an agency."""
        options = {"org": self.orgs[place], "name": f"{CANARY}-{place}", "signed_in": False}
        return self.world.person("agency_carer", self.homes[place], shift_hours=0, **options)

    def new_shift(self, place: Place) -> str:
        """Enter a shift of the agency carer."""
        return self.world.shift(self.workers[place])

    def new_session(self, place: Place) -> str:
        """Sign somebody in."""
        person = self.new_user(place, signed_in=True)
        assert person.session is not None
        return person.session.id

    def _position(self, place: Place) -> int:
        """Return where an entry about the resident of a place stands in its chain.

        Of another organisation's chain nobody can name an entry: a position where there is none yet.
        """
        if place == "foreign":
            return 10**9
        resident, org = self.residents[place], self.orgs[place]
        return next(n for n, e in enumerate(self.world.entries(org)) if resident in e.get("subs", ()))


@dataclass(frozen=True)
class Errand:
    """Who goes where: what the request of an operation depends on."""

    ground: Ground
    caller: Caller
    place: Place
    spends: bool
    """It will succeed, and so needs something to use up."""

    @property
    def home(self) -> str:
        """Return the home of the place."""
        return self.ground.homes[self.place]

    @property
    def resident(self) -> str:
        """Return the path of the resident of the place."""
        return f"/v1/residents/{self.ground.residents[self.place]}"

    @property
    def record(self) -> str:
        """Return the path of the record of that resident."""
        return f"{self.resident}/records/{self.ground.records[self.place]}"

    @property
    def worker(self) -> str:
        """Return the path of the agency carer of the place."""
        return f"/v1/users/{self.ground.workers[self.place].id}"

    def new_resident(self) -> str:
        """Return the path of a resident who may be spent."""
        return f"/v1/residents/{self.ground.new_resident(self.place)}" if self.spends else self.resident

    def new_erasure(self) -> str:
        """Return the path of an erasure that may be approved."""
        ground, place = self.ground, self.place
        return f"/v1/erasures/{ground.new_erasure(place) if self.spends else ground.erasures[place]}"

    def new_record(self) -> str:
        """Return the path of a record that may be spent."""
        if not self.spends:
            return self.record
        return f"{self.resident}/records/{self.ground.new_record(self.place)}"

    def new_user(self, *, active: bool = True) -> str:
        """Return the path of a user who may be spent."""
        if not self.spends:
            return f"/v1/users/{self.ground.users[self.place].id}"
        path = f"/v1/users/{self.ground.new_user(self.place).id}"
        if not active:
            keeper, reason = self.ground.keepers[self.place], {"reason": "left"}
            self.ground.served.ask("POST", f"{path}/deactivate", keeper, json=reason)
        return path

    def new_shift(self) -> str:
        """Return the path of a shift that may be spent."""
        shift = self.ground.new_shift(self.place) if self.spends else self.ground.shifts[self.place]
        return f"{self.worker}/shifts/{shift}"

    def new_session(self) -> str:
        """Return the path of a session that may be spent."""
        ground, place = self.ground, self.place
        return f"/v1/sessions/{ground.new_session(place) if self.spends else ground.sessions[place]}"

    def new_account(self) -> dict[str, Any]:
        """Return the account the caller's role lets them create at the place, if any."""
        body = {"username": f"u.{next(_numbers)}", "display_name": "Somebody New"}
        kitchen = ("identity:read", "allergy:read", "diet:read")
        if self.caller.holds("users:manage", *kitchen):
            return body | {"kind": "staff", "assignments": [{"role": "kitchen", "home_id": self.home}]}
        if self.caller.holds("agency:admit"):
            return body | {"kind": "agency", "assignments": [{"role": "agency_carer", "home_id": self.home}]}
        return body | {"kind": "staff", "assignments": []}


_numbers = count()

Make = Callable[[Errand], Ask]

AMENDMENT = {"occurred_at": "2026-03-02T08:30:00Z", "body": {"text": "a slip"}, "amendment_reason": "a slip"}
TIMES = {"starts_at": "2026-03-05T08:00:00Z", "ends_at": "2026-03-05T16:00:00Z"}

OF_OTHERS: dict[str, Make] = {
    "GET /v1/sessions": lambda e: Ask("GET", "/v1/sessions", params={"user_id": e.ground.users[e.place].id}),
    "DELETE /v1/sessions/{session_id}": lambda e: Ask("DELETE", e.new_session()),
    "POST /v1/users": lambda e: Ask("POST", "/v1/users", json=e.new_account()),
    "GET /v1/users": lambda _: Ask("GET", "/v1/users", params={"limit": "200"}),
    "GET /v1/users/{user_id}": lambda e: Ask("GET", e.worker),
    "PATCH /v1/users/{user_id}": lambda e: Ask(
        "PATCH", e.new_user(), json={"display_name": "New Name"}, headers=FIRST
    ),
    "POST /v1/users/{user_id}/deactivate": lambda e: Ask(
        "POST", f"{e.new_user()}/deactivate", json={"reason": "left"}
    ),
    "POST /v1/users/{user_id}/reactivate": lambda e: Ask(
        "POST", f"{e.new_user(active=False)}/reactivate", json={"reason": "came back"}
    ),
    "POST /v1/users/{user_id}/shifts": lambda e: Ask(
        "POST", f"{e.worker}/shifts", json={"home_id": e.home, "role": "agency_carer", **TIMES}
    ),
    "GET /v1/users/{user_id}/shifts": lambda e: Ask("GET", f"{e.worker}/shifts"),
    "PATCH /v1/users/{user_id}/shifts/{shift_id}": lambda e: Ask("PATCH", e.new_shift(), json=TIMES),
    "DELETE /v1/users/{user_id}/shifts/{shift_id}": lambda e: Ask("DELETE", e.new_shift()),
    "GET /v1/homes": lambda _: Ask("GET", "/v1/homes"),
    "POST /v1/homes": lambda _: Ask("POST", "/v1/homes", json={"name": "New House"}),
    "POST /v1/residents": lambda e: Ask("POST", "/v1/residents", json=admission(e.home, "Newcomer")),
    "GET /v1/residents": lambda e: Ask("GET", "/v1/residents", params={"home_id": e.home}),
    "POST /v1/residents/search": lambda e: Ask(
        "POST", "/v1/residents/search", json={"family_name": f"{CANARY}-{e.place}"}
    ),
    "GET /v1/residents/{resident_id}": lambda e: Ask("GET", e.resident),
    "PATCH /v1/residents/{resident_id}": lambda e: Ask(
        "PATCH", e.new_resident(), json={"identity": {"preferred_name": "Ada"}}, headers=FIRST
    ),
    "DELETE /v1/residents/{resident_id}": lambda e: Ask("DELETE", e.new_resident(), headers=FIRST | REASON),
    "POST /v1/residents/{resident_id}/discharge": lambda e: Ask(
        "POST", f"{e.new_resident()}/discharge", json={"discharged_on": "2026-03-01", "reason": "moved"}
    ),
    "POST /v1/residents/{resident_id}/records": lambda e: Ask(
        "POST", f"{e.resident}/records", json=record_of("daily_note", "slept well")
    ),
    "GET /v1/residents/{resident_id}/records": lambda e: Ask("GET", f"{e.resident}/records"),
    "GET /v1/residents/{resident_id}/records/{record_id}": lambda e: Ask("GET", e.record),
    "PUT /v1/residents/{resident_id}/records/{record_id}": lambda e: Ask(
        "PUT", e.new_record(), json=AMENDMENT, headers=FIRST
    ),
    "DELETE /v1/residents/{resident_id}/records/{record_id}": lambda e: Ask(
        "DELETE", e.new_record(), headers=FIRST | REASON
    ),
    "GET /v1/residents/{resident_id}/records/{record_id}/versions": lambda e: Ask(
        "GET", f"{e.record}/versions"
    ),
    "GET /v1/residents/{resident_id}/records/{record_id}/versions/{version}": lambda e: Ask(
        "GET", f"{e.record}/versions/1"
    ),
    "POST /v1/residents/{resident_id}/erasure": lambda e: Ask(
        "POST",
        f"{e.new_resident()}/erasure",
        json={"legal_basis": "never_our_record", "reason": "somebody else's"},
    ),
    "POST /v1/erasures/{erasure_id}/approve": lambda e: Ask("POST", f"{e.new_erasure()}/approve"),
    "GET /v1/residents/{resident_id}/access-log": lambda e: Ask("GET", f"{e.resident}/access-log"),
    "GET /v1/audit/events": lambda _: Ask("GET", "/v1/audit/events"),
    "GET /v1/audit/events/{seq}": lambda e: Ask("GET", f"/v1/audit/events/{e.ground.positions[e.place]}"),
    "GET /v1/audit/events/{seq}/proof": lambda e: Ask(
        "GET", f"/v1/audit/events/{e.ground.positions[e.place]}/proof"
    ),
    "GET /v1/audit/checkpoint": lambda _: Ask("GET", "/v1/audit/checkpoint"),
    "GET /v1/audit/consistency": lambda _: Ask(
        "GET", "/v1/audit/consistency", params={"first": "0", "second": "1"}
    ),
    "GET /v1/fhir/AuditEvent": lambda _: Ask("GET", "/v1/fhir/AuditEvent"),
    "GET /v1/audit/export": lambda _: Ask("GET", "/v1/audit/export", params={"format": "jsonl"}),
    "POST /v1/audit/subject-lookup": lambda e: Ask(
        "POST", "/v1/audit/subject-lookup", json={"family_name": f"{CANARY}-{e.place}"}
    ),
}
"""Operations on what belongs to others: the caller is added by whoever sends them."""
OF_OTHERS |= OF_ALERTS | OF_BREACH | OF_WEBHOOKS | OF_INCIDENTS


def errand(ground: Ground, operation: str, caller: Caller, place: Place) -> Ask:
    """Return the request of an operation, with something to use up if it will be let through."""
    success = OPERATIONS[operation]["success"]
    spends = permitted(operation, caller, place) == success
    ask = OF_OTHERS[operation](Errand(ground, caller, place, spends))
    return replace(ask, headers=dict(ask.headers))
