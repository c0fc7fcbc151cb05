"""Who opens a home's pack: the people who would print it, not whoever keeps the backups.

A file of lines. `age1...` opens the pack of every home; `ID age1...` only those of the home, or of the
provider, with that id. `#` begins a remark.
"""

from pathlib import Path
from typing import NamedTuple

from app.backups.sealing import check_recipient
from app.core.errors import StartRefusedError


class Recipient(NamedTuple):
    """An age recipient, and the home or provider whose packs it opens; None for all."""

    age: str
    only: str | None


def read(path: Path) -> list[Recipient]:
    """Return the recipients in a file.

    Raises:
        StartRefusedError: The file cannot be read, or holds none, or something else.
    """
    try:
        lines = [line.split("#")[0].split() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefusedError(
            f"who opens the continuity packs cannot be read from {path}: {error}"
        ) from error
    found = [_recipient(path, words) for words in lines if words]
    if not found:
        raise StartRefusedError(f"{path} names nobody who opens continuity packs: a line `age1...` is wanted")
    return found


def _recipient(path: Path, words: list[str]) -> Recipient:
    if any(word.upper().startswith("AGE-SECRET-KEY") for word in words):
        raise StartRefusedError(
            f"{path} holds an identity, the secret half. Take it off this server; the line that begins"
            " `age1` is what belongs here"
        )
    if len(words) > 2:
        raise StartRefusedError(f"{path} has a line that is neither `age1...` nor `ID age1...`")
    check_recipient(words[-1])
    return Recipient(words[-1], words[0] if len(words) == 2 else None)


def of_home(everyone: list[Recipient], org: str, home_id: str) -> list[str]:
    """Return who opens the pack of a home."""
    return [one.age for one in everyone if one.only in (None, org, home_id)]
