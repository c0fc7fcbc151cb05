"""Passwords at rest: Argon2id, in a thread of its own.

A check costs about 55 ms and 46 MiB. In the event loop, or in a pool of many threads, a shift change
would make every other request wait for it; in one thread it does not. The queue before that thread is
bounded, so that a flood of sign-ins is answered with 429 instead of with a growing wait.

A password is normalised to NFKC (Unicode's form for comparing identifiers, as NIST SP 800-63B asks) and
is otherwise taken exactly as given, case and spaces included: the same keys pressed on a tablet and on a
desktop may arrive composed or decomposed, and must open the same account.
"""

import asyncio
import contextlib
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import BoundedSemaphore
from typing import Final, TypeVar

from argon2 import Parameters, PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from app.core.entropy import Entropy
from app.core.errors import TooManyAttemptsError

T = TypeVar("T")

OWASP_46_MIB: Final = Parameters(
    type=Type.ID,
    version=19,
    salt_len=16,
    hash_len=32,
    time_cost=1,
    memory_cost=47_104,
    parallelism=1,
)
"""OWASP's first choice for Argon2id: 46 MiB, one pass, one lane.  Source: PASSWORD-2 (ASVS 5.0 11.4.2)"""

LONGEST = 128
"""The longest password, in characters after normalisation."""
LONGEST_GIVEN = 4 * LONGEST
"""What is longer cannot become a password by normalising, and is not normalised at all."""
WAITING = 32
"""Checks that may wait or run at once: less than two seconds of work."""
RETRY_AFTER_S = 2


def normalise_password(given: str) -> str:
    """Return the form of a password that is measured, judged, hashed and checked."""
    return unicodedata.normalize("NFKC", given)


class PasswordHashes:
    """Makes and checks Argon2id hashes, in the caller's thread.

    Args:
        entropy: Where salts come from.
        parameters: The cost. Tests use `argon2.profiles.CHEAPEST`.
    """

    def __init__(self, entropy: Entropy, parameters: Parameters = OWASP_46_MIB) -> None:
        self._entropy = entropy
        self._salt_bytes = parameters.salt_len
        self._argon2 = PasswordHasher.from_parameters(parameters)
        self._nobody = self.hash(entropy.bytes(16).hex())

    def hash(self, password: str) -> str:
        """Return the encoded hash of a new password."""
        return self._argon2.hash(_encoded(password), salt=self._entropy.bytes(self._salt_bytes))

    def check(self, stored: str | None, given: str) -> bool:
        """Say whether a given password is the stored one.

        Every refusal costs one Argon2 of the present parameters: for an unknown user (`stored` is None),
        a stored value that is no hash, and a password too long to be one, the hash of a random
        password is checked in its place. So the time of a refusal tells nobody which names exist.

        Source: PASSWORD-3 (ASVS 5.0 6.3.8).
        """
        possible = len(given) <= LONGEST_GIVEN
        candidate = _encoded(given) if possible else b""
        if stored is None or not possible:
            return self._refuse(candidate)
        try:
            return self._argon2.verify(stored, candidate)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError):
            # The row was damaged: nothing opens it until the password is reset. Were it memory that
            # lacks, the next line would raise again, and nobody is told that a password is wrong.
            return self._refuse(candidate)

    def _refuse(self, candidate: bytes) -> bool:
        with contextlib.suppress(VerifyMismatchError):
            self._argon2.verify(self._nobody, candidate)
        return False


class PasswordPool:
    """The one thread in which passwords are hashed, for callers in the event loop.

    Args:
        entropy: Where salts come from.
        parameters: The cost of a hash.
        waiting: How many may wait or run at once.

    Attributes:
        hashes: The same work without the thread, for commands.
    """

    def __init__(
        self, entropy: Entropy, parameters: Parameters = OWASP_46_MIB, *, waiting: int = WAITING
    ) -> None:
        self.hashes = PasswordHashes(entropy, parameters)
        self._room = BoundedSemaphore(waiting)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")

    async def hash(self, password: str) -> str:
        """Return the encoded hash of a new password."""
        return await self.run(partial(self.hashes.hash, password))

    async def check(self, stored: str | None, given: str) -> bool:
        """Say whether a given password is the stored one; None stands for an unknown user."""
        return await self.run(partial(self.hashes.check, stored, given))

    async def run(self, work: Callable[[], T]) -> T:
        """Run other slow work on a password (`check_new_password`) in the same thread.

        Raises:
            TooManyAttemptsError: The queue is full; nothing was begun.
        """
        if not self._room.acquire(blocking=False):
            raise TooManyAttemptsError(why="password-queue-full", retry_after=RETRY_AFTER_S)
        job = self._thread.submit(work)
        # Not in a `finally` here: when the caller goes away, a job already running keeps its place.
        job.add_done_callback(lambda _: self._room.release())
        return await asyncio.wrap_future(job)

    def close(self) -> None:
        """Drop what waits and end the thread after the hash it is working on."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def _encoded(password: str) -> bytes:
    # A lone surrogate cannot be in a password that was ever set, but must not break a check.
    return normalise_password(password).encode("utf-8", "surrogatepass")
