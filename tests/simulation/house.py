"""The world they work in: two homes of one provider, their residents, what is recorded about them."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from app.access.visit import System
from app.audit.checkpoint import Notary
from app.audit.guard_file import Guards
from app.identity.signing_in import Device
from app.residents.admission import AdmitResident
from app.residents.recording import MakeRecord
from tests.simulation.people import FAMILIES, HOME_ADDRESS, UNITS, Member, Spot, employ, staff
from tests.support.cast import body_of, nhs_number
from tests.support.world import World

if TYPE_CHECKING:
    from tests.simulation.playing import Misuse

RECORDS = "/v1/residents/{resident_id}/records"
BEDS, BEDS_ELSEWHERE = 60, 30
AT_FIRST = ("care_plan", "care_plan", "about_me", "medication", "medication", "allergy", "diet", "daily_note")
_GIVEN = ("Agnes", "Bernard", "Doris", "Edith", "Frank", "George", "Hilda", "Irene", "Jack", "Kathleen")
_SURNAMES = (
    "Moss",
    "Pike",
    "Rowe",
    "Shaw",
    "Tate",
    "Usher",
    "Vane",
    "Webb",
    "York",
    "Booth",
    "Crane",
    "Dove",
)
_ENDINGS = ("", "field", "gate", "ley", "ton")


@dataclass(eq=False)
class Resident:
    """Somebody who lives at one of the homes."""

    id: str
    family: str
    home_id: str
    unit: str
    version: int = 1
    gone: bool = False


@dataclass(eq=False)
class Kept:
    """A record, as far as those who work with it have to know it."""

    id: str
    resident: Resident
    category: str
    version: int = 1
    gone: bool = False


class Tablets(NamedTuple):
    """The devices of the home."""

    units: dict[str, list[Spot]]
    nurses: dict[str, Spot]
    office: Spot
    desk: Spot
    kitchen: Spot


@dataclass
class House:
    """Everything a deed can be about."""

    world: World
    members: list[Member]
    residents: list[Resident] = field(default_factory=list)
    elsewhere: list[Resident] = field(default_factory=list)
    records: dict[tuple[Resident, str], list[Kept]] = field(default_factory=lambda: defaultdict(list))
    spots: Tablets = field(default_factory=lambda: _spots())
    failing_backups: "dict[date, Misuse]" = field(default_factory=dict)
    missing_backups: set[date] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    notary: Notary = field(default_factory=lambda: Notary("care.example", bytes(range(32))))
    guards: Guards = field(init=False)

    def on(self, unit: str) -> list[Resident]:
        """Return who lives on a unit now, in the order in which they came."""
        return [one for one in self.residents if one.unit == unit and not one.gone]

    def here(self) -> list[Resident]:
        """Return who lives at the home now."""
        return [one for one in self.residents if not one.gone]

    def newest(self, resident: Resident, category: str) -> Kept | None:
        """Return the newest record of a category."""
        kept = [one for one in self.records[(resident, category)][-6:] if not one.gone]
        return kept[-1] if kept else None

    def posted(self, post: str, day: int = 10_000) -> list[Member]:
        """Return who holds a post on a day."""
        return [one for one in self.members if one.post == post and one.hired <= day]


def _spots() -> Tablets:
    def at(kind: Any, name: str) -> Spot:
        return Spot(Device(kind, name), HOME_ADDRESS)

    return Tablets(
        {unit: [at("shared_tablet", f"tablet-{unit.lower()}-{n}") for n in range(3)] for unit in UNITS},
        {unit: at("desktop", f"desk-nurses-{unit.lower()}") for unit in UNITS},
        at("desktop", "desk-office"),
        at("desktop", "desk-reception"),
        at("desktop", "desk-kitchen"),
    )


def furnish(world: World, random: Random) -> House:
    """Fill a new world with residents and staff, long before the first day."""
    house = House(world, staff(random))
    families = [name + end for end in _ENDINGS for name in _SURNAMES]
    random.shuffle(families)
    # four share a family name with somebody who works there: two by chance, and two are kin
    shared = [m.family for m in namesakes(house.members)]
    names = [*shared, *families][:BEDS]
    for number in range(BEDS + BEDS_ELSEWHERE):
        home = world.home if number < BEDS else world.other_home
        name = names[number] if number < BEDS else random.choice(FAMILIES) + "son"
        move_in(house, home, UNITS[(number // 2) % 2], name, number)
    engage(house, [m for m in house.members if m.post in STAYED_AWAY])
    return house


def engage(house: House, members: list[Member]) -> None:
    """Give some people their accounts."""
    for member in members:
        employ(house.world, member, house.world.other_home)
        house.versions[member.person.id] = 1


def namesakes(members: list[Member]) -> list[Member]:
    """Return four members whose family name a resident has too: residents 0 and 1 on North, 2 and 3 on South.

    The first works on that resident's unit and meets them daily; the others have nothing to do with them.
    """
    carers = [m for m in members if m.post == "carer" and not m.bound and m.homes == 1 and not m.hired]
    north = [m for m in carers if m.unit == UNITS[0]]
    south = [m for m in carers if m.unit == UNITS[1]]
    return [north[0], south[0], north[1], north[2]]


def move_in(house: House, home: str, unit: str, family: str, number: int) -> Resident:
    """Admit somebody as an operator does, with what is recorded about everybody at first."""
    world = house.world
    identity = {"given_name": _GIVEN[number % len(_GIVEN)], "family_name": family}
    identifiers = {
        "date_of_birth": f"19{30 + number % 20}-04-0{1 + number % 9}",
        "nhs_number": nhs_number(number),
    }
    work = AdmitResident(home, unit, f"{number}", identity, identifiers, "2025-01-01")
    cli = System("cli", world.org)
    resident = Resident(world.answer(work, "POST /v1/residents", cli).payload["id"], family, home, unit)
    (house.residents if home == world.home else house.elsewhere).append(resident)
    for category in AT_FIRST:
        record = MakeRecord(resident.id, category, world.later(minutes=-5), body_of(category, "As usual."))
        made = world.answer(record, f"POST {RECORDS}", cli)
        house.records[(resident, category)].append(Kept(made.payload["id"], resident, category))
    return resident


STAYED_AWAY = ("dormant", "leaver")
LONG_AGO = timedelta(days=100)
"""How long before the first day somebody was there for the last time who then stayed away."""
