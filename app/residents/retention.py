"""How long a record is kept: the schedule as data, and the date it gives.

Nothing is destroyed because a date has come. The date only lets two people decide (`erasing`).

Source: NHS Records Management Code of Practice 2021, retention schedule; DSPT 1.4.1.
"""

from datetime import date
from typing import Final, Literal, NamedTuple

from app.core.errors import CaretrailError

LegalBasis = Literal["court_order", "never_our_record", "retention_ended"]
WHATEVER_THE_DATE: Final[frozenset[str]] = frozenset({"court_order", "never_our_record"})
"""What erases although care goes on, the date has not come or there is a hold (contract, section 4)."""
_LEAP_DAY = (2, 29)


class RetentionHoldError(CaretrailError):
    """A record must still be kept: nothing of it is erased yet."""

    slug = "retention-hold"
    status = 409
    title = "Must still be kept"
    detail = "The record must still be kept. Wait for the retention date, or have the hold lifted."


class Rule(NamedTuple):
    """One line of the schedule: what is kept, from when on, how long, and who says so."""

    what: str
    since: Literal["end_of_care"]
    years: int
    source: str
    action: Literal["review"] = "review"


CARE_RECORD: Final = "care_record"
SCHEDULE: Final = (
    Rule(
        CARE_RECORD,
        "end_of_care",
        8,
        "NHS Records Management Code of Practice 2021: 8 years after the end of care, then review",
    ),
)
"""The rules of an organisation that set none. All of a resident's records are one care record; a rule for a
category of records makes the whole of it stay longer, never shorter (`schedule`)."""
FLOORS: Final = {CARE_RECORD: (6, "Limitation Act 1980, section 5: claims can be brought for 6 years")}
"""Fewer years than these no organisation can set."""


class Keeping(NamedTuple):
    """What an organisation decided about one record: years, and perhaps a later day, or for good."""

    years: int = SCHEDULE[0].years
    until: str | None = None
    for_good: bool = False


DEFAULT: Final = Keeping()


def kept_until(ended_on: str, keeping: Keeping = DEFAULT) -> date:
    """Return the first day on which the record of a resident whose care ended need not be kept."""
    by_schedule = _later(date.fromisoformat(ended_on), keeping.years)
    return max(by_schedule, date.fromisoformat(keeping.until)) if keeping.until else by_schedule


def held_because(
    basis: LegalBasis, ended_on: str | None, today: date, *, held: bool, keeping: Keeping = DEFAULT
) -> str | None:
    """Return why a record must still be kept, as a sentence; None when it need not.

    Args:
        basis: On what the erasure is asked for.
        ended_on: When care ended; None while it goes on.
        today: The day.
        held: Whether somebody put a hold on the record.
        keeping: What the organisation decided about it.
    """
    if basis in WHATEVER_THE_DATE:
        return None
    if ended_on is None:
        return "The person is a resident. Their record is kept while care goes on."
    if keeping.for_good:
        return "It was decided to keep the record for good."
    until = kept_until(ended_on, keeping)
    if today < until:
        return f"The record is kept until {until.isoformat()}."
    return "There is a hold on the record. Have it lifted first." if held else None


def _later(day: date, years: int) -> date:
    """Return the same day in a later year; the day after 28 February where there is no 29th."""
    year = day.year + years
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if (day.month, day.day) == _LEAP_DAY and not is_leap:
        return date(year, 3, 1)
    return day.replace(year=year)
