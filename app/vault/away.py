"""A root key that is kept elsewhere: what is sealed by it, and what happens while nobody answers.

What it wraps carries a mark, made with the wrapped secret over the place it belongs to. So an answer that
is not the secret that was wrapped - another key's, another row's, a forged one - is told without trusting
whoever answers.

    0x03 || HMAC-SHA256(secret, place)[32] || what the keeper returned

Every call has a deadline. After one that failed no other is made for a while: whoever needs the key meanwhile
is refused at once (503). There is no other way to a key, and never one without the keeper.

Source: VAULT-1 (ASVS 5.0 13.3.3, a vault performs the cryptographic operations).
"""

import hmac
import logging
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from app.core.clock import monotonic
from app.core.entropy import Entropy
from app.core.errors import AuditUnavailableError, SealBrokenError
from app.vault.sealing import KEY_BYTES, Place

Outcome = TypeVar("Outcome")
logger = logging.getLogger(__name__)

UNREACHABLE = "root-key-unreachable"
"""Why nothing is done: whoever keeps the root key does not answer, or refuses."""
NO_ANSWER = "no answer in time"
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 5.0
_FORMAT = b"\x03"
_MARK_BYTES = 32
_CHECKED = Place("", "root", "root", "check", 1)
_DETAIL = "The keeper of the root key does not answer. Nothing was shown or changed. Try again shortly."


class KeeperAwayError(Exception):
    """The keeper did not answer in time, is sealed, or does not let this service in."""


class KeyUnreachableError(AuditUnavailableError):
    """Nothing is done, for whoever keeps the root key did not do its part. `told` is for operators alone."""

    def __init__(self, whose: str, reason: str = NO_ANSWER) -> None:
        super().__init__(_DETAIL, why=UNREACHABLE)
        self.told = f"{whose}: whoever keeps the root key does not answer, or refuses: {reason}"


class Keeper(Protocol):
    """Whoever keeps a root key and seals with it."""

    @property
    def name(self) -> str:
        """Return what tells its key from others."""
        ...

    def encrypt(self, plain: bytes, bound: bytes) -> bytes:
        """Return `plain` sealed and bound to `bound`; or raise `KeeperAwayError`."""
        ...

    def decrypt(self, sealed: bytes, bound: bytes) -> bytes | None:
        """Return what was sealed, None if it was not sealed so by this key; or raise `KeeperAwayError`."""
        ...


class AwayRoot:
    """A root key that never comes here: its keeper wraps and unwraps."""

    def __init__(self, kind: str, keeper: Keeper, entropy: Entropy, timeout_s: float) -> None:
        self.kind, self.name = kind, keeper.name
        self._keeper, self._entropy = keeper, entropy
        self._calls = Calls(f"{kind} {self.name}", timeout_s)
        self._known: bytes | None = None

    def wrap(self, secret: bytes, place: Place) -> bytes:
        """Return an organisation's secret, sealed for its place."""
        sealed = self._calls.make(lambda: self._keeper.encrypt(secret, place.bound()))
        return _FORMAT + _mark(secret, place) + sealed

    def unwrap(self, wrapped: bytes, place: Place) -> bytes:
        """Return what `wrap` was given.

        Raises:
            SealBrokenError: It is another key's or another place's, or the answer is not what was wrapped.
            KeyUnreachableError: The keeper does not answer, or refuses.
        """
        wrapped = bytes(wrapped)
        mark, sealed = wrapped[1 : 1 + _MARK_BYTES], wrapped[1 + _MARK_BYTES :]
        if wrapped[:1] != _FORMAT or not sealed:
            raise SealBrokenError(why="seal-broken")
        secret = self._calls.make(lambda: self._keeper.decrypt(sealed, place.bound()))
        if secret is None or len(secret) != KEY_BYTES or not hmac.compare_digest(_mark(secret, place), mark):
            raise SealBrokenError(why="seal-broken")
        return secret

    def new_check(self) -> bytes:
        """Return a key-check value: something random, wrapped."""
        return self.wrap(self._entropy.bytes(KEY_BYTES), _CHECKED)

    def fits(self, stored: bytes | None) -> bool:
        """Say whether a stored key-check value opens. The keeper is asked once for each.

        Raises:
            KeyUnreachableError: The keeper does not answer, or refuses.
        """
        if stored is None or (self._known is not None and stored == self._known):
            return stored is not None
        try:
            self.unwrap(stored, _CHECKED)
        except SealBrokenError:
            return False
        self._known = stored
        return True


class Calls:
    """Calls that end in time, and are not made for a while after one that failed."""

    def __init__(self, whose: str, timeout_s: float) -> None:
        self._whose, self._timeout_s = whose, timeout_s
        self._pause_s = 0.0
        self._not_before = 0.0
        self._why = ""

    def make(self, call: Callable[[], Outcome]) -> Outcome:
        """Return what comes of a call.

        Raises:
            KeyUnreachableError: It failed, took too long, or one before it did just now.
        """
        if monotonic() < self._not_before:
            raise KeyUnreachableError(self._whose, self._why)
        told: list[Outcome] = []
        failed: list[str] = []
        thread = threading.Thread(target=_run, args=(call, told, failed), name="keeper", daemon=True)
        thread.start()
        thread.join(self._timeout_s)  # however slowly an answer drips in
        if not told:
            self._failed(failed[0] if failed else NO_ANSWER)
            raise KeyUnreachableError(self._whose, self._why)
        if self._pause_s:
            logger.warning("root-key-reached")
        self._pause_s = 0.0
        return told[0]

    def _failed(self, why: str) -> None:
        if not self._pause_s:  # once, not at every try
            logger.error("root-key-unreachable", extra={"why": why})
        self._why = why
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2 or FIRST_PAUSE_S)
        self._not_before = monotonic() + self._pause_s


def _run(call: Callable[[], Outcome], told: list[Outcome], failed: list[str]) -> None:
    try:
        told.append(call())
    except KeeperAwayError as away:
        failed.append(str(away))


def _mark(secret: bytes, place: Place) -> bytes:
    return hmac.digest(secret, b"caretrail/v1 wrapped\0" + place.bound(), "sha256")
