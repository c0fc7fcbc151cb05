"""What is derived from the lines is held against them, both ways: the index, the inner nodes."""

import pytest
from sqlalchemy import text

from app.audit import table
from app.trail import index_check, self_check, tile_check
from app.trail.self_check import Round
from tests.unit.trail.derived_scene import (
    LINES,
    both,
    derive,
    derived_household,
    lines_about,
    means,
    removed_derived,
    rounds,
    told,
)
from tests.unit.trail.state_scene import Scene


@pytest.fixture
def scene(any_world) -> Scene:
    """A household with some hundred entries, all of them in the index, its nodes written."""
    return derived_household(any_world)


def test_what_the_service_derived_is_not_accused(scene):
    """Of an index, nodes and boxes that only the service wrote nothing is told, however it is read."""
    assert [] == both(scene)
    assert [] == rounds(scene, 1000)


# --- the index ------------------------------------------------------------------------------------


def test_a_list_taken_out_is_told_with_its_key_and_how_many_lines(scene):
    """Rows deleted from the index are missed: whose they were, and how many lines of how many."""
    where = "kind = 'resident' AND key = :ada AND org = :org"
    count = lines_about(scene, "ada")
    rows = scene.world.looking(
        lambda c: c.execute(
            text(f"SELECT first, seqs FROM audit_index WHERE {where} ORDER BY first"),
            {"ada": scene.ids["ada"], "org": scene.world.org},
        ).all()
    )
    lost = len(rows[1].seqs.split())
    scene.tamper(f"DELETE FROM audit_index WHERE {where} AND first = {rows[1].first}", org=scene.world.org)

    told_ = (
        f"INDEX: resident ada: the trail has {count} lines there, the index {count - lost}: {lost} missing"
    )
    assert [told_] == both(scene)


def test_a_key_taken_out_whole_is_missed(scene):
    """A resident of whom the index knows nothing any more is missed, with all their lines."""
    count = lines_about(scene, "bob")
    scene.tamper("DELETE FROM audit_index WHERE kind = 'resident' AND key = :bob")

    assert [f"INDEX: resident bob: the trail has {count} lines there, the index 0: {count} missing"] == both(
        scene
    )


def test_a_number_put_under_another_key_is_told(scene):
    """A list under somebody whom no line names is surplus."""
    scene.tamper(
        "INSERT INTO audit_index (org, kind, key, first, seqs) VALUES (:org, 'agent', 'nobody', 3, '3 4')",
        org=scene.world.org,
    )

    assert ["INDEX: agent nobody: the trail has 0 lines there, the index 2: 2 too many"] == both(scene)


def test_one_number_exchanged_for_another_is_told(scene):
    """A list as long as before, but with another line in it, is told."""
    count = sum(e["act"] == "record.read" for e in scene.world.entries())
    scene.tamper(
        "UPDATE audit_index SET seqs = replace(seqs, ' 301 ', ' ') WHERE key = 'record.read'",
        "INSERT INTO audit_index (org, kind, key, first, seqs) VALUES (:org, 'act', 'record.read', 0, '0')",
        org=scene.world.org,
    )
    text_ = f"the trail has {count} lines there, the index {count}: as many, but not the same"

    assert [f"INDEX: act record.read: {text_}"] == both(scene)


@pytest.mark.parametrize("seqs", ["9999", "7 5", "x", "", "5 5", "4 5"])
def test_a_list_that_nobody_could_walk_is_told(scene, seqs):
    """Numbers beyond the trail, descending, twice, or not beginning where the list is filed are told."""
    scene.tamper(
        "INSERT INTO audit_index (org, kind, key, first, seqs) VALUES (:org, 'agent', 'nobody', 5, :seqs)",
        org=scene.world.org,
        seqs=seqs,
    )

    assert ["INDEX: agent nobody: the list from #5 on is not as the service writes it"] == both(scene)


def test_an_index_that_is_said_to_be_further_than_the_trail_is_told(scene):
    """How far the index has come is compared with the lines, or new lines would never be taken in."""
    scene.tamper("UPDATE audit_indexed SET size = size + 1000 WHERE org = :org", org=scene.world.org)

    assert any(one.startswith("INDEX: how far it has come") for one in both(scene))


