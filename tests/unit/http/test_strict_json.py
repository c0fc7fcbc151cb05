"""Strict reading of JSON bodies and of the contract's headers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from app.core.errors import CaretrailError, InvalidRequestError, PreconditionRequiredError, TokenInvalidError
from app.http import strict_json

GREATEST = strict_json.GREATEST_WHOLE_NUMBER


def headers(*pairs):
    """Return headers as a server hands them over."""
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in pairs])


def pointer_of(call):
    """Return the one pointer of the refusal a call ends in."""
    with pytest.raises(InvalidRequestError) as refused:
        call()
    ((pointer, _),) = refused.value.errors
    return pointer


REFUSED = {
    "nothing": b"",
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without mark": '{"a": 1}'.encode("utf-16-le"),
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "overlong UTF-8": b'"\xc0\xaf"',
    "raw surrogate": b'"\xed\xa0\x80"',
    "escaped lone high surrogate": rb'{"a": "\ud800"}',
    "escaped lone low surrogate": rb'["x\udc00y"]',
    "surrogates in the wrong order": rb'"\udc00\ud800"',
    "lone surrogate as a key": rb'{"\udead": 1}',
    "escaped NUL": rb'{"a": "x\u0000y"}',
    "escaped NUL as a key": rb'{"a\u0000": 1}',
    "raw NUL": b'{"a": "\x00"}',
    "raw control character": b'"\n"',
    "NaN": b'{"a": NaN}',
    "Infinity": b"[Infinity]",
    "minus Infinity": b"-Infinity",
    "number beyond floats": b"1e400",
    "2^53": str(GREATEST + 1).encode(),
    "minus 2^53": str(-GREATEST - 1).encode(),
    "5,000 digits": b"9" * 5000,
    "5,000 zeros after the point": b"0." + b"0" * 5000,
    "equal keys": b'{"a": 1, "a": 2}',
    "equal keys, one escaped": rb'{"a": 1, "\u0061": 2}',
    "equal keys below": b'[{"b": {"a": 1, "a": 1}}]',
    "trailing comma": b"[1,]",
    "trailing garbage": b"{} x",
    "two documents": b"{}{}",
    "comment": b"{} // done",
    "single quotes": b"{'a': 1}",
    "leading zero": b"01",
    "plus sign": b"+1",
    "hexadecimal": b"0x1",
    "underscore in a number": b"1_000",
    "Arabic digits": "٣".encode(),
    "33 lists": b"[" * 33 + b"]" * 33,
    "33 objects": b'{"a":' * 32 + b"{}" + b"}" * 32,
    "100,000 lists": b"[" * 100_000 + b"]" * 100_000,
    "1,000 lists": b"[" * 1_000 + b"]" * 1_000,
    "100,000 open lists": b"[" * 100_000,
    "10,001 values": b"[" + b"0," * 9_999 + b"0]",
    "5,001 members": json.dumps({str(n): 0 for n in range(5_001)}).encode(),
    "a million keys": b"{" + b",".join(b'"%d":0' % n for n in range(1_000_000)) + b"}",
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_body_that_is_not_strict_json_is_refused(body):
    """What another reader could read differently is refused, in words that hold none of it."""
    with pytest.raises(InvalidRequestError) as refused:
        strict_json.loads(body)

    assert refused.value.errors == ()
    assert refused.value.detail != InvalidRequestError.detail
    assert len(refused.value.detail) < 120


TAKEN = {
    "empty object": (b"{}", {}),
    "white space around": (b" \t\r\n[1] ", [1]),
    "greatest and least": (b"[%d, -%d]" % (GREATEST, GREATEST), [GREATEST, -GREATEST]),
    "fraction": (b"1.50", 1.5),
    "minus nothing": (b"-0", 0),
    "null": (b"null", None),
    "surrogate pair": (rb'"\ud83d\ude00"', "\U0001f600"),
    "four-byte text": ('"Nguyễn 👩‍⚕️"'.encode(), "Nguyễn 👩‍⚕️"),
    "escaped quote and backslash": (rb'{"a\\": "\"[{,:\\"}', {"a\\": '"[{,:\\'}),
    "the same key in two objects": (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
    "marks in a long text": (b'"' + b"[{,:" * 20_000 + b'"', "[{,:" * 20_000),
}


@pytest.mark.parametrize(("body", "value"), TAKEN.values(), ids=TAKEN.keys())
def test_strict_json_is_read(body, value):
    """Strict JSON is read as what it says."""
    assert value == strict_json.loads(body)


def test_limits_are_inclusive():
    """Thirty-two levels and ten thousand values pass."""
    deep = b"[" * 32 + b"]" * 32
    many = [0] * 9_999

    assert json.loads(deep) == strict_json.loads(deep)
    assert many == strict_json.loads(json.dumps(many).encode())


def test_limits_hold_when_hidden_behind_strings():
    """Marks inside texts do not hide too many values, nor do escaped quotes."""
    body = rb'["\"", ' + b'"\\\\",' * 10_000 + b"0]"

    with pytest.raises(InvalidRequestError, match="invalid-request"):
        strict_json.loads(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"[" + b"0," * 20_001, "10000 values"),
        (b"[" + b'"",' * 20_001, "10000 values"),
        (b"[" * 40 + b"]" * 40, "32 levels"),
        (b'{\n "a": tru}', "line 2, column 7"),
    ],
)
def test_refusal_says_what_to_correct(body, said):
    """The sentence names the fault; too many values are noticed before any is built."""
    with pytest.raises(InvalidRequestError) as refused:
        strict_json.loads(body)

    assert said in refused.value.detail


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-GREATEST, GREATEST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text('ab"\\,:[', max_size=3), below),
    max_leaves=12,
)


@given(VALUES, st.booleans())
def test_round_trip(value, ascii_only):
    """Whatever JSON can say within the limits is read back unchanged."""
    assert value == strict_json.loads(json.dumps(value, ensure_ascii=ascii_only).encode())


@given(st.binary(max_size=60) | st.text('[]{}",:\\u0dD1e.-', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(body):
    """Any bytes end in a value or in our error, never in another exception."""
    try:
        value = strict_json.loads(body)
    except InvalidRequestError:
        return
    assert value == json.loads(body)


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ("Complaint", "Complaint"),
        ("Complaint by a relative", "Complaint by a relative"),
        ("Caf%C3%A9%20%26%20%25", "Café & %"),
        ("a+b", "a+b"),
        ("%F0%9F%91%A9%E2%80%8D%E2%9A%95", "👩‍⚕"),
        ("x" * 500, "x" * 500),
        ("%F0%9F%91%A9" * 500, "👩" * 500),
    ],
)
def test_audit_reason_is_decoded(encoded, text):
    """The reason is percent-encoded UTF-8 of at most 500 characters, a plus sign is a plus sign."""
    assert text == strict_json.audit_reason(headers(("Audit-Reason", encoded)))


@pytest.mark.parametrize(
    "encoded",
    [
        "",
        "  ",
        "%20",
        "x" * 501,
        "%61" * 501,
        "%F0%9F%91%A9" * 501,
        "%",
        "%4",
        "%zz",
        "50% off",
        "%ff",
        "%C3",
        "%ED%A0%80",
        "%00",
        "a%0Ab",
        "a%0D%0Ab",
        "%1B[31m",
        "%7F",
        "%C2%85",
        "%E2%80%A8",
        "caf\xe9",
        "a\tb",
    ],
)
def test_malformed_audit_reason_is_refused(encoded):
    """A reason that is blank, too long, not UTF-8 or more than one plain line is refused by name."""
    assert "/headers/Audit-Reason" == pointer_of(lambda: strict_json.parse_header_text(encoded))


def test_absent_headers_have_their_defaults():
    """Without the optional headers there is no reason and no key, and the purpose is care."""
    none = headers()

    assert strict_json.audit_reason(none) is None
    assert strict_json.idempotency_key(none) is None
    assert strict_json.audit_purpose(none) == "care"


def test_audit_purpose_is_one_of_seven():
    """The purpose is one of the seven of the contract, spelled exactly so."""
    seven = ("care", "emergency", "administration", "subject-access", "safeguarding", "audit", "research")

    assert seven == tuple(strict_json.audit_purpose(headers(("Audit-Purpose", one))) for one in seven)
    for wrong in ("", "Care", "care ", "curiosity", "care,audit"):
        call = lambda wrong=wrong: strict_json.audit_purpose(headers(("Audit-Purpose", wrong)))  # noqa: E731
        assert "/headers/Audit-Purpose" == pointer_of(call)


def test_idempotency_key_is_visible_ascii():
    """An idempotency key has 1 to 255 visible ASCII characters."""
    for key in ("k", "~" * 255, '"quoted"'):
        assert key == strict_json.idempotency_key(headers(("Idempotency-Key", key)))
    for wrong in ("", "k" * 256, "a b", "a\tb", "caf\xe9"):
        call = lambda wrong=wrong: strict_json.idempotency_key(headers(("Idempotency-Key", wrong)))  # noqa: E731
        assert "/headers/Idempotency-Key" == pointer_of(call)


def test_if_match_is_one_strong_version():
    """If-Match names one version by its strong ETag; anything else is refused, absence is its own problem."""
    assert strict_json.if_match(headers(("If-Match", '"17"'))) == 17
    wrong = (
        "*",
        'W/"17"',
        "17",
        '"17", "18"',
        '"017"',
        '"0"',
        '"-1"',
        '"1e3"',
        '"x"',
        '""',
        '"' + "9" * 5000 + '"',
    )
    for tag in (*wrong, '"٣"'):
        raw = Headers(raw=[(b"if-match", tag.encode())])
        assert "/headers/If-Match" == pointer_of(lambda raw=raw: strict_json.if_match(raw))
    with pytest.raises(PreconditionRequiredError):
        strict_json.if_match(headers())


def test_bearer_token_is_the_only_credential():
    """The token comes in a bearer header; the scheme's case does not count."""
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert (
            strict_json.bearer_token(headers(("Authorization", f"{scheme} a.b-c_d~e+f/g==")))
            == "a.b-c_d~e+f/g=="
        )
    wrong = (
        "",
        "Bearer",
        "Bearer ",
        "a.b.c",
        "Basic a.b.c",
        "Bearer a b",
        "Bearer a,b",
        "Bearer é",
        "Bearer " + "a" * 4097,
    )
    for value in wrong:
        with pytest.raises(TokenInvalidError):
            strict_json.bearer_token(headers(("Authorization", value)))
    with pytest.raises(TokenInvalidError):
        strict_json.bearer_token(headers())


