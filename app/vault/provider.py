"""Where the root key and the signing key come from: outside the database.

The default is files in a directory of their own, mode 0600. A file that others can read is
refused: a key that may have leaked protects nothing.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.entropy import Entropy
from app.core.errors import StartRefusedError
from app.core.file_rights import is_there, kept_from
from app.storage import durable
from app.vault.sealing import KEY_BYTES

ROOT_KEY = "root.key"
SIGNING_KEY = "signing.key"
_MAKING = ".making"
"""How the name of a key ends while it is written. A process killed then leaves it, as a key's second name."""


class FileKeys:
    """Keys as files of 64 hexadecimal digits."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def secret(self, name: str) -> bytes:
        """Return the key in a file.

        Raises:
            StartRefusedError: The file is missing, damaged, or readable by others.
        """
        return key_of(self._directory / name, self.text(name).strip())

    def text(self, name: str) -> str:
        """Return what stands in a file that nobody else may read.

        Raises:
            StartRefusedError: The file is missing, no text, or readable by others.
        """
        path = self._directory / name
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(200)
        except PermissionError as error:
            raise StartRefusedError(f"the key file {kept_from(path)}. Nothing is lost") from error
        except FileNotFoundError as error:
            raise StartRefusedError(
                f"the key file {path} cannot be read ({type(error).__name__}). A lost key cannot be made "
                "again: put the kept copy back, or look at CARETRAIL_DATA_DIR and CARETRAIL_KEYS_DIR."
                " On a new system `caretrail init` makes it."
            ) from error
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise StartRefusedError(
                f"the key file {path} cannot be read now: {reason}. Mend the cause; leave the file as it is"
            ) from error
        if stat.S_IMODE(mode) & 0o077:
            raise StartRefusedError(f"the key file {path} can be read by others: chmod 600 it")
        return data.decode("ascii", "replace")

    def create(self, name: str, entropy: Entropy) -> None:
        """Make a key. Never replaces one: what it sealed would be lost.

        Raises:
            StartRefusedError: It is there already, or the directory cannot be written.
        """
        with refused_unless_written(self._directory), durable.locked(self._directory):
            whole = self._directory / f"{name}{_MAKING}"
            whole.unlink(missing_ok=True)
            try:
                _write_new(whole, entropy.bytes(KEY_BYTES).hex() + "\n")
                os.link(whole, self._directory / name)  # unlike a rename it never replaces
                # A crash here leaves the key under both names: the second is unlinked above, never written.
            finally:
                whole.unlink(missing_ok=True)
            durable.sync_folder(self._directory)  # before anything is sealed under it

    def clear_away(self) -> None:
        """Remove what was left by a process killed while it made a key: a copy of one that nobody names.

        Raises:
            StartRefusedError: The directory cannot be written.
        """
        with refused_unless_written(self._directory), durable.locked(self._directory):
            for left in self._directory.glob(f"*{_MAKING}"):
                left.unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        """Say whether a key of that name was made.

        Raises:
            StartRefusedError: This user may not look.
        """
        return is_there(self._directory / name)


def _write_new(path: Path, text: str) -> None:
    """Write a new file. What is there is never opened: it may be another name of a key in use."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def refused_unless_written(directory: Path) -> Iterator[None]:
    """Refuse in a sentence where the folder of the keys cannot be written: a full disk, a missing right.

    Raises:
        StartRefusedError: It cannot.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StartRefusedError(
            f"the keys folder {directory} cannot be written: {reason}. No key was lost; mend that and run it"
            " again"
        ) from error


def key_of(path: Path, text: str) -> bytes:
    """Return the 32 bytes that a key file spells.

    Raises:
        StartRefusedError: It spells something else.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise StartRefusedError(f"the key file {path} is damaged: 64 hexadecimal digits expected")
    return key
