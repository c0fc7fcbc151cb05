"""A new generation of an organisation's key: rows, boxes, indexes and the trail, on both databases."""

from typing import Any

import pytest
from sqlalchemy import text

from app.access.visit import System
from app.core.errors import CaretrailError, SealBrokenError
from app.residents.amending import AmendResident
from app.residents.owners import OWNERS
from app.residents.register import ReadResident
from app.trail import rewrapping
from app.trail.rewrapping import BeginGeneration
from app.trail.rotation import REWRAP
from app.vault.generations import generation_of
from tests.support.rotating import begin, complete, rotate, wrap
from tests.support.world import World
from tests.unit.trail.state_scene import compare, household
from tests.unit.trail.stories import admit

PEOPLE, RESIDENTS = OWNERS
PATCH = "PATCH /v1/residents/{resident_id}"


def rows(world: World, statement: str, **named: Any) -> list[Any]:
    return world.looking(lambda c: c.execute(text(statement), named).all())


def generations(world: World) -> dict[str, set[int]]:
    """Return under which generations the owners' keys of each table are wrapped."""
    found = {}
    for table in ("account", "resident"):
        query = f"SELECT wrapped_key FROM {table} WHERE org = :org AND length(wrapped_key) > 0"
        found[table] = {generation_of(bytes(row[0])) for row in rows(world, query, org=world.org)}
    return found


def findings(world: World) -> list[str]:
    return [str(one) for chain in compare(world).chains for one in chain.findings]


def rewraps(world: World) -> list[dict[str, Any]]:
    return [e for e in world.entries() if e["act"] == REWRAP.act]


def test_all_is_wrapped_anew_and_all_is_readable(any_world):
    """Each owner's key is under the new generation, each row under its entry; versions and reads stay."""
    scene = household(any_world)
    before = rows(
        any_world, "SELECT id, version FROM resident UNION SELECT id, version FROM account ORDER BY 1"
    )
    wrapped = rotate(any_world)

    assert wrapped == len(before) == 4
    assert {"account": {2}, "resident": {2}} == generations(any_world)
    after = rows(
        any_world, "SELECT id, version FROM resident UNION SELECT id, version FROM account ORDER BY 1"
    )
    assert before == after
    assert [] == findings(any_world)
    manager = any_world.person("registered_manager")
    shown = any_world.answer(ReadResident(scene.ids["ada"]), "GET /v1/residents/{resident_id}", manager)
    assert ("Example", "7") == (shown.payload["identity"]["family_name"], shown.payload["room"])
    assert {"account": {2}, "resident": {2}} == generations(any_world)


def test_the_entries_say_it(any_world):
    """One entry begins it, one for each piece names its rows, one ends it; each names both keys."""
    household(any_world)
    rotate(any_world)
    begun, people, residents, ended = rewraps(any_world)

    assert begun["key"] == {"old": begun["key"]["old"], "new": begun["obj"]["id"]}
    assert ["user", "resident"] == [{row["t"] for row in one["rows"]}.pop() for one in (people, residents)]
    assert [2, 2] == [one["n"] for one in (people, residents)]
    assert (True, 0) == (ended["key"]["whole"], ended["left"])
    assert {begun["obj"]["id"]} == {one["obj"]["id"] for one in (people, residents, ended)}


def test_it_goes_on_where_it_was_broken_off(any_world, monkeypatch):
    """Half a rotation is no fault: all opens; begun again it makes no further generation."""
    monkeypatch.setattr(rewrapping, "PIECE", 1)
    household(any_world)
    assert (2, False, 4) == begin(any_world)
    piece = wrap(any_world, RESIDENTS)
    assert (1, True) == (piece.wrapped, piece.after is not None)
    assert {"account": {1}, "resident": {1, 2}} == generations(any_world)
    assert [] == findings(any_world)
    assert 3 == complete(any_world)

    assert (2, True, 3) == begin(any_world)
    assert 3 == rotate(any_world)
    assert [] == findings(any_world)
    assert (3, False, 4) == begin(any_world)


