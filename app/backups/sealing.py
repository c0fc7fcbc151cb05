"""Sealing a backup's content to age recipients, and opening it: streams, in constant memory.

Whoever only holds recipients - this server - can seal and never open. The format is age's own
(age-encryption.org/v1), so that a home gets at its data with the `age` program alone.

The only module that knows pyrage.
"""

from pathlib import Path
from typing import Any, NamedTuple

import pyrage

from app.backups.archive import BackupRefusedError, Sink
from app.core.errors import StartRefusedError

Reader = Any
"""Anything with `read(most) -> bytes`."""


class Identities(NamedTuple):
    """What opens backups, and the file it was read from: a refusal names it."""

    file: Path
    secrets: list[Any]

    def recipients(self) -> list[str]:
        """Return whom to seal for, that these open it."""
        return [str(secret.to_public()) for secret in self.secrets]


def recipients(path: Path) -> list[str]:
    """Return the recipients in a file: a line each, `#` begins a remark.

    Raises:
        StartRefusedError: The file cannot be read, or holds none, or something else.
    """
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefusedError(f"the recipients of backups cannot be read from {path}: {error}") from error
    found = [line for line in lines if line and not line.startswith("#")]
    if any(line.startswith("AGE-SECRET-KEY") for line in found):
        raise StartRefusedError(
            f"{path} holds an identity, the secret half. Take it off this server; the line that begins"
            " `age1` is what belongs here"
        )
    for line in found:
        check_recipient(line)
    if not found:
        raise StartRefusedError(f"{path} names no recipient of backups: a line `age1...` is wanted")
    return found


def check_recipient(text: str) -> None:
    """Return if a text is an age recipient.

    Raises:
        StartRefusedError: It is not.
    """
    _recipient(text)


def _recipient(text: str) -> Any:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise StartRefusedError(
            "an age recipient is not valid: `age1...` is wanted, as `age-keygen` prints it"
        ) from error


def identities(path: Path) -> Identities:
    """Return the identities in a file as `age-keygen` writes it.

    Raises:
        BackupRefusedError: The file cannot be read or holds none.
    """
    try:
        lines = path.read_text("utf-8").split()
        found = [line for line in lines if line.startswith("AGE-SECRET-KEY-")]
        read = [pyrage.x25519.Identity.from_str(line) for line in found]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError) as error:
        raise BackupRefusedError(f"The identity cannot be read from {path}.", "identity") from error
    if not read:
        raise BackupRefusedError(f"{path} holds no identity (a line `AGE-SECRET-KEY-1...`).", "identity")
    return Identities(path, read)


def new_identity() -> tuple[str, str]:
    """Return a new identity and its recipient, as text."""
    made = pyrage.x25519.Identity.generate()
    return str(made), str(made.to_public())


def seal(content: Reader, to: Sink, recipients: list[str]) -> None:
    """Seal all of a content. What reading or writing raises comes through as it was raised."""
    ends = _Ends(content, to)
    try:
        pyrage.encrypt_io(ends, ends, [_recipient(text) for text in recipients])
    except pyrage.EncryptError as error:
        raise ends.raised or error from None


class _Ends:
    """Both ends of what is sealed. pyrage makes one text of whatever goes wrong there; it is kept here."""

    def __init__(self, content: Reader, to: Any) -> None:
        self._content, self._to = content, to
        self.raised: BaseException | None = None

    def read(self, most: int = -1) -> bytes:
        """Return at most so many bytes."""
        with self:
            return bytes(self._content.read(most))

    def write(self, data: bytes, /) -> int:
        """Take some bytes."""
        with self:
            return int(self._to.write(data))

    def flush(self) -> None:
        """Have nothing held back."""
        with self:
            self._to.flush()

    def __enter__(self) -> None:
        """Begin to read or write."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Keep what ended it; it goes on into pyrage."""
        self.raised = self.raised or error


def unseal(sealed: Reader, to: Any, identities: Identities) -> None:
    """Open what was sealed. What was written when this raises must not be used.

    Raises:
        BackupRefusedError: It was sealed for somebody else, or is damaged or cut off.
    """
    try:
        pyrage.decrypt_io(sealed, to, identities.secrets)
    except pyrage.DecryptError as error:
        raise BackupRefusedError(
            f"The backup does not open with the identity in {identities.file}: it was sealed for another one,"
            " or is damaged.",
            "identity",
        ) from error
    except OSError as error:
        if error.errno is not None:  # the disk, not the seal
            raise
        raise BackupRefusedError("The content is damaged or cut off.", "damaged") from error
