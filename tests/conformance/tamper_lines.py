"""Tamperings with the lines themselves: rows 1 to 9 and 12 to 17 of the matrix.

Each function does to a `Scene` what its row says, and returns what the words of the row leave open.
"""

import json
from typing import Any

from tests.conformance.tamper_past import Files
from tests.conformance.tamper_scene import THIEF, Forger, Scene
from tests.conformance.tamper_tools import (
    cut,
    edited,
    exported,
    lines_stored,
    rechained,
    renumber,
    resealed,
    rewritten_record,
    store,
    write_guard,
)
from tests.support.sample_export import leaf_of

Facts = dict[str, Any]


def a_read(scene: Scene) -> int:
    """Return the number of a line to tamper with: a read, older than the checkpoint kept elsewhere."""
    return scene.line_of("record.read", 1)


def roots_around(scene: Scene, n: int) -> Facts:
    """Return the first signed size that covers a line, and the newest that does not."""
    s = min(size for size in scene.sizes if size > n)
    return {"n": n, "s": s, "r": max((size for size in scene.sizes if size <= n), default=0)}


# --- 1, 2, 3: a payload ---------------------------------------------------------------------------


def payload_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    lines[n] = edited(lines[n])
    scene.files["events.jsonl"] = b"\n".join([*lines, b""])
    return {"n": n, "next": n + 1}


def payload_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    changed = edited(lines_stored(scene)[n])
    scene.tamper("UPDATE audit_event SET line = :line WHERE org = :org AND seq = :n", line=changed, n=n)
    return {"n": n, "next": n + 1}


def payload_and_hash_in_export(scene: Scene) -> Facts:
    """The leaf stands in events.csv and fhir.ndjson, too: they are derived anew and all is sealed again."""
    n = a_read(scene)
    lines = scene.lines
    lines[n] = edited(lines[n])
    scene.files = exported(scene, lines)
    return {"n": n, "next": n + 1}


def payload_and_hash_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    changed = edited(lines_stored(scene)[n])
    scene.tamper(
        "UPDATE audit_event SET line = :line, leaf = :leaf WHERE org = :org AND seq = :n",
        line=changed, leaf=leaf_of(changed), n=n,
    )  # fmt: skip
    return {"n": n, "next": n + 1}


def payload_and_link_in_export(scene: Scene) -> Facts:
    """The next line is made to name the leaf of the edited one: the break moves on by one line."""
    n = a_read(scene)
    lines = scene.lines
    lines[n] = edited(lines[n])
    lines[n + 1] = rechained(scene, lines, n)[n + 1]
    scene.files = exported(scene, lines)
    return {"n": n + 1, "next": n + 2}


def rechained_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    lines[n] = edited(lines[n])
    scene.files = exported(scene, rechained(scene, lines, n))
    return roots_around(scene, n)


def rechained_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = lines_stored(scene)
    lines[n] = edited(lines[n])
    store(scene, rechained(scene, lines, n))
    signed = [row.size for row in scene.rows("SELECT size FROM audit_checkpoint WHERE org = :o", o=scene.org)]
    return {"s": min(s for s in signed if s > n), "r": max(s for s in signed if s <= n)}


# --- 4, 5, 6: signed anew -------------------------------------------------------------------------


def _rewritten(scene: Scene, forger: Forger) -> Files:
    n = a_read(scene)
    lines = scene.lines
    lines[n] = edited(lines[n])
    return exported(scene, rechained(scene, lines, n), forger=forger, notes=scene.sizes)


def another_key_in_export(scene: Scene) -> Facts:
    thief = scene.forger(THIEF)
    scene.files = _rewritten(scene, thief)
    return {"theirs": thief.vkey.split("+")[1], "ours": scene.key.split("+")[1]}


def another_key_in_database(scene: Scene) -> Facts:
    resealed(scene, scene.forger(THIEF))
    return {}


def stolen_key_in_export(scene: Scene) -> Facts:
    scene.files = _rewritten(scene, scene.forger())
    return {"kept": scene.kept}


def stolen_key_in_database(scene: Scene) -> Facts:
    """The thief signs every checkpoint anew, and does not reach the guard file."""
    n = a_read(scene)
    lines = lines_stored(scene)
    lines[n] = edited(lines[n])
    store(scene, rechained(scene, lines, n))
    resealed(scene, scene.forger())
    return {"s": len(lines)}


def stolen_key_and_guard(scene: Scene) -> Facts:
    """The guard file is written anew, too: only who has an older checkpoint can tell."""
    stolen_key_in_database(scene)
    write_guard(scene, lines_stored(scene))
    return {}


def from_genesis_in_export(scene: Scene) -> Facts:
    """Every line is another: all happened a second later, the first one included."""
    lines = [line.replace(b'.000000Z"},"e"', b'.999999Z"},"e"', 1) for line in scene.lines]
    forger = scene.forger()
    scene.files = exported(scene, rechained(scene, lines, -1), forger=forger, notes=scene.sizes)
    return {"kept": scene.kept}


