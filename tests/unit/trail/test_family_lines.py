"""Which lines a family may be handed whole: only those that can name nobody but the resident."""

import pytest

from app.trail.family import is_only_of

ASH, BIRCH = "0190a000-0000-7000-8000-000000000201", "0190a000-0000-7000-8000-000000000202"
RECORD = "0190a000-0000-7000-8000-000000000301"
READ = {
    "v": 1,
    "id": "0190a000-0000-7000-9000-000000000001",
    "act": "record.read",
    "out": "ok",
    "actor": {"id": "u", "kind": "user", "name_seq": 0, "roles": ["carer"]},
    "obj": {"t": "record", "id": RECORD, "ver": 1, "cat": "daily_note"},
    "homes": ["h"],
    "subs": [ASH],
    "purpose": "care",
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"obj": {"t": "resident", "id": ASH}},
        {"obj": {"t": "resident"}, "out": "fail", "why": "invalid-request"},
        {"obj": {"t": "resident", "id": ASH}, "out": "deny", "why": "out-of-scope"},
        {"out": "deny", "why": "out-of-scope"},
        {"out": "fail", "why": "version-conflict"},
        {"homes": ["h", "i"], "chg": [{"f": "home_id", "b": "00"}], "state": "00", "reason_h": "00"},
        {"grant": "g", "n": 3, "sess": "s", "dev": "d", "src": {"rid": "r"}, "for": "p"},
    ],
)
def test_a_line_about_the_resident_alone_is_handed_over(more):
    """The resident alone in `subs`, known members, and an object that is theirs."""
    assert is_only_of(READ | more, ASH)


@pytest.mark.parametrize(
    "more",
    [
        {"subs": [ASH, BIRCH]},
        {"subs": [BIRCH]},
        {"subs": []},
        {"subs": [ASH, ASH]},
        {"obj": {"t": "resident", "id": BIRCH}},
        {"out": "fail", "why": "not-found"},
        {"out": "deny", "why": "no-permission"},
        {"out": "fail", "why": "invalid-request"},
        {"out": "fail"},
        {"neighbours": [BIRCH]},
        {"seg": {"end": 7}},
        {"obj": {"t": "resident", "id": BIRCH}, "out": "deny", "why": "out-of-scope"},
    ],
)
def test_any_other_line_is_withheld(more):
    """Others in `subs`, an id as somebody asked for it, or a member nobody here knows: not handed over."""
    assert not is_only_of(READ | more, ASH)
