"""The cast of random histories: 64 people of two organisations, every role, residents with canaries.

A cast is set up once for each database and then copied, so that every history begins with the same rows.
"""

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text

from app.access.turn import Turn
from app.access.visit import System
from app.core.clock import SetClock
from app.identity.recognising import Recogniser
from app.residents.admission import AdmitResident
from app.residents.gathering import Gathering
from app.residents.recording import MakeRecord
from app.storage.engine import open_engine
from app.storage.guard import fence
from app.vault.keyring import Keyring
from tests.support.canaries import MATRIX, Assigned, Canary, Lodging
from tests.support.counting_entropy import CountingEntropy
from tests.support.world import Person, World

ORGANISATION_WIDE = ("registered_manager", "privacy_officer", "auditor", "it_admin")
AT_A_HOME = tuple(role for role in MATRIX["roles"] if role not in ORGANISATION_WIDE)
RECORDED_AT_FIRST = ("daily_note", "medication", "allergy", "diet", "care_plan", "finance")
RESIDENTS_AT_A_HOME = 3
UNITS = ("North", "South")


@dataclass(frozen=True)
class Caller:
    """Somebody of the cast, with what the contract lets their assignments see."""

    person: Person
    assigned: frozenset[Assigned]


@dataclass(frozen=True)
class Kept:
    """A record of the beginning."""

    resident_id: str
    id: str
    category: str


@dataclass
class Cast:
    """Everybody and everything a history can be about when it begins."""

    callers: list[Caller] = field(default_factory=list)
    residents: list[Lodging] = field(default_factory=list)
    records: list[Kept] = field(default_factory=list)
    homes: dict[str, list[str]] = field(default_factory=dict)
    nhs_numbers: list[str] = field(default_factory=list)


def nhs_number(n: int) -> str:
    """Return the n-th valid number of the range that is nobody's."""
    found = -1
    for middle in range(1_000_000):
        digits = f"999{middle:06}"
        check = 11 - sum(int(d) * (10 - i) for i, d in enumerate(digits)) % 11
        found += check != 10
        if found == n:
            return digits + str(check % 11)
    raise AssertionError("there are not so many")


def body_of(category: str, word: str) -> dict[str, Any]:
    """Return a body of a category that says one word."""
    bodies: dict[str, dict[str, Any]] = {
        "daily_note": {"text": word},
        "observation": {"kind": "mood", "text": word},
        "incident_report": {"kind": "fall", "description": word, "harm": "low"},
        "medication": {
            "name": word,
            "dose": "1 tablet",
            "route": "oral",
            "frequency": "daily",
            "status": "active",
        },
        "allergy": {"substance": word, "severity": "mild", "status": "active"},
        "diet": {"requirements": word},
        "care_plan": {"need": word, "goal": word, "actions": [word]},
        "finance": {"description": word},
        "safeguarding": {"concern": word, "action": word},
        "about_me": {"text": word},
        "document": {"about": "diet", "title": word, "media_type": "text/plain", "content_base64": "QQ=="},
    }
    return bodies[category]


# --- setting up -------------------------------------------------------------------------------


def set_up(world: World) -> Cast:
    """Fill a world with the cast."""
    cast = Cast()
    cast.homes[world.org] = [world.home, world.other_home]
    second = world.found("Second Care")
    cast.homes[second] = [world.open_home(second, "Ash Lodge"), world.open_home(second, "Oak View")]
    for org, homes in cast.homes.items():
        for home_id in homes:
            _move_in(world, cast, org, home_id)
    for org, homes in cast.homes.items():
        _employ(world, cast, org, homes)
    return cast


