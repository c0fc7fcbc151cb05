"""Whoever may never use a category is told so, whatever else is wrong with what they send."""

from tests.support.served import Served
from tests.unit.trail.stories import admit

INSTANT = "2026-03-02T08:00:00Z"


def made(served: Served, who: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
    """Send a record; return the status and the entry."""
    world = served.world
    person, resident = world.person(who), admit(world, world.home)
    answer = served.ask("POST", f"/v1/residents/{resident}/records", person, json=body)
    (line,) = served.lines_of(answer)
    return answer.status_code, line.e


def test_a_bad_body_of_a_category_one_may_not_record_is_forbidden(served: Served) -> None:
    """A carer and medication: 403 and `deny`, not a lesson in how it would be written."""
    status, event = made(served, "carer", {"category": "medication", "occurred_at": INSTANT, "body": {}})
    assert (403, "deny", "no-permission") == (status, event["out"], event["why"])


def test_a_bad_body_of_a_category_one_may_record_is_explained(served: Served) -> None:
    """A carer and a daily note: 422, for there is something to put right."""
    status, event = made(served, "carer", {"category": "daily_note", "occurred_at": INSTANT, "body": {}})
    assert (422, "fail") == (status, event["out"])


def test_what_is_no_category_decides_nothing(served: Served) -> None:
    """Any other value is a fault like others, of whatever kind it is."""
    for category in ("no_such", 7, None, ["medication"], {"a": 1}):
        body = {"category": category, "occurred_at": INSTANT, "body": {}}
        status, event = made(served, "carer", body)
        assert (422, "fail") == (status, event["out"])
