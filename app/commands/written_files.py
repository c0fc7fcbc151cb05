"""Files that a command is told to write: there once they are whole, for this user alone, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.core.errors import InvalidRequestError


@contextmanager
def whole(out: Path) -> Iterator[BinaryIO]:
    """Let a file be written under another name; it gets its own once all of it is on the disk.

    What is begun here is gone when anything fails, so that a second run finds the place free.

    Raises:
        InvalidRequestError: It is there already, or cannot be written.
    """
    refuse_place(out)
    part = out.with_name(f"{out.name}.part")
    with _told(out):
        try:
            part.unlink(missing_ok=True)  # of a run that was killed
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(out)
        finally:
            part.unlink(missing_ok=True)


def refuse_place(out: Path) -> None:
    """Refuse where nothing can be written, before anything is done for it.

    Raises:
        InvalidRequestError: The file is there already, its folder is not, or neither can be looked for.
    """
    with _told(out):
        if out.exists():
            raise InvalidRequestError(detail=f"{out} is there already: give another name")
        if not out.parent.is_dir():
            raise InvalidRequestError(detail=f"there is no folder {out.parent}: make it first")


@contextmanager
def _told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidRequestError(detail=f"{out} cannot be written: {error.strerror or error}") from error
