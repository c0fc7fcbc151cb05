"""FHIR's dates, instants and Periods: when something occurred, and whether its time is over."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from app.core.clock import spell
from app.core.local_time import day_of
from app.exchange.elements import text
from app.residents.texts import read_day, read_instant

_PARTIAL = re.compile(r"[0-9]{4}(-[0-9]{2})?")
_WHOLE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FINE_FRACTION = re.compile(r"(\.[0-9]{6})[0-9]+")
_NO_SECONDS = re.compile(r"(T[0-9]{2}:[0-9]{2})(?=Z|z|[+-]|$)")
_NO_OFFSET = re.compile(r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?$")


@dataclass(frozen=True)
class Moment:
    """When something occurred: an instant in UTC, or nothing, and whether it had to be estimated."""

    at: str | None = None
    estimated: bool = True


def moment(candidates: Iterable[Any], latest: datetime) -> Moment:
    """Return the first candidate that is a FHIR date or instant not after `latest`.

    A day counts from its first minute in UTC, which is the same day in London all year, and
    has come when it has in London. A bare year or month does too, and so does a time without
    an offset, which is no instant; these are marked as estimated.
    """
    for written in _starts(candidates):
        found = _instant(written, latest) if "T" in written else _day(written, latest)
        if found:
            return found
    return Moment()


def begins(candidate: Any) -> Any:
    """Return where a date, or the beginning of a Period, stands."""
    return candidate.get("start") if isinstance(candidate, dict) else candidate


def _starts(candidates: Iterable[Any]) -> Iterator[str]:
    for start in map(begins, candidates):
        if isinstance(start, str):
            yield _spelled_out(start.strip())


def _spelled_out(written: str) -> str:
    return _NO_SECONDS.sub(r"\1:00", _FINE_FRACTION.sub(r"\1", written))


def _instant(written: str, latest: datetime) -> Moment | None:
    if _NO_OFFSET.search(written):
        found = _day(written[:10], latest)
        return Moment(found.at) if found else None
    try:
        at = read_instant(written)
    except ValueError:
        return None
    return Moment(spell(at), estimated=False) if at <= latest else None


def _day(written: str, latest: datetime) -> Moment | None:
    partial = _PARTIAL.fullmatch(written)
    try:
        born = read_day(f"{written}-01-01"[:10] if partial else written)
    except ValueError:
        return None
    if born > day_of(latest):
        return None
    # The first hour of a summer day in London belongs to the day before in UTC
    first = min(datetime(born.year, born.month, born.day, tzinfo=UTC), latest)
    return Moment(spell(first), estimated=partial is not None)


def day(value: Any) -> str | None:
    """Return the day of a FHIR date or dateTime that names one: of an instant the day in London."""
    written = _day_named(value)
    try:
        read_day(written)
    except ValueError:
        return None
    return written


def _day_named(value: Any) -> str:
    written = _spelled_out(text(value) or "")
    try:
        return day_of(read_instant(written)).isoformat()
    except ValueError:  # no instant: a day, less than a day, or nothing that can be read
        return written[:10]


def is_whole(value: Any) -> bool:
    """Say whether a date names at least its day, and a time its offset too."""
    written = next(_starts([value]), "")
    return day(written) is not None and not _NO_OFFSET.search(written)


def outside(period: Any, today: date) -> str | None:
    """Return in words why a Period does not hold today - `ended 2019-12-31` - or nothing if it does.

    An end that cannot be read is taken for one that has passed: nobody knows that it has not.
    """
    if period is None:
        return None
    if not isinstance(period, dict):
        return "its period cannot be read"
    start, end = period.get("start"), period.get("end")
    if end is not None and _compared(end, today) is None:
        return "its end cannot be read"
    if _compared(end, today) == -1:
        return f"ended {text(end)}"
    return f"begins {text(start)}" if _compared(start, today) == 1 else None


def _compared(value: Any, today: date) -> int | None:
    """Return -1, 0 or 1 as a date lies before, within or after what it tells of today, if it is one."""
    written = _day_named(value)
    if not _PARTIAL.fullmatch(written) and not _is_of_the_calendar(written):
        return None
    known = today.isoformat()[: len(written)]
    return (written > known) - (written < known)


def _is_of_the_calendar(written: str) -> bool:
    # Not asked of `day`: an open end is written 9999-12-31, later than any day a record may hold
    try:
        return bool(_WHOLE.fullmatch(written) and date.fromisoformat(written))
    except ValueError:
        return False