def test_rows_that_were_altered_are_left_alone(any_world):
    """A row changed behind the service's back gets no new digest: it is told of, and stays as it is."""
    scene = household(any_world)
    scene.tamper("UPDATE resident SET status = 'left' WHERE id = :ada")
    begin(any_world)
    wrap(any_world, PEOPLE)
    piece = wrap(any_world, RESIDENTS)

    assert (1, (scene.ids["ada"],)) == (piece.wrapped, piece.altered)
    assert 1 == complete(any_world)
    assert [None] == [
        row[0] for row in rows(any_world, "SELECT completed_at FROM organisation_key WHERE generation = 2")
    ]
    assert 1 == complete(any_world, left_alone=1)
    assert ["integrity.fail"] == [e["act"] for e in any_world.entries() if e["out"] == "fail"]
    assert 1 == len([one for one in findings(any_world) if scene.ids["ada"] in one])
    assert {1, 2} == generations(any_world)["resident"]


def test_another_process_never_commits_under_the_generation_before(any_world):
    """Who holds the old key in memory seals again under the new one, at once and unnoticed."""
    other = any_world.beside()
    before = admit(other, any_world.home, "Before")
    rotate(any_world)
    manager = other.person("registered_manager")
    after = admit(other, any_world.home, "After")

    assert {"account": {2}, "resident": {2}} == generations(any_world)
    assert before != after
    assert manager.session is not None
    assert [] == findings(any_world)


def test_a_change_that_meets_a_key_wrapped_anew_is_made_all_the_same(any_world, monkeypatch):
    """A rotation between reading a row and writing it harms neither: the turn is done again."""
    scene = household(any_world)
    begin(any_world)
    other = any_world.beside()
    stolen = []
    real = other.turn._write

    def write(*given: Any) -> None:
        if not stolen and any_world.engine.dialect.name == "postgresql":
            stolen.append(wrap(any_world, RESIDENTS))
        real(*given)

    monkeypatch.setattr(other.turn, "_write", write)
    work = AmendResident(scene.ids["ada"], 2, {"room": "9"})
    changed = other.answer(work, PATCH, System("cli", any_world.org))

    assert (3, "9") == (changed.payload["version"], changed.payload["room"])
    assert [] == findings(any_world)


def test_a_generation_is_begun_by_one_of_two(any_world):
    """A second command takes up the generation that the first one made."""
    household(any_world)
    first, second = begin(any_world), begin(any_world.beside())

    assert [(2, False), (2, True)] == [one[:2] for one in (first, second)]
    assert [1, 1, 2] == [
        row[0] for row in rows(any_world, "SELECT generation FROM organisation_key ORDER BY 1")
    ]


def test_nothing_is_begun_with_a_root_key_that_is_not_in_force(any_world):
    """A process whose root key is another's makes no generation: nobody could open it."""
    refused = any_world.beside()
    rows_before = len(rows(any_world, "SELECT org FROM organisation_key"))
    any_world.looking(lambda c: c.execute(text("UPDATE key_check SET value = :v"), {"v": b"x" * 32}))
    outcome = refused.do(BeginGeneration(OWNERS), REWRAP, System("cli", any_world.org))

    assert isinstance(outcome, CaretrailError)
    assert (503, rows_before) == (outcome.status, len(rows(any_world, "SELECT org FROM organisation_key")))


def test_an_entry_without_the_act_may_not_bind_a_version_again(any_world, monkeypatch):
    """Only `key.rewrap` gives a version another digest; any other entry that does is a contradiction."""
    household(any_world)
    rotate(any_world)
    monkeypatch.setattr("app.trail.state_ledger.REWRAP", "another.act")

    assert 4 == len([one for one in findings(any_world) if "is due" in one])


@pytest.mark.parametrize("generation", [2, 3])
def test_a_missing_generation_is_a_broken_seal(any_world, generation):
    """Without the wrapped key of its generation a row does not open, and nothing makes another one."""
    scene = household(any_world)
    rotate(any_world)
    if generation == 3:
        rotate(any_world)
    scene.tamper("DELETE FROM organisation_key WHERE generation = " + str(generation))
    outcome = any_world.beside().do(
        AmendResident(scene.ids["ada"], 2, {"room": "9"}), PATCH, System("cli", any_world.org)
    )

    assert isinstance(outcome, SealBrokenError)
