"""Search parameters of FHIR, read: dates with prefixes and precisions, references, tokens.

Source: hl7.org/fhir/R4/search.html.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone

from app.core.clock import spell
from app.core.errors import InvalidRequestError

_DATE = re.compile(
    r"(?P<prefix>eq|ge|gt|le|lt)?(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,6}))?)?"
    r"(?P<zone>Z|[+ -]\d\d:[0-5]\d)?)?)?)?",
    re.ASCII,
)
_ID = r"[A-Za-z0-9.:_-]{1,64}"
_PART_OF_SERVICE = "system:"
_YEAR, _MONTH = timedelta(days=366), timedelta(days=31)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def period_of(dates: Iterable[str]) -> tuple[str | None, str | None]:
    """Return the instants that several `date` parameters leave, the first included, the second not.

    Raises:
        InvalidRequestError: One is no date of FHIR or has a prefix that is not supported, or they exclude
            each other.
    """
    since: str | None = None
    until: str | None = None
    for date in dates:
        try:
            low, high, prefix = _read(date)
        except ValueError:
            told = "Must be a date or an instant, with one of the prefixes eq, ge, gt, le, lt or none."
            raise InvalidRequestError(("/query/date", told)) from None
        first = {"eq": low, "ge": low, "gt": high}.get(prefix)
        after = {"eq": high, "le": high, "lt": low}.get(prefix)
        since = max(filter(None, (since, first)), default=None)
        until = min(filter(None, (until, after)), default=None)
    if since is not None and until is not None and until < since:
        raise InvalidRequestError(("/query/date", "These dates exclude each other: nothing can match."))
    return since, until


def ids_of(name: str, text: str | None, *types: str, base: str = "") -> tuple[str, ...] | None:
    """Return the ids in a reference parameter: `ID` or `Type/ID` or its address, several with commas between.

    Args:
        name: The parameter.
        text: What it holds.
        types: Of which types such things are. A part of this service is a Device, and nothing else is.
        base: The address of this server; what another one calls so is not the same thing.

    Raises:
        InvalidRequestError: One is no reference to such a thing here.
    """
    if text is None:
        return None
    here = rf"(?:{re.escape(base)}/)?" if base else ""
    shape = re.compile(rf"(?:{here}(?P<type>{'|'.join(types)})/)?(?P<id>{_ID})", re.ASCII)
    found = [shape.fullmatch(part) for part in text.split(",")]
    ids = tuple(match["id"] for match in found if match and _is_of_type(match["type"], match["id"]))
    if len(ids) != len(found):
        raise InvalidRequestError((f"/query/{name}", f"Must be an id or {types[0]}/ID."))
    return ids


def _is_of_type(named: str | None, thing: str) -> bool:
    return named is None or (named == "Device") == thing.startswith(_PART_OF_SERVICE)


def codes_of(name: str, text: str | None, known: Iterable[str], system: str) -> tuple[str, ...] | None:
    """Return the codes in a token parameter: `code` or `system|code`, several with commas between.

    Raises:
        InvalidRequestError: One is not among the known ones, or of another system than theirs, or of none:
            it would find nothing and seem innocent.
    """
    if text is None:
        return None
    tokens = [part.rpartition("|") for part in text.split(",")]
    codes = tuple(code for _, _, code in tokens)
    if any(bar and of != system for of, bar, _ in tokens) or not set(codes) <= set(known):
        told = f"Must be one of {', '.join(known)}, alone or after {system}|."
        raise InvalidRequestError((f"/query/{name}", told))
    return codes


def _read(text: str) -> tuple[str, str, str]:
    """Return from and until when a date goes, at its own precision, and its prefix."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("no date of FHIR")
    given = {name: int(value) for name, value in match.groupdict().items() if value and value.isdecimal()}
    fraction = match["fraction"] or ""
    micros = int(fraction.ljust(6, "0")) if fraction else 0
    day = datetime(given["year"], given.get("month", 1), given.get("day", 1), tzinfo=_zone(match["zone"]))
    hour, minute, second = (given.get(part, 0) for part in ("hour", "minute", "second"))
    low = day.replace(hour=hour, minute=minute, second=second, microsecond=micros)
    return _spelled(low), _spelled(_end(low, given, len(fraction))), match["prefix"] or "eq"


def _zone(text: str | None) -> timezone:
    if text in (None, "Z"):
        return UTC
    ahead = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return timezone(-ahead if text[0] == "-" else ahead)  # an unescaped plus arrives as a space


def _end(low: datetime, given: dict[str, int], digits: int) -> datetime:
    """Return the first instant after what a date says, or the last there is: an open end is written 9999."""
    try:
        return _after(low, given, digits)
    except OverflowError:
        return _LAST


def _after(low: datetime, given: dict[str, int], digits: int) -> datetime:
    """Return the first instant after what a date says: a month when it names a month, and so on."""
    if "month" not in given:
        return (low + _YEAR).replace(month=1, day=1)
    if "day" not in given:
        return (low + _MONTH).replace(day=1)
    if digits:
        return low + timedelta(microseconds=10 ** (6 - digits))
    steps = {"second": timedelta(seconds=1), "minute": timedelta(minutes=1)}
    return low + next((step for name, step in steps.items() if name in given), timedelta(days=1))


def _spelled(at: datetime) -> str:
    try:
        return spell(at.astimezone(UTC))
    except OverflowError:  # less than a day before the first year, or after the last one
        return spell(_FIRST if at.year == _FIRST.year else _LAST)
