"""The second factor: one-time codes (RFC 6238) and the recovery codes for a lost phone.

Six digits, 30 seconds, SHA-1: what every authenticator application can do. The server's clock decides,
one step to either side is accepted. A code works once: the step it matched has to rise, and the
conditional write `SET otp_step = :step WHERE otp_step < :step` decides that, not this module.

Source: FACTOR-1 (ASVS 5.0 6.5.1, 6.5.3, 6.5.5).
"""

import base64
import hashlib
import hmac
import re
import unicodedata
from datetime import datetime

from pyotp import TOTP

from app.core.entropy import Entropy, words

SECRET_BYTES = 20
"""160 bits, the length of the digest (RFC 4226, section 4)."""
DIGITS = 6
STEP_S = 30
STEPS_AROUND = (-1, 0, 1)

RECOVERY_CODES = 10
RECOVERY_GROUPS = 4
RECOVERY_GROUP_LETTERS = 4
"""Sixteen of 31 letters: 79 bits."""

_OTP = re.compile(r"[0-9]{6}")
_GROUPING = re.compile(r"[\s-]+")
_PURPOSE = b"caretrail/v1 recovery-code\n"


def new_secret(entropy: Entropy) -> str:
    """Return a new secret in base32, as authenticator applications take it."""
    return base64.b32encode(entropy.bytes(SECRET_BYTES)).decode("ascii")


def otpauth_uri(secret: str, username: str, issuer: str) -> str:
    """Return the `otpauth://` address that an application reads from a QR code."""
    return _totp(secret).provisioning_uri(name=username, issuer_name=issuer)


def step_of(secret: str, otp: str, at: datetime, last_step: int | None) -> int | None:
    """Return the time step whose code this is, or None.

    Only six ASCII digits are a code: a space, a sign or a digit of another script would make a used
    code look new. All three codes are compared, each in constant time.

    Args:
        secret: The account's secret, base32.
        otp: As given.
        at: The instant of the attempt.
        last_step: The newest step used before, None when there is none. Steps up to it match nothing.
    """
    if not _OTP.fullmatch(otp):
        return None
    totp = _totp(secret)
    steps = [totp.timecode(at) + around for around in STEPS_AROUND]
    matching = [step for step in steps if hmac.compare_digest(totp.generate_otp(step), otp)]
    # When two steps share a code the newer one is used up, or the same digits would work once more.
    newest = max(matching, default=None)
    return None if newest is None or (last_step is not None and newest <= last_step) else newest


def last_step_in_use(at: datetime) -> int:
    """Return the newest step whose code may have been used by an instant."""
    return int(at.timestamp()) // STEP_S + max(STEPS_AROUND)


def new_recovery_codes(entropy: Entropy) -> list[str]:
    """Return ten different codes, each to be shown once and to be used once."""
    codes: dict[str, None] = {}
    while len(codes) < RECOVERY_CODES:
        groups = [words(entropy, RECOVERY_GROUP_LETTERS) for _ in range(RECOVERY_GROUPS)]
        codes["-".join(groups)] = None
    return list(codes)


def recovery_digest(code: str, key: bytes) -> str:
    """Return what is stored of a recovery code, as 64 hex digits; case, spaces and hyphens do not count.

    A keyed digest suffices: 79 random bits cannot be searched, and the key is not in the database.
    """
    plain = _GROUPING.sub("", unicodedata.normalize("NFKC", code).casefold())
    return hmac.new(key, _PURPOSE + plain.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _totp(secret: str) -> TOTP:
    return TOTP(secret, digits=DIGITS, interval=STEP_S)
