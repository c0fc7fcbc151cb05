"""Where drills work: each in a folder of its own in the data directory, which goes with it.

A drill that was killed leaves its folder, and in it an opened copy of the database: of whoever was erased
since, too. So the next drill, the next backup and the next start remove it. Whether somebody works in a
folder says a lock on it, which ends with its process, however that ends.
"""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from app.storage import durable

logger = logging.getLogger(__name__)

PREFIX = ".drill-"
_MOVING_IN = ".drills.lock"
"""The lock under which a folder is made and locked, or looked at and removed: none is met in between."""


@contextmanager
def drill_place(data_dir: Path) -> Iterator[Path]:
    """Have an empty folder for a drill, and remove it afterwards with all that came into it.

    Raises:
        OSError: The data directory cannot be written.
    """
    with ExitStack() as stack:
        with durable.locked(data_dir, _MOVING_IN):
            folder = tempfile.TemporaryDirectory(dir=data_dir, prefix=PREFIX)
            handle = os.open(folder.name, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, handle)  # last: until it is empty nobody else removes it
            stack.enter_context(folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield Path(folder.name)


def left_by_drills(data_dir: Path) -> list[Path]:
    """Return the folders of drills that ended without removing them."""
    return [folder for folder in sorted(data_dir.glob(f"{PREFIX}*")) if not _is_at_work(folder)]


def sweep_drills(data_dir: Path) -> None:
    """Remove what drills left that were killed. Where that does not work it is logged, and nothing else."""
    if not left_by_drills(data_dir):
        return
    try:
        with durable.locked(data_dir, _MOVING_IN):
            for folder in left_by_drills(data_dir):
                shutil.rmtree(folder)
                logger.warning(
                    "drill-removed", extra={"why": f"{folder} was left by a drill that was killed"}
                )
    except OSError as failed:
        why = f"{failed.filename}: {failed.strerror or type(failed).__name__}"
        logger.warning("drill-not-removed", extra={"why": why})


def _is_at_work(folder: Path) -> bool:
    """Say whether a process has a folder's lock. Of what cannot be asked nothing is removed."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return True  # gone meanwhile, or somebody else's
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
