"""Three calendar months, not ninety days."""

from datetime import UTC, datetime

import pytest

from app.incidents.repeats import is_repeat, months_before


def on(year, month, day, hour=12):
    """Return an instant."""
    return datetime(year, month, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "before"),
    [
        (on(2026, 6, 15), on(2026, 3, 15)),
        (on(2026, 5, 31), on(2026, 2, 28)),
        (on(2024, 5, 31), on(2024, 2, 29)),
        (on(2026, 2, 28), on(2025, 11, 28)),
        (on(2026, 1, 31), on(2025, 10, 31)),
        (on(2026, 3, 1), on(2025, 12, 1)),
        (on(2026, 12, 31), on(2026, 9, 30)),
    ],
)
def test_three_months_before(at, before):
    """The same day three months earlier, or the last of that month."""
    assert before == months_before(at, 3)


@pytest.mark.parametrize(
    ("earlier", "later", "repeated"),
    [
        (on(2026, 6, 1), on(2026, 9, 1), True),  # 92 days
        (on(2026, 2, 1), on(2026, 5, 1), True),  # 89 days
        (on(2026, 2, 1, 11), on(2026, 5, 1), False),  # 89 days and an hour
        (on(2026, 5, 31), on(2026, 8, 31), True),
        (on(2026, 9, 2), on(2026, 9, 1), False),  # it came after
        (on(2026, 9, 1), on(2026, 9, 1), True),
    ],
)
def test_what_is_within_three_months(earlier, later, repeated):
    """An instant exactly three calendar months before counts, an hour earlier does not."""
    assert repeated == is_repeat(earlier, later)
