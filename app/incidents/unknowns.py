"""What a scope cannot know, said as such: each with a word, a sentence, and how often it is so. Pure.

Source: UK GDPR article 33(4): what is not known yet may follow in phases, but must not be made up.
"""

from dataclasses import dataclass
from typing import Any

from app.incidents.scope import Fold

ALWAYS = (
    (
        "outside",
        "What was done outside Caretrail: on paper, by telephone, in other systems, or with a file that had"
        " been exported or printed before.",
    ),
    (
        "screens",
        "Whether what was shown on a screen was printed, photographed, copied or seen by somebody else.",
    ),
    (
        "person",
        "That the holder of an account was the person who used it. The trail names the account, its session"
        " and its device.",
    ),
)
OF_ENTRIES = {
    "lists": "Entries that showed several residents at once. Each is counted as reached; which of them were"
    " looked at is not recorded.",
    "categories": "Lists of records without a chosen category: the entry names the resident and how many"
    " records, not the category of each.",
    "exports": "Exports and printed packs. What left with each file, and where it is now, the entries do not"
    " say; an export of the trail hands over a whole range of it.",
    "refused": "Refused or failed attempts whose entry names no resident: whom they were meant for is not"
    " recorded.",
    "handling": "Entries about this incident itself: who looked into it, said what it is about, took a pack"
    " of it. They are not counted.",
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of the trail itself and of whoever asks.

    Attributes:
        begins_at: The instant of the first line; None where there is none.
        pruned: Entries of the period who read what were taken out when their time was over.
        erased: How many of the residents reached were erased since.
        open_ended: The period has no end, or one that is still to come.
        upto: Where the counting stopped before the end, if it did: an instant.
        of_homes: Only homes within reach of whoever asks were counted.
    """

    begins_at: str | None = None
    pruned: bool = False
    erased: int = 0
    open_ended: bool = False
    upto: str | None = None
    of_homes: bool = False


def not_known(fold: Fold, known: Circumstances) -> list[dict[str, Any]]:
    """Return what is not known, what concerns these entries first, what is always so last."""
    since = fold.selection.since
    told = [
        _said(code, text, fold.unclear[code]) for code, text in OF_ENTRIES.items() if code in fold.unclear
    ]
    if known.upto is not None:
        told.insert(0, _said("stopped", f"What came after {known.upto}: counting stopped there. {_THE_PACK}"))
    if fold.unmatched:
        told.append(_said("unmatched", _UNMATCHED, fold.unmatched))
    if known.begins_at is None or since < known.begins_at:
        begins = known.begins_at or "with no entry yet"
        told.append(_said("before-trail", f"What was done before the trail begins ({begins})."))
    if known.pruned:
        told.append(_said("pruned", _PRUNED))
    if known.erased:
        told.append(_said("erased", _ERASED, known.erased))
    if known.open_ended:
        told.append(
            _said("open", "What is still to come: the period has not ended. Ask for the scope again.")
        )
    if known.of_homes:
        told.append(_said("other-homes", _HOMES))
    return told + [_said(code, text) for code, text in ALWAYS]


_THE_PACK = "The pack of the incident counts all of it."
_UNMATCHED = (
    "Ids that were asked for and stand in none of the entries counted: nothing was done, or the id is"
    " another."
)
_PRUNED = (
    "Who read what in the older part of the period: these entries were removed when their time was over."
    " Those that changed something are still there."
)
_ERASED = "Residents who were erased since. They are counted; who they were, this system can tell nobody."
_HOMES = (
    "What concerns other homes: whoever asked may see some homes only, and nothing of the others was counted."
)


def _said(code: str, text: str, count: int | None = None) -> dict[str, Any]:
    return {"code": code, "text": text, "count": count}
