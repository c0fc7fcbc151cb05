"""Access tokens: a session's id and whose it is, signed with Ed25519.

A token says which session is meant, and the id of whoever signed in: a session's row that somebody turned
into another person's is none that this token opens. It proves only that this service issued it: whether the
session still lives is read from its row in every turn, so a token that outlives its session opens nothing.
That is why an expired but genuine token is still read: the refusal belongs into the trail of the session's
organisation, with the reason the session ended.

Source: TOKEN-1 (ASVS 5.0 9.1.1, 9.1.2, 9.2.1, 9.2.3).
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.core.errors import TokenInvalidError
from app.core.identifiers import is_id

ALGORITHM: Final = "EdDSA"
AUDIENCE: Final = "caretrail-api"
HEADER: Final = {"alg": ALGORITHM, "typ": "JWT"}
"""The whole header of every token. Any other - a `kid`, a `jku`, a `crit` - is not one of ours."""
LONGEST_TOKEN = 2048
CAPACITY = 8192

_SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}")
# A token that is over is still read: whether its session lives is asked of the row, in the turn.
_OPTIONS: Final[Any] = {
    "require": ["iss", "aud", "sub", "sid", "org", "iat", "exp"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "strict_aud": True,
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a genuine token says.

    Attributes:
        session_id: The session it stands for.
        org: The session's organisation.
        user_id: Who signed in.
        started_at: When the session began.
        ends_at: When it ends at the latest; the token's `exp`.
    """

    session_id: str
    org: str
    user_id: str
    started_at: datetime
    ends_at: datetime


class TokenSigner:
    """Issues access tokens.

    Args:
        seed: The 32 bytes of the Ed25519 private key.
        issuer: The deployment's name.
    """

    def __init__(self, seed: bytes, issuer: str) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._issuer = issuer

    @property
    def public_key(self) -> Ed25519PublicKey:
        """Return what a `TokenReader` needs."""
        return self._key.public_key()

    def issue(self, session_id: str, org: str, user_id: str, started_at: datetime, ends_at: datetime) -> str:
        """Return the token of a session. It ends when the session ends."""
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": user_id,
            "sid": session_id,
            "org": org,
            "iat": _numeric_date(started_at),
            "exp": _numeric_date(ends_at),
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers=HEADER)


class TokenReader:
    """Reads access tokens; each signature is verified once and then known by the token's SHA-256.

    The memory has two generations: when the young one is full it becomes the old one. That keeps what
    is in use, forgets the rest, never holds more than `capacity` and needs no lock.

    Args:
        key: The signer's public key.
        issuer: The deployment's name.
        capacity: How many tokens are remembered at most.
    """

    def __init__(self, key: Ed25519PublicKey, issuer: str, capacity: int = CAPACITY) -> None:
        self._key = key
        self._issuer = issuer
        self._generation = max(1, capacity // 2)
        self._young: dict[bytes, Claims] = {}
        self._old: dict[bytes, Claims] = {}

    def read(self, token: str) -> Claims:
        """Return what a genuine token says, over or not.

        Raises:
            TokenInvalidError: This service did not issue it.
        """
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise TokenInvalidError
        digest = hashlib.sha256(token.encode("ascii")).digest()
        return self._young.get(digest) or self._recall(digest) or self._verify(token, digest)

    def _recall(self, digest: bytes) -> Claims | None:
        claims = self._old.get(digest)
        if claims is not None:
            self._remember(digest, claims)
        return claims

    def _verify(self, token: str, digest: bytes) -> Claims:
        # To accept a token: 1 shape  2 signature, algorithm, issuer, audience  3 header  4 claims
        if not _SHAPE.fullmatch(token):  # 1
            raise TokenInvalidError
        try:
            decoded = jwt.decode_complete(  # 2
                token, self._key, [ALGORITHM], options=_OPTIONS, audience=AUDIENCE, issuer=self._issuer
            )
        except jwt.InvalidTokenError:
            raise TokenInvalidError from None
        if decoded["header"] != HEADER:  # 3
            raise TokenInvalidError
        claims = _claims(decoded["payload"])  # 4
        self._remember(digest, claims)
        return claims

    def _remember(self, digest: bytes, claims: Claims) -> None:
        if len(self._young) >= self._generation:
            self._old, self._young = self._young, {}
        self._young[digest] = claims


def _claims(payload: dict[str, Any]) -> Claims:
    session_id, org, user_id = (payload[name] for name in ("sid", "org", "sub"))
    if not all(isinstance(name, str) and is_id(name) for name in (session_id, org, user_id)):
        raise TokenInvalidError
    return Claims(session_id, org, user_id, _instant(payload["iat"]), _instant(payload["exp"]))


def _numeric_date(at: datetime) -> int | float:
    """Return seconds since 1970: a whole number where it is one, else exact to the microsecond."""
    return int(at.timestamp()) if at.microsecond == 0 else at.timestamp()


def _instant(numeric_date: Any) -> datetime:
    if type(numeric_date) not in {int, float}:
        raise TokenInvalidError
    try:
        return datetime.fromtimestamp(numeric_date, UTC)
    except (ValueError, OverflowError, OSError):
        raise TokenInvalidError from None
