"""A deployment that is backed up, and in which then a number of things end."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import argon2.profiles
from sqlalchemy import text

from app.access.visit import System
from app.commands.calling import sign_what_moved
from app.core.clock import SetClock, SystemClock
from app.core.settings import load
from app.identity.accounts import AmendAccount, DeactivateAccount, ReactivateAccount
from app.identity.own_credentials import OfferTotp
from app.identity.passwords import PasswordHashes
from app.identity.shifts import CancelShift
from app.main import Service, assemble
from app.residents.erasing import ApproveErasure, AskErasure
from tests.support.world import Person, World
from tests.unit.commands.conftest import Line
from tests.unit.commands.places import Place, looking
from tests.unit.identity.test_verbs_credentials import NEW, OFFER, change, enrol
from tests.unit.residents.conftest import APPROVE, ASK, Provider


@dataclass
class Here(World):
    """The world of a deployment that is there already, as a process of its own sees it."""

    service: Service | None = None

    def __post_init__(self) -> None:
        """Take the deployment's door and keys; only Argon2 is cheap."""
        assert self.service is not None
        self.entropy = self.service.entropy  # type: ignore[assignment]
        self.hashes = PasswordHashes(self.service.entropy, argon2.profiles.CHEAPEST)
        self.keyring, self.engine, self.turn = self.service.keyring, self.service.engine, self.service.turn


@contextmanager
def opened(line: Line, *, recovering: bool = False) -> Iterator[Here]:
    """Open the world of a command line's deployment. What moved is signed at the end, as by a service."""
    with line._as_a_process():
        settings = load()
    clock = SetClock(SystemClock().now())
    service = assemble(settings, clock, recovering=recovering)
    try:
        here = Here("", clock=clock, service=service)
        yield here
        if not recovering:
            sign_what_moved(service)
    finally:
        service.turn.close()
        service.engine.dispose()


@dataclass
class Story:
    """Who and what is in the backup; all of it has ended since but the last two."""

    place: Place
    backup: Path = field(default_factory=Path)
    resident: str = ""
    resident_stays: str = ""
    shift: str = ""
    people: dict[str, Person] = field(default_factory=dict)
    codes: dict[str, list[str]] = field(default_factory=dict)

    @property
    def org(self) -> str:
        """The organisation."""
        return str(self.place.founded["organisation_id"])


LEAVERS = ("left", "returned", "changed_password", "changed_factor", "used_code", "moved", "stays")


def lived(place: Place) -> Story:
    """Found people, make a backup, and have things end after it."""
    story = Story(place)
    with opened(place.line) as world:
        _settle_in(world, story)
    told = place.line.run("backup", "create", "--json")
    assert 0 == told.code, told.err
    story.backup = Path(told.json["path"])
    with opened(place.line) as world:
        world.org = story.org
        _end(world, story)
    return story


def _settle_in(world: World, story: Story) -> None:
    world.org = story.org
    world.home = world.open_home(world.org, "Rosewood House")
    for name in LEAVERS:
        story.people[name] = world.person("carer", signed_in=name != "used_code", factor=name != "used_code")
    user = story.people["used_code"]
    world.sign_in(user)
    story.codes["used_code"] = enrol(world, user)
    other = story.people["other_code"] = world.person("carer", factor=False)
    story.codes["other_code"] = enrol(world, other)
    offered = story.people["offered"] = world.person("carer")
    world.answer(OfferTotp("Caretrail"), OFFER, offered)
    story.people["new"] = world.person("carer", first_sign_in=True, factor=False, signed_in=False)
    agency = story.people["agency"] = world.person("agency_carer", signed_in=False, shift_hours=0)
    story.shift = world.shift(agency)
    for name, role in (("manager", "registered_manager"), ("officer", "privacy_officer")):
        story.people[name] = world.person(role, None)
    provider = Provider.__new__(Provider)
    provider.world = world
    story.resident, story.resident_stays = provider.admit(), provider.admit(number="9990000026")


def _end(world: World, story: Story) -> None:
    people = story.people
    manager = people["manager"]
    asked = world.answer(AskErasure(story.resident, "retention_ended", "long ago"), ASK, people["officer"])
    world.pass_time(seconds=1)
    world.answer(ApproveErasure(asked.payload["id"]), APPROVE, manager)
    for name in ("left", "returned"):
        deactivate = DeactivateAccount(people[name].id, "left us")
        world.answer(deactivate, "POST /v1/users/{user_id}/deactivate", manager)
    back = ReactivateAccount(people["returned"].id, "a mistake")
    world.answer(back, "POST /v1/users/{user_id}/reactivate", manager)
    change(world, people["changed_password"])
    world.pass_time(seconds=40)
    _use_recovery_code(world, people["used_code"], story.codes["used_code"][0])
    enrol_anew(world, people["changed_factor"])
    amend = AmendAccount(people["moved"].id, 1, assignments=[])
    world.answer(amend, "PATCH /v1/users/{user_id}", manager)
    cancel = CancelShift(people["agency"].id, story.shift)
    path = "DELETE /v1/users/{user_id}/shifts/{shift_id}"
    world.answer(cancel, path, System("cli", world.org))


def _use_recovery_code(world: World, user: Person, code: str) -> None:
    outcome = world.try_sign_in(user.username, user.password, recovery_code=code)
    assert not isinstance(outcome, Exception), outcome
    assert world.entry()["factor"] == "recovery-code"


def enrol_anew(world: World, user: Person) -> None:
    """Set up another authenticator in place of the one there is."""
    world.sign_in(user)
    first = user.totp_secret
    enrol(world, user)
    user.totp_secret = first


def restored(story: Story, to: Path) -> Line:
    """Bring the backup back into a folder; return a command line on it."""
    place = story.place
    told = place.target.run("backup", "restore", story.backup, "--to", to, "--json")
    assert 0 == told.code, told.err
    keys = {"CARETRAIL_KEYS_DIR": str(to / "keys"), "CARETRAIL_GUARD_DIR": str(to / "guard")}
    return Line(to, place.target.variables | keys)


def row(line: Line, table: str, which: str) -> dict[str, Any]:
    """Return a row by its id, past the door."""
    with looking(line) as connection:
        found = connection.execute(text(f"SELECT * FROM {table} WHERE id = :id"), {"id": which}).one()
        return dict(found._mapping)


def findings(line: Line) -> list[Any]:
    """Return what `audit verify --state` finds wrong."""
    told = line.run("audit", "verify", "--state", "--json")
    return [found for chain in told.json["chains"] for found in chain["findings"]]


__all__ = ["NEW", "Here", "Story", "findings", "lived", "opened", "restored", "row"]
