"""Room kept back for the day the disk is full: a file beside the SQLite database.

It is made at the start, where there is room, with its blocks allocated. When a write finds no room it is
removed, and what it held lets the trail record the end, and an operator sign in, look and export. It is
made again when somebody made room.

A PostgreSQL keeps its own disk: see app/operations/README.md.

Source: promise P3.
"""

import os
import shutil
from pathlib import Path

RESERVED = 16 << 20
NAME = "reserved-for-the-trail"
ROOM_BESIDE = 2
"""It is made only where so many times its size is free: it must not be what fills the disk."""


class Reserve:
    """The file of a deployment."""

    def __init__(self, path: Path, wanted: int = RESERVED) -> None:
        """Take where it is and how large it shall be."""
        self._path = path
        self._wanted = wanted
        self.spent = False
        """Whether it was given back, or there was no room for it, and there is none yet."""

    @classmethod
    def beside(cls, url: str) -> "Reserve | None":
        """Return the reserve of a database; None where that is no file of this machine."""
        if not url.startswith("sqlite:///"):
            return None
        return cls(Path(url.removeprefix("sqlite:///")).absolute().parent / NAME)

    @property
    def size(self) -> int:
        """Return how many bytes are kept back now."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    @property
    def whole(self) -> bool:
        """Say whether all of it is there."""
        return self.size >= self._wanted

    @property
    def missed(self) -> bool:
        """Say whether it is not there, and there is no room to make it: the last of the room is in use."""
        try:
            return not self.whole and self._room() < ROOM_BESIDE * self._wanted
        except OSError:
            return False

    def shares_disk_with(self, folder: Path) -> bool:
        """Say whether what is written into a folder, made yet or not, takes room from the database."""
        there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
        return there.stat().st_dev == self._path.parent.stat().st_dev

    def _room(self) -> int:
        return shutil.disk_usage(self._path.parent).free

    def keep(self) -> bool:
        """Make it if it is not there and there is room for it; say whether it is there."""
        kept = self.whole or self._made()
        self.spent = not kept
        return kept

    def _made(self) -> bool:
        fresh = self._path.with_suffix(".new")
        try:
            if self._room() < ROOM_BESIDE * self._wanted:
                return False
            self._allocate(fresh)
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            return False
        return True

    def _allocate(self, path: Path) -> None:
        # Its blocks are taken, not merely named: a sparse file would keep no room
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, self._wanted)
            else:  # macOS
                file.write(bytes(self._wanted))
            file.flush()
            os.fsync(handle)

    def release(self) -> bool:
        """Give the room back; say whether there was any. Removing a file needs none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        self.spent = True
        return True
