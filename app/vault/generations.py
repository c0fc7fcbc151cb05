"""An organisation's key: one secret for each generation.

The newest generation seals. Each box names the generation it was sealed under, so that older ones still open:

    0x01 || nonce || ciphertext || tag                      the first
    0x02 || generation[4] || nonce || ciphertext || tag     a later one; what stands before the nonce is bound

What is derived - digests that bind rows to the trail, blind indexes, cursors - comes from the first
generation for good. The digests stand in entries, which never change: with another key an unchanged row could
not be told from a changed one. None of them opens anything.
"""

from collections.abc import Callable, Mapping

from app.core.entropy import Entropy
from app.core.errors import SealBrokenError
from app.vault.sealing import DataKey, Place, key_name

FIRST = 1
_LATER = b"\x02"
_NUMBER_BYTES = 4
HEADER_BYTES = len(_LATER) + _NUMBER_BYTES


def header(generation: int) -> bytes:
    """Return what a box sealed under a generation begins with; one byte for the first."""
    return b"\x01" if generation == FIRST else _LATER + generation.to_bytes(_NUMBER_BYTES)


def generation_of(box: bytes) -> int:
    """Return under which generation a box was sealed, by its own word.

    Raises:
        SealBrokenError: It is no box.
    """
    if not isinstance(box, bytes):  # SQLite keeps in a column whatever it is given
        raise SealBrokenError(why="seal-broken")
    if box[:1] == b"\x01":
        return FIRST
    if box[:1] != _LATER or len(box) < HEADER_BYTES:
        raise SealBrokenError(why="seal-broken")
    return int.from_bytes(box[1:HEADER_BYTES])


class OrganisationKey(DataKey):
    """All generations of an organisation's key, behind the face of one."""

    __slots__ = ("_by_generation", "_more", "_noted", "_secrets", "generation")

    def __init__(
        self,
        secrets: Mapping[int, bytes],
        entropy: Entropy,
        noted: Callable[[int], None] = lambda _generation: None,
        more: Callable[[], Mapping[int, bytes]] = dict,
    ) -> None:
        """Begin with what is known.

        Args:
            secrets: Of each generation.
            entropy: Where randomness comes from.
            noted: Told of the generation whenever something is sealed under it.
            more: Asked once for a generation that is not known: which there are by now.
        """
        super().__init__(secrets[FIRST], entropy)
        self._noted, self._more = noted, more
        self._take(secrets)

    def _take(self, secrets: Mapping[int, bytes]) -> None:
        self._secrets = dict(secrets)
        self._by_generation = {n: DataKey(secret, self._entropy) for n, secret in secrets.items()}
        self.generation = max(secrets)

    def seal(self, plain: bytes, place: Place) -> bytes:
        """Return the box of `plain` for `place`, sealed under the newest generation."""
        self._noted(self.generation)
        begins = header(self.generation)
        if self.generation == FIRST:
            return super().seal(plain, place)
        return begins + self._by_generation[self.generation]._encrypt(plain, begins + place.bound())

    def unseal(self, box: bytes, place: Place) -> bytes:
        """Return what `seal` was given, whatever generation sealed it, or raise `SealBrokenError`."""
        generation = generation_of(box)
        if generation == FIRST:
            return super().unseal(box, place)
        if generation not in self._by_generation and generation > self.generation:
            self._take(self._more() or self._secrets)
        key = self._by_generation.get(generation)
        if key is None:
            raise SealBrokenError(why="seal-broken")
        return key._decrypt(box[HEADER_BYTES:], box[:HEADER_BYTES] + place.bound())

    def is_made_of(self, secrets: Mapping[int, bytes]) -> bool:
        """Say whether these are its secrets."""
        return self._secrets == dict(secrets)

    def name(self, generation: int) -> str:
        """Return what tells a generation's key from others and nothing about it."""
        return key_name(self._secrets[generation])
