"""A household whose index, nodes and boxes are tampered with, and what finds it."""

from typing import Any

from sqlalchemy import Connection

from app.access.visit import System
from app.audit import indexing, tiles
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.audit.entry import Draft, begin
from app.audit.log import append
from app.audit.verify import Report
from app.residents.recording import MakeRecord
from app.storage.engine import open_engine
from app.trail import rederiving
from app.trail.derived import check_derived
from app.trail.self_check import Means, Round
from app.vault.keyring import Keyring
from tests.support.world import World
from tests.unit.trail.state_scene import KINDS, RECORDS, Scene, household

LINES = 600


def derived_household(any_world: World) -> Scene:
    """Return a household with some hundred entries, all of them in the index, its nodes written."""
    made = household(any_world)
    made.ids["carer"] = any_world.person("carer", signed_in=False).id
    cli = System("cli", any_world.org)
    for owner, note in (("ada", "first"), ("bob", "second")):
        work = MakeRecord(made.ids[owner], "daily_note", any_world.later(minutes=-5), {"text": note})
        made.ids[note] = any_world.answer(work, f"POST {RECORDS}", cli, reason="it was late").payload["id"]
    actor = {"id": made.ids["carer"], "kind": "user"}
    drafts = [Draft(any_world.org, read(actor, made.ids["ada"])) for _ in range(LINES)]
    any_world.looking(lambda c: append(c, drafts, any_world.now))
    any_world.looking(lambda c: derive(c, any_world.org))
    return made


def read(actor: dict[str, Any], resident: str) -> dict[str, Any]:
    """Return the event of somebody who reads a record of a resident."""
    return begin("record.read", "ok", actor) | {"subs": [resident]}


def derive(connection: Connection, org: str) -> None:
    """Bring index and nodes up to the lines."""
    while indexing.catch_up(connection, org, 200):
        pass
    assert 0 == tiles.catch_up(connection, org, 100)


def told(scene: Scene) -> list[str]:
    """Return what `caretrail audit verify --state` finds of the world's chain, by the names of the scene."""
    return [named(scene, str(one)) for one in report(scene).findings]


def report(scene: Scene) -> Report:
    """Return its report on what is derived and sealed."""
    world, keyring = scene.world, Keyring(scene.world._root, scene.world.entropy)
    whole = check_database(
        world.engine,
        Notary("care.example", bytes(range(32))),
        None,
        lambda snapshot, whole: check_derived(snapshot, whole, world.entropy, keyring, world.now),
    )
    assert "" == whole.unreadable
    return next(chain for chain in whole.chains if chain.organisation == world.org)


def rounds(scene: Scene, most: int = 97) -> list[str]:
    """Return what a round of the self-check finds."""
    round_ = Round(means(scene), 0, most)
    assert all(step is None for step in round_.walk())
    return [named(scene, str(one.finding)) for one in round_.found]


def removed_derived(scene: Scene) -> int:
    """Remove what is derived, as an operator does."""
    owner = open_engine(scene.world.url, patient=True)
    try:
        return rederiving.remove_derived(owner, [scene.world.org])
    finally:
        owner.dispose()


def means(scene: Scene) -> Means:
    """Return what a round works with."""
    world = scene.world
    keyring, notary = Keyring(world._root, world.entropy), Notary("care.example", bytes(range(32)))
    return Means(world.engine, keyring, notary, KINDS, lambda: world.now, world.entropy)


def named(scene: Scene, found: str) -> str:
    """Return a finding by the names of the scene."""
    for name, id_ in scene.ids.items():
        found = found.replace(id_, name)
    return found.partition("; `caretrail")[0]


def both(scene: Scene) -> list[str]:
    """Return the findings, which the command and the self-check agree on."""
    found = told(scene)
    assert found == rounds(scene)
    return found


def unlock(scene: Scene, *tables: str) -> None:
    """Do what somebody with all rights would do first."""
    on_sqlite = scene.world.engine.dialect.name == "sqlite"
    for name in tables:
        for kind in ("insert", "update", "delete") if on_sqlite else ():
            scene.tamper(f"DROP TRIGGER {name}_{kind}")


def number(scene: Scene, act: str, name: str) -> int:
    """Return the number of the newest entry of an act on something."""
    entries = enumerate(scene.world.entries())
    return [n for n, e in entries if e["act"] == act and e.get("obj", {}).get("id") == scene.ids[name]][-1]


def lines_about(scene: Scene, name: str) -> int:
    """Return how many entries concern a resident."""
    return sum(scene.ids[name] in e.get("subs", ()) for e in scene.world.entries())
