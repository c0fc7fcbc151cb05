"""Lines: canonical bytes against `rfc8785`, the splice, and a reader that takes nothing else."""

import hashlib
import json
import uuid
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audit import line, verify
from tests.support.sample_export import ORG, chained, sample_events

KEYS = st.text("abcxyz059_", min_size=1, max_size=6)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
EVENTS = st.dictionaries(KEYS, VALUES, max_size=6)
TS = "2026-03-01T10:00:00.000001Z"
ZERO = "0" * 64


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_canonical_bytes_are_those_of_rfc_8785(event):
    """An event within the profile is written exactly as an RFC 8785 library writes it."""
    line.check_profile(event)

    assert rfc8785.dumps(event) == line.canonical(event)


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.integers(0, 2**53 - 1))
def test_read_takes_a_spliced_line_apart(event, seq):
    """What is spliced is read again, and the whole line is RFC 8785 canonical."""
    spliced = line.splice(ORG, seq, TS, ZERO, line.canonical(event))

    assert line.Line(ORG, seq, TS, ZERO, event) == line.read(spliced)
    assert rfc8785.dumps(json.loads(spliced)) == spliced


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        -0.0,
        2**53,
        -(2**53),
        2**64,
        "\ud800",
        b"bytes",
        {1: "a"},
        datetime(2026, 3, 1, tzinfo=UTC),
        uuid.UUID(int=1),
        {"a"},
        object(),
    ],
)
@pytest.mark.parametrize("place", [lambda v: {"a": v}, lambda v: {"a": [1, {"b": v}]}])
def test_values_outside_the_profile_are_refused(value, place):
    """Neither the writer nor the check lets through what two JSON libraries may write differently."""
    for refuse in (line.canonical, line.check_profile):
        with pytest.raises(line.LineBrokenError):
            refuse(place(value))


@pytest.mark.parametrize("key", ["", "A", "a-b", "a.b", "é", "a b"])
def test_keys_outside_the_profile_are_refused_when_read(key):
    """A member not named in [a-z0-9_] is found by the check and by the reader."""
    with pytest.raises(line.LineBrokenError):
        line.check_profile({key: 1})
    with pytest.raises(line.LineBrokenError):
        line.read(line.splice(ORG, 0, TS, ZERO, line.canonical({key: 1})))


def test_genesis_and_leaf_are_as_the_contract_spells_them():
    """Genesis and leaf are the hashes an auditor computes by hand."""
    assert hashlib.sha256(b"caretrail/v1 genesis\nsystem").hexdigest() == line.genesis("system")
    assert hashlib.sha256(b"\x00abc").digest() == line.leaf(b"abc")


def test_chain_of_lines_is_the_one_made_from_the_contract_alone():
    """Lines written here are byte for byte those of a writer that shares no code."""
    prev = line.genesis(ORG)
    expected = chained(sample_events())
    for seq, event in enumerate(sample_events()):
        ts = f"2026-03-01T10:00:{seq // 2:02}.000001Z"
        spliced = line.splice(ORG, seq, ts, prev, line.canonical(event))
        assert expected[seq] == spliced
        prev = line.leaf(spliced).hex()

    assert 10 == len(expected)


GOOD = chained(sample_events())[3]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"c":{},"e":{}}',
        GOOD + b"\n",
        b" " + GOOD,
        GOOD.replace(b'"seq":3', b'"seq":3.0'),
        GOOD.replace(b'"seq":3', b'"seq":-3'),
        GOOD.replace(b'"seq":3', b'"seq":true'),
        GOOD.replace(b'"seq":3', b'"seq":03'),
        GOOD.replace(b'"seq":3', b'"seq":3,"seq":3'),
        GOOD.replace(b'"e":{', b'"e": {'),
        GOOD.replace(b'"e":{', b'"d":1,"e":{'),
        GOOD.replace(b'"c":{', b'"c":{"a":1,'),
        GOOD.replace(b"daily_note", b"daily\\u005fnote"),
        GOOD.replace(b"daily_note", b"daily\xffnote"),
        GOOD.replace(b"daily_note", b"\\ud800"),
        GOOD.replace(b'"v":1', b'"v":1e0'),
        GOOD.replace(b'"v":1', b'"v":9007199254740992'),
        GOOD.replace(ORG.encode(), b"a/b"),
        GOOD.replace(b"2026-03-01T", b"2026-03-01 "),
        GOOD.replace(b'"prev":"', b'"prev":"A'),
    ],
)
def test_broken_lines_are_refused_with_one_error(broken):
    """Whatever is not exactly a line is refused with the one error of its kind."""
    assert broken != GOOD
    with pytest.raises(line.LineBrokenError):
        line.read(broken)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_reader_and_verifier_agree_on_changed_lines(at, byte):
    """A changed line is canonical for the server's reader exactly when it is for the verifier."""
    changed = GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    try:
        event = line.read(changed).event
    except line.LineBrokenError:
        event = None
    try:
        record = verify.read_line(changed)
    except verify.MalformedError:
        record = None

    if event is not None and event.get("v") == 1:
        assert record is not None
        assert event == record["e"]
    elif record is not None:  # the verifier leaves the shape of `c` to the check of the chain
        chain = verify.ChainCheck(ORG, 3, line.read(GOOD).prev, [b"x" * 32] * 2)
        chain.feed([changed])
        assert chain.fault is not None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_no_line(data):
    """Random bytes raise nothing but the one error."""
    with pytest.raises(line.LineBrokenError):
        line.read(data)
