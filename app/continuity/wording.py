"""How things are said on paper: short, whole words, no code that a stranger would have to look up."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from app.printing.dates import day

UNKNOWN = "not recorded"
NOT_RECORDED = "NOT RECORDED. That does not mean: none. Ask, and until you know, assume nothing."
MOST_LETTERS = 200
DECISIONS = {"dnacpr": "DNACPR", "respect": "ReSPECT", "other": "Other"}
# International Dysphagia Diet Standardisation Initiative, framework of 2019
_FOODS = {
    3: "liquidised",
    4: "pureed",
    5: "minced and moist",
    6: "soft and bite-sized",
    7: "regular, or easy to chew",
}
_FLUIDS = ("thin", "slightly thick", "mildly thick", "moderately thick", "extremely thick")


def born(text: str, on: date) -> str:
    """Return a date of birth with the age on a day."""
    named = date.fromisoformat(text)
    age = on.year - named.year - ((on.month, on.day) < (named.month, named.day))
    return f"{day(text)} (aged {age})"


def nhs_number(digits: str | None) -> str | None:
    """Return an NHS number in its groups."""
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}" if digits else None


def validity(since: str, review: str | None, on: date) -> str:
    """Return from when a decision holds, and when it is to be looked at again."""
    told = f"from {day(since)}" + (" (NOT YET)" if date.fromisoformat(since) > on else "")
    if review is None:
        return told
    overdue = " (OVERDUE)" if date.fromisoformat(review) < on else ""
    return f"{told}; review {day(review)}{overdue}"


def until(text: str | None, on: date) -> str:
    """Return when something ends, or ended."""
    if text is None:
        return "-"
    return day(text) + (" (EXPIRED)" if date.fromisoformat(text) < on else "")


def not_now(medicine: Mapping[str, Any], on: date) -> str:
    """Return what speaks against giving a medicine on a day, if anything does; imported days may disagree."""
    since, end = medicine.get("started_on"), medicine.get("ended_on")
    marks = (
        "ON HOLD" if medicine["status"] == "on_hold" else "",
        f"ENDED {day(end)}, ask the nurse" if end and date.fromisoformat(end) < on else "",
        f"NOT YET, from {day(since)}" if since and date.fromisoformat(since) > on else "",
    )
    return ", ".join(filter(None, marks))


def how_often(medicine: Mapping[str, Any], on: date) -> str:
    """Return how often a medicine is given, and until when where that is known and not past."""
    end = medicine.get("ended_on")
    until_then = f"; until {day(end)}" if end and date.fromisoformat(end) >= on else ""
    return f"{medicine['frequency']}{until_then}"


def food(level: int | None) -> str:
    """Return a level of the IDDSI framework for food, in words."""
    return _level(level, _FOODS)


def fluid(level: int | None) -> str:
    """Return a level of the IDDSI framework for drinks, in words."""
    return _level(level, dict(enumerate(_FLUIDS)))


def _level(level: int | None, names: Mapping[int, str]) -> str:
    if level is None:
        return UNKNOWN
    return f"{level}: {names[level]}" if level in names else str(level)


def standing(contact: Mapping[str, Any]) -> str:
    """Return what a contact is to a resident in law."""
    roles = {"next_of_kin": "next of kin", "lasting_power_of_attorney": "lasting power of attorney"}
    return ", ".join(words for name, words in roles.items() if contact[name]) or "-"


def shortened(text: str) -> str:
    """Return at most so many letters of a text, and say that there is more."""
    flat = " ".join(text.split())
    return flat if len(flat) <= MOST_LETTERS else f"{flat[:MOST_LETTERS].rstrip()} ... (more in the record)"
