"""Tamperings with what was signed, with states and with the clock: rows 10, 11 and 28 to 36."""

import json
from typing import Any

from app.audit import verify
from tests.conformance.tamper_lines import a_read
from tests.conformance.tamper_past import unpacked
from tests.conformance.tamper_scene import Scene
from tests.conformance.tamper_tools import (
    cut,
    edited,
    exported,
    lines_stored,
    rechained,
    relinked,
    resealed,
    store,
)
from tests.support.sample_export import chained

Facts = dict[str, Any]


def _first_notes(scene: Scene, size: int) -> bytes:
    notes = verify.split_notes(scene.files["checkpoints.note"])
    return b"\n".join(note for note in notes if int(note.split(b"\n")[1]) <= size)


# --- 10, 11: an older state -----------------------------------------------------------------------


def cut_to_checkpoint_in_export(scene: Scene) -> Facts:
    """Everything after an older checkpoint is dropped, and the manifest sealed anew."""
    s, t = len(scene.lines), scene.sizes[-2]
    scene.anchors.append(scene.newest_note())
    scene.files |= {"checkpoints.note": _first_notes(scene, t)}
    scene.files = exported(scene, scene.lines[:t])
    return {"s": s, "t": t, "missing": s - t}


def cut_to_checkpoint_in_database(scene: Scene) -> Facts:
    """The database is cut back to where the checkpoint kept elsewhere was signed; the rows stay."""
    s, t = len(lines_stored(scene)), scene.kept
    cut(scene, t)
    scene.tamper("DELETE FROM audit_checkpoint WHERE org = :org AND size > :t", t=t)
    return {"s": s, "t": t, "missing": s - t, "note": scene.ids["note"]}


def backup_without_guard(scene: Scene) -> Facts:
    s = len(lines_stored(scene))
    scene.restore_backup(guard=False)
    t = len(lines_stored(scene))
    return {"s": s, "t": t, "missing": s - t}


def backup_with_guard(scene: Scene) -> Facts:
    """Database, keys and guard are what they were at the backup; an export of it is what the auditor gets."""
    scene.anchors.append(scene.newest_note())
    scene.restore_backup(guard=True)
    out = scene.folder / "restored.zip"
    told = scene.command("audit", "export", "--organisation", scene.org, "--out", str(out))
    assert told.code == 0, told.text
    scene.files = unpacked(out.read_bytes())
    return {"t": len(scene.lines), "s": scene.sizes[-1], "missing": scene.sizes[-1] - len(scene.lines)}


# --- 28, 29, 30: spelling and clock ---------------------------------------------------------------


def _signed_anew(scene: Scene, lines: list[bytes], n: int) -> None:
    """Link the lines after one anew, all spelled as they are, and sign them with the stolen key."""
    forger = scene.forger()
    files = scene.files | {"events.jsonl": b"\n".join([*relinked(lines, n + 1), b""])}
    files["checkpoints.note"] = b"\n".join(
        forger.checkpoint(size, relinked(lines, n + 1)) for size in scene.sizes
    )
    scene.files = forger.sealed(files)


def whitespace_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    lines[n] = lines[n].replace(b'"e":{', b'"e":{ ')
    _signed_anew(scene, lines, n)
    return {"n": n}


def duplicate_key_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    lines[n] = lines[n].replace(b'"e":{', b'"e":{"act":"record.none",')
    _signed_anew(scene, lines, n)
    return {"n": n}


def backdated_lines(lines: list[bytes], n: int, org: str) -> list[bytes]:
    """Return lines of which one is older than the one before."""
    read = [json.loads(line) for line in lines]
    stamps = [one["c"]["ts"] for one in read]
    stamps[n] = "2026-02-28T09:00:00.000000Z"
    return chained([one["e"] for one in read], org, stamps)


def backdated_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    scene.files = exported(scene, backdated_lines(scene.lines, n, scene.org), notes=scene.sizes)
    return {"n": n, "before": n - 1}


def backdated_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    store(scene, backdated_lines(lines_stored(scene), n, scene.org))
    resealed(scene, scene.forger())
    return {"n": n, "before": n - 1}


def clock_set_back(scene: Scene) -> Facts:
    """While the past was made the server's clock went back by hours: two reads bear the time before them."""
    stamps = [json.loads(line)["c"]["ts"] for line in scene.lines]
    n = next(at for at in range(1, len(stamps)) if stamps[at] > "2026-04-02T09:02")
    assert stamps == sorted(stamps)
    assert stamps[n : n + 3] == [stamps[n]] * 3
    return {"n": n}


