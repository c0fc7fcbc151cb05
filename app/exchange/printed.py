"""A resident's records as a PDF to read and file: the same as the page, in volumes that memory can hold.

Nothing that somebody wrote reaches the template as markup: it gets words and rows, and shows them as text.

Source: UK GDPR article 15; ICO, right of access (an accessible, concise and intelligible format).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from app.core.errors import StartRefusedError
from app.exchange import readable
from app.exchange.readable import JsonObject
from app.printing.typesetting import refuse_without_extra, typeset

TEMPLATE = Path(__file__).with_name("subject-pages.typ").read_text(encoding="utf-8")
MOST_RECORDS = 1000
"""In one volume: about as many as a year of notes."""
MOST_BYTES = 500_000
"""Of what one volume tells: typesetting takes 190 MB for it, and 100 MB for a thousand short notes."""

Row = tuple[str, str]


def can_print() -> bool:
    """Say whether the extra that makes PDFs is installed here."""
    try:
        refuse_without_extra()
    except StartRefusedError:
        return False
    return True


class Volume:
    """Records that are printed together.

    Attributes:
        records: How many there are so far.
    """

    def __init__(self, number: int, resident: JsonObject, made_at: str, redactions: str) -> None:
        """Begin one. The first tells of the person, every one whom it is about, on each of its pages.

        Args:
            number: From 1.
            resident: What is held about them, as it goes out.
            made_at: When the copy was made.
            redactions: A sentence on what is withheld.
        """
        self.records = 0
        self._bytes = 0
        self._sections: list[JsonObject] = []
        self._cover = {
            "number": number,
            "whom": _whom(resident),
            "made": readable.made_on(made_at),
            "withheld": redactions,
            "in_error": bool(resident["deleted"]),
            "facts": rows_of(readable.told_of(resident)) if number == 1 else [],
            "changes": [_change(one) for one in resident.get("history", [])] if number == 1 else [],
        }

    @property
    def full(self) -> bool:
        """Say whether another record belongs into the next volume."""
        return self.records >= MOST_RECORDS or self._bytes >= MOST_BYTES

    def add(self, category: str, item: JsonObject) -> None:
        """Add a record as it goes out, documents named as files."""
        title = readable.label(category)
        if not self._sections or self._sections[-1]["title"] != title:
            self._sections.append({"title": title, "records": []})
        record = _record(item)
        self._sections[-1]["records"].append(record)
        self._bytes += len(orjson.dumps(record))
        self.records += 1

    def typeset(self) -> bytes:
        """Return the PDF.

        Raises:
            CaretrailError: It cannot be printed.
        """
        return typeset(TEMPLATE, {"cover": self._cover, "sections": self._sections})


def volumes(
    held: Iterable[tuple[str, JsonObject]], resident: JsonObject, made_at: str, redactions: str
) -> Iterator[Volume]:
    """Yield records with their categories in volumes, none if PDFs cannot be made here."""
    if not can_print():
        return
    number = 1
    volume = Volume(number, resident, made_at, redactions)
    for category, item in held:
        if volume.full:
            yield volume
            number += 1
            volume = Volume(number, resident, made_at, redactions)
        volume.add(category, item)
    yield volume


def _whom(resident: JsonObject) -> list[str]:
    """Return what tells a volume that lies about alone from one about somebody else."""
    identity, born = resident["identity"], resident.get("identifiers", {}).get("date_of_birth")
    name = f"{identity['given_name']} {identity['family_name']}"
    return [name, f"born {born}"] if born else [name]


def _record(item: JsonObject) -> JsonObject:
    if "withheld" in item:
        return {"withheld": item["withheld"], "versions": [], "in_error": False, "remark": ""}
    kept = item.get("original", "")
    remark = kept if isinstance(kept, str) else readable.ORIGINAL
    versions = [_version(one) for one in item["versions"]]
    return {"withheld": "", "versions": versions, "in_error": item["deleted"], "remark": remark}


def _version(version: JsonObject) -> JsonObject:
    return {"when": readable.when(version), "rows": rows_of(readable.told_in(version))}


def _change(change: JsonObject) -> JsonObject:
    rows = [
        (readable.label(one["field"]), f"from: {_text(one['before'])}\nto: {_text(one['after'])}")
        for one in change["changes"]
    ]
    return {"title": f"Change {change['version']}", "rows": rows}


def rows_of(told: JsonObject) -> list[Row]:
    """Return fields as labels and text; what lies within a field gets a label of both."""
    rows: list[Row] = []
    for name, value in told.items():
        if isinstance(value, dict) and "file" not in value:
            rows += [(f"{readable.label(name)}: {label}", text) for label, text in rows_of(value)]
        else:
            rows.append((readable.label(name), _text(value)))
    return rows


def _text(value: Any) -> str:
    if isinstance(value, dict) and "file" in value:
        return f"{value['file']} (a file of this copy)"
    if isinstance(value, dict):
        return "; ".join(f"{label}: {text}" for label, text in rows_of(value))
    if isinstance(value, list):
        return "\n".join(f"\u2022 {_text(one)}" for one in value) or "not recorded"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not recorded" if value is None else str(value)
