"""The schedule of retention: dates, and what does not wait for them."""

from datetime import date

import pytest

from app.residents.retention import SCHEDULE, held_because, kept_until


@pytest.mark.parametrize(
    ("ended_on", "until"),
    [("2018-03-02", "2026-03-02"), ("2016-02-29", "2024-02-29"), ("2092-02-29", "2100-03-01")],
)
def test_a_record_is_kept_eight_years_after_the_end_of_care(ended_on, until):
    """The day itself eight years later is the first on which a record need not be kept."""
    assert date.fromisoformat(until) == kept_until(ended_on)


@pytest.mark.parametrize("basis", ["court_order", "never_our_record"])
def test_some_bases_wait_for_nothing(basis):
    """An order of a court, and what was never our record, wait neither for a date nor for a hold."""
    assert held_because(basis, None, date(2026, 3, 2), held=True) is None


def test_the_reason_names_the_date():
    """Whoever is refused learns until when."""
    told = held_because("retention_ended", "2020-05-01", date(2026, 3, 2), held=False)

    assert told == "The record is kept until 2028-05-01."


def test_every_rule_names_its_source():
    """No period without who says so."""
    assert 1 == len(SCHEDULE)
    assert all(rule.years and rule.source for rule in SCHEDULE)
