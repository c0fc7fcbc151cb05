"""A resident's records as a page that anybody can read and print: no script, nothing from elsewhere."""

from html import escape
from typing import Any

from app.core.clock import parse
from app.core.local_time import day_of
from app.printing.direction import in_html

JsonObject = dict[str, Any]

_HEAD = """<!doctype html>
<html lang="en-GB"><head><meta charset="utf-8"><title>Copy of care records</title>
<style>
body{font:1rem/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#111}
h1,h2,h3{line-height:1.2}h2{border-bottom:2px solid #333;margin-top:2.5rem}
article{border:1px solid #999;padding:.5rem 1rem;margin:1rem 0;break-inside:avoid}
dt{font-weight:bold}dd{margin:0 0 .5rem 1rem;white-space:pre-wrap;overflow-wrap:anywhere}
.marked{font-weight:bold}.earlier{border-left:4px solid #999;padding-left:1rem}
</style></head><body>
"""
TAIL = b"</body></html>\n"
_TOLD_OF_THE_RESIDENT = (
    *("identity", "identifiers", "status", "admitted_on", "discharged_on", "room", "unit", "hold"),
    "erasures_asked_for",
)
_INSIDE = frozenset({"body", "amendment_reason"})
ORIGINAL = "The original it was made from is in record.json."


def page_head(resident: JsonObject, made_at: str, redactions: str) -> bytes:
    """Return the beginning: whom it is about, when it was made, whether something is withheld."""
    told = told_of(resident)
    history = "".join(map(_change, resident.get("history", [])))
    marked = _in_error() if resident["deleted"] else ""
    return (
        f"{_HEAD}<h1>Copy of care records</h1>\n<p>Made {made_on(made_at)}. {in_html(redactions)}</p>\n"
        f"{marked}<h2>The person</h2>\n{_list(told)}"
        + (f"<h3>Changes of these details</h3>\n{history}" if history else "")
    ).encode()


def section(category: str) -> bytes:
    """Return the heading of a category."""
    return f"<h2>{_label(category)}</h2>\n".encode()


def article(item: JsonObject) -> bytes:
    """Return one record with all its versions, the present one first."""
    if "withheld" in item:
        return f"<article><p>{in_html(item['withheld'])}</p></article>\n".encode()
    present, *earlier = item["versions"]
    marked = _in_error() if item["deleted"] else ""
    before = "".join(f'<div class="earlier"><h3>Earlier</h3>{_version(one)}</div>' for one in earlier)
    original = ""
    if "original" in item:
        kept = item["original"]
        where = kept if isinstance(kept, str) else ORIGINAL
        original = f"<p>{in_html(where)}</p>"
    return f"<article>{marked}{_version(present)}{before}{original}</article>\n".encode()


def _in_error() -> str:
    return '<p class="marked">Entered in error.</p>'


def made_on(made_at: str) -> str:
    """Return on which day a copy was made, as the calendar on the wall has it: deadlines are counted so."""
    return day_of(parse(made_at)).isoformat()


def told_of(resident: JsonObject) -> JsonObject:
    """Return what is told of the person, without what is empty."""
    return {name: resident[name] for name in _TOLD_OF_THE_RESIDENT if resident.get(name)}


def when(version: JsonObject) -> str:
    """Return when something was, and when it was written down."""
    about = "about " if version["occurred_at_estimated"] else ""
    late = ", entered late" if version["late"] else ""
    return f"{about}{_instant(version['occurred_at'])}; written {_instant(version['recorded_at'])}{late}"


def told_in(version: JsonObject) -> JsonObject:
    """Return what a version says: its fields, and why it was amended."""
    told = {name: version[name] for name in version if name in _INSIDE}
    body: JsonObject = told.pop("body")
    return body | told


def _version(version: JsonObject) -> str:
    return f"<p>{in_html(when(version))}</p>{_list(told_in(version))}"


def _change(change: JsonObject) -> str:
    rows = "".join(
        f"<dt>{_label(one['field'])}</dt><dd>from: {_value(one['before'])}\nto: {_value(one['after'])}</dd>"
        for one in change["changes"]
    )
    return f"<article><p>Change {change['version']}</p><dl>{rows}</dl></article>\n"


def _list(told: JsonObject) -> str:
    rows = "".join(f"<dt>{_label(name)}</dt><dd>{_value(value)}</dd>" for name, value in told.items())
    return f"<dl>{rows}</dl>\n" if rows else ""


def _value(value: Any) -> str:
    if isinstance(value, dict) and "file" in value:
        return f'<a href="{escape(value["file"])}">{in_html(value["file"])}</a>'
    if isinstance(value, dict):
        return _list(value)
    if isinstance(value, list):
        return f"<ul>{''.join(f'<li>{_value(one)}</li>' for one in value)}</ul>"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not recorded" if value is None else in_html(str(value))


def label(name: str) -> str:
    """Return the name of a field or category as a reader says it."""
    words = name.removesuffix("_base64").replace("_", " ").replace("iddsi", "IDDSI").replace("nhs", "NHS")
    return words[:1].upper() + words[1:]


def _label(name: str) -> str:
    return in_html(label(name))


def _instant(spelled: str) -> str:
    return f"{spelled[:10]} {spelled[11:16]} UTC"
