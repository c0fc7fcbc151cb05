"""Sealing: AES-256-GCM boxes that open only in their place.

A box is `0x01 || nonce[12] || ciphertext || tag[16]`; what an organisation's key of a later generation
sealed names that first (`vault.generations`). Its associated data names the place it
belongs to - organisation, owner, row, field, version - so that a box moved to another row, field
or version does not open. Nonces are random; a data key seals far fewer than 2^32 values in the
life of one resident (NIST SP 800-38D, section 8.3).

Source: VAULT-1 (ASVS 5.0 11.3.2, authenticated encryption).
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.entropy import Entropy
from app.core.errors import AlteredRow, SealBrokenError

FORMAT = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32


class Place(NamedTuple):
    """Where a sealed value belongs: the associated data of its box."""

    org: str
    owner: str
    row: str
    field: str
    version: int

    def bound(self) -> bytes:
        """Return the associated data. NUL cannot occur in an id or a field name."""
        return f"{self.org}\0{self.owner}\0{self.row}\0{self.field}\0{self.version}".encode()


class StateKey:
    """What binds rows of one owner to the trail. It makes digests and opens nothing."""

    __slots__ = ("_keyed",)

    def __init__(self, secret: bytes) -> None:
        self._keyed = HMAC(secret, SHA256())

    def __repr__(self) -> str:
        return "StateKey(hidden)"

    def state(self, table: str, row: Sequence[object]) -> bytes:
        """Return the keyed digest that binds a row to the trail: HMAC-SHA256 over its canonical form.

        Keyed, so that no digest of personal data can be guessed at after the key is destroyed.
        """
        # not `hmac`: at 2 KB it gives up the interpreter's lock; to get it back takes longer (decision 0011)
        digest = self._keyed.copy()
        digest.update(table.encode() + b"\0" + orjson.dumps(row, default=_hex))
        return digest.finalize()


class DataKey:
    """A key that seals values and derives digests for one owner: a resident, a person, a provider."""

    __slots__ = ("_cipher", "_entropy", "_secret", "_state_key")

    def __init__(self, secret: bytes, entropy: Entropy) -> None:
        self._secret = secret
        self._cipher = AESGCM(secret)
        self._entropy = entropy
        self._state_key: StateKey | None = None

    def __repr__(self) -> str:
        return "DataKey(hidden)"

    def seal(self, plain: bytes, place: Place) -> bytes:
        """Return the box of `plain` for `place`."""
        return FORMAT + self._encrypt(plain, place.bound())

    def unseal(self, box: bytes, place: Place) -> bytes:
        """Return what `seal` was given, or raise `SealBrokenError`."""
        if not isinstance(box, bytes) or box[:1] != FORMAT:
            raise SealBrokenError(why="seal-broken")
        return self._decrypt(box[1:], place.bound())

    def _encrypt(self, plain: bytes, bound: bytes) -> bytes:
        nonce = self._entropy.bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound)

    def _decrypt(self, box: bytes, bound: bytes) -> bytes:
        try:
            return self._cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError) as error:
            raise SealBrokenError(why="seal-broken") from error

    def seal_json(self, value: object, place: Place) -> bytes:
        """Return the box of a JSON value."""
        return self.seal(orjson.dumps(value), place)

    def unseal_json(self, box: bytes, place: Place) -> object:
        """Return the JSON value of a box, or raise `SealBrokenError`."""
        return orjson.loads(self.unseal(box, place))

    def wrap(self, secret: bytes, place: Place) -> bytes:
        """Return another key's secret, sealed under this one."""
        return self.seal(secret, place)

    def unwrap(self, wrapped: bytes, place: Place) -> "DataKey":
        """Return the key of a wrapped secret, or raise `SealBrokenError`."""
        return DataKey(self.unseal(wrapped, place), self._entropy)

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one named purpose (HKDF-SHA256, RFC 5869)."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(
            self._secret
        )

    def state(self, table: str, row: Sequence[object]) -> bytes:
        """Return the keyed digest that binds a row to the trail (`StateKey.state`)."""
        return self.state_key().state(table, row)

    def state_key(self) -> StateKey:
        """Return the key of the digests alone, for whoever has rows to judge and nothing to read."""
        if self._state_key is None:
            self._state_key = StateKey(self.derive("caretrail/v1 state"))
        return self._state_key


def refuse_altered(stored: object, computed: bytes, row: AlteredRow) -> None:
    """Refuse a row whose columns were changed behind the service's back: a category, a role, a version.

    Raises:
        SealBrokenError: The digest kept in the row is not that of its columns.
    """
    if not same_digest(stored, computed):
        raise SealBrokenError(why="state-broken", row=row)


def same_digest(stored: object, computed: bytes) -> bool:
    """Say whether a digest kept in a row is the one computed. One that is no bytes at all is not."""
    return isinstance(stored, bytes) and hmac.compare_digest(stored, computed)


def _hex(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)


def keyed_digest(key: bytes, *parts: str) -> bytes:
    """Return HMAC-SHA256 of texts under a key: a blind index, a digest of an address."""
    return hmac.digest(key, "\0".join(parts).encode(), "sha256")


def fingerprint(sealed: bytes) -> str:
    """Return the hex SHA-256 by which the trail names a sealed value."""
    return hashlib.sha256(sealed).hexdigest()


def key_name(secret: bytes) -> str:
    """Return what tells two keys apart and nothing about them: 16 hexadecimal digits."""
    return hashlib.sha256(b"caretrail/v1 key id\0" + secret).hexdigest()[:16]
