"""What the doctor says of lines that nobody judged."""

from datetime import timedelta

import pytest

from app.operations.database_facts import UnjudgedFacts
from app.operations.detection_checks import check_detection
from tests.unit.operations.facts import AT, HOUR

NEW = UnjudgedFacts("o1", 40, AT - HOUR, held=False)
OLD = UnjudgedFacts("o2", 7, AT - HOUR - timedelta(seconds=1), held=False)
HELD = OLD._replace(org="o3", lines=5000, held=True)


@pytest.mark.parametrize(
    ("unjudged", "detection", "result", "told"),
    [
        ([], "on", "ok", "an hour to be judged"),
        ([NEW], "on", "ok", "an hour to be judged"),
        ([NEW, OLD], "worker", "failed", "7 lines wait to be judged, the first since 2026-11-22 07:59 UTC"),
        ([NEW, HELD], "on", "warning", "5000 lines"),
        ([OLD, HELD], "on", "failed", "5007 lines"),
        ([OLD], "off", "ok", "switched off"),
    ],
)
def test_lines_that_nobody_judged_are_told_of(
    unjudged: list[UnjudgedFacts], detection: str, result: str, told: str
) -> None:
    """After an hour it is a failure, or a warning while somebody catches up."""
    found = check_detection(unjudged, detection, AT)

    assert ("detection", result, False) == (found.name, found.result, found.stops)
    assert told in found.told
    assert bool(found.advice) is (result != "ok")
