"""What the files of an export hold. What is derived from the lines is derived by the verifier itself."""

import contextlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson

from app.audit import note, verify
from app.core.clock import spell
from app.trail.export_works import Filter, Plan
from app.trail.names import KeptName

README = Path(__file__).with_name("export-readme.txt")
FAMILY_README = Path(__file__).with_name("family-readme.txt")

PIECE_BYTES = 256 * 1024
"""So much of a file is made at a time: one line about hundreds of residents is hundreds of rows."""

Names = Mapping[int, str]
_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def jsonl_of(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines as they stand in `events.jsonl`, in pieces."""
    return pieces(line + b"\n" for line in lines)


def csv_of(lines: Iterable[bytes], names: Names) -> Iterator[bytes]:
    """Yield the rows of `events.csv` for lines, in pieces."""
    return pieces(
        row
        for line in lines
        for row in verify.csv_each(orjson.loads(line), verify.leaf_hash(line).hex(), names)
    )


def fhir_of(lines: Iterable[bytes], names: Names, origin: str) -> Iterator[bytes]:
    """Yield the rows of `fhir.ndjson` for lines, in pieces: those of `verify.fhir_rows`, written faster."""
    return pieces(
        orjson.dumps(event, option=_CANONICAL)
        for line in lines
        for event in verify.fhir_events(orjson.loads(line), verify.leaf_hash(line).hex(), names, origin)
    )


def pieces(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Yield rows joined until a piece is full, so that no more than a piece and a row is held."""
    held: list[bytes] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row)
        if size >= PIECE_BYTES:
            piece, held, size = b"".join(held), [], 0
            yield piece
    if held:
        yield b"".join(held)


def names_held(lines: Sequence[bytes]) -> set[int]:
    """Return the numbers of the identity entries that hold the names of who acted in lines."""
    held = {orjson.loads(line)["e"]["actor"].get("name_seq") for line in lines}
    return held - {None}


def name_lines(names: Iterable[KeptName]) -> bytes:
    """Return names as they stand in `names.jsonl`."""
    return b"".join(map(_name_line, names))


def proven_name_lines(names: Iterable[KeptName], entries: Sequence[tuple[bytes, str]]) -> bytes:
    """Return names as they stand in `names.jsonl` of a selection: each with its entry, and a proof of it."""
    enclosed = [{"line": line.decode(), "proof": proof} for line, proof in entries]
    return b"".join([_name_line(kept, more) for kept, more in zip(names, enclosed, strict=True)])


def _name_line(kept: KeptName, more: Mapping[str, str] | None = None) -> bytes:
    salt = b64encode(kept.salt).decode()
    line = {"seq": kept.seq, "user_id": kept.user_id, "salt": salt, "name": kept.name}
    return orjson.dumps({**line, **(more or {})}, option=orjson.OPT_APPEND_NEWLINE)


def proof_lines(proofs: Iterable[tuple[int, str]]) -> bytes:
    """Return proofs as they stand in `proofs.jsonl`."""
    return b"".join(
        [orjson.dumps({"seq": seq, "proof": text}, option=orjson.OPT_APPEND_NEWLINE) for seq, text in proofs]
    )


def small_files(plan: Plan, readme: Path) -> list[tuple[str, bytes]]:
    """Return name and bytes of the files that are not large."""
    return [
        ("checkpoints.note", note.join(plan.notes).encode()),
        ("README.txt", readme.read_bytes()),
        ("verify.py", Path(verify.__file__).read_bytes()),
    ]


def manifest_of(
    plan: Plan,
    chosen: Filter,
    handed: tuple[int | None, int | None, int],
    files: Any,
    vkeys: list[str],
    about: Mapping[str, Any],
) -> bytes:
    """Return `manifest.json`.

    Args:
        plan: What was begun.
        chosen: Which lines were wanted.
        handed: The first and the last number that was handed over, and how many lines were.
        files: Digest and size of each file.
        vkeys: The verifier keys of the chain.
        about: What else is to be said: for whom it is, say.
    """
    first, last, count = handed
    said = plan.signed.said
    manifest = {
        "format": verify.FORMAT,
        "organisation": plan.org,
        "first": first,
        "last": last,
        "count": count,
        "filter": chosen.given() or None,
        "files": files,
        "checkpoint": {"size": said.size, "root": b64encode(said.root).decode()},
        "keys": vkeys,
        "made_at": spell(plan.at),
        "software": software(),
        **_begun(plan),
        **about,
    }
    return orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _begun(plan: Plan) -> dict[str, Any]:
    """Return where a pruned chain begins, and what its check goes on from."""
    if plan.pruned is None:
        return {}
    entry, first, prev, peaks = plan.pruned
    return {"pruned": {"first": first, "prev": prev, "peaks": peaks, "entry": entry}}


def software() -> str:
    """Return what made an export, with its version where it was installed as a package."""
    with contextlib.suppress(PackageNotFoundError):
        return f"caretrail {version('caretrail')}"
    return "caretrail (not installed as a package)"
