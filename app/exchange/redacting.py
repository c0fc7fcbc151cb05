"""What about third persons is withheld from a copy of somebody's records: decided by a person, done here.

A person decides on a worksheet and hands back a list of redactions. Each names a record, a field in it or
words, and has to meet something: one that meets nothing is a slip of the pen, and what it was to withhold
would go out. What was withheld in one place and stands elsewhere, word for word, is refused until the
person says what is to become of it.

The copy is made only from what comes out of here, whatever its form. Not searched: pictures, PDFs and the
like - a whole file can be withheld - and the log of who looked, which names care workers only.

Source: UK GDPR article 15(4), Data Protection Act 2018 schedule 2 paragraph 16.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.core.errors import InvalidRequestError
from app.exchange.withholding import (
    LEAST_LETTERS,
    WITHHELD,
    chosen_words,
    copied,
    folded,
    holders,
    pattern_of,
    replace_words,
    said,
    texts,
    withhold_at,
    words,
)
from app.residents.bodies import BODY_OF

JsonObject = dict[str, Any]

_NO_WORDS = re.compile(r"[\d\s:.,TZ+-]*|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Redaction(BaseModel):
    """One thing that is withheld. Without a record: these words, wherever they stand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    record: str | None = None
    path: str | None = Field(None, pattern=r"^(/.*)?$")
    text: str | None = None
    elsewhere: Literal["leave", "withhold"] | None = None


class Decided(BaseModel):
    """What a person hands back. A worksheet is one, with more on it."""

    model_config = ConfigDict(extra="ignore")

    resident: str
    by: str = Field(pattern=r"\S")
    redactions: list[Redaction]


def read_decided(data: bytes, resident_id: str) -> Decided:
    """Return the redactions of a file.

    Raises:
        InvalidRequestError: It is none, nobody stands for it, or it is about somebody else.
    """
    try:
        decided = Decided.model_validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = "/".join(map(str, first["loc"]))
        raise InvalidRequestError(detail=f"the redactions cannot be used: {place}: {first['msg']}") from None
    if decided.resident != resident_id:
        raise InvalidRequestError(detail="the redactions are about another resident")
    for n, one in enumerate(decided.redactions, 1):
        if (one.path is None) == (one.text is None) or (one.record is None and one.text is None):
            raise InvalidRequestError(detail=f"redaction {n} takes a record and a path, or a text")
        if one.text is not None and not _can_be_found(one):
            raise InvalidRequestError(
                detail=f"redaction {n}: words have {LEAST_LETTERS} letters at least, in one record one"
            )
        if one.path == "" and one.record == resident_id:
            raise InvalidRequestError(detail=f"redaction {n}: who it is about is not withheld from them")
    return decided


def _can_be_found(one: Redaction) -> bool:
    letters = folded(one.text or "")
    return any(map(str.isalnum, letters)) and (one.record is not None or len(letters) >= LEAST_LETTERS)


@dataclass
class Redactor:
    """Withholds. First it is shown everything once (`survey`), then it is complete and is used (`apply`).

    Attributes:
        places: How many places were withheld, counted in the survey.
    """

    redactions: list[Redaction] = field(default_factory=list)
    places: int = 0

    def __post_init__(self) -> None:
        self._met = [0] * len(self.redactions)
        self._values: dict[str, tuple[int, str]] = {}  # what was withheld, folded: by which redaction, as is
        self._words: set[str] = set()
        self._everywhere = [pattern_of(r.text) for r in self.redactions if r.record is None and r.text]
        for one in self.redactions:
            self._words |= chosen_words(one.text or "")

    # --- the survey ---------------------------------------------------------------------------

    def survey(self, item: JsonObject) -> None:
        """Take note of what is withheld of a record, or of the resident's own part."""
        for n, one in enumerate(self.redactions):
            if one.record not in (None, item["id"]):
                continue
            taken = _taken(one, item)
            self._met[n] += len(taken)
            self.places += len(taken)
            if one.text and "original" in item and said(item["original"]) & chosen_words(one.text):
                self._met[n] += 1
            for text in taken:
                self._words |= words(text)
                if one.record is not None and _is_telling(text, chosen=one.text is not None):
                    self._values[folded(text)] = (n, text)

    def surveyed(self) -> None:
        """End the survey.

        Raises:
            InvalidRequestError: A redaction met nothing.
        """
        idle = [str(n) for n, met in enumerate(self._met, 1) if not met]
        if idle:
            raise InvalidRequestError(
                detail=f"these redactions met nothing, so nothing was written: {', '.join(idle)}"
            )
        for n, text in self._values.values():
            if self.redactions[n].elsewhere == "withhold":
                self._everywhere.append(pattern_of(text))

    # --- withholding --------------------------------------------------------------------------

    def apply(self, item: JsonObject) -> JsonObject:
        """Return what goes out of a record, or of the resident's own part. The item stays as it is."""
        if not self.redactions:
            return item
        mine = [one for one in self.redactions if one.record == item["id"]]
        if any(one.path == "" for one in mine):
            return {"id": item["id"], "category": item.get("category"), "withheld": WITHHELD}
        shown = copied(item)
        for one in mine:
            _withhold(one, shown)
        for pattern in self._everywhere:
            for holder in holders(shown):
                replace_words(holder, pattern)
        if "original" in shown and (mine or self._may_tell(item["original"])):
            # it says the same in other words and other pieces: a name in three parts, a letter in base64
            shown["original"] = WITHHELD
        return shown

    def left_over(self, shown: JsonObject) -> list[str]:
        """Return in which fields of what would go out something stands that was withheld elsewhere."""
        found = []
        for path, text in texts(shown):
            compared = folded(text)
            for value, (n, _) in self._values.items():
                if _stands_in(value, compared) and self.redactions[n].elsewhere is None:
                    found.append(f"{shown['id']} {path} (withheld by redaction {n + 1})")
        return found

    def _may_tell(self, original: Any) -> bool:
        told = said(original)
        return "data" in told or bool(told & self._words)


def _taken(one: Redaction, item: JsonObject) -> list[str]:
    """Return each text that a redaction takes out of an item."""
    if one.path == "":
        return [text for _, text in texts(item)] or [""]
    return _withhold(one, copied(item))


def _withhold(one: Redaction, item: JsonObject) -> list[str]:
    """Withhold one thing in place, in every version; return each text that was taken."""
    taken: list[str] = []
    for holder in holders(item):
        if one.path is not None:
            taken += withhold_at(holder, one.path)
        elif one.text is not None:
            taken += [one.text] * replace_words(holder, pattern_of(one.text))
    return taken


def _stands_in(value: str, text: str) -> bool:
    """Say whether a text stands in another as whole words: `Ada`, not `Canada`."""
    return value in text and bool(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text))


def _is_telling(text: str, *, chosen: bool) -> bool:
    """Say whether a text is one that somebody wrote: no date, no number, no id, no word of a form."""
    compared = folded(text)
    long_enough = chosen or len(compared) >= LEAST_LETTERS
    return long_enough and not _NO_WORDS.fullmatch(text) and compared not in _words_of_forms()


@cache
def _words_of_forms() -> frozenset[str]:
    found = {"true", "false", "none", WITHHELD}

    def collect(schema: Any) -> None:
        if isinstance(schema, dict):
            found.update(str(word) for word in schema.get("enum", ()))
            for one in schema.values():
                collect(one)
        elif isinstance(schema, list):
            for one in schema:
                collect(one)

    for model in BODY_OF.values():
        collect(model.model_json_schema())
    return frozenset(found)
