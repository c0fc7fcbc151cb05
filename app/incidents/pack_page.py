"""The pack as one HTML file, where no PDF can be made: no scripts, nothing to fetch, all escaped."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
@page { size: A4; margin: 14mm }
body { font: 9.5pt/1.35 sans-serif; color: #000; background: #fff; max-width: 182mm; margin: 0 auto }
h1 { font-size: 18pt; margin: 0 0 3mm }
h2 { font-size: 12pt; margin: 5mm 0 1.5mm; break-after: avoid }
table { border-collapse: collapse; width: 100%; margin: 0 0 2mm }
th, td { border-bottom: 0.2mm solid #777; padding: 0.8mm 1.2mm; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; white-space: pre-line }
tr { break-inside: avoid }
.mark { background: #e8e8e8; padding: 2mm; font-weight: bold }
.boxes { display: flex; gap: 3mm }
.boxes div { border: 0.3mm solid #000; padding: 2mm; flex: 1 }
"""


def page(paper: Mapping[str, Any]) -> bytes:
    """Return the file."""
    title = escape(paper["title"])
    facts = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in paper["facts"]
    )
    clocks = "".join(map(_clock, paper["clocks"]))
    numbers = "".join(f"<div><b>{escape(n)}</b><br>{escape(label)}</div>" for n, label in paper["numbers"])
    sections = "\n".join(map(_section, paper["sections"]))
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f'<p class="mark">{escape(paper["mark"])}</p>\n<table>{facts}</table>\n'
        f'<div class="boxes">{clocks}</div>\n<div class="boxes">{numbers}</div>\n'
        f"{sections}\n</body>\n</html>\n"
    ).encode()


def _clock(clock: Mapping[str, Any]) -> str:
    lines = "<br>".join(escape(line) for line in clock["lines"])
    return f"<div>{escape(clock['title'])}<br><b>{escape(clock['state'])}</b><br>{lines}</div>"


def _section(section: Mapping[str, Any]) -> str:
    heads = _cells("th", section["columns"])
    rows = "".join(f"<tr>{_cells('td', row)}</tr>" for row in section["rows"])
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
    remark = f"<p>{escape(section['remark'])}</p>" if section["remark"] else ""
    return f"<h2>{escape(section['title'])}</h2>\n{table}{remark}"


def _cells(tag: str, values: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(value)}</{tag}>" for value in values)
