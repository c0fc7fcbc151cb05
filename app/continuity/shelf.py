"""Where packs lie: a folder for each home, in it the newest packs and a page that says how to open one.

The folder above is the operator's and is never made here: an unplugged stick must not become a directory.
A home's folder may itself be a stick, a share or a link to one. What lies there is sealed, so whoever
collects it may read the files; names and times of files tell the home and the hour, nothing about anybody.
"""

import contextlib
import os
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import IO, NamedTuple

from app.continuity.works import Site

README = "README.txt"
_PART = ".part"
_PACK = re.compile(r".+-(\d{8}T\d{6}Z)\.(html|pdf)\.age")
_READABLE_FILE, _READABLE_FOLDER = 0o644, 0o755
_TAIL = 12


class Put(NamedTuple):
    """A file that was put onto the shelf."""

    path: Path
    sha256: str
    bytes: int


def slug(name: str) -> str:
    """Return a home's name as it may stand in the name of a file anywhere."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "home"


def folder_of(above: Path, site: Site) -> Path:
    """Return the folder of a home, made if there is none. A home that is called otherwise keeps its folder.

    Raises:
        OSError: The folder above is not there, or cannot be written.
    """
    tail = site.id[-_TAIL:]
    there = sorted(path for path in above.iterdir() if path.name.endswith(f"-{tail}") and path.is_dir())
    if there:
        return there[0]
    made = above / f"{slug(site.name)}-{tail}"
    made.mkdir()
    _let_read(made, _READABLE_FOLDER)
    return made


def name_of(site: Site, at: datetime, ending: str) -> str:
    """Return what a pack's file is called."""
    return f"{slug(site.name)}-{at:%Y%m%dT%H%M%SZ}.{ending}.age"


def put(folder: Path, name: str, write: Callable[[IO[bytes]], object]) -> Put:
    """Put a file onto the shelf: whole and durable under its name, or not at all.

    Args:
        folder: Where.
        name: What it is called; one of that name is replaced.
        write: Writes its bytes, which must be sealed already.

    Raises:
        OSError: The folder cannot be written.
    """
    path = folder / name
    part = folder / (name + _PART)
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)  # no link leads it elsewhere
    try:
        with os.fdopen(handle, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
            file.seek(0)
            digest = sha256(file.read()).hexdigest()
        _let_read(part, _READABLE_FILE)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sync(folder)
    return Put(path, digest, size)


def explain(folder: Path, site: Site) -> None:
    """See to it that a page lies there which says how a pack is opened without this software."""
    template = files("app.continuity").joinpath("opening.txt").read_text("utf-8")
    text = template.replace("HOME-NAME", site.name).encode()
    path = folder / README
    if not path.exists() or path.stat().st_size != len(text) or path.read_bytes() != text:
        put(folder, README, lambda file: file.write(text))


def tidy(folder: Path, keep: int) -> list[str]:
    """Remove all but the newest packs of a folder, and what a crash left of one; return their names."""
    for left in folder.glob(f"*.age{_PART}"):
        left.unlink(missing_ok=True)
    packs = sorted((found[1], path) for path in folder.iterdir() if (found := _PACK.fullmatch(path.name)))
    old = [path for _, path in packs[:-keep]]
    for path in old:
        path.unlink(missing_ok=True)
    return [path.name for path in old]


def _let_read(path: Path, mode: int) -> None:
    with contextlib.suppress(OSError):  # a share may have rights of its own
        path.chmod(mode)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some shares cannot; the file itself is on its disk
            os.fsync(handle)
    finally:
        os.close(handle)
