"""Files that a command is given to read."""

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
