"""The difference of two versions, told field by field."""

import pytest

from app.access.visit import System
from app.core.errors import NotFoundError
from app.residents.comparing import CompareVersions, differences
from app.residents.recording import MakeRecord

RECORDS = "/v1/residents/{resident_id}/records"
VERSION = f"GET {RECORDS}/{{record_id}}/versions/{{version}}"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": "x"}, {"a": "x"}, []),
        ({"a": "x"}, {"a": "y"}, [{"field": "a", "before": "x", "after": "y"}]),
        ({"a": "x"}, {}, [{"field": "a", "before": "x", "after": None}]),
        ({}, {"a": "x"}, [{"field": "a", "before": None, "after": "x"}]),
        ({"a": None}, {}, []),
        ({"a": 1}, {"a": True}, [{"field": "a", "before": 1, "after": True}]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3, "b": 1}}, [{"field": "a.c", "before": 2, "after": 3}]),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, [{"field": "a.c", "before": None, "after": 2}]),
    ],
)
def test_each_field_that_differs_is_told_with_both_values(before, after, told):
    """A field is told by its path, with the value before and after; null where it is not there."""
    assert told == differences(before, after)


@pytest.mark.parametrize(
    ("before", "after", "added", "removed"),
    [
        (["wash", "walk"], ["walk", "rest"], ["rest"], ["wash"]),
        (["walk"], ["walk", "walk"], ["walk"], []),
        (["a", "b"], ["b", "a"], [], []),
        ([{"kind": "pulse", "value": "60"}], [], [], [{"value": "60", "kind": "pulse"}]),
    ],
)
def test_items_of_a_list_that_came_and_went_are_told(before, after, added, removed):
    """Of a list the whole is told and, apart, what came and what went; another order alone is told too."""
    [told] = differences({"actions": before}, {"actions": after})

    assert {
        "field": "actions",
        "before": before,
        "after": after,
        "added": added,
        "removed": removed,
    } == told


def test_a_documents_bytes_are_told_by_their_digest():
    """Megabytes are not sent three times: of a document's content size and digest are told."""
    [told] = differences({"content_base64": None}, {"content_base64": "aGVsbG8="})

    assert (None, 8, 64) == (told["before"], told["after"]["characters"], len(told["after"]["sha256"]))
    assert "aGVsbG8=" not in repr(told)


def test_after_an_erasure_there_is_nothing_to_compare(provider):
    """What was compared before is not found afterwards, however it is asked for; it is no error of ours."""
    resident, cli = provider.admit(left_on=None), System("cli", provider.world.org)
    work = MakeRecord(resident, "daily_note", provider.world.later(minutes=-5), {"text": "slept"})
    made = provider.world.answer(work, f"POST {RECORDS}", cli).payload["id"]
    compare = CompareVersions(resident, made, 1, 1)
    provider.world.answer(compare, VERSION, cli)
    provider.erase(resident, "never_our_record")

    for with_deleted in (False, True):
        compare.with_deleted = with_deleted
        assert isinstance(provider.world.refusal(compare, VERSION, cli), NotFoundError)
