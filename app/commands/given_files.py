"""Files that a command is given to read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import InvalidRequestError


def content(file: Path, most: int) -> bytes:
    """Return what is in a file of at most `most` bytes.

    Raises:
        InvalidRequestError: It cannot be read, or is larger.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(most + 1)
    except OSError as error:
        raise InvalidRequestError(detail=f"{file} cannot be read: {error.strerror}") from error
    if len(data) > most:
        raise InvalidRequestError(detail=f"{file} is larger than {most // 1024**2} MiB")
    return data


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Say of which file it is, when what is in it is refused.

    Raises:
        InvalidRequestError: As it was refused, with the file's name.
    """
    try:
        yield
    except InvalidRequestError as refused:
        told = refused.detail.replace(": : ", ": ")  # a fault of the file as a whole has no place in it
        if refused.errors:
            told = "it cannot be used"
        raise InvalidRequestError(*refused.errors, detail=f"{file}: {told}", why=refused.why) from refused
