"""Tamperings with whole months, prunings and erasures: rows 39, 45 and 46 of the matrix.

Pruning and erasure are lawful ways to take something out; whoever holds the key can enter one that is
not. What stays is that the entry is there, says when and by whom, and has to keep the rule.
"""

import json
from typing import Any

from sqlalchemy import text

from tests.conformance.tamper_scene import Scene
from tests.conformance.tamper_tools import (
    exported,
    lines_stored,
    peaks_of,
    rechained,
    resealed,
    store,
    write_guard,
)
from tests.support.sample_export import canonical, leaf_of

Facts = dict[str, Any]


def _march(scene: Scene, lines: list[bytes]) -> Facts:
    """Return where March ends, and which entry closes it."""
    read = [json.loads(line)["e"] for line in lines]
    n = next(at for at, e in enumerate(read) if e["act"] == "segment.close")
    end = read[n]["seg"]["end"]
    return {"n": n, "end": end, "last": end - 1}


def month_missing_in_export(scene: Scene) -> Facts:
    """All lines of March are left out but the first, and everything is sealed again."""
    facts = _march(scene, scene.lines)
    kept = scene.lines[facts["end"] :]
    scene.files = scene.forger().sealed(scene.files | {"events.jsonl": b"".join(one + b"\n" for one in kept)})
    return facts


def month_missing_in_database(scene: Scene) -> Facts:
    facts = _march(scene, lines_stored(scene))
    scene.tamper("DELETE FROM audit_event WHERE org = :org AND seq < :end", end=facts["end"])
    return facts


def part_detached(scene: Scene) -> Facts:
    """On PostgreSQL the first partition is detached; on SQLite, which has none, the table is renamed."""
    if scene.kind == "sqlite":
        statement = "ALTER TABLE audit_event RENAME TO kept_for_later"
        scene.looking(lambda c: c.execute(text(statement)))
        return {"what": "audit_event"}
    found = scene.rows(
        "SELECT inhrelid::regclass::text AS part FROM pg_inherits"
        " WHERE inhparent = 'audit_event'::regclass ORDER BY 1 LIMIT 1"
    )
    scene.looking(lambda c: c.execute(text(f"ALTER TABLE audit_event DETACH PARTITION {found[0].part}")))
    return {"what": found[0].part}


# --- an entry that takes something out -----------------------------------------------------------


def _appended(scene: Scene, lines: list[bytes], event: dict[str, Any]) -> list[bytes]:
    whole = {"v": 1, "id": "0190a000-0000-7000-8000-0000000000ee", "out": "ok"} | event
    last = json.loads(lines[-1])
    line = canonical({"c": last["c"], "e": whole})
    return rechained(scene, [*lines, line], len(lines) - 1)


def _enter_in_export(scene: Scene, event: dict[str, Any]) -> Facts:
    lines = _appended(scene, scene.lines, event)
    scene.files = exported(scene, lines, notes=[*scene.sizes, len(lines)])
    return {"n": len(lines) - 1}


def _enter_in_database(scene: Scene, event: dict[str, Any]) -> Facts:
    lines = _appended(scene, lines_stored(scene), event)
    store(scene, lines)
    scene.tamper(
        "INSERT INTO audit_checkpoint (org, size, root, made_at, note)"
        " SELECT org, :size, root, made_at, note FROM audit_checkpoint WHERE org = :org AND size = :kept",
        size=len(lines), kept=scene.kept,
    )  # fmt: skip
    resealed(scene, scene.forger())
    write_guard(scene, lines)
    return {"n": len(lines) - 1}


def _prune(end: int, years: int) -> dict[str, Any]:
    return {
        "act": "segment.prune",
        "actor": {"id": "system:segments", "kind": "system"},
        "obj": {"t": "segment", "id": "2026-03"},
        "prune": {"end": end, "years": years},
    }


def pruned_before_due(scene: Scene) -> Facts:
    """March is taken out in April, under an entry that says so, all signed with the stolen key."""
    end = _march(scene, scene.lines)["end"]
    lines = _appended(scene, scene.lines, _prune(end, 8))
    leaves = [leaf_of(line) for line in lines]
    pruned = {"first": end, "prev": leaves[end - 1].hex(), "peaks": [p.hex() for p in peaks_of(leaves[:end])]}
    notes = [size for size in (*scene.sizes, len(lines)) if size >= end]
    said = {"first": end, "last": len(lines) - 1, "pruned": pruned}
    files = exported(scene, lines, notes=notes)
    files["events.jsonl"] = b"".join(line + b"\n" for line in lines[end:])
    for name in ("events.csv", "fhir.ndjson", "names.jsonl"):
        del files[name]
    scene.files = scene.forger().sealed(files, **said)
    return {"n": len(lines) - 1}


def pruned_by_a_short_rule(scene: Scene) -> Facts:
    return _enter_in_export(scene, _prune(_march(scene, scene.lines)["end"], 1))


def erase(scene: Scene, one: str, other: str) -> dict[str, Any]:
    """Return an entry that says Ada was erased."""
    return {
        "act": "resident.erase",
        "actor": {"id": other, "kind": "user", "roles": ["registered_manager"]},
        "obj": {"t": "resident", "id": scene.ids["ada"]},
        "erased": {"asked_by": one, "approved_by": other, "basis": "retention"},
    }


def erasure_by_one(scene: Scene) -> Facts:
    """Somebody who holds the key enters an erasure that one person asked for and approved."""
    one = scene.ids["manager"]
    return _enter_in_export(scene, erase(scene, one, one)) | {"ada": scene.ids["ada"], "one": one}


def erasure_by_two(scene: Scene) -> Facts:
    """The same in the names of two people: it stands there, for both of them to see."""
    one, other = scene.ids["nurse"], scene.ids["manager"]
    facts = _enter_in_export(scene, erase(scene, one, other))
    return facts | {"ada": scene.ids["ada"], "one": one, "other": other}


def erasure_by_one_in_database(scene: Scene) -> Facts:
    one = scene.ids["manager"]
    return _enter_in_database(scene, erase(scene, one, one)) | {"ada": scene.ids["ada"], "one": one}
