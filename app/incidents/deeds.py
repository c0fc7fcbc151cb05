"""What an entry says was done with somebody's data, and with data of which category. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from app.audit import verify

READ, CHANGED, EXPORTED, REFUSED, FAILED, OTHER = (
    "read",
    "changed",
    "exported",
    "refused",
    "failed",
    "other",
)
KINDS: Final = (READ, CHANGED, EXPORTED, REFUSED, FAILED)
HANDED_OVER: Final = (READ, CHANGED, EXPORTED)
"""Whoever did one of these saw or altered something; what was refused or failed showed nothing."""
EXPORTS: Final = frozenset({"audit.export", "resident.export", "continuity.pack", "incident.pack"})
"""Acts that hand over more than a page. Their ends (`.end`) tell how much and are not counted twice."""
ENDS: Final = frozenset(
    {"audit.export.end", "resident.export_end", "continuity.pack.end", "incident.pack.end"}
)

IDENTITY, UNNAMED, TRAIL, EVERYTHING, PACK = "identity", "unnamed", "trail", "everything", "continuity_pack"
WORDS: Final = {
    IDENTITY: "name, room, identifiers",
    UNNAMED: "records, categories not recorded in the entry",
    TRAIL: "what the audit trail says of the resident",
    EVERYTHING: "everything held about the resident",
    PACK: "the printed summary for emergencies",
}
"""What a category is called in prose where its code does not say it."""
_OF_THE_TRAIL: Final = frozenset({"audit", "incident", "alert", "evidence"})


def deed_of(event: Mapping[str, Any]) -> str:
    """Return what an entry says was done: one of `KINDS`, or `other` where it concerns no resident's data."""
    if event["out"] != "ok":
        return OTHER if event["act"] in ENDS else {"deny": REFUSED}.get(event["out"], FAILED)
    if event["act"] in EXPORTS:
        return EXPORTED
    if not event.get("subs") or event["act"] in ENDS:
        return OTHER
    return CHANGED if changes(event) and not _of_the_trail(event) else READ


def changes(event: Mapping[str, Any]) -> bool:
    """Say whether an entry changed a row: then it holds the row's new digest, or those of several."""
    return "state" in event or "chg" in event or "rows" in event


def _of_the_trail(event: Mapping[str, Any]) -> bool:
    # whoever says what an incident is about, say, changes the incident and reads of the residents
    return event["act"].partition(".")[0] in _OF_THE_TRAIL


def category_of(event: Mapping[str, Any]) -> str:
    """Return the category of data an entry is about, as far as it says."""
    thing = event.get("obj", {})
    if "cat" in thing:
        return str(thing["cat"])
    prefix, _, verb = event["act"].partition(".")
    if _of_the_trail(event):
        return TRAIL
    if prefix == "record":
        return UNNAMED
    if prefix == "continuity":
        return PACK
    if prefix == "resident":
        return EVERYTHING if verb.startswith("export") else IDENTITY
    return str(thing.get("t") or prefix)


def in_words(category: str) -> str:
    """Return what a category is called in prose."""
    return WORDS.get(category, category.replace("_", " "))


def act_in_words(act: str, deed: str) -> str:
    """Return what an act and its outcome are called in prose; of one there are no words for, its code."""
    words = verify.DEEDS.get(act)
    told = act if words is None else words.replace("the person", "a resident", 1)
    return f"{told}: {deed}" if words is None or deed in (REFUSED, FAILED) else told
