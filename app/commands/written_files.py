"""Files that a command is told to write: there once they are whole, for this user alone, or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom, BufferedWriter, FileIO
from pathlib import Path
from typing import Any, BinaryIO

from app.core.errors import InvalidRequestError
from app.storage.durable import sync_folder

_NOT_SYNCED = (errno.EACCES, errno.EINVAL)
"""Of a folder that one may write into and not look into, and of file systems that know nothing of it."""


@contextmanager
def whole(out: Path) -> Iterator[BinaryIO]:
    """Let a file be written under another name; it gets its own once all of it is on the disk.

    What is begun here is gone when anything fails, so that a second run finds the place free. Of two runs
    at once the first to be done gives its file the name, and the other is refused. What one left that was
    killed has a name of its own and is in nobody's way.

    Raises:
        InvalidRequestError: It is there already, or cannot be written. What else fails while it is written,
            another file say, is told as it is.
    """
    refuse_place(out)
    with _told(out):
        # a part of the name, as it may be as long as a name can be
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=f"{out.name[:40]}.", suffix=".part")
    part = Path(name)
    try:
        with BufferedWriter(_Told(handle, "wb", out)) as file:
            yield file
            file.flush()
            with _told(out):
                os.fsync(handle)
        with _told(out):
            _publish(part, out)
    finally:
        with _told(out):
            part.unlink(missing_ok=True)


@contextmanager
def scratch_beside(out: Path) -> Iterator[BinaryIO]:
    """Open a file without a name in the folder of one to be written, to write in and read from meanwhile.

    Raises:
        InvalidRequestError: There is no room for it.
    """
    with _told(out):
        handle, name = tempfile.mkstemp(dir=out.parent)
        Path(name).unlink()
    with BufferedRandom(_Told(handle, "r+b", out)) as file:
        yield file


def refuse_place(out: Path) -> None:
    """Refuse where nothing can be written, before anything is done for it.

    Raises:
        InvalidRequestError: The file is there already, its folder is not, or neither can be looked for.
    """
    with _told(out):
        if out.exists():
            raise _there_already(out)
        if not out.parent.is_dir():
            raise InvalidRequestError(detail=f"there is no folder {out.parent}: make it first")


def _publish(part: Path, out: Path) -> None:
    """Give a file its name, for good. A link, unlike a new name, is refused where another file has it."""
    try:
        os.link(part, out)
    except FileExistsError as error:
        raise _there_already(out) from error
    except OSError:  # on a stick, say, where no file has two names
        refuse_place(out)
        part.replace(out)
    try:
        sync_folder(out.parent)
    except OSError as error:
        if error.errno not in _NOT_SYNCED:
            out.unlink()
            raise


def _there_already(out: Path) -> InvalidRequestError:
    return InvalidRequestError(detail=f"{out} is there already: give another name")


class _Told(FileIO):
    """A file of which each write that fails is told as that of the file a command was told to write."""

    def __init__(self, handle: int, mode: str, out: Path) -> None:
        super().__init__(handle, mode)
        self._out = out

    def write(self, data: Any, /) -> int:
        """Write some of the data."""
        with _told(self._out):
            return super().write(data)


@contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidRequestError(detail=f"{out} cannot be written: {error.strerror or error}") from error
