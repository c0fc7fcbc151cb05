"""What tamperings are made of: lines chained and stored anew, exports sealed anew, records rewritten.

The chain, roots and signatures come from `tests.support.sample_export`, which shares no code with the
verifier; only rows that an export derives from its lines are derived by it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app.audit import verify
from app.core.entropy import SystemEntropy
from app.residents.state_kinds import RECORDS
from app.storage.engine import open_engine
from app.storage.snapshot import open_snapshot
from app.trail.state_kinds import Keys
from app.vault.keyring import Keyring
from app.vault.provider import ROOT_KEY, FileKeys
from tests.conformance.tamper_scene import Forger, Scene
from tests.support.sample_export import base64_of, canonical, chained, leaf_of, root_of


def edited(line: bytes) -> bytes:
    """Return a line that says something else: another version was read, or nothing was permitted."""
    changed = re.sub(rb'"ver":\d', b'"ver":9', line)
    return changed if changed != line else line.replace(b'"out":"ok"', b'"out":"no"')


def rechained(scene: Scene, lines: Sequence[bytes], good: int, org: str | None = None) -> list[bytes]:
    """Return lines numbered and linked anew after the first `good` and one, months closed as they are."""
    read = [json.loads(line) for line in lines]
    made = _chained(scene, read, lines[: good + 1], org)
    for one in read[good + 1 :]:
        if one["e"]["act"] == "segment.close":
            leaves = [leaf_of(line) for line in made[: one["e"]["seg"]["end"]]]
            one["e"]["seg"]["root"] = root_of(leaves).hex()
            made = _chained(scene, read, lines[: good + 1], org)
    return made


def _chained(scene: Scene, read: list[Any], kept: Sequence[bytes], org: str | None) -> list[bytes]:
    made = chained([one["e"] for one in read], org or scene.org, [one["c"]["ts"] for one in read])
    return [*kept, *made[len(kept) :]]


def relinked(lines: Sequence[bytes], start: int) -> list[bytes]:
    """Return lines that from one on name the leaf of the line before, and are spelled as they were."""
    made = list(lines)
    for at in range(start, len(made)):
        link = b'"prev":"' + leaf_of(made[at - 1]).hex().encode()
        made[at] = re.sub(rb'"prev":"[0-9a-f]{64}', link, made[at], count=1)
    return made


def exported(
    scene: Scene,
    lines: Sequence[bytes],
    *,
    forger: Forger | None = None,
    notes: Sequence[int] | None = None,
    **said: Any,
) -> dict[str, bytes]:
    """Return an export of other lines, everything derived from them anew and sealed.

    Args:
        scene: Whose.
        lines: The lines.
        forger: Who signs; the deployment's own key by default, as an export from a tampered database is.
        notes: Sizes to sign anew; the checkpoints that were there by default.
        said: What the manifest says otherwise.
    """
    forger = forger or scene.forger()
    files = scene.files | {"events.jsonl": b"".join(line + b"\n" for line in lines)}
    if notes is not None:
        files["checkpoints.note"] = b"\n".join(forger.checkpoint(size, list(lines)) for size in notes)
    files |= _derived(files, scene.forger().origin)
    made_at = json.loads(scene.files["manifest.json"])["made_at"]
    sealed: dict[str, bytes] = forger.sealed(files, **({"made_at": made_at} | said))
    return sealed


def _derived(files: Mapping[str, bytes], origin: str) -> dict[str, bytes]:
    told = [json.loads(line) for line in files["names.jsonl"].splitlines()]
    names = {name["seq"]: name["name"] for name in told}
    read = [(json.loads(line), leaf_of(line).hex()) for line in files["events.jsonl"].splitlines()]
    csv = [verify.CSV_HEADER, *(row for line, leaf in read for row in verify.csv_each(line, leaf, names))]
    fhir = [verify.fhir_rows(line, leaf, names, origin) for line, leaf in read]
    return {"events.csv": b"".join(csv), "fhir.ndjson": b"".join(fhir)}


# --- the database ---------------------------------------------------------------------------------


def lines_stored(scene: Scene, org: str | None = None) -> list[bytes]:
    """Return the lines in the database."""
    query = "SELECT line FROM audit_event WHERE org = :org ORDER BY seq"
    return [bytes(row.line) for row in scene.rows(query, org=org or scene.org)]


def store(scene: Scene, lines: Sequence[bytes]) -> None:
    """Put these lines in place of those stored, with the head where they end."""
    rows = [{"seq": n, "line": line, "leaf": leaf_of(line)} for n, line in enumerate(lines)]
    scene.tamper("DELETE FROM audit_event WHERE org = :org")
    scene.tamper(
        "INSERT INTO audit_event (org, seq, line, leaf) VALUES (:org, :seq, :line, :leaf)", each=rows
    )
    head_at(scene, lines)


def head_at(scene: Scene, lines: Sequence[bytes]) -> None:
    """Put the head row where lines end."""
    leaves = [leaf_of(line) for line in lines]
    scene.tamper(
        "UPDATE audit_head SET size = :size, leaf = :leaf, ts = :ts, peaks = :peaks WHERE org = :org",
        size=len(lines), leaf=leaves[-1], ts=json.loads(lines[-1])["c"]["ts"],
        peaks=b"".join(peaks_of(leaves)),
    )  # fmt: skip


def peaks_of(leaves: Sequence[bytes]) -> list[bytes]:
    """Return the roots of the perfect subtrees, largest first."""
    peaks, start = [], 0
    for level in reversed(range(len(leaves).bit_length())):
        if len(leaves) >> level & 1:
            peaks.append(root_of(list(leaves[start : start + (1 << level)])))
            start += 1 << level
    return peaks


def cut(scene: Scene, size: int) -> None:
    """Cut the end of the stored lines off, the head put back to where they end."""
    lines = lines_stored(scene)[:size]
    scene.tamper("DELETE FROM audit_event WHERE org = :org AND seq >= :size", size=size)
    head_at(scene, lines)


def renumber(scene: Scene, numbers: Mapping[int, int]) -> None:
    """Store lines under other numbers."""
    for old, new in numbers.items():
        scene.tamper(
            "UPDATE audit_event SET seq = :new WHERE org = :org AND seq = :old", old=old, new=new + 100_000
        )
    scene.tamper("UPDATE audit_event SET seq = seq - 100000 WHERE org = :org AND seq >= 100000")


def resealed(scene: Scene, forger: Forger) -> None:
    """Sign every stored checkpoint anew, over the lines that are stored now."""
    lines = lines_stored(scene)
    found = scene.rows("SELECT size FROM audit_checkpoint WHERE org = :org", org=scene.org)
    rows = [
        {
            "size": size,
            "root": root_of([leaf_of(line) for line in lines[:size]]),
            "note": forger.checkpoint(size, lines).decode(),
        }
        for (size,) in found
    ]
    scene.tamper(
        "UPDATE audit_checkpoint SET note = :note, root = :root WHERE org = :org AND size = :size", each=rows
    )


def write_guard(scene: Scene, lines: Sequence[bytes]) -> None:
    """Write the guard file anew over these lines."""
    forger, leaves = scene.forger(), [leaf_of(line) for line in lines]
    told = {
        "origin": forger.origin,
        "size": len(lines),
        "root": base64_of(root_of(leaves)),
        "peaks": [base64_of(peak) for peak in peaks_of(leaves)],
        "note": forger.checkpoint(len(lines), list(lines)).decode(),
    }
    (scene.data_dir / "guard" / f"{scene.org}.json").write_bytes(canonical(told))


class Rewritten(NamedTuple):
    """A row changed with its digest: the entry that vouches for it, and both digests."""

    seq: int
    was: bytes
    now: bytes


def rewritten_record(scene: Scene, name: str) -> Rewritten:
    """Have somebody else written a record, with the right digest: the thief has the root key, too."""
    query = "SELECT state FROM record WHERE id = :id"
    was = bytes(scene.rows(query, id=scene.ids[name])[0].state)
    scene.tamper(f"UPDATE record SET author = :manager WHERE id = :{name}")
    engine = open_engine(scene.place.database.service)
    keyring = Keyring(FileKeys(scene.data_dir / "keys").secret(ROOT_KEY), SystemEntropy())
    with open_snapshot(engine) as snapshot:
        keys = Keys(snapshot, keyring, scene.org, datetime(2026, 5, 1, tzinfo=UTC))
        rows = [row for batch in snapshot.rows(RECORDS.all, scene.org) for row in batch]
        now = next(RECORDS.digest(keys, row) for row in rows if row[RECORDS.id] == scene.ids[name])
    engine.dispose()
    assert now is not None
    scene.tamper(f"UPDATE record SET state = :now WHERE id = :{name}", now=now)
    seq = next(n for n, line in enumerate(lines_stored(scene)) if was.hex().encode() in line)
    return Rewritten(seq, was, now)
