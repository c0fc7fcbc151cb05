"""A pack as one HTML file for A4 paper: no scripts, nothing to fetch, a new page for each resident.

Each resident is a table whose head names them, because browsers print a table's head again on every page it
goes on to: no second page lies about without a name. Every value is escaped, and the file forbids itself to
load or run anything.
"""

from collections.abc import Iterable
from html import escape

from app.continuity.cover import Cover, Pack
from app.continuity.sheet import Section, Sheet

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
@page { size: A4; margin: 12mm }
body { font: 9.5pt/1.3 sans-serif; color: #000; background: #fff; max-width: 186mm; margin: 0 auto }
h1 { font-size: 17pt; margin: 0 0 3mm }
h2 { font-size: 10.5pt; margin: 2.5mm 0 0.8mm; break-after: avoid }
p { margin: 0 0 1.5mm }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
th, td { text-align: left; vertical-align: top; overflow-wrap: break-word; unicode-bidi: isolate;
  white-space: pre-line }
.facts th { width: 32mm; font-weight: normal }
.facts th, .facts td, .rows th, .rows td { border: 0.25mm solid #555; padding: 0.7mm 1.2mm }
.rows th { font-size: 8pt }
.rows tr { break-inside: avoid }
.person { break-before: page }
.person > thead > tr > th { padding-bottom: 1mm; border-bottom: 0.6mm solid #000; font-weight: normal }
.name { font-size: 15pt; font-weight: bold }
.urgent h2 { border-left: 2.5mm solid #000; padding-left: 1.5mm }
.first { font-size: 12pt; font-weight: bold; border: 0.6mm solid #000; padding: 2mm }
"""


def page(pack: Pack) -> str:
    """Return the file."""
    title = escape(pack.cover.title)
    sheets = "\n".join(map(_sheet, pack.sheets))
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{_cover(pack.cover)}\n{sheets}\n</body>\n</html>\n"
    )


def _cover(cover: Cover) -> str:
    facts = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in cover.facts
    )
    first, *rules = (escape(rule) for rule in cover.rules)
    told = "".join(f"<p><strong>{escape(one)}</strong></p>" for one in cover.missing)
    listed = "".join(f"<li>{rule}</li>" for rule in rules)
    return f'<p class="first">{first}</p>\n<table class="facts">{facts}</table>\n{told}<ul>{listed}</ul>'


def _sheet(sheet: Sheet) -> str:
    facts = " &nbsp; ".join(f"{escape(label)}: <b>{escape(value)}</b>" for label, value in sheet.facts)
    head = f'<span class="name">{escape(sheet.name)}</span><br>{facts}<br>As of {escape(sheet.as_of)}'
    body = "\n".join(map(_section, sheet.sections))
    return f'<table class="person"><thead><tr><th>{head}</th></tr></thead><tbody>\n{body}\n</tbody></table>'


def _section(section: Section) -> str:
    kind = ' class="urgent"' if section.urgent else ""
    remark = f"<p>{escape(section.remark)}</p>" if section.remark else ""
    heads = _cells("th", section.columns)
    lines = "".join(f"<tr>{_cells('td', row)}</tr>" for row in section.rows)
    rows = f'<table class="rows"><tr>{heads}</tr>{lines}</table>' if section.rows else ""
    return f"<tr{kind}><td><h2>{escape(section.title)}</h2>{rows}{remark}</td></tr>"


def _cells(tag: str, values: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(value)}</{tag}>" for value in values)