def from_genesis_in_database(scene: Scene) -> Facts:
    """The trail from its first line on, a record and its digest, all checkpoints and the guard."""
    entry = rewritten_record(scene, "other")
    lines = lines_stored(scene)
    lines[entry.seq] = lines[entry.seq].replace(entry.was.hex().encode(), entry.now.hex().encode())
    lines = [line.replace(b'.000000Z"},"e"', b'.999999Z"},"e"', 1) for line in lines]
    store(scene, rechained(scene, lines, -1))
    resealed(scene, scene.forger())
    write_guard(scene, lines_stored(scene))
    return {}


# --- 7, 8, 9: order, gaps, the end ----------------------------------------------------------------


def swapped_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    lines[n], lines[n + 1] = lines[n + 1], lines[n]
    scene.files = exported(scene, lines)
    return {"n": n, "next": n + 1}


def swapped_and_renumbered(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    lines[n - 1], lines[n] = lines[n], lines[n - 1]
    scene.files = exported(scene, rechained(scene, lines, n - 2))
    return roots_around(scene, n)


def swapped_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    renumber(scene, {n: n + 1, n + 1: n})
    return {"n": n, "next": n + 1}


def deleted_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    scene.files = exported(scene, [*scene.lines[:n], *scene.lines[n + 1 :]])
    return {"n": n, "next": n + 1}


def deleted_and_renumbered(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = [*scene.lines[:n], *scene.lines[n + 1 :]]
    scene.files = exported(scene, rechained(scene, lines, n - 1))
    return roots_around(scene, n)


def deleted_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    scene.tamper("DELETE FROM audit_event WHERE org = :org AND seq = :n", n=n)
    return {"n": n, "next": n + 1}


def truncated_in_export(scene: Scene) -> Facts:
    s = len(scene.lines)
    scene.files = exported(scene, scene.lines[:-2])
    return {"s": s, "t": s - 2, "missing": 2, "k": len(scene.sizes)}


def truncated_in_database(scene: Scene) -> Facts:
    t = len(lines_stored(scene)) - 2
    cut(scene, t)
    query = "SELECT min(size) FROM audit_checkpoint WHERE org = :org AND size > :t"
    [(s,)] = scene.rows(query, org=scene.org, t=t)
    return {"s": s, "t": t, "missing": s - t}


# --- 12 to 17: lines that do not belong there -----------------------------------------------------


def forged_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    lines.insert(n, rechained(scene, [*lines[:n], edited(lines[n])], n - 1)[n])
    scene.files = exported(scene, lines)
    return {"n": n, "next": n + 1}


def forged_in_database(scene: Scene) -> Facts:
    lines = lines_stored(scene)
    n = a_read(scene)
    store(scene, [*lines[:n], edited(lines[n]), *lines[n:]])
    return {"n": n, "next": n + 1}


def duplicated_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    scene.files = exported(scene, [*lines[: n + 1], *lines[n:]])
    return {"n": n, "next": n + 1}


def duplicated_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = lines_stored(scene)
    store(scene, [*lines[: n + 1], *lines[n:]])
    return {"n": n, "next": n + 1}


def appended_in_export(scene: Scene) -> Facts:
    lines = rechained(scene, [*scene.lines, edited(scene.lines[-1])], len(scene.lines) - 1)
    scene.files = exported(scene, lines)
    return {"t": len(lines) - 1}


def appended_in_database(scene: Scene) -> Facts:
    lines = lines_stored(scene)
    store(scene, rechained(scene, [*lines, edited(lines[-1])], len(lines) - 1))
    return {"t": len(lines)}


def replayed_in_export(scene: Scene) -> Facts:
    """An older line, given the number and time of a later one, over it."""
    n = a_read(scene)
    lines = scene.lines
    older = json.loads(lines[n - 1])
    lines[n + 1] = lines[n - 1].replace(b'"seq":%d,' % older["c"]["seq"], b'"seq":%d,' % (n + 1))
    scene.files = exported(scene, lines)
    return {"n": n + 1}


def replayed_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    older = lines_stored(scene)[n - 1]
    scene.tamper("UPDATE audit_event SET line = :line WHERE org = :org AND seq = :n", line=older, n=n)
    return {"n": n, "older": n - 1}


def moved_in_export(scene: Scene) -> Facts:
    n = 4
    lines = scene.lines
    lines[n] = scene.exports["other"]["events.jsonl"].splitlines()[n]
    scene.files = exported(scene, lines)
    return {"n": n, "theirs": scene.other_org}


def moved_in_database(scene: Scene) -> Facts:
    scene.tamper(
        "UPDATE audit_event SET line = (SELECT line FROM audit_event WHERE org = :other_org AND seq = 4)"
        " WHERE org = :org AND seq = 4"
    )
    return {"n": 4, "theirs": scene.other_org}


def another_log_in_export(scene: Scene) -> Facts:
    scene.files = scene.exports["other"]
    return {"theirs": scene.other_org, "ours": scene.key.split("+")[0]}


def another_log_in_database(scene: Scene) -> Facts:
    store(scene, lines_stored(scene, scene.other_org))
    return {"theirs": scene.other_org}
