"""The files of the signing key, and how one key follows another.

    signing.key            the present key: 64 hexadecimal digits, as every key file
    signing.previous.key   the key before it, while both sign; a second line says until when
    signing.next.key       a key made by a rotation that was broken off: the next one takes it up
    signing.retired.pub    the public halves of older keys, one a line: what they signed stays checkable

A rotation is one rename, made after the trail says that it comes. Before it the old key signs, after it
both do; when their time is over, the private half of the old one is removed.

Source: AUDIT-2, VAULT-1.
"""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.core.clock import parse, spell
from app.core.entropy import Entropy
from app.core.errors import ConflictError, StartRefusedError
from app.storage import durable
from app.vault.provider import SIGNING_KEY, FileKeys, key_of, refused_unless_written

PREVIOUS_KEY = "signing.previous.key"
NEXT_KEY = "signing.next.key"
RETIRED_KEYS = "signing.retired.pub"


class SigningKeys(NamedTuple):
    """What signs now, and what signed before.

    Attributes:
        present: The seed of the present key.
        previous: The seed of the key before it, while both sign.
        until: When the key before stops signing.
        retired: Public keys that only check.
    """

    present: bytes
    previous: bytes | None = None
    until: datetime | None = None
    retired: tuple[bytes, ...] = ()

    @property
    def seeds(self) -> tuple[bytes, ...]:
        """Return the seeds that sign, the present one first."""
        return (self.present,) if self.previous is None else (self.present, self.previous)


def public_half(seed: bytes) -> bytes:
    """Return the Ed25519 public key of a seed."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


class SigningFiles:
    """The signing key's files in a folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = FileKeys(directory)

    def load(self, at: datetime) -> SigningKeys:
        """Return the keys as of an instant.

        Raises:
            StartRefusedError: A file is missing, damaged, or readable by others.
        """
        present = self._files.secret(SIGNING_KEY)
        previous, until = self._previous()
        retired = self._retired()
        if previous is None or previous == present:  # equal: a rotation was broken off before its rename
            return SigningKeys(present, retired=retired)
        if until is None or at >= until:
            return SigningKeys(present, retired=_with(retired, public_half(previous)))
        return SigningKeys(present, previous, until, retired)

    def traces(self) -> tuple[tuple[int, int, int], ...]:
        """Return what differs as soon as a file was replaced: cheap enough to ask every second."""
        return tuple(_trace(self._directory / name) for name in (SIGNING_KEY, PREVIOUS_KEY, RETIRED_KEYS))

    def prepare(self, entropy: Entropy, at: datetime) -> bytes:
        """Return the seed of the key to come, made now or by a rotation that was broken off.

        Raises:
            ConflictError: Both keys of an earlier rotation still sign.
            StartRefusedError: The folder cannot be written.
        """
        until = self.load(at).until
        if until is not None:
            raise ConflictError(
                f"The key before still signs until {spell(until)}: rotate again after that. `caretrail keys"
                " status` shows the new verifier keys.",
                why="overlap",
            )
        self._files.clear_away()
        if not self._files.exists(NEXT_KEY):
            self._files.create(NEXT_KEY, entropy)
        return self._files.secret(NEXT_KEY)

    def to_come(self) -> bytes | None:
        """Return the public half of a prepared key, None where none is.

        Raises:
            StartRefusedError: Its file is damaged, or readable by others.
        """
        return public_half(self._files.secret(NEXT_KEY)) if self._files.exists(NEXT_KEY) else None

    def switch(self, until: datetime) -> None:
        """Make the prepared key the present one; the one before signs on beside it until an instant.

        Raises:
            ConflictError: None is prepared, or another process switched to it; no file is touched.
            StartRefusedError: The folder cannot be written. What is in use is in use still.
        """
        self._files.clear_away()
        with refused_unless_written(self._directory), durable.locked(self._directory):
            if not self._files.exists(NEXT_KEY):
                raise ConflictError("No key is prepared: begin the rotation again.", why="none-prepared")
            old = self._files.secret(SIGNING_KEY)
            self._retire_previous()
            durable.replace(self._directory / PREVIOUS_KEY, f"{old.hex()}\n{spell(until)}\n".encode())
            (self._directory / NEXT_KEY).replace(self._directory / SIGNING_KEY)
            durable.sync_folder(self._directory)

    def retire(self, at: datetime) -> bool:
        """Remove the private half of a key whose time is over; say whether there was one.

        Raises:
            OSError: The folder cannot be written. The key signs no more all the same.
        """
        if not self._is_over(at):
            return False
        with durable.locked(self._directory):
            if self._is_over(at):  # asked again: another process may have rotated meanwhile
                self._retire_previous()
        return True

    def _is_over(self, at: datetime) -> bool:
        previous, until = self._previous()
        return previous is not None and (until is None or at >= until)

    def _retire_previous(self) -> None:
        """Keep the public half, then remove the private one: a crash between the two loses neither."""
        previous, _ = self._previous()
        if previous is None:
            return
        if previous != self._files.secret(SIGNING_KEY):
            kept = _with(self._retired(), public_half(previous))
            told = "".join(f"{public.hex()}\n" for public in kept)
            durable.replace(self._directory / RETIRED_KEYS, told.encode())
        (self._directory / PREVIOUS_KEY).unlink(missing_ok=True)
        durable.sync_folder(self._directory)

    def _previous(self) -> tuple[bytes | None, datetime | None]:
        if not self._files.exists(PREVIOUS_KEY):
            return None, None
        seed, _, until = self._files.text(PREVIOUS_KEY).strip().partition("\n")
        path = self._directory / PREVIOUS_KEY
        try:
            return key_of(path, seed), parse(until)
        except ValueError as error:
            raise StartRefusedError(
                f"the key file {path} is damaged: its second line is no instant"
            ) from error

    def _retired(self) -> tuple[bytes, ...]:
        path = self._directory / RETIRED_KEYS
        try:
            lines = path.read_text("ascii").split()
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise StartRefusedError(f"the file {path} cannot be read ({type(error).__name__})") from error
        return tuple(key_of(path, line) for line in lines)


def _with(keys: tuple[bytes, ...], key: bytes) -> tuple[bytes, ...]:
    return keys if key in keys else (*keys, key)


def _trace(path: Path) -> tuple[int, int, int]:
    try:
        seen = path.stat()
    except OSError:
        return (0, 0, 0)
    return (seen.st_ino, seen.st_mtime_ns, seen.st_size)
