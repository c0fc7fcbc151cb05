"""What is to be done has a day, and the day is a British one: in summer it begins an hour early."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.core.clock import spell
from app.incidents.pack_fields import dspt_report
from app.incidents.rows import ActionRow
from app.incidents.showing import show_action
from tests.unit.incidents.test_pack_parts import incident

PLANNED: dict[str, Any] = dict.fromkeys(ActionRow._fields) | {"due_on": "2026-06-15"}


@pytest.mark.parametrize(
    ("at", "overdue"),
    [
        (datetime(2026, 6, 15, 22, 59, tzinfo=UTC), False),
        (datetime(2026, 6, 15, 23, 0, tzinfo=UTC), True),
        (datetime(2026, 6, 16, 9, 0, tzinfo=UTC), True),
    ],
)
def test_it_is_overdue_when_its_day_is_over_at_the_home(at: datetime, overdue: bool) -> None:
    """Midnight of the 16th in summer is 23:00 UTC of the 15th."""
    shown = show_action(cast(Any, SimpleNamespace(at=at)), ActionRow(**PLANNED))

    assert overdue is shown["overdue"]


def test_the_report_names_the_day_it_was_done_on_at_the_home() -> None:
    """Done half an hour after midnight in summer: on the day that had begun."""
    done = {"what": "train the night shift", "done_at": spell(datetime(2026, 6, 15, 23, 30, tzinfo=UTC))}

    assert "train the night shift (done 2026-06-16)" in str(dspt_report(incident(actions=[done]), None, []))
