"""One entry of a trail, as the rules see it: who did what to what, when and from where. No names."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from app.core.local_time import hour_of

STRANGER = "unknown"
"""The actor of an attempt to sign in with a name that nobody has."""
OPENINGS = frozenset({"resident.read", "record.read", "record.list", "record.versions"})
"""Acts that open one resident's record."""
LISTINGS = frozenset({"resident.list", "resident.search"})


@dataclass(frozen=True, slots=True)
class Event:
    """An entry. What a line does not say is empty.

    Attributes:
        chain: The organisation's id or `system`.
        seq: Its place.
        ts: Its instant as the line spells it.
        at: The same in seconds.
        actor: Whose doing it is; `kind` says user, integration or system.
        source: A keyed digest of the address it came from.
        object_id: What it is about.
        residents: Whose data it shows or changes.
        count: How many items.
        fields: The names of the fields it changed.
        members: The entry as it stands.
    """

    chain: str
    seq: int
    ts: str
    at: float
    act: str
    out: str = "ok"
    why: str = ""
    actor: str = ""
    kind: str = "system"
    roles: tuple[str, ...] = ()
    session: str | None = None
    device: str | None = None
    source: str | None = None
    object_id: str | None = None
    category: str | None = None
    homes: tuple[str, ...] = ()
    residents: tuple[str, ...] = ()
    count: int = 0
    fields: tuple[str, ...] = ()
    members: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def person(self) -> str | None:
        """Return whose account it was, None for the service itself, an integration or a stranger."""
        return self.actor if self.kind == "user" and self.actor != STRANGER else None

    @property
    def day(self) -> str:
        """Return its day, in UTC."""
        return self.ts[:10]

    @property
    def hour(self) -> int:
        """Return its hour of the day, in British time."""
        return hour_of(self.at)

    @property
    def opens(self) -> bool:
        """Say whether it opened a resident's record."""
        return self.out == "ok" and self.act in OPENINGS and bool(self.residents)


def read(line: bytes) -> Event:
    """Return the event of a line. It is only taken apart: who wrote it checked it."""
    whole = orjson.loads(line)
    place, entry = whole["c"], whole["e"]
    actor, about = entry["actor"], entry.get("obj", {})
    return Event(
        chain=place["org"],
        seq=place["seq"],
        ts=place["ts"],
        at=seconds(place["ts"]),
        act=entry["act"],
        out=entry["out"],
        why=entry.get("why", ""),
        actor=actor["id"],
        kind=actor["kind"],
        roles=tuple(actor.get("roles", ())),
        session=entry.get("sess"),
        device=entry.get("dev"),
        source=entry.get("src", {}).get("ip_h"),
        object_id=about.get("id"),
        category=about.get("cat"),
        homes=tuple(entry.get("homes", ())),
        residents=tuple(entry.get("subs", ())),
        count=entry.get("n", 0),
        fields=tuple(change["f"] for change in entry.get("chg", ())),
        members=entry,
    )


def seconds(instant: str) -> float:
    """Return an instant of a line in seconds since 1970."""
    return datetime.fromisoformat(instant).timestamp()
