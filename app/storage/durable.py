"""Small files that must survive a crash: replaced whole, by one process at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK, ROTATION = ".lock", ".rotation.lock"
"""Of short writes, and of a rotation of keys, which makes such writes while it holds its own."""


@contextmanager
def locked(folder: Path, name: str = LOCK) -> Iterator[None]:
    """Let one process at a time write in a folder, which is made if it is not there. Not reentrant."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)  # closing gives the lock back, also when the process dies


def replace(path: Path, data: bytes) -> None:
    """Write a file anew: after a crash it is the old one or the new one, whole."""
    fresh = path.with_suffix(".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def write_from(path: Path, offset: int, data: bytes) -> None:
    """Write bytes into a file from an offset on, in place of all that was there from it; durably."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder stored: without it a rename may be lost with the power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
