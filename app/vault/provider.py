"""Where the root key and the signing key come from: outside the database.

The default is files in a directory of their own, mode 0600. A file that others can read is
refused: a key that may have leaked protects nothing.
"""

import os
import stat
from pathlib import Path

from app.core.entropy import Entropy
from app.core.errors import StartRefusedError
from app.storage.durable import sync_folder
from app.vault.sealing import KEY_BYTES

ROOT_KEY = "root.key"
SIGNING_KEY = "signing.key"


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
        except OSError as error:
            raise StartRefusedError(
                f"the key file {path} cannot be read ({type(error).__name__}). A lost key cannot be made "
                "again: put the kept copy back. On a new system `caretrail init` makes it."
            ) from error
        if stat.S_IMODE(mode) & 0o077:
            raise StartRefusedError(f"the key file {path} can be read by others: chmod 600 it")
        return data.decode("ascii", "replace")

    def create(self, name: str, entropy: Entropy) -> None:
        """Make a key. Never replaces one: what it sealed would be lost."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        whole = self._directory / f"{name}.making"
        handle = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(entropy.bytes(KEY_BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(whole, self._directory / name)  # unlike a rename it never replaces
        finally:
            whole.unlink()
        sync_folder(self._directory)  # before anything is sealed under it

    def exists(self, name: str) -> bool:
        """Say whether a key of that name was made."""
        return (self._directory / name).exists()


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
