"""Random histories: who wants what, in which order, decided by a seed and nothing else.

A step names what it is about symbolically - a row of the beginning, or what an earlier step made - so
that one history can be played on several databases, each of which gives its own ids.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.canaries import Canary
from tests.support.cast import UNITS, Cast, nhs_number

MAKABLE = (
    "daily_note",
    "daily_note",
    "observation",
    "incident_report",
    "medication",
    "allergy",
    "diet",
    "finance",
    "safeguarding",
    "about_me",
    "document",
)


@dataclass(frozen=True)
class Ref:
    """Something with an id: one of the beginning, or what a step made."""

    id: str | None = None
    made_by: int | None = None
    resident: "Ref | None" = None
    owner: "Ref | None" = None


@dataclass(frozen=True)
class Step:
    """What one caller wants. `repeats` is an earlier step that is sent once more, exactly."""

    number: int
    caller: int
    kind: str
    about: Ref | None = None
    more: dict[str, Any] = field(default_factory=dict)
    key: str | None = None
    session: Ref | None = None
    repeats: int | None = None


@dataclass(frozen=True)
class Batch:
    """Steps that arrive at the door together, some seconds after the batch before."""

    after_s: float
    steps: list[Step]


SHARED = {
    "read resident": 12,
    "list residents": 5,
    "search": 3,
    "read record": 14,
    "list records": 8,
    "list versions": 4,
    "read me": 2,
    "list homes": 1,
    "list users": 1,
    "read user": 2,
    "list roles": 1,
    "read session": 1,
    "list sessions": 1,
    "list shifts": 1,
    "make record": 18,
    "amend record": 10,
    "rival": 8,
    "admit": 4,
    "open home": 1,
    "bad input": 2,
    "unknown token": 1,
    "repeat": 12,
}
"""What shares turns, and how often it is wanted."""
RIVALRY = {"make record": 3, "amend record": 6, "rival": 8, "admit": 2, "read record": 2}
"""What many want at once of the same rows."""
REPETITION = {"make record": 6, "repeat": 10, "read record": 4}
"""What is sent again before the first answer came."""
ALONE = {
    "remove record": 3,
    "amend resident": 6,
    "discharge": 1,
    "remove resident": 1,
    "lock": 1,
    "unlock": 5,
    "sign in": 4,
    "sign out": 1,
    "step up": 1,
    "end session": 1,
    "create user": 2,
    "amend user": 1,
    "deactivate": 1,
    "reactivate": 1,
    "create shift": 1,
    "amend shift": 1,
    "cancel shift": 1,
}
"""What takes turns of its own, or touches whole residents."""
ABLE = ("registered_manager", "deputy_manager", "nurse", "senior_carer")
KEYED = {"make record", "amend record", "admit", "amend resident", "discharge", "open home", "create user"}


class Playwright:
    """Writes one history."""

    def __init__(self, cast: Cast, seed: int, shared: dict[str, int] = SHARED) -> None:
        self.cast = cast
        self.shared = shared
        self.random = random.Random(seed)
        self.residents = [Ref(r.id) for r in cast.residents]
        self.homes = [home for homes in cast.homes.values() for home in homes]
        self.records = [(Ref(k.id, resident=Ref(k.resident_id)), k.category) for k in cast.records]
        self.users = [Ref(c.person.id) for c in cast.callers]
        self.sessions: dict[int, list[Ref]] = {}
        self.shifts: list[Ref] = []
        self.lodgers: dict[int, int] = {}
        self.keyed: list[Step] = []
        self.steps = 0
        self.canaries = 1
        self.mixed = 0.0
        self.amended: Step | None = None

    def write(self, visits: int) -> list[Batch]:
        """Return a history of about that many visits, in batches of 1 to 90."""
        batches: list[Batch] = []
        while self.steps < visits:
            size = min(self.random.choice((1, 7, 30, 64, 90)), visits - self.steps)
            after = self.random.choice((0.0, 0.5, 3.0, 31.0, 45.0))
            self.mixed = self.random.choice((0.0, 0.0, 0.05, 0.3)) if self.shared is SHARED else 0.0
            batches.append(Batch(after, [self._step() for _ in range(size)]))
        return batches

    # --- one step -----------------------------------------------------------------------------

    def _step(self) -> Step:
        """Return the next step; a share of them is of the kinds that go alone."""
        weights = ALONE if self.random.random() < self.mixed else self.shared
        kind = self.random.choices(list(weights), list(weights.values()))[0]
        number = self.steps
        self.steps += 1
        if kind == "repeat" and self.keyed:
            step = self._again(number)
        elif kind == "rival" and self.amended is not None:
            step = self._rival(number, self.amended)
        else:
            step = self._new(number, "read me" if kind in ("repeat", "rival") else kind)
        if step.kind == "amend record" and step.about is not None:
            self.amended = step
        if step.key is not None:
            self.keyed = [*self.keyed[-8:], step]
        return step

    def _again(self, number: int) -> Step:
        """Return an earlier step sent once more; sometimes its key with another request."""
        earlier = self.random.choice(self.keyed)
        if self.random.random() < 0.8:
            of = earlier.number if earlier.repeats is None else earlier.repeats
            return Step(number, earlier.caller, earlier.kind, key=earlier.key, repeats=of)
        other = self._new(number, earlier.kind)
        return Step(number, earlier.caller, other.kind, other.about, other.more, earlier.key)

    def _rival(self, number: int, amended: Step) -> Step:
        """Return another amendment of what somebody is about to amend, by who may, on the same version."""
        assert amended.about is not None
        home = self._home_of(amended.about.resident)
        org = next((o for o, homes in self.cast.homes.items() if home in homes), None)
        able = [
            n
            for n, c in enumerate(self.cast.callers)
            if c.person.org == org
            and c.person.role in ("registered_manager", "deputy_manager")
            and c.person.home_id in (None, home)
        ]
        more = amended.more | {"behind": 0}
        caller = self.random.choice(able) if able else self._caller()
        return Step(number, caller, "amend record", amended.about, more)

    def _new(self, number: int, kind: str) -> Step:
        caller = self._caller()
        method: Callable[[int, int], tuple[Ref | None, dict[str, Any]]]
        method = getattr(self, "_" + kind.replace(" ", "_"), self._nothing)
        about, more = method(number, caller)
        key = None
        able = self.cast.callers[caller].person.role in ABLE
        if kind in KEYED and self.random.random() < (0.9 if able else 0.3):
            key = f"key {number}"
        session = None
        if self.sessions.get(caller) and self.random.random() < 0.7:
            session = self.random.choice(self.sessions[caller])
        return Step(number, caller, kind, about, more, key, session)

    def _nothing(self, _number: int, _caller: int) -> tuple[None, dict[str, Any]]:
        return None, {}

    def _caller(self) -> int:
        """Return anybody, a little more often somebody who may do much."""
        if self.random.random() < 0.6:
            return self.random.randrange(len(self.cast.callers))
        able = [n for n, c in enumerate(self.cast.callers) if c.person.role in ABLE]
        return self.random.choice(able)

    def _near(self, caller: int, choices: list[Any], home_of: Callable[[Any], str | None]) -> Any:
        """Choose what is mostly at a home of the caller's."""
        person = self.cast.callers[caller].person
        homes = [person.home_id] if person.home_id else self.cast.homes[person.org]
        own = [one for one in choices if home_of(one) in homes]
        return self.random.choice(own if own and self.random.random() < 0.8 else choices)

    def _home_of(self, ref: Ref | None) -> str | None:
        homes = (home for r in self.cast.residents for home in r.homes if ref and r.id == ref.id)
        return next(homes, None)

    def _resident(self, caller: int) -> Ref:
        ref: Ref = self._near(caller, self.residents, self._home_of)
        return ref

    def _home(self, caller: int) -> str:
        return str(self._near(caller, self.homes, lambda home: home))

    def _user(self, caller: int) -> Ref:
        homes = {c.person.id: c.person.home_id for c in self.cast.callers}
        ref: Ref = self._near(caller, self.users, lambda ref: homes.get(ref.id))
        return ref

    def _canary(self, resident: Ref, category: str) -> str:
        self.canaries += 1
        return str(Canary(self._index(resident), category, self.canaries))

    def _index(self, resident: Ref) -> int:
        if resident.made_by is not None:
            return 1000 + resident.made_by
        return next(n for n, r in enumerate(self.cast.residents) if r.id == resident.id)

    # --- reads --------------------------------------------------------------------------------

    def _read_resident(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        return self._resident(caller), {}

    def _list_residents(self, number: int, caller: int) -> tuple[None, dict[str, Any]]:
        home = self._home(caller) if self.random.random() < 0.5 else None
        return None, {"home_id": home, "limit": self.random.choice((2, 50))}

    def _search(self, _number: int, caller: int) -> tuple[None, dict[str, Any]]:
        index = self.random.randrange(len(self.cast.residents))
        if self.random.random() < 0.5:
            return None, {"nhs_number": self.cast.nhs_numbers[index]}
        return None, {"family_name": str(Canary(index, "identity", 0))}

    def _record(self, caller: int) -> tuple[Ref, str]:
        known = len(self.cast.records)
        among = self.records[:known] if self.random.random() < 0.6 else self.records[-40:]
        found: tuple[Ref, str] = self._near(caller, among, lambda r: self._home_of(r[0].resident))
        return found

    def _read_record(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        return self._record(caller)[0], {"with_deleted": self.random.random() < 0.2}

    _list_versions = _read_record

    def _list_records(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        category = self.random.choice((None, None, "daily_note", "medication", "diet", "document"))
        return self._resident(caller), {"category": category, "limit": self.random.choice((3, 50))}

    def _read_user(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        return self._user(caller), {}

    _list_sessions = _list_shifts = _deactivate = _reactivate = _read_user

    # --- changes ------------------------------------------------------------------------------

    def _make_record(self, number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        makable = MAKABLE if self.mixed else [one for one in MAKABLE if one != "document"]
        resident, category = self._resident(caller), self.random.choice(makable)
        self.records.append((Ref(made_by=number, resident=resident), category))
        return resident, {"category": category, "word": self._canary(resident, category)}

    def _amend_record(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        ref, category = self._record(caller)
        assert ref.resident is not None
        more = {"category": category, "word": self._canary(ref.resident, category)}
        return ref, more | {"behind": self.random.choice((0, 0, 0, 1))}

    def _remove_record(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        return self._record(caller)[0], {"behind": self.random.choice((0, 0, 1))}

    def _admit(self, number: int, caller: int) -> tuple[None, dict[str, Any]]:
        made = Ref(made_by=number)
        # few numbers for many: some are taken, and two may be wanted in one turn
        number_of = nhs_number(self.random.randrange(30))
        more = {"word": self._canary(made, "identity"), "nhs_number": number_of}
        self.residents.append(made)
        return None, more | {"home_id": self._home(caller), "unit": self.random.choice(UNITS)}

    def _amend_resident(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        resident = self._resident(caller)
        patch: dict[str, Any] = self.random.choice(
            (
                {"room": self._canary(resident, "identity")},
                {"unit": self.random.choice(UNITS)},
                {"home_id": self._home(caller)},
                {"identifiers": {"nhs_number": nhs_number(self.random.randrange(30))}},
                {"identity": {"preferred_name": self._canary(resident, "identity")}},
            )
        )
        return resident, {"patch": patch, "behind": self.random.choice((0, 0, 0, 1))}

    def _discharge(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        return self._resident(caller), {"reason": self.random.choice(("moved", "died"))}

    def _remove_resident(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        return self._resident(caller), {"behind": self.random.choice((0, 1))}

    def _sign_in(self, number: int, caller: int) -> tuple[None, dict[str, Any]]:
        right = self.random.random() < 0.5
        if right:
            self.sessions.setdefault(caller, []).append(Ref(made_by=number))
        return None, {"right": right, "known": self.random.random() < 0.9}

    def _unlock(self, _number: int, _caller: int) -> tuple[None, dict[str, Any]]:
        return None, {"right": self.random.random() < 0.4}

    def _step_up(self, _number: int, _caller: int) -> tuple[None, dict[str, Any]]:
        return None, {"right": self.random.random() < 0.5}

    def _end_session(self, _number: int, caller: int) -> tuple[Ref | None, dict[str, Any]]:
        whose = self.random.choice(self.cast.callers).person
        assert whose.session is not None
        return Ref(whose.session.id), {}

    def _open_home(self, number: int, _caller: int) -> tuple[None, dict[str, Any]]:
        return None, {"name": f"Home {number}"}

    def _create_user(self, number: int, caller: int) -> tuple[None, dict[str, Any]]:
        self.users.append(Ref(made_by=number))
        role = self.random.choice(("carer", "nurse", "agency_carer", "registered_manager"))
        return None, {"name": f"new.{self.random.randrange(40)}", "role": role, "home_id": self._home(caller)}

    def _amend_user(self, _number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        role = self.random.choice(("carer", "kitchen", "senior_carer"))
        return self._user(caller), {"role": role, "home_id": self._home(caller)}

    def _create_shift(self, number: int, caller: int) -> tuple[Ref, dict[str, Any]]:
        user = self._user(caller)
        self.shifts.append(Ref(made_by=number, owner=user))
        return user, {"role": "carer", "home_id": self._home(caller)}

    def _cancel_shift(self, _number: int, caller: int) -> tuple[Ref | None, dict[str, Any]]:
        return (self.random.choice(self.shifts) if self.shifts else Ref(owner=self._user(caller))), {}

    _amend_shift = _cancel_shift