def _move_in(world: World, cast: Cast, org: str, home_id: str) -> None:
    for n in range(RESIDENTS_AT_A_HOME):
        index = len(cast.residents)
        number, unit = nhs_number(index), UNITS[n % 2]
        identity = {part: str(Canary(index, "identity", 0)) for part in ("given_name", "family_name")}
        identifiers = {"date_of_birth": f"19{30 + index}-01-01", "nhs_number": number}
        room = str(Canary(index, "identity", 1))
        work = AdmitResident(home_id, unit, room, identity, identifiers, "2026-01-01")
        resident_id = world.answer(work, "POST /v1/residents", System("cli", org)).payload["id"]
        cast.residents.append(Lodging(resident_id, org, {home_id}, {unit}))
        cast.nhs_numbers.append(number)
        for category in RECORDED_AT_FIRST:
            body = body_of(category, str(Canary(index, category, 0)))
            made = world.answer(
                MakeRecord(resident_id, category, world.later(hours=-2), body),
                "POST /v1/residents/{resident_id}/records",
                System("cli", org),
            )
            cast.records.append(Kept(resident_id, made.payload["id"], category))


def _employ(world: World, cast: Cast, org: str, homes: list[str]) -> None:
    """Engage 32 people: each role at each home, those for the whole organisation, and special cases."""
    first, second = homes
    named = next(r.id for r in cast.residents if first in r.homes)
    wanted = [[Assigned(role, home_id)] for home_id in homes for role in AT_A_HOME]
    wanted += [[Assigned(role, None)] for role in ORGANISATION_WIDE]
    wanted += [
        [Assigned("carer", first, UNITS[0])],
        [Assigned("carer", first, None, frozenset({named}))],
        [Assigned("kitchen", first), Assigned("activities", second)],
        [Assigned("nurse", first), Assigned("nurse", second)],
        [Assigned("carer", None)],
        [],
    ]
    for assigned in wanted:
        person = world.person(org=org, assignments=[_plain(one) for one in assigned])
        cast.callers.append(Caller(person, frozenset(assigned)))


def _plain(assigned: Assigned) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": assigned.role, "home_id": assigned.home_id}
    if assigned.unit is not None:
        plain["unit"] = assigned.unit
    if assigned.residents is not None:
        plain["resident_ids"] = sorted(assigned.residents)
    return plain


# --- copying ----------------------------------------------------------------------------------


class Original:
    """A database with the cast in it, and worlds that begin as exact copies of it, one at a time."""

    def __init__(self, world: World, copy_to: Callable[[], str]) -> None:
        self.cast = set_up(world)
        self._world = world
        self._copy_to = copy_to
        world.close()

    def copy(self, turn: type[Turn] = Turn) -> World:
        """Return a world that begins with the same rows, keys, clock and randomness. The last one is over."""
        twin = copy.copy(self._world)
        twin.url = self._copy_to()
        twin.clock = SetClock(self._world.now)
        twin.entropy = CountingEntropy()
        twin.entropy.calls = self._world.entropy.calls
        twin.keyring = Keyring(self._world._root, twin.entropy)
        twin.engine = open_engine(twin.url)
        fence(twin.engine)
        gathering = Gathering(Recogniser(twin.keyring))
        address_key = self._world._address_key
        twin.turn = turn(twin.engine, twin.keyring, gathering, twin.clock, twin.entropy, address_key)
        return twin


def on_sqlite(folder: Path) -> Original:
    """Return an original in a SQLite file."""

    def copy_to() -> str:
        for end in ("", "-wal", "-shm"):
            (folder / f"copy.db{end}").unlink(missing_ok=True)
        shutil.copyfile(folder / "world.db", folder / "copy.db")
        return f"sqlite:///{folder}/copy.db"

    return Original(World.at(folder), copy_to)


def on_postgresql(superuser: str, name: str) -> Original:
    """Return an original in a database of a PostgreSQL server, which is made anew."""
    server = create_engine(superuser, isolation_level="AUTOCOMMIT")

    def make(database: str, template: str) -> str:
        with server.connect() as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)'))
            connection.execute(text(f'CREATE DATABASE "{database}" TEMPLATE "{template}"'))
        server.dispose()
        return make_url(superuser).set(database=database).render_as_string(hide_password=False)

    return Original(World(make(name, "template1")), lambda: make(f"{name}_copy", name))
