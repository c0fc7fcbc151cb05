"""The files of a pack, from what was told and counted. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from app.audit import verify
from app.core.clock import spell
from app.incidents.deeds import KINDS
from app.incidents.pack_fields import DRAFT, article_33, dspt_report
from app.incidents.pack_works import Brief, Told
from app.incidents.scope import Fold, Reach

JsonObject = dict[str, Any]
README: Final = Path(__file__).with_name("pack-readme.txt")
EVIDENCE_README: Final = Path(__file__).with_name("evidence-readme.txt")
FORMAT: Final = "caretrail breach pack v1"
_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_RESIDENT_COLUMNS = ("resident_id", *KINDS, "categories", "actors", "first_utc", "last_utc")
_ENCLOSED = "enclosed in evidence.zip (in the zip format): exact entries with proofs"
_NOT_ENCLOSED = "not enclosed: whoever made this may not read the trail wherever they manage incidents"
_NOTHING_COUNTED = "none: nobody has said yet which entries this is about"


def contents(brief: Brief, told: Told, fold: Fold | None) -> JsonObject:
    """Return what a pack says: `pack.json`, and what paper and tables are made from."""
    scope = _scope(fold, told.names) if fold is not None else None
    evidence = _ENCLOSED if brief.evidence else _NOT_ENCLOSED
    said = brief.plan.signed.said
    return {
        "format": FORMAT,
        "draft": DRAFT,
        "made_at": spell(told.at),
        "made_by": told.made_by,
        "organisation": told.whose.organisation,
        "home": told.whose.home,
        "trail": {"origin": said.origin, "size": said.size, "root": said.root.hex()},
        "evidence": evidence if fold is not None else _NOTHING_COUNTED,
        "incident": told.incident,
        "selection": brief.selection.told() if brief.selection is not None else None,
        "scope": scope,
        "not_known": told.not_known,
        "containment": told.shut,
        "article33": article_33(told.incident, scope, told.shut),
        "dspt": dspt_report(told.incident, scope, told.shut),
    }


def _scope(fold: Fold, names: Mapping[int, str]) -> JsonObject:
    scope = fold.told()
    for actor in scope["actors"]:
        actor["name"] = names.get(_seq_of(fold, actor["user_id"]))
    return scope


def _seq_of(fold: Fold, actor: str) -> int:
    seq = fold.actors[actor].name_seq
    return -1 if seq is None else seq


def as_json(value: Any) -> bytes:
    """Return JSON that people can read."""
    return orjson.dumps(value, option=_PRETTY)


def residents_csv(scope: Mapping[str, Any] | None) -> bytes:
    """Return the table of residents, in the dialect of the audit trail's own: safe for spreadsheets."""
    rows = [_RESIDENT_COLUMNS]
    for one in scope["residents"] if scope is not None else ():
        counts = [str(one[deed]) for deed in KINDS]
        about = (";".join(sorted(one["categories"])), ";".join(sorted(one["actors"])))
        rows.append((one["resident_id"], *counts, *about, one["first"], one["last"]))
    return "".join(",".join(map(_cell, row)) + "\r\n" for row in rows).encode()


def timeline_rows(lines: Iterable[bytes], fold: Fold, names: Mapping[int, str]) -> Iterator[bytes]:
    """Yield the rows of `timeline.csv` for some lines: those that count, and of each what may be told."""
    for raw in lines:
        line = orjson.loads(raw)
        if fold.counts(line["e"]):
            yield from verify.csv_each(shown(line, fold.reach), verify.leaf_hash(raw).hex(), names)


def shown(line: JsonObject, reach: Reach) -> JsonObject:
    """Return a line without the residents whoever asks may not be told of."""
    event = line["e"]
    if reach.homes is None:
        return line
    told, whom = {**event}, reach.whom(event)
    if len(whom) != len(event.get("subs", ())):
        told |= {"subs": whom, "n": len(whom)}
    thing = event.get("obj", {})
    if thing.get("t") == "resident" and not reach.admits(str(thing.get("id"))):
        told["obj"] = {"t": "resident"}
    return {**line, "e": told}


def enclosed(lines: Sequence[bytes], fold: Fold) -> tuple[list[bytes], int]:
    """Return the lines that count and name nobody outside reach, and how many were left out for that."""
    counted = [(raw, line) for raw in lines if fold.counts((line := orjson.loads(raw))["e"])]
    kept = [raw for raw, line in counted if fold.reach.whole(line["e"])]
    return kept, len(counted) - len(kept)


def readme(remark: str) -> bytes:
    """Return `README.txt`, with a remark at its end where there is one."""
    text = README.read_text(encoding="utf-8")
    return (f"{text}\n{remark}\n" if remark else text).encode()


def _cell(text: str) -> str:
    guarded = "'" + text if text[:1] in verify.FORMULA else text  # a spreadsheet would run it
    return '"' + guarded.replace('"', '""') + '"' if verify.QUOTED.search(guarded) else guarded
