"""A pack as one HTML file for A4 paper: no scripts, nothing to fetch, a new page for each resident.

Each resident is a table whose head names them, because browsers print a table's head again on every page it
goes on to: no second page lies about without a name. They do so only with a head that is not tall, so it
must not grow with what somebody entered; all of it stands below, once. Every value is escaped, and the file
forbids itself to load or run anything.
"""

from collections.abc import Iterable

from app.continuity.cover import Cover, Pack
from app.continuity.sheet import Section, Sheet
from app.printing.direction import as_written, in_html

MOST_OF_A_NAME = 70
"""Letters of a name that stand on every page, as in `pack.typ`."""
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
b, p { unicode-bidi: isolate }
thead b + b { white-space: nowrap }
.name { font-size: 15pt; font-weight: bold; margin-top: 1mm }
.urgent h2 { border-left: 2.5mm solid #000; padding-left: 1.5mm }
.first { font-size: 12pt; font-weight: bold; border: 0.6mm solid #000; padding: 2mm }
"""


def page(pack: Pack) -> str:
    """Return the file."""
    title = in_html(pack.cover.title)
    sheets = "\n".join(map(_sheet, pack.sheets))
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{_cover(pack.cover)}\n{sheets}\n</body>\n</html>\n"
    )


def _cover(cover: Cover) -> str:
    facts = "".join(
        f"<tr><th>{in_html(name)}</th><td>{in_html(value)}</td></tr>" for name, value in cover.facts
    )
    first, *rules = (in_html(rule) for rule in cover.rules)
    told = "".join(f"<p><strong>{in_html(one)}</strong></p>" for one in cover.missing)
    listed = "".join(f"<li>{rule}</li>" for rule in rules)
    return f'<p class="first">{first}</p>\n<table class="facts">{facts}</table>\n{told}<ul>{listed}</ul>'


def _sheet(sheet: Sheet) -> str:
    facts = " &nbsp; ".join(f"{in_html(label)}: <b>{in_html(value)}</b>" for label, value in sheet.facts)
    whom = f'<tr><td><p class="name">{in_html(sheet.name)}</p><p>{facts}</p></td></tr>'
    body = "\n".join((whom, *map(_section, sheet.sections)))
    head = f"<thead><tr><th>{_head(sheet)}</th></tr></thead>"
    return f'<table class="person">{head}<tbody>\n{body}\n</tbody></table>'


def _head(sheet: Sheet) -> str:
    """Return what stands on every page of a resident."""
    name = as_written(sheet.name)  # first, for a character that is spelled takes eight
    short = name if len(name) <= MOST_OF_A_NAME else f"{name[:MOST_OF_A_NAME]} ..."
    known = (value for label, value in sheet.facts if label in ("Born", "NHS number"))
    return " | ".join(f"<b>{in_html(part)}</b>" for part in (short, *known, f"as of {sheet.as_of}"))


def _section(section: Section) -> str:
    kind = ' class="urgent"' if section.urgent else ""
    remark = f"<p>{in_html(section.remark)}</p>" if section.remark else ""
    heads = _cells("th", section.columns)
    lines = "".join(f"<tr>{_cells('td', row)}</tr>" for row in section.rows)
    rows = f'<table class="rows"><tr>{heads}</tr>{lines}</table>' if section.rows else ""
    return f"<tr{kind}><td><h2>{in_html(section.title)}</h2>{rows}{remark}</td></tr>"


def _cells(tag: str, values: Iterable[str]) -> str:
    return "".join(f"<{tag}>{in_html(value)}</{tag}>" for value in values)
