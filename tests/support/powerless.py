"""Processes that may not do more than the user they run as: locked folders are locked to root's, too."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_WITHOUT_POWERS = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]


def powerless() -> list[str]:
    """Return what a command begins with to run without the powers of root; skip where that cannot be."""
    if os.geteuid():
        return []
    try:
        tried = subprocess.run([*_WITHOUT_POWERS, "true"], check=False, capture_output=True).returncode
    except FileNotFoundError:
        tried = 1
    if tried:
        pytest.skip("nothing here takes the powers of root off a process")
    return _WITHOUT_POWERS


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let nobody look into a file or folder for a while."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)