# --- 31 to 36: checkpoints, forks, rot ------------------------------------------------------------


def edited_root_in_export(scene: Scene) -> Facts:
    notes = scene.files["checkpoints.note"]
    size = b"\n%d\n" % scene.sizes[-1]
    scene.files["checkpoints.note"] = notes.replace(size, b"\n%d\n" % (scene.sizes[-1] - 1))
    scene.files = exported(scene, scene.lines)
    return {}


def edited_root_in_database(scene: Scene) -> Facts:
    change = "UPDATE audit_checkpoint SET root = :root WHERE org = :org AND size = :s"
    scene.tamper(change, root=bytes(32), s=scene.kept)
    return {"s": scene.kept}


def pasted_checkpoint_in_export(scene: Scene) -> Facts:
    theirs = scene.exports["other"]["checkpoints.note"]
    scene.files = scene.forger().sealed(scene.files | {"checkpoints.note": theirs})
    name, number = scene.forger(org=scene.other_org).vkey.split("+")[:2]
    return {"theirs": f"{number} of {name}", "ours": scene.key.split("+")[1]}


def pasted_checkpoint_in_database(scene: Scene) -> Facts:
    scene.tamper(
        "UPDATE audit_checkpoint SET note = (SELECT max(note) FROM audit_checkpoint WHERE org = :other_org)"
        " WHERE org = :org AND size = :s",
        s=scene.kept,
    )
    return {"s": scene.kept}


def no_checkpoints_in_export(scene: Scene) -> Facts:
    files = {name: data for name, data in scene.files.items() if name != "checkpoints.note"}
    scene.files = scene.forger().sealed(files, checkpoint=None)
    return {}


def no_checkpoints_in_database(scene: Scene) -> Facts:
    scene.tamper("DELETE FROM audit_checkpoint WHERE org = :org")
    return {}


def fork_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    lines[n] = edited(lines[n])
    other = scene.forger().checkpoint(scene.sizes[-1], rechained(scene, lines, n))
    scene.files["checkpoints.note"] += b"\n" + other
    scene.files = exported(scene, scene.lines)
    return {"s": scene.sizes[-1], "k": len(scene.sizes), "l": len(scene.sizes) + 1}


def fork_in_database(scene: Scene) -> Facts:
    """The database holds the checkpoints of another history; the guard file holds ours."""
    n = a_read(scene)
    lines = lines_stored(scene)
    lines[n] = edited(lines[n])
    store(scene, rechained(scene, lines, n))
    resealed(scene, scene.forger())
    return {"s": len(lines)}


def split_view(scene: Scene) -> Facts:
    """Another auditor was given another history, signed with the same key; this is the export they got."""
    n = a_read(scene)
    lines = scene.lines
    scene.anchors = [scene.newest_note()]
    lines[n] = edited(lines[n])
    scene.files = exported(scene, rechained(scene, lines, n), notes=scene.sizes)
    return {"s": scene.sizes[-1], "k": len(scene.sizes)}


def rotten_leaf_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    [(leaf,)] = scene.rows("SELECT leaf FROM audit_event WHERE org = :o AND seq = :n", o=scene.org, n=n)
    flipped = bytes([leaf[0] ^ 1]) + bytes(leaf[1:])
    scene.tamper("UPDATE audit_event SET leaf = :leaf WHERE org = :org AND seq = :n", leaf=flipped, n=n)
    return {"n": n}


def rotten_line_in_database(scene: Scene) -> Facts:
    n = a_read(scene)
    line = lines_stored(scene)[n]
    flipped = line[:-10] + bytes([line[-10] ^ 1]) + line[-9:]
    scene.tamper("UPDATE audit_event SET line = :line WHERE org = :org AND seq = :n", line=flipped, n=n)
    return {"n": n, "next": n + 1}


def rotten_line_in_export(scene: Scene) -> Facts:
    n = a_read(scene)
    lines = scene.lines
    lines[n] = lines[n][:-10] + bytes([lines[n][-10] ^ 1]) + lines[n][-9:]
    scene.files["events.jsonl"] = b"\n".join([*lines, b""])
    return {"n": n, "next": n + 1}
