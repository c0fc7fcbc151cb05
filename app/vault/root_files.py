"""The root key's file, and how another takes its place: at any crash one of the files fits the database.

    root.key               the present one
    root.key.next          one to come: made before the database is wrapped anew, moved when it is
    root-<id>.retired.key  one that was: backups made under it want it for as long as they are kept

The database is wrapped anew in one transaction between the two. Broken off before it, `root.key` still
fits; after it, `root.key.next` does, until the file is moved, by the command run again or by whoever finds
that the present one no longer fits.
"""

import os
from pathlib import Path

from app.core.entropy import Entropy
from app.core.errors import StartRefusedError
from app.storage.durable import sync_folder
from app.vault.provider import ROOT_KEY, FileKeys, refused_unless_written
from app.vault.sealing import key_name

NEXT_ROOT = "root.key.next"


class RootFiles:
    """The root keys in a folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files = FileKeys(directory)

    def present(self) -> bytes:
        """Return the root key of `root.key`.

        Raises:
            StartRefusedError: The file is missing, damaged, or readable by others.
        """
        return self._files.secret(ROOT_KEY)

    def candidates(self) -> list[bytes]:
        """Return the keys that the database may be wrapped under: the present one, and one to come."""
        found = []
        for name in (ROOT_KEY, NEXT_ROOT):
            try:
                if self._files.exists(name):
                    found.append(self._files.secret(name))
            except StartRefusedError:
                continue  # told by whoever needs this very file
        return found

    def prepare(self, entropy: Entropy) -> bytes:
        """Return the key to come, made now or by a rotation that was broken off.

        Raises:
            StartRefusedError: The folder cannot be written, or the file of a key to come is damaged.
        """
        self._files.clear_away()
        if not self._files.exists(NEXT_ROOT):
            self._files.create(NEXT_ROOT, entropy)
        return self._files.secret(NEXT_ROOT)

    def switch(self) -> Path | None:
        """Make the key to come the present one, and keep the old one aside; return where it is.

        None if that was done before.

        Raises:
            StartRefusedError: The folder cannot be written. What is in use is in use still.
        """
        self._files.clear_away()
        fresh = self._directory / NEXT_ROOT
        if not fresh.exists():
            return None
        with refused_unless_written(self._directory):
            kept = self._keep_aside()
            # A crash here leaves the old key under two names; the next run renames, and writes to neither.
            fresh.replace(self._directory / ROOT_KEY)
            sync_folder(self._directory)
        return kept

    def _keep_aside(self) -> Path | None:
        if not self._files.exists(ROOT_KEY):
            return None  # the one before is kept elsewhere
        kept = self._directory / f"root-{key_name(self.present())}.retired.key"
        if not kept.exists():
            os.link(self._directory / ROOT_KEY, kept)
        return kept
