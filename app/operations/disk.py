"""How much room there is where the service writes."""

import shutil
from pathlib import Path
from typing import NamedTuple

from app.core.settings import Settings

SCARCE = 0.10
"""The share of free space below which somebody should make room."""


class Space(NamedTuple):
    """The file system under a folder.

    Attributes:
        folder: What the folder is for: data, backups, guard, keys.
        path: Where it is.
        free: Bytes that the service may still write; None where it cannot be asked.
        size: Bytes in all.
        device: Which file system it is: two folders with the same number share their room.
    """

    folder: str
    path: Path
    free: int | None
    size: int = 0
    device: int = 0

    @property
    def share(self) -> float | None:
        """Return the free share, None where it is not known."""
        return None if self.free is None or not self.size else self.free / self.size

    @property
    def scarce(self) -> bool:
        """Say whether less than a tenth is free."""
        return self.share is not None and self.share < SCARCE


def spaces(settings: Settings) -> list[Space]:
    """Return the room in each folder the service writes to. One that is not made yet is its parent's."""
    folders = {
        "data": settings.data_dir,
        "guard": settings.guard_dir,
        "keys": settings.keys_dir,
        "backups": settings.backup_dir,
    }
    return [space_of(name, path) for name, path in folders.items()]


def space_of(folder: str, path: Path) -> Space:
    """Return the room in one folder."""
    there = next((one for one in (path, *path.absolute().parents) if one.exists()), path)
    try:
        usage = shutil.disk_usage(there)
        return Space(folder, path, usage.free, usage.total, there.stat().st_dev)
    except OSError:
        return Space(folder, path, None)
