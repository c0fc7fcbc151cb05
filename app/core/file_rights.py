"""What this user may not look at is refused, with whose it is: it is never taken for missing.

A command that was meant for the user of the service and is run as somebody else finds its folders locked.
`Path.exists` raises there before Python 3.14, and from then on says that nothing is there.
"""

import os
import stat
from pathlib import Path

from app.core.errors import StartRefusedError


def is_there(path: Path) -> bool:
    """Say whether there is something at a path.

    Raises:
        StartRefusedError: This user may not look.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise StartRefusedError(kept_from(path)) from error
    return True


def refuse_locked(path: Path) -> None:
    """Refuse a file that this user may not read, or a folder; one that is not there is none.

    It is asked, not opened: to close a file of SQLite's gives up the locks this process has on it.

    Raises:
        StartRefusedError: It is locked.
    """
    if is_there(path) and not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise StartRefusedError(kept_from(path))


def kept_from(path: Path) -> str:
    """Return that this user may not read or write a file or folder, and who may."""
    return f"{path} cannot be used by this user: {whose(path)}"


def whose(path: Path) -> str:
    """Return whose a file is, or the folder that hides it, and what to do."""
    found, seen = _nearest(path.absolute())
    shown = "it" if found == path.absolute() else str(found)
    mode = f"mode {stat.S_IMODE(seen.st_mode):03o}"
    if seen.st_uid == os.geteuid():
        return f"{shown} is this user's own, {mode}: chmod u+rwX it"
    try:
        owner = found.owner()
    except KeyError:
        owner = f"the user {seen.st_uid}"
    return f"{shown} belongs to {owner}, {mode}: run this as {owner}"


def _nearest(path: Path) -> tuple[Path, os.stat_result]:
    """Return a file and what is known of it, or the innermost folder of which anything is."""
    for one in (path, *path.parents):
        try:
            return one, one.stat()
        except OSError:
            continue
    return Path("/"), Path("/").stat()
