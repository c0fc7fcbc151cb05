"""Dates and instants as they are said on paper."""

from datetime import date, datetime

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def day(text: str) -> str:
    """Return a date `YYYY-MM-DD` as `5 Feb 2024`."""
    named = date.fromisoformat(text)
    return f"{named.day} {_MONTHS[named.month - 1]} {named.year}"


def instant(at: datetime) -> str:
    """Return an instant as `5 Feb 2024, 14:05 UTC`."""
    return f"{day(at.date().isoformat())}, {at:%H:%M} UTC"
