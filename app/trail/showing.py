"""How entries are shown: the contract's items, with the names that were in force."""

from collections.abc import Sequence
from typing import Any

import orjson

from app.access.opened import Opened
from app.audit.stored import Entry
from app.trail.names import names_of

JsonObject = dict[str, Any]


def events_of(entries: Sequence[Entry]) -> list[tuple[Entry, str, JsonObject]]:
    """Return entries with their instants and events."""
    lines = [orjson.loads(entry.line) for entry in entries]
    return [(entry, line["c"]["ts"], line["e"]) for entry, line in zip(entries, lines, strict=True)]


def show_events(opened: Opened, entries: Sequence[Entry]) -> list[JsonObject]:
    """Return entries as items of the list of events, and note the residents they name as disclosed."""
    read = events_of(entries)
    names = _names(opened, read)
    residents = dict.fromkeys(resident for _, _, e in read for resident in e.get("subs", ()))
    opened.note.subs = list(residents)
    opened.note.count = len(read)
    return [
        {
            **_begin(entry, recorded_at, e, names),
            "entity": _entity(e),
            "resident_ids": e.get("subs", []),
            "purpose": e.get("purpose"),
            "session_id": e.get("sess"),
            "request_id": e.get("src", {}).get("rid"),
            "leaf": entry.leaf.hex(),
        }
        for entry, recorded_at, e in read
    ]


def show_accesses(opened: Opened, entries: Sequence[Entry]) -> list[JsonObject]:
    """Return entries as items of one resident's access log: nothing in them is about anybody else."""
    read = events_of(entries)
    names = _names(opened, read)
    opened.note.count = len(read)
    return [
        {
            **_begin(entry, recorded_at, e, names),
            "category": e.get("obj", {}).get("cat"),
            "purpose": e.get("purpose"),
            "entity": _entity(e),
            "leaf": entry.leaf.hex(),
        }
        for entry, recorded_at, e in read
    ]


def _begin(entry: Entry, recorded_at: str, e: JsonObject, names: dict[int, str]) -> JsonObject:
    actor = e["actor"]
    return {
        "seq": entry.seq,
        "recorded_at": recorded_at,
        "act": e["act"],
        "outcome": e["out"],
        "agent": {
            "id": actor["id"],
            "name": names.get(actor.get("name_seq")),
            "role": ";".join(actor["roles"]) if actor.get("roles") else None,
        },
    }


def _entity(e: JsonObject) -> JsonObject:
    thing = e.get("obj", {})
    return {"type": thing.get("t"), "id": thing.get("id"), "version": thing.get("ver")}


def _names(opened: Opened, read: Sequence[tuple[Entry, str, JsonObject]]) -> dict[int, str]:
    held = {e["actor"].get("name_seq") for _, _, e in read}
    return names_of(opened, held - {None})
