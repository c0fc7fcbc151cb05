"""The second factor."""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest

from app.identity.totp import (
    new_recovery_codes,
    new_secret,
    otpauth_uri,
    recovery_digest,
    step_of,
)

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
# RFC 6238, appendix B, SHA-1: the last six of the eight digits.
RFC_VECTORS = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]
AT = datetime.fromtimestamp(1234567890, UTC)
STEP = 1234567890 // 30
# Found by search: the steps before and after this one have the same code under the same secret.
BETWEEN_TWINS, TWIN_OTP = 153_568, "468457"


@pytest.mark.parametrize(("seconds", "otp"), RFC_VECTORS)
def test_rfc_6238_vectors(seconds, otp):
    """The codes of RFC 6238 match their step."""
    assert step_of(RFC_SECRET, otp, datetime.fromtimestamp(seconds, UTC), None) == seconds // 30


def test_window_is_one_step_to_either_side():
    """A code is taken in its own half minute and in the one before and after, not a microsecond longer."""
    begins = datetime.fromtimestamp(STEP * 30, UTC)
    tick = timedelta(microseconds=1)

    def taken(at: datetime) -> bool:
        return step_of(RFC_SECRET, "005924", at, None) == STEP

    assert not taken(begins - timedelta(seconds=30) - tick)
    assert taken(begins - timedelta(seconds=30))
    assert taken(begins)
    assert taken(begins + timedelta(seconds=60) - tick)
    assert not taken(begins + timedelta(seconds=60))


def test_time_zone_of_the_instant_does_not_matter():
    """The instant counts, not the zone it is given in."""
    assert (
        step_of(RFC_SECRET, "005924", AT.astimezone(timezone(timedelta(hours=5, minutes=45))), None) == STEP
    )


def test_a_used_step_matches_no_more():
    """A code works once: its step has to be newer than the last one used."""
    assert step_of(RFC_SECRET, "005924", AT, STEP - 1) == STEP
    assert step_of(RFC_SECRET, "005924", AT, STEP) is None
    assert step_of(RFC_SECRET, "005924", AT, STEP + 1) is None


def test_an_older_code_matches_no_more_after_a_newer_one():
    """After the code of this half minute the one before is spent, though never used."""
    later = AT + timedelta(seconds=30)

    assert step_of(RFC_SECRET, "005924", later, None) == STEP
    assert step_of(RFC_SECRET, "005924", later, STEP + 1) is None


@pytest.mark.parametrize(
    "otp",
    [
        "",
        "05924",
        "0005924",
        " 005924",
        "005924 ",
        "005924\n",
        "005 924",
        "+05924",
        "-05924",
        "5924",
        "٠٠٥٩٢٤",
        "００５９２４",
        "00592४",
        "0x5924",
        "005924\0",
        "\ud800" * 6,
        "0" * 10_000,
    ],
)
def test_only_six_ascii_digits_are_a_code(otp):
    """Spaces, signs, digits of other scripts and other lengths are no code."""
    assert step_of(RFC_SECRET, otp, AT, None) is None


def test_steps_with_one_code_are_used_up_together():
    """When two steps of the window share a code, using it spends the newer one too."""
    at = datetime.fromtimestamp(BETWEEN_TWINS * 30, UTC)
    before, after = at - timedelta(seconds=30), at + timedelta(seconds=60)

    assert step_of(RFC_SECRET, TWIN_OTP, before, None) == BETWEEN_TWINS - 1
    assert step_of(RFC_SECRET, TWIN_OTP, after, None) == BETWEEN_TWINS + 1
    assert step_of(RFC_SECRET, TWIN_OTP, at, None) == BETWEEN_TWINS + 1
    assert step_of(RFC_SECRET, TWIN_OTP, at, BETWEEN_TWINS + 1) is None


def test_new_secrets_have_160_bits(entropy):
    """A secret is 20 random bytes in base32 without padding, another at every call."""
    secrets = {new_secret(entropy) for _ in range(5)}

    assert len(secrets) == 5
    assert all(len(base64.b32decode(secret)) == 20 and "=" not in secret for secret in secrets)


def test_otpauth_uri_is_what_applications_read(entropy):
    """The address names issuer and account and holds the secret."""
    secret = new_secret(entropy)

    uri = urlsplit(otpauth_uri(secret, "nurse@home one", "Caretrail: Willow & Co"))

    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/Caretrail%3A%20Willow%20%26%20Co:nurse%40home%20one"
    query = {name: values for name, values in parse_qs(uri.query).items() if name != "algorithm"}
    assert query == {"secret": [secret], "issuer": ["Caretrail: Willow & Co"]}


def test_recovery_codes_are_ten_long_and_readable(entropy):
    """Ten codes of four groups of four letters, none of which is misread on paper."""
    codes = new_recovery_codes(entropy)

    assert len(codes) == len(set(codes)) == 10
    assert all(re.fullmatch(r"([a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}", code) for code in codes)
    assert not set(codes) & set(new_recovery_codes(entropy))


def test_recovery_digest_ignores_how_a_code_is_written():
    """Case, hyphens and spaces do not count; every letter does; so does the key."""
    digest = recovery_digest("abcd-efgh-jkmn-pqrs", b"k" * 32)

    message = b"caretrail/v1 recovery-code\nabcdefghjkmnpqrs"  # stored digests depend on it
    assert digest == hmac.new(b"k" * 32, message, hashlib.sha256).hexdigest()
    for same in ("ABCD-EFGH-JKMN-PQRS", " abcdefghjkmnpqrs\n", "abcd efgh jkmn pqrs", "ａbcd-efgh-jkmn-pqrs"):
        assert recovery_digest(same, b"k" * 32) == digest
    for other in ("abcd-efgh-jkmn-pqrt", "abcd-efgh-jkmn-pqr", "", "\ud800"):
        assert recovery_digest(other, b"k" * 32) != digest
    assert recovery_digest("abcd-efgh-jkmn-pqrs", b"l" * 32) != digest
