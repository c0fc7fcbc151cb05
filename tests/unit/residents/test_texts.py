"""Days and instants as the contract writes them."""

import unicodedata
from datetime import UTC, datetime

import pytest

from app.residents.bodies import dump, parse_body
from app.residents.refusals import FaultError
from app.residents.texts import MOST_MARKS, clean, read_day, read_instant


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29",
        "1849-12-31",
        "2201-01-01",
        "2024-2-1",
        "20240201",
        "2024-02-01T00:00:00Z",
        "٢٠٢٤-٠١-٠١",
        "",
    ],
)
def test_a_day_that_is_not_in_the_calendar_is_refused(text: str):
    """A day is written YYYY-MM-DD, exists, and lies between 1850 and 2200."""
    with pytest.raises(ValueError, match=r"^Must "):
        read_day(text)


@pytest.mark.parametrize("text", ["1850-01-01", "2200-12-31", "2024-02-29", "1900-02-28"])
def test_a_day_of_the_calendar_is_taken(text: str):
    """The first and the last day of the range, and leap days, are days."""
    assert text == read_day(text).isoformat()


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00.000000Z"),
        ("2026-03-01t10:00:00.5z", "2026-03-01T10:00:00.500000Z"),
        ("2026-07-01T00:30:00.123456+01:00", "2026-06-30T23:30:00.123456Z"),
        ("2026-03-01T10:00:00-00:00", "2026-03-01T10:00:00.000000Z"),
        ("2026-03-01T10:00:00+14:00", "2026-02-28T20:00:00.000000Z"),
        ("2026-02-28T22:00:00-12:00", "2026-03-01T10:00:00.000000Z"),
    ],
)
def test_an_instant_is_kept_in_one_spelling(text: str, spelled: str):
    """0 to 6 fraction digits and any offset come out in UTC, with microseconds and Z."""
    raw = {"medication_id": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "outcome": "given", "given_at": text}

    assert spelled == dump(parse_body("medication_administration", raw))["given_at"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01",
        "2026-03-01T10:00:00",
        "2026-03-01 10:00:00Z",
        "2026-03-01T10:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T23:59:60Z",
        "2026-03-01T10:00:00.1234567Z",
        "2026-03-01T10:00:00.Z",
        "2026-03-01T10:00:00+24:00",
        "2026-03-01T10:00:00+01:60",
        "2026-02-30T10:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-03-01T10:00:00Z\n",
    ],
)
def test_what_no_clock_shows_is_no_instant(text: str):
    """An instant without offset, with a leap second, or off the calendar is refused."""
    with pytest.raises(ValueError, match=r"^Must "):
        read_instant(text)


def test_an_instant_is_aware():
    """A read instant carries its zone, which is UTC."""
    assert datetime(2026, 3, 1, 9, tzinfo=UTC) == read_instant("2026-03-01T10:00:00+01:00")
    assert UTC is read_instant("2026-03-01T10:00:00+01:00").tzinfo


def test_control_characters_and_half_pairs_are_refused_and_all_else_is_kept():
    """Of all code points 29 control characters and 2,048 surrogates are refused inside a text, no other."""
    refused = {point for point in range(0x110000) if not _is_taken(f"a{chr(point)}b")}

    controls = set(range(0x20)) - set(map(ord, "\t\n\r"))
    assert refused == controls | set(range(0xD800, 0xE000))
    assert len(refused) == 29 + 2048


def _is_taken(text: str) -> bool:
    try:
        clean(text)
    except FaultError:
        return False
    return True


@pytest.mark.parametrize("marks", ["\u0301\u0323", "\u0f73"], ids=["accents", "Tibetan vowels"])
def test_heaped_accents_are_refused(marks):
    """Thirty marks on a letter are taken; more would hold up everybody while they are sorted."""
    most = "a" + marks * (MOST_MARKS // len(marks))
    assert unicodedata.normalize("NFC", most) == clean(most)
    with pytest.raises(FaultError, match=r"^Must have at most 30 accents on a letter.$"):
        clean(most + marks)


def test_long_text_in_order_is_taken_as_it_is():
    """However many marks it has on one letter: nothing has to be sorted."""
    text = "\u0323" * 5000
    assert text is clean(text)
