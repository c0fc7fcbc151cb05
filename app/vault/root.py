"""The root key behind one small protocol: what wraps the organisations' keys, wherever it is kept.

Source: VAULT-1 (ASVS 5.0 13.3.1, 13.3.3).
"""

from typing import Protocol

from app.core.entropy import Entropy
from app.vault.sealing import DataKey, Place, key_name, keyed_digest


class RootKey(Protocol):
    """Who wraps and unwraps organisations' keys. It need not be on this machine."""

    @property
    def kind(self) -> str:
        """Return who keeps it: `file`, `transit`."""
        ...

    @property
    def name(self) -> str:
        """Return what tells it from other root keys and nothing about it."""
        ...

    def wrap(self, secret: bytes, place: Place) -> bytes:
        """Return an organisation's secret, sealed for its place.

        Raises:
            AuditUnavailableError: Who keeps the key does not answer.
        """
        ...

    def unwrap(self, wrapped: bytes, place: Place) -> bytes:
        """Return what `wrap` was given.

        Raises:
            SealBrokenError: It is another key's, another place's, or was damaged.
            AuditUnavailableError: Who keeps the key does not answer.
        """
        ...

    def new_check(self) -> bytes:
        """Return a key-check value for a database that is bound to this key.

        Raises:
            AuditUnavailableError: Who keeps the key does not answer.
        """
        ...

    def fits(self, stored: bytes | None) -> bool:
        """Say whether a stored key-check value is this key's.

        Raises:
            AuditUnavailableError: Who keeps the key does not answer.
        """
        ...


class LocalRoot:
    """A root key whose bytes are at hand: that of a file."""

    kind = "file"

    def __init__(self, secret: bytes, entropy: Entropy) -> None:
        self._key = DataKey(secret, entropy)
        self.name = key_name(secret)

    def wrap(self, secret: bytes, place: Place) -> bytes:
        """Return an organisation's secret, sealed for its place."""
        return self._key.wrap(secret, place)

    def unwrap(self, wrapped: bytes, place: Place) -> bytes:
        """Return what `wrap` was given, or raise `SealBrokenError`."""
        return self._key.unseal(wrapped, place)

    def new_check(self) -> bytes:
        """Return the key-check value: a keyed digest of a constant."""
        return keyed_digest(self._key.derive("caretrail/v1 key check"), "caretrail")

    def fits(self, stored: bytes | None) -> bool:
        """Say whether a stored key-check value is this key's."""
        return stored is not None and bytes(stored) == self.new_check()
