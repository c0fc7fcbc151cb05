"""Repeated incidents: of the same kind at the same home, within the three calendar months before.

Calendar months, not ninety days: three months before 31 May is the last day of February. What the sources
call the same weakness is taken to be the same kind at the same home; whether it is, a person has to say.

Source: DSPT 6.3.5.
"""

from calendar import monthrange
from datetime import datetime
from typing import Final

MONTHS: Final = 3


def months_before(at: datetime, months: int) -> datetime:
    """Return the same day and time some months earlier, or the last day of that month; in UTC."""
    years, month = divmod(at.month - 1 - months, 12)
    year, month = at.year + years, month + 1
    return at.replace(year=year, month=month, day=min(at.day, monthrange(year, month)[1]))
