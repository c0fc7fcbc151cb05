"""The pack on paper: what is printed, in the order in which somebody has to act on it. Pure.

One shape for PDF and HTML: facts, clocks, numbers and tables of text. Times are in UTC, as in the trail.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.core.clock import parse
from app.incidents.deeds import HANDED_OVER, act_in_words, in_words
from app.incidents.pack_fields import DRAFT, records_opened
from app.incidents.timeline import MOST_ROWS, Timeline
from app.printing.dates import instant
from app.printing.direction import as_written

JsonObject = dict[str, Any]
CLOCKS: Final = {"72h": "72 hours: the ICO", "12h": "12 hours: senior management"}
STATES: Final = {
    "running": "running",
    "over": "OVER, not told",
    "told": "told in time",
    "told_late": "told late",
    "not_needed": "decided: need not be told",
}
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_WORD: Final = re.compile(r"[a-z]+(_[a-z]+)+")
_NO_SCOPE: Final = (
    "Nobody has said yet which entries of the trail this incident is about, so nothing was counted."
)


def paper(pack: Mapping[str, Any], timeline: Timeline) -> JsonObject:
    """Return what is printed of a pack."""
    incident, scope = pack["incident"], pack["scope"]
    names = {one["user_id"]: one["name"] for one in scope["actors"]} if scope is not None else {}
    printed: JsonObject = {
        "title": "Breach pack" if incident["nature"] == "incident" else "Near miss: pack",
        "mark": DRAFT,
        "named": f"{incident['nature'].replace('_', ' ').capitalize()} {incident['id']}",
        "facts": _facts(pack),
        "clocks": [_clock(name, clock) for name, clock in incident["clocks"].items() if clock],
        "numbers": _numbers(scope) if scope is not None else [],
        "sections": [
            _section("What is not known", ["What", "Entries"], [1, 0], _unknown(pack)),
            *_reached(scope, names),
            *([_timeline(timeline, names)] if scope is not None else []),
            _fields("Article 33 UK GDPR: the fields of a notification", pack["article33"]),
            _fields("DSPT reporting tool: its fields", pack["dspt"]),
            _told(incident),
        ],
    }
    written: JsonObject = as_written(printed)
    return written


def moment(spelled: str | None) -> str:
    """Return an instant as people read it."""
    return instant(parse(spelled)) if spelled else "not known"


def _span(first: str, last: str) -> str:
    """Return from when to when, as narrow as a column wants it: the page says that it is UTC."""
    told = dict.fromkeys(moment(one).removesuffix(" UTC") for one in (first, last))
    return "\n".join(told)


def plain(text: str) -> str:
    """Return a text with its instants as people read them."""
    return _INSTANT.sub(lambda found: moment(found[0]), text)


def worded(value: Any) -> str:
    """Return a value, a word of the vocabulary without its underscores."""
    text = str(value)
    return text.replace("_", " ") if _WORD.fullmatch(text) else text


def who(user_id: str, names: Mapping[str, str | None]) -> str:
    """Return a person by name and id, or by id where there is no name to be told."""
    name = names.get(user_id)
    return f"{name}\n{user_id}" if name else user_id


def _facts(pack: Mapping[str, Any]) -> list[list[str]]:
    incident, selection, evidence = pack["incident"], pack["selection"], pack["evidence"]
    home, size = pack["home"], _so_many(pack["trail"]["size"], "entry", "entries")
    facts = [
        ["Organisation", pack["organisation"]["name"]],
        ["Incident", incident["id"]],
        ["Kind", f"{incident['kind'].replace('_', ' ')}, {incident['status']}"],
        ["Where", f"{home['name']}, {home['id']}" if home is not None else "the whole organisation"],
        ["Occurred", moment(incident["occurred_at"])],
        ["Noticed", moment(incident["detected_at"])],
        ["Became aware", moment(incident["became_aware_at"])],
        ["Made", f"{moment(pack['made_at'])}, by account {pack['made_by']}"],
        ["Trail", f"{pack['trail']['origin']}, {size} when this was counted"],
    ]
    if selection is not None:
        until = moment(selection["to"]) if selection["to"] else "when this was made"
        facts.append(["Period counted", f"{moment(selection['from'])} to {until}"])
        chosen = [_so_many(len(ids), *words) for key, words in _CHOSEN.items() if (ids := selection[key])]
        facts.append(["Chosen by", ", ".join(chosen) or "the period alone"])
    facts.append(["Evidence", evidence])
    return facts


_CHOSEN: Final = {
    "user_ids": ("account", "accounts"),
    "session_ids": ("session", "sessions"),
    "device_ids": ("device", "devices"),
    "resident_ids": ("resident", "residents"),
    "sources": ("network source", "network sources"),
}


def _so_many(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _clock(name: str, clock: Mapping[str, Any]) -> JsonObject:
    assumed = " (assumed: nobody said since when)" if clock["assumed"] else ""
    return {
        "title": CLOCKS[name],
        "state": STATES[clock["state"]],
        "urgent": clock["state"] in ("over", "told_late"),
        "lines": [
            f"counted from {moment(clock['counted_from'])}{assumed}",
            f"due at {moment(clock['due_at'])}",
            f"told at {moment(clock['told_at'])}" if clock["told_at"] else "not told",
        ],
    }


def _numbers(scope: Mapping[str, Any]) -> list[list[str]]:
    entries = scope["entries"]
    return [
        [str(scope["residents_affected"]), "residents reached"],
        [str(records_opened(scope)), "records opened"],
        [str(entries["read"]), "reads"],
        [str(entries["changed"]), "changes"],
        [str(entries["exported"]), "exports"],
        [str(entries["refused"]), "refused"],
    ]


def _unknown(pack: Mapping[str, Any]) -> list[list[str]]:
    return [
        [plain(one["text"]), "" if one["count"] is None else str(one["count"])]
        for one in pack["not_known"] or [{"text": _NO_SCOPE, "count": None}]
    ]


def _reached(scope: Mapping[str, Any] | None, names: Mapping[str, str | None]) -> list[JsonObject]:
    if scope is None:
        return []
    residents = [
        [
            one["resident_id"],
            *(str(one[deed]) for deed in (*HANDED_OVER, "refused")),
            "; ".join(_categories(one["categories"])),
            _span(one["first"], one["last"]),
        ]
        for one in scope["residents"]
    ]
    people = [
        [
            who(one["user_id"], names),
            ", ".join(map(worded, one["roles"])),
            *(str(one[deed]) for deed in (*HANDED_OVER, "refused")),
            str(one["residents"]),
            _span(one["first"], one["last"]),
        ]
        for one in scope["actors"]
    ]
    counts = ["Read", "Changed", "Exported", "Refused"]
    return [
        _section(
            "Whose data",
            ["Resident", *counts, "Data", "First and last"],
            [12, 0, 0, 0, 0, 8, 6],
            residents[:MOST_ROWS],
            _cut(residents, "residents.csv"),
        ),
        _section(
            "Who acted",
            ["Account", "Roles", *counts, "Residents", "First and last"],
            [9, 5, 0, 0, 0, 0, 0, 6],
            people[:MOST_ROWS],
            _cut(people, "pack.json"),
        ),
    ]


def _cut(rows: Sequence[Sequence[str]], file: str) -> str:
    """Return what is said below a table of which only the first rows are printed."""
    if len(rows) <= MOST_ROWS:
        return ""
    return f"The {MOST_ROWS} with most entries of {len(rows)}; all of them: see {file}."


def _categories(categories: Mapping[str, Mapping[str, int]]) -> list[str]:
    return [in_words(one) for one, deeds in categories.items() if any(deeds[deed] for deed in HANDED_OVER)]


def _timeline(timeline: Timeline, names: Mapping[str, str | None]) -> JsonObject:
    rows = [
        [
            _span(run.first, run.last),
            names.get(run.actor) or run.actor,
            act_in_words(run.act, run.deed),
            in_words(run.category),
            str(run.entries),
            str(len(run.residents)),
        ]
        for run in timeline.rows
    ]
    remark = "Like entries that follow each other within a quarter of an hour stand in one row."
    if timeline.left_out:
        remark += f" After {MOST_ROWS} rows {timeline.left_out} entries are left out: see timeline.csv."
    heads = ["When", "Who", "What", "Data", "Entries", "Residents"]
    return _section("Timeline", heads, [5, 8, 7, 6, 0, 0], rows, remark)


def _fields(title: str, filled: Mapping[str, Any]) -> JsonObject:
    rows = [[one["asked"], _value(one), one["source"]] for one in filled["fields"]]
    return _section(title, ["Asked", "Answer", "Where from"], [3, 6, 2], rows, f"Basis: {filled['basis']}.")


def _value(one: Mapping[str, Any]) -> str:
    value = one["value"]
    text = (
        "\n".join(map(worded, value)) if isinstance(value, list) else "" if value is None else worded(value)
    )
    return plain("\n".join(part for part in (text, one["remark"]) if part)) or "not known"


def _told(incident: Mapping[str, Any]) -> JsonObject:
    rows = [
        [
            one["recipient"].replace("_", " "),
            moment(one["told_at"]),
            one["told_by"] or "",
            one["reference"] or "",
        ]
        for one in incident["notifications"]
        if one["replaced_by"] is None
    ]
    return _section(
        "Who was told", ["Whom", "When", "By", "Reference"], [2, 2, 2, 2], rows, "", "Nobody yet."
    )


def _section(
    title: str,
    columns: list[str],
    widths: list[int],
    rows: Sequence[Sequence[str]],
    remark: str = "",
    empty: str = "None.",
) -> JsonObject:
    return {
        "title": title,
        "columns": columns,
        "widths": widths,
        "rows": list(rows),
        "remark": remark if rows else empty,
    }
