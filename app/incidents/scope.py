"""What a breach reaches: a fold over lines of the trail. Pure, and bounded by people, not by lines.

It keeps one tally for each resident and each actor, and numbers. What the lines cannot tell is counted too,
so that whoever reads the result reads beside each number what it leaves open (`incidents.unknowns`).

Source: UK GDPR article 33(3)(a); DSPT incident reporting.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.incidents.deeds import (
    CHANGED,
    EXPORTED,
    FAILED,
    HANDED_OVER,
    KINDS,
    OTHER,
    READ,
    REFUSED,
    category_of,
    deed_of,
)
from app.incidents.tallies import OfActor, OfResident

JsonObject = dict[str, Any]
MOST_EXPORTS = 100
"""Exports told one by one; of more only how many there were."""
MOST_RECORDS = 50_000
"""Different records counted; of more only that there were at least so many."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries an incident is about. Empty means any.

    People, sessions, devices and sources are alternatives: an entry of any of them counts. Residents
    narrow it.

    Attributes:
        since: The first instant, spelled, included.
        until: The first instant no longer included; None while it may still go on.
        sources: Keyed digests of addresses, as entries have them.
    """

    since: str
    until: str | None = None
    users: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    residents: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def holds(self, event: Mapping[str, Any], residents: Collection[str]) -> bool:
        """Say whether an entry, its instant apart, is one of them.

        Args:
            event: The entry.
            residents: Whom it names, as far as whoever asks may be told.
        """
        who = (
            (self.users, event["actor"]["id"]),
            (self.sessions, event.get("sess")),
            (self.devices, event.get("dev")),
            (self.sources, event.get("src", {}).get("ip_h")),
        )
        if any(wanted for wanted, _ in who) and not any(value in wanted for wanted, value in who):
            return False
        return not self.residents or any(one in self.residents for one in residents)

    def told(self) -> JsonObject:
        """Return it as it was asked for."""
        return {
            "from": self.since,
            "to": self.until,
            "user_ids": list(self.users),
            "session_ids": list(self.sessions),
            "device_ids": list(self.devices),
            "resident_ids": list(self.residents),
            "sources": list(self.sources),
        }


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom whoever asks may be told of: homes and everybody who lives or lived there; None: everybody."""

    homes: frozenset[str] | None = None
    residents: frozenset[str] = frozenset()

    def sees(self, event: Mapping[str, Any]) -> bool:
        """Say whether an entry is told at all: one of a home within reach, or about somebody there."""
        if self.homes is None or not self.homes.isdisjoint(event.get("homes", ())):
            return True
        return any(one in self.residents for one in event.get("subs", ()))

    def whom(self, event: Mapping[str, Any]) -> list[str]:
        """Return the residents an entry names that may be told."""
        return [one for one in event.get("subs", ()) if self.admits(one)]

    def admits(self, resident: str) -> bool:
        """Say whether a resident may be told of."""
        return self.homes is None or resident in self.residents

    def whole(self, event: Mapping[str, Any]) -> bool:
        """Say whether an entry names nothing and nobody outside."""
        if self.homes is None:
            return True
        homes = event.get("homes", ())
        return bool(homes) and self.homes.issuperset(homes) and self.residents.issuperset(named_in(event))


def named_in(event: Mapping[str, Any]) -> list[str]:
    """Return the residents an entry names: those it concerns, and one who was asked for."""
    asked = asked_for(event)
    return [*event.get("subs", ()), *([asked] if asked is not None else [])]


def asked_for(event: Mapping[str, Any]) -> str | None:
    """Return the resident an entry says was asked for, as it was asked: perhaps there is none."""
    thing = event.get("obj", {})
    return str(thing["id"]) if thing.get("t") == "resident" and "id" in thing else None


