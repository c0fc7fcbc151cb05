"""A household with a past, for the tests that change its rows behind the service's back."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from app.access.visit import System
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.audit.database_report import DatabaseReport
from app.audit.verify import Report
from app.identity.accounts import AmendAccount
from app.identity.shifts import AmendShift
from app.main import ALL_KINDS
from app.residents.amending import AmendResident
from app.residents.correcting import AmendRecord, RemoveRecord
from app.residents.recording import MakeRecord
from app.trail.state_check import check_state
from app.vault.keyring import Keyring
from tests.support.world import World
from tests.unit.trail.stories import admit

KINDS = ALL_KINDS
RECORDS = "/v1/residents/{resident_id}/records"
ALL_TABLES = ("home", "role", "account", "shift", "resident", "record", "record_version")
Row = dict[str, Any]


@dataclass
class Scene:
    """What was made, and how its rows were before their last change."""

    world: World
    ids: dict[str, str] = field(default_factory=dict)
    before: dict[str, Row] = field(default_factory=dict)

    def row(self, table: str, name: str) -> Row:
        """Return a row as it is now."""
        query = text(f"SELECT * FROM {table} WHERE id = :id")
        found = self.world.looking(lambda c: c.execute(query, {"id": self.ids[name]}).one())
        return dict(found._mapping)

    def tamper(self, *statements: str, **more: Any) -> None:
        """Change the database past the door; `:name` stands for an id of the scene."""

        def look(connection):
            for statement in statements:
                named = {n: v for n, v in (self.ids | more).items() if f":{n}" in statement}
                connection.execute(text(statement), named)

        self.world.looking(look)

    def set_back(self, table: str, name: str) -> None:
        """Put a row back to what it was before its last change, digest and version and all."""
        row = self.before[name]
        columns = ", ".join(f"{column} = :{column}" for column in row)
        update = text(f"UPDATE {table} SET {columns} WHERE id = :id")
        self.world.looking(lambda c: c.execute(update, row))

    def told(self) -> list[str]:
        """Return the findings of the comparison, by the names of the scene."""
        found = [str(one) for one in self.report().findings]
        for name, id_ in self.ids.items():
            found = [one.replace(id_, name) for one in found]
        return sorted(found)

    def report(self) -> Report:
        """Return the report on the world's own chain."""
        return next(c for c in compare(self.world).chains if c.organisation == self.world.org)

    def last(self, kind: str, name: str) -> int:
        """Return the number of the newest entry that changed a row."""
        named = [n for n, e in enumerate(self.world.entries()) if _changes(e, kind, self.ids.get(name, name))]
        return named[-1]


def _changes(entry: Row, kind: str, id_: str) -> bool:
    obj = entry.get("obj", {})
    return "state" in entry and (obj.get("t"), obj.get("id")) == (kind, id_)


def compare(world: World) -> DatabaseReport:
    """Return the report of `audit verify --state` on a world."""
    keyring = Keyring(world._root, world.entropy)
    return check_database(
        world.engine,
        Notary("care.example", bytes(range(32))),
        None,
        lambda snapshot, report: check_state(snapshot, report, keyring, KINDS, world.now),
    )


def household(world: World) -> Scene:
    """Let people and residents come, and change each of them; some records are amended, one is removed."""
    scene, cli = Scene(world), System("cli", world.org)
    manager = world.person("registered_manager", name="Manager")
    agency = world.person("agency_carer", name="Agency", shift_hours=0, signed_in=False)
    scene.ids |= {"manager": manager.id, "agency": agency.id, "home": world.home}
    scene.ids["shift"] = world.shift(agency, hours=6)
    scene.before["shift"] = scene.row("shift", "shift")
    amended = AmendShift(agency.id, scene.ids["shift"], ends_at=world.later(hours=7))
    world.answer(amended, "PATCH /v1/users/{user_id}/shifts/{shift_id}", cli)
    for name, family in (("ada", "Example"), ("bob", "Sample")):
        scene.ids[name] = admit(world, world.home, family)
    scene.before["ada"] = scene.row("resident", "ada")
    world.answer(AmendResident(scene.ids["ada"], 1, {"room": "7"}), "PATCH /v1/residents/{resident_id}", cli)
    scene.before["agency"] = scene.row("account", "agency")
    renamed = AmendAccount(agency.id, 1, display_name="Somebody Else")
    world.answer(renamed, "PATCH /v1/users/{user_id}", cli)
    for name, owner in (("note", "ada"), ("plain", "ada"), ("wrong", "ada"), ("other", "bob")):
        work = MakeRecord(scene.ids[owner], "daily_note", world.later(minutes=-5), {"text": f"the {name}"})
        scene.ids[name] = world.answer(work, f"POST {RECORDS}", cli).payload["id"]
    for was in (1, 2):
        scene.before["note"] = scene.row("record", "note")
        ids = scene.ids["ada"], scene.ids["note"]
        work = AmendRecord(*ids, was, world.later(minutes=-4), {"text": f"amended {was}"}, "it was wrong")
        world.answer(work, f"PUT {RECORDS}/{{record_id}}", cli)
    removed = RemoveRecord(scene.ids["ada"], scene.ids["wrong"], 1)
    world.answer(removed, f"DELETE {RECORDS}/{{record_id}}", cli, reason="wrong resident")
    return scene
