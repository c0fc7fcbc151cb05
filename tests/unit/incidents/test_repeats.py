"""Three calendar months, not ninety days."""

from datetime import UTC, datetime

import pytest

from app.incidents.repeats import months_before


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
