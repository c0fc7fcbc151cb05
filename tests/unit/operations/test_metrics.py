"""The text of a scrape is Prometheus' own format, whatever a value or a label holds."""

import math

from app.operations.metrics import Metric, Sample, exposition, gauge
from tests.unit.operations.scraping import parsed


def test_a_family_has_help_and_type_before_its_samples() -> None:
    """Help, type, then each sample with its labels; numbers without a fraction are whole."""
    told = exposition(
        [
            gauge("lines", "Lines.", 12),
            Metric(
                "free", "gauge", "Room.", [Sample(0.5, {"folder": "data"}), Sample(2, {"folder": "keys"})]
            ),
        ]
    )

    assert told.splitlines() == [
        "# HELP caretrail_lines Lines.",
        "# TYPE caretrail_lines gauge",
        "caretrail_lines 12",
        "# HELP caretrail_free Room.",
        "# TYPE caretrail_free gauge",
        'caretrail_free{folder="data"} 0.5',
        'caretrail_free{folder="keys"} 2',
    ]
    assert told.endswith("\n")


def test_labels_and_help_are_escaped() -> None:
    """A quote, a backslash or a line break can neither end a label nor begin a line."""
    awkward = 'a"b\\c\nd'
    told = exposition([Metric("x", "gauge", "one\\two\nthree", [Sample(1, {"of": awkward})])])

    assert 3 == len(told.splitlines())
    assert {("caretrail_x", (("of", awkward),)): 1.0} == parsed(told)


def test_what_never_happened_is_infinite() -> None:
    """An age without an event is +Inf, so that an alarm on age fires."""
    assert "caretrail_age +Inf\n" in exposition([gauge("age", "Age.", math.inf)])


def test_a_family_without_samples_is_left_out() -> None:
    """A heading without a value would say that there is something."""
    assert "" == exposition([gauge("reserve", "Kept back.")])
