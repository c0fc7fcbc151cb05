"""Who works at the home: about 45 people, agency workers, and who comes in from outside."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pyotp

from app.access.visit import System
from app.identity.signing_in import Device
from tests.support.world import CREATE_USER, PASSWORD, EnterPerson, Person, World

UNITS = ("North", "South")
HOME_ADDRESS = "198.51.100.7"
"""The home's one connection: everybody inside shares it."""
_GIVEN = """Ada Ben Cara Dev Ella Femi Gita Hugh Ines Joe Kofi Lena Mary Noor Owen Pia Ravi Sian Tom Uma
    Vera Will Xena Yusuf Zoe Abel Beth Cleo Dina Evan Fay Glyn Hana Ivor Jade Kit Lois Max Nell Otto
    Prue Ross Suki Tess Ugo Val Wes Yara Zack Alma Bram Cora Dora Emil Faye Gus""".split()
FAMILIES = """Abara Bright Castle Dunmore Eastley Farrow Garside Hadley Ingham Jessop Kersey Lowther
    Marlow Newby Orchard Pemberly Quarry Redfern Stanway Thorley Upwood Varley Wetherall Yarwood
    Ashdown Barrow Coldwell Denholm Elwick Fenby Gosling Harwood Iveson Jarrow Kelby Langley Morwood
    Netherby Oakham Preston Raleigh Selby Tilbury Ulley Vernon Wardle Yeadon Appleby Birkby Crosby
    Dalby Easby Firby Grimsby Hornby Irby""".split()


@dataclass(frozen=True)
class Spot:
    """A device somebody uses, and the address it is seen from."""

    device: Device
    address: str = HOME_ADDRESS


@dataclass(eq=False)
class Member:
    """Somebody of the home.

    Attributes:
        post: What they do, in the words of the rota; several have the same role.
        unit: Where they mostly work; of those of the whole home the first.
        bound: Their assignment reaches this unit only.
        hired: On which day they begin; earlier they cannot be on the rota.
    """

    name: str
    role: str
    post: str
    unit: str = UNITS[0]
    bound: bool = False
    hired: int = 0
    kind: str = "staff"
    homes: int = 1
    whole: bool = False
    own_address: str = ""
    phone: Device = field(default_factory=Device)
    person: Person = field(init=False)
    home_id: str = ""

    @property
    def family(self) -> str:
        """Return the family name."""
        return self.name.split()[-1]

    @property
    def is_engaged(self) -> bool:
        """Say whether they have an account by now."""
        return bool(self.home_id)

    @property
    def own_phone(self) -> Spot:
        """Return their own telephone, away from the home."""
        return Spot(self.phone, self.own_address)


_POSTS: tuple[tuple[str, str, int], ...] = (
    ("registered_manager", "manager", 1),
    ("deputy_manager", "deputy", 1),
    ("nurse", "nurse day", 4),
    ("nurse", "nurse night", 3),
    ("senior_carer", "senior", 6),
    ("medicines_carer", "medicines", 4),
    ("carer", "carer", 12),
    ("carer", "carer night", 6),
    ("kitchen", "kitchen", 3),
    ("activities", "activities", 2),
    ("administrator", "administrator", 1),
    ("privacy_officer", "privacy", 1),
    ("auditor", "auditor", 1),
    ("it_admin", "it", 1),
)
WHOLE = frozenset({"registered_manager", "privacy_officer", "auditor", "it_admin"})
AGENCY = (("agency_carer", 6), ("agency_nurse", 2))
STARTERS = (("carer", "carer", 18), ("carer", "carer", 46), ("senior_carer", "senior", 60))
"""Role, post and first day of those who begin while the simulation runs."""


def staff(random: Random) -> list[Member]:
    """Return everybody, in a fixed order; who has which name, and who is bound to a unit, is of the seed."""
    given, families = list(_GIVEN), list(FAMILIES)
    random.shuffle(given)
    random.shuffle(families)
    # more people than names: the second round pairs them otherwise
    names = [f"{given[n % 56]} {families[(n + n // 56 * 7) % 56]}" for n in range(112)]
    members: list[Member] = []

    def add(role: str, post: str, **more: Any) -> None:
        number = len(members)
        member = Member(names[number], role, post, UNITS[number % 2], **more)
        member.own_address = f"203.0.113.{number + 1}"
        member.phone = Device("mobile", f"phone-{number}")
        members.append(member)

    for role, post, count in _POSTS:
        for n in range(count):
            bound = post == "carer" and n in (0, 1, 2, 3)
            homes = 2 if post == "carer" and n in (10, 11) else 1
            add(role, post, bound=bound, homes=homes, whole=role in WHOLE)
    for role, post, day in STARTERS:
        add(role, post, hired=day)
    for role, count in AGENCY:
        for _ in range(count):
            add(role, role, kind="agency")
    for post in ("dormant", "dormant", "dormant", "leaver"):
        add("carer", post)
    return members


def employ(world: World, member: Member, second_home: str) -> None:
    """Give somebody an account, as an operator does."""
    where: list[dict[str, Any]] = [{"role": member.role, "home_id": None if member.whole else world.home}]
    if member.bound:
        where[0]["unit"] = member.unit
    if member.homes == 2:
        where.append({"role": member.role, "home_id": second_home})
    username = member.name.lower().replace(" ", ".")
    secret = pyotp.random_base32()
    hashed = world.hashes.hash(PASSWORD)
    work = EnterPerson(username, member.name, member.kind, where, hashed, secret)
    shown = world.answer(work, CREATE_USER, System("cli", world.org)).payload
    member.person = Person(shown["id"], world.org, username, member.name, member.role, world.home)
    member.person.totp_secret = secret
    member.home_id = world.home