@pytest.mark.parametrize("second", ["Bearer b", "Basic a", "", "Bearer a b"])
def test_two_credentials_are_none(second):
    """Headers that say different things say for sure of nobody whose request it is."""
    with pytest.raises(TokenInvalidError):
        strict_json.bearer_token(headers(("Authorization", "Bearer a"), ("Authorization", second)))


def test_a_repeated_credential_says_whose_it_is_and_is_refused():
    """Of a token sent twice it is known whose it is, so the refusal can be entered."""
    twice = headers(("Authorization", "Bearer a"), ("Authorization", "bearer  a"))

    assert "a" == strict_json.bearer_token(twice)
    assert "/headers/Authorization" == pointer_of(lambda: strict_json.refuse_repeated_credential(twice))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Audit-Reason", strict_json.audit_reason),
        ("Audit-Purpose", strict_json.audit_purpose),
        ("Idempotency-Key", strict_json.idempotency_key),
        ("If-Match", strict_json.if_match),
    ],
)
def test_repeated_header_is_refused(name, read):
    """A header that counts comes once, so that no two readers take a different one."""
    assert f"/headers/{name}" == pointer_of(lambda: read(headers((name, "care"), (name, "care"))))


def test_request_id_is_taken_over_or_made():
    """A well-formed request id is taken over, anything else is replaced by a made one."""
    for good in (b"a", b"A.b_c-9", b"x" * 64):
        assert strict_json.request_id([good], lambda: "made") == good.decode()
    for wrong in ([], [b""], [b"x" * 65], [b"a b"], [b"a\nb"], [b"caf\xc3\xa9"], [b"a\n"], [b"a", b"a"]):
        assert strict_json.request_id(wrong, lambda: "made") == "made"


@given(st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_header_parsers_raise_nothing_else(value):
    """Any header value ends in a value or in one of our errors."""
    raw = Headers(raw=[(name, value) for name in (b"audit-reason", b"if-match", b"authorization")])
    for read in (strict_json.audit_reason, strict_json.if_match, strict_json.bearer_token):
        try:
            answered = read(raw)
        except CaretrailError:
            continue
        assert answered
