"""The daily sheet: the newest checkpoint of every chain on paper, signed by a person and kept elsewhere.

Plain HTML for one A4 page, without scripts and without anything to fetch. Paper in a drawer is an anchor:
whoever changes the trail later cannot change the drawer.

Source: AUDIT-2, promise P5.
"""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import NamedTuple

from app.core.local_time import day_of

_STYLE = """
@page { size: A4; margin: 14mm }
body { font: 10pt/1.35 sans-serif; color: #000; background: #fff; max-width: 182mm; margin: 0 auto }
h1 { font-size: 15pt; margin: 0 0 2mm }
p { margin: 0 0 2mm }
table { border-collapse: collapse; width: 100%; margin: 0 0 3mm; break-inside: avoid }
th, td { border: 0.3mm solid #000; padding: 1mm 1.5mm; text-align: left; vertical-align: top }
th { width: 30mm; font-weight: bold }
td { font-family: monospace; overflow-wrap: anywhere }
.signed { display: grid; grid-template-columns: 1fr 2fr 2fr; gap: 6mm; margin-top: 9mm }
.signed div { border-top: 0.3mm solid #000; padding-top: 1mm; font-size: 8pt }
"""
_WHAT_FOR = (
    "This sheet is a receipt for the audit trail. Each box below names how many entries a trail had and one"
    " number, the root, that stands for all of them together. If any of these entries is ever changed,"
    " removed or added to later, the trail no longer gives this root, and anybody with this sheet can"
    " show it."
)
_WHAT_TO_DO = (
    "Sign it, and keep it where nobody who runs the computers can reach it: a locked drawer, the file of"
    " the auditor, the safe. Whoever checks an export of the trail compares size and root with this sheet."
    " It says nothing about any person."
)


class SheetRow(NamedTuple):
    """One chain on the sheet."""

    origin: str
    size: int
    root: str
    made_at: str
    vkey: str


def sheet(rows: Sequence[SheetRow], at: datetime) -> str:
    """Return the page.

    Args:
        rows: The chains.
        at: When it is printed. The heading has the day of it that whoever signs would write: British time.
    """
    boxes, day = "\n".join(map(_box, rows)), day_of(at).isoformat()
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f"<title>Audit trail, {day}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Audit trail: checkpoints of {day}</h1>\n"
        f"<p>{_WHAT_FOR}</p>\n<p>{_WHAT_TO_DO}</p>\n{boxes}\n"
        '<div class="signed"><div>Date and time</div><div>Name and role</div><div>Signature</div></div>\n'
        "</body>\n</html>\n"
    )


def _box(row: SheetRow) -> str:
    cells = {
        "Trail (origin)": row.origin,
        "Entries (size)": str(row.size),
        "Root": row.root,
        "Signed at": row.made_at,
        "Verifier key": row.vkey,
    }
    lines = "".join(f"<tr><th>{name}</th><td>{escape(value)}</td></tr>" for name, value in cells.items())
    return f"<table>{lines}</table>"
