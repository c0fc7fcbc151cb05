"""The kinds of value a record is made of, and the model every body is built on.

What is refused here is refused on every path - API, import, demo - so that both databases
hold the same text and no line of a log, a CSV file or a terminal can be forged with it.
"""

import re
import unicodedata
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta, timezone
from itertools import groupby
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from app.core.clock import spell
from app.residents.refusals import FaultError

SHORT, PARAGRAPH, LONG = 200, 2_000, 20_000
MOST_ITEMS = 100
FIRST_YEAR, LAST_YEAR = 1850, 2200
MOST_MARKS = 30
"""Combining marks in a row, as in Unicode's stream-safe text (UAX #15): putting more in order takes long."""

_ALLOWED = bytes(sorted({*range(256)} - {*range(0x20)} | {*b"\t\n\r"}))
"""The bytes that a text in UTF-8 may be made of: all but control characters."""
_LINE_BREAK = re.compile(r"[\t\n\r\x7f-\x9f\u2028\u2029]")
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_INSTANT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?"
    r"(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_NO_SIGN = "Must have + or - before the offset: in an address write + as %2B, or send the instant with Z."


def clean(text: str) -> str:
    """Return the text in NFC. Raises FaultError for control characters, heaped accents and blank text."""
    if not _is_sound(text):
        raise FaultError("Must not hold control characters or broken Unicode.")
    if all(one.isspace() or unicodedata.category(one) == "Cf" for one in text):  # nothing to be seen of it
        raise FaultError("Must not be blank.")
    if unicodedata.is_normalized("NFC", text):
        return text
    if _marks_in_a_row(text) > MOST_MARKS:
        raise FaultError(f"Must have at most {MOST_MARKS} accents on a letter.")
    return unicodedata.normalize("NFC", text)


def _marks_in_a_row(text: str) -> int:
    runs = groupby(text, lambda one: unicodedata.category(one).startswith("M"))
    return max((sum(1 for _ in run) for marks, run in runs if marks), default=0)


def _is_sound(text: str) -> bool:
    try:  # a tenth of the time of a pattern, and notes are long
        return not text.encode().translate(None, delete=_ALLOWED)
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def one_line(text: str) -> str:
    """Return a text that stays on its line. Raises FaultError for one that does not."""
    if _LINE_BREAK.search(text):
        raise FaultError("Must stand on one line.")
    return text


def _at_most(limit: int) -> AfterValidator:
    # NFC may lengthen a text (a few Indic and Hebrew letters come apart), so it is measured again
    def measure(text: str) -> str:
        if len(text) > limit:
            raise FaultError(f"Must have at most {limit} characters.")
        return text

    return AfterValidator(measure)


def read_day(text: str) -> date:
    """Return the day a `YYYY-MM-DD` text names. Raises FaultError for one that never was."""
    found = _DAY.fullmatch(text)
    if not found:
        raise FaultError("Must be a date written YYYY-MM-DD.")
    year, month, day = map(int, found.groups())
    try:
        named = date(year, month, day)
    except ValueError:
        raise FaultError("Must be a day of the calendar.") from None
    if not FIRST_YEAR <= named.year <= LAST_YEAR:
        raise FaultError(f"Must lie between {FIRST_YEAR} and {LAST_YEAR}.")
    return named


def read_instant(text: str, first: int = FIRST_YEAR, last: int = LAST_YEAR) -> datetime:
    """Return the aware UTC instant of an RFC 3339 text with any offset, in one of the years named.

    Raises:
        FaultError: The text is no instant, or names a time that no clock shows.
    """
    found = _INSTANT.fullmatch(text)
    if not found and _INSTANT.fullmatch(text.replace(" ", "+", 1)):  # what is left of an unescaped plus
        raise FaultError(_NO_SIGN)
    if not found:
        raise FaultError("Must be an instant written as RFC 3339, such as 2026-03-01T10:00:00Z.")
    *numbers, fraction, sign, hours, minutes = found.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    if not first <= year <= last:
        raise FaultError(f"Must lie between {first} and {last}.")
    ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    micros = int((fraction or "0").ljust(6, "0"))
    try:
        local = datetime(year, month, day, hour, minute, second, micros, tzinfo=timezone(ahead))
    except ValueError:
        raise FaultError("Must be an instant of the calendar and the clock.") from None
    return local.astimezone(UTC)


def _day_as_written(text: str) -> str:
    read_day(text)
    return text


def _spelled_in_utc(text: str) -> str:
    return spell(read_instant(text))


def _bound_in_utc(text: str) -> str:
    try:
        return spell(read_instant(text, MINYEAR, MAXYEAR))
    except OverflowError:  # less than a day before the first year, or after the last one
        return spell(datetime.min.replace(tzinfo=UTC) if text < "5" else datetime.max.replace(tzinfo=UTC))


ShortText = Annotated[
    str, StringConstraints(min_length=1, max_length=SHORT), AfterValidator(clean), _at_most(SHORT)
]
"""Up to 200 characters: a name, a kind, a dose."""

Line = Annotated[ShortText, AfterValidator(one_line)]
"""A short text without line breaks: the names of people."""

Paragraph = Annotated[
    str, StringConstraints(min_length=1, max_length=PARAGRAPH), AfterValidator(clean), _at_most(PARAGRAPH)
]
"""Up to 2,000 characters: a goal, an action, a reaction."""

LongText = Annotated[
    str, StringConstraints(min_length=1, max_length=LONG), AfterValidator(clean), _at_most(LONG)
]
"""Up to 20,000 characters: a note."""

Day = Annotated[str, Field(json_schema_extra={"format": "date"}), AfterValidator(_day_as_written)]
"""A real date between 1850 and 2200, kept as it was written."""

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"}), AfterValidator(_spelled_in_utc)]
"""An RFC 3339 instant, kept in the one spelling: UTC, microseconds, `Z`."""

Bound = Annotated[str, Field(json_schema_extra={"format": "date-time"}), AfterValidator(_bound_in_utc)]
"""The same, of any year there is: where a list begins or ends."""

DecimalText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$")]
"""A decimal as text, so that no reader rounds it."""

Money = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,2})?$")]
"""An amount in pounds as text."""

T = TypeVar("T")


def _given(value: Any) -> Any:
    if value is None:
        raise FaultError("Leave the field out instead of sending null.")
    return value


Maybe = Annotated[T | None, BeforeValidator(_given)]
"""A field that may be left out, and is not null when it is there."""


def without_null(schema: dict[str, Any]) -> None:
    """Take null out of the schema of fields that may only be left out."""
    needed = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        if name in needed or "default" not in field or field["default"] is not None:
            continue
        del field["default"]
        choices = [choice for choice in field.pop("anyOf", []) if choice != {"type": "null"}]
        if len(choices) == 1:
            field.update(choices[0])


class Body(BaseModel):
    """What every body has in common: nothing unknown, nothing coerced, nothing echoed."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra=without_null,
    )