@dataclass
class Fold:
    """Lines of the trail, folded into what they reach.

    Attributes:
        incident: The incident it is for: entries about that itself are how it is dealt with, not what it
            reached, and do not count.
        counted: How many entries counted.
        named: Every resident an entry that counted names, also where nothing was done with their data.
        asked: Ids of residents that were asked for in them; perhaps there are none such.
        unclear: How many of them leave what open, by a word of `incidents.unknowns`.
    """

    selection: Selection
    reach: Reach = field(default_factory=Reach)
    incident: str | None = None
    counted: int = 0
    named: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    residents: dict[str, OfResident] = field(default_factory=dict)
    actors: dict[str, OfActor] = field(default_factory=dict)
    everything: OfResident = field(default_factory=OfResident)
    unclear: dict[str, int] = field(default_factory=dict)
    exports: list[JsonObject] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    items: int = 0
    records: set[str] = field(default_factory=set)

    def take(self, line: Mapping[str, Any]) -> bool:
        """Count a line if it is one of those asked for, and say whether it is."""
        event, at = line["e"], line["c"]["ts"]
        residents = self.reach.whom(event)
        if not self._chosen(event, residents):
            return False
        if self._deals_with_it(event):
            self._unclear("handling")
            return False
        deed, category = deed_of(event), category_of(event)
        self.counted += 1
        self.named.update(residents)
        asked = asked_for(event)
        if asked is not None and self.reach.admits(asked):
            self.asked.add(asked)
        self.everything.add(deed, at)
        self._take_actor(event, deed, at, residents)
        if deed != OTHER:
            for resident in residents:
                self._take_resident(resident, event["actor"]["id"], deed, category, at)
        self._take_unclear(line, event, deed, residents)
        return True

    def counts(self, event: Mapping[str, Any]) -> bool:
        """Say whether an entry is one of those that count."""
        return self._chosen(event, self.reach.whom(event)) and not self._deals_with_it(event)

    def _chosen(self, event: Mapping[str, Any], residents: list[str]) -> bool:
        return self.reach.sees(event) and self.selection.holds(event, residents)

    def _deals_with_it(self, event: Mapping[str, Any]) -> bool:
        about = event.get("obj", {}).get("id")
        return about is not None and about == self.incident and event["act"].startswith("incident.")

    def _take_actor(self, event: Mapping[str, Any], deed: str, at: str, residents: list[str]) -> None:
        actor = event["actor"]
        tally = self.actors.setdefault(actor["id"], OfActor())
        tally.add(deed, at)
        tally.roles.update(actor.get("roles", ()))
        tally.name_seq = actor.get("name_seq", tally.name_seq)
        if deed in HANDED_OVER:
            tally.residents.update(residents)
        source = event.get("src", {}).get("ip_h")
        if source in self.selection.sources:
            self.sources.add(source)
        for kept, value in ((tally.sessions, event.get("sess")), (tally.devices, event.get("dev"))):
            if value is not None:
                kept.add(value)

    def _take_resident(self, resident: str, actor: str, deed: str, category: str, at: str) -> None:
        tally = self.residents.setdefault(resident, OfResident())
        for one in (tally, self.everything):
            by_deed = one.categories.setdefault(category, dict.fromkeys(KINDS, 0))
            by_deed[deed] += 1
        tally.add(deed, at)
        tally.actors[actor] = tally.actors.get(actor, 0) + 1

    def _take_unclear(
        self, line: Mapping[str, Any], event: Mapping[str, Any], deed: str, residents: list[str]
    ) -> None:
        if deed == EXPORTED:
            self._unclear("exports")
            if len(self.exports) < MOST_EXPORTS:
                told = {"entry": line["c"]["seq"], "at": line["c"]["ts"], "act": event["act"]}
                self.exports.append({**told, "user_id": event["actor"]["id"]})
        if deed == READ and len(residents) > 1:
            self._unclear("lists")
        if deed == READ and event["act"] == "record.list" and "cat" not in event.get("obj", {}):
            self._unclear("categories")
        if deed in (REFUSED, FAILED) and not residents:
            self._unclear("refused")
        if residents and deed in (READ, CHANGED) and event["act"].startswith("record."):
            self._take_records(event, deed)

    def _take_records(self, event: Mapping[str, Any], deed: str) -> None:
        thing = event.get("obj", {})
        self.items += event.get("n", 1) if deed == READ else 1
        if thing.get("t") == "record" and "id" in thing and len(self.records) < MOST_RECORDS:
            self.records.add(thing["id"])

    def _unclear(self, word: str) -> None:
        self.unclear[word] = self.unclear.get(word, 0) + 1

    # --- told -------------------------------------------------------------------------------------

    @property
    def unmatched(self) -> int:
        """Return how many of the ids that were asked for stand in no entry that counted."""
        wanted, acting = self.selection, self.actors.values()
        seen: set[str] = {*self.actors, *self.residents, *self.sources}
        for tally in acting:
            seen |= tally.sessions | tally.devices
        asked = {*wanted.users, *wanted.sessions, *wanted.devices, *wanted.residents, *wanted.sources}
        return len(asked - seen)

    @property
    def affected(self) -> list[str]:
        """Return the residents whose data was read, changed or exported."""
        return [one for one, t in self.residents.items() if any(t.counts[deed] for deed in HANDED_OVER)]

    def told(self) -> JsonObject:
        """Return the scope as it is answered, whoever was reached most often first."""
        ranked = sorted(self.residents.items(), key=lambda one: (-sum(one[1].counts.values()), one[0]))
        acting = sorted(self.actors.items(), key=lambda one: (-sum(one[1].counts.values()), one[0]))
        whole = self.everything
        return {
            "entries": {"counted": self.counted, **whole.counts, OTHER: whole.counts.get(OTHER, 0)},
            "first": whole.first or None,
            "last": whole.last or None,
            "residents_affected": len(self.affected),
            "residents_named": len(self.residents),
            "records": {
                "opened_one_by_one": len(self.records),
                "at_least": len(self.records) >= MOST_RECORDS,
                "disclosed_with_repeats": self.items,
            },
            "categories": whole.categories,
            "residents": [tally.told(resident) for resident, tally in ranked],
            "actors": [tally.told(actor) for actor, tally in acting],
            "exports": list(self.exports),
        }