def test_the_index_is_compared_in_shares_where_there_is_little_room(scene, monkeypatch):
    """With room for a few lists only, each of them is compared in some round, and nobody is accused."""
    monkeypatch.setattr(self_check, "MOST_KEPT", 8)
    assert [] == rounds(scene)


def test_a_checker_that_never_looks_back_misses_a_key_that_is_gone(scene, monkeypatch):
    """From the index to the lines alone nothing contradicts a missing key: the way back finds it."""
    scene.tamper("DELETE FROM audit_index WHERE kind = 'resident' AND key = :bob")
    assert 1 == len(told(scene))
    monkeypatch.setattr(index_check.IndexCheck, "finish", index_check.IndexCheck._judge)

    assert [] == told(scene)


def test_everything_derived_is_removed_and_built_anew(scene):
    """What is removed of a chain is built from its lines again; the chains of others are left alone."""
    world = scene.world
    before = {name: world.rows(one) for name, one in (("index", table.index), ("tile", table.tile))}
    scene.tamper("DELETE FROM audit_tile WHERE n = 0 AND org = :org", org=world.org)
    scene.tamper("DELETE FROM audit_index WHERE kind = 'resident' AND key = :bob")
    assert 2 == len(told(scene))
    assert 0 < removed_derived(scene)
    assert [] == both(scene)
    world.looking(lambda c: derive(c, world.org))

    assert [] == both(scene)
    assert before["tile"] == world.rows(table.tile)
    assert {r["key"] for r in before["index"]} == {r["key"] for r in world.rows(table.index)}


def test_an_index_made_anew_during_a_round_is_not_accused(scene):
    """A round that meets an index on its way leaves it to the next round."""
    round_ = Round(means(scene), 0, 50)
    removed = False
    for _ in round_.walk():
        if round_.lines > LINES and not removed:
            removed = bool(removed_derived(scene))

    assert removed
    assert [] == round_.found


# --- the inner nodes ------------------------------------------------------------------------------


def test_a_changed_node_is_told(scene):
    """A node that is not the root over its lines is told, with the lines."""
    scene.tamper("UPDATE audit_tile SET hash = :other WHERE n = 1 AND org = :org", org=scene.world.org,
                 other=bytes(32))  # fmt: skip

    assert ["TILE: the node 1 of level 1, over the lines #256 to #511, is not that of the lines"] == both(
        scene
    )


def test_a_missing_node_is_told(scene):
    """A node that has neighbours behind it cannot be missing."""
    scene.tamper("DELETE FROM audit_tile WHERE n = 0 AND org = :org", org=scene.world.org)

    assert ["TILE: the node 0 of level 1, over the lines #0 to #255, is missing"] == both(scene)


@pytest.mark.parametrize(("level", "n"), [(1, 70), (2, 0), (9, 3), (0, 0)])
def test_a_node_over_no_lines_is_told(scene, level, n):
    """A node over lines that are not there, or of a level there is not, is told."""
    scene.tamper(
        "INSERT INTO audit_tile (org, level, n, hash) VALUES (:org, :level, :n, :other)",
        org=scene.world.org, level=level, n=n, other=bytes(32),
    )  # fmt: skip
    found = both(scene)

    assert 1 == len([one for one in found if one.startswith(f"TILE: the node {n} of level {level}")])
    assert all(one.endswith(("over lines that are not there", "is missing")) for one in found)


def test_nodes_that_are_not_written_yet_are_not_missed(scene):
    """Nodes are written behind the trail: what is due at the end is no finding."""
    scene.tamper("DELETE FROM audit_tile WHERE n >= 1 AND org = :org", org=scene.world.org)

    assert [] == both(scene)


def test_a_checker_that_believes_the_stored_nodes_finds_nothing(scene, monkeypatch):
    """Were nodes not hashed anew, a changed one would pass."""
    scene.tamper("UPDATE audit_tile SET hash = :other WHERE n = 1 AND org = :org", org=scene.world.org,
                 other=bytes(32))  # fmt: skip
    monkeypatch.setattr(tile_check.TileCheck, "_compare", lambda *_: None)

    assert [] == told(scene)
