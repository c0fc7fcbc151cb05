"""The cover of a pack, and the pack itself: what is said once, whatever it is printed with."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.continuity.sheet import Sheet
from app.continuity.works import Site

DESTROY = "Destroy the last one when you print this one: cross-cut shredder or confidential waste."
_RULES = (
    DESTROY,
    "Only staff on duty in this home, and professionals who come to help, may read it. Keep it locked away.",
    "It tells what was recorded at the time above and nothing since: ask what has changed.",
    "Where it says NOT RECORDED, nobody wrote anything down. It does not mean that there is nothing.",
    "Write down on paper what you do, with time and name. It is entered when the service works again.",
)


@dataclass(frozen=True, slots=True)
class Cover:
    """What lies on top. It names nobody.

    Attributes:
        title: Of the whole.
        facts: Labels and values.
        missing: Which residents are not in it although they live there; a sentence each.
        rules: What to do with it; the first is the most important.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]
    rules: tuple[str, ...] = _RULES


@dataclass(frozen=True, slots=True)
class Pack:
    """All of it. Sheets are in the order of names, in which a hand leafs through them."""

    cover: Cover
    sheets: tuple[Sheet, ...]


@dataclass(frozen=True, slots=True)
class Origins:
    """Where a pack comes from.

    Attributes:
        pack: Its id, by which the trail knows it.
        as_of: When reading began, in words.
        chain: The name of the trail.
        entries: The numbers of the first and last entry that this pack made.
        checkpoint: Size, root and time of the trail's newest checkpoint, in words.
        recipients: Who can open the file.
    """

    pack: str
    as_of: str
    chain: str
    entries: tuple[int, int] | None
    checkpoint: str
    recipients: tuple[str, ...]


def bind(site: Site, origins: Origins, sheets: Sequence[Sheet], missing: Sequence[str]) -> Pack:
    """Return the pack of a home.

    Args:
        site: The home.
        origins: Where it comes from.
        sheets: One for each resident, in any order.
        missing: Ids of residents whose record could not be read.
    """
    entries = " to ".join(map(str, origins.entries)) if origins.entries else "none"
    facts = (
        ("Home", site.name),
        ("Provider", site.provider),
        ("As of", origins.as_of),
        ("Residents", f"{len(sheets)}" + (f", and {len(missing)} NOT IN HERE" if missing else "")),
        ("Pack", origins.pack),
        ("Audit trail", f"{origins.chain}, entries {entries}"),
        ("Checkpoint", origins.checkpoint),
        ("Opens for", "\n".join(origins.recipients)),
    )
    told = tuple(f"Resident {one}: the record could not be read. Ask at once who this is." for one in missing)
    ordered = tuple(sorted(sheets, key=lambda one: (one.name.casefold(), one.resident)))
    return Pack(Cover(f"Continuity pack: {site.name}", facts, told), ordered)
