"""The file a backup is: a tar of four members, each of whose bytes is vouched for.

    payload.age     the database's content, compressed, sealed to age recipients
    README.txt      how to get at it without this software
    manifest.json   what it is: counts, heads, checkpoints, the digests of all of it
    manifest.sig    a signed note over the manifest

Any tar program unpacks it. Here it is read strictly: headers, padding and length have exactly the bytes
that `write` would give them, so that a damaged, cut or lengthened file never passes for a backup.
"""

import errno
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from app.core.errors import CaretrailError
from app.storage.durable import sync_folder

BLOCK = tarfile.BLOCKSIZE
END = b"\0" * (2 * BLOCK)
PAYLOAD, README, MANIFEST, SIGNATURE = MEMBERS = (
    "payload.age",
    "README.txt",
    "manifest.json",
    "manifest.sig",
)
MOST_BYTES = 8 << 20
"""Of a manifest, a signature or a README: larger ones are none."""


class BackupRefusedError(CaretrailError):
    """A file is no backup that may be used. Nothing was written."""

    title = "This backup cannot be used"

    def __init__(self, detail: str = "", why: str = "damaged") -> None:
        super().__init__(detail, why=why)


class Archive(NamedTuple):
    """A backup file whose form is right. Whether its content is, the manifest's digests tell.

    Attributes:
        path: The file.
        manifest: The exact bytes of `manifest.json`.
        signature: The signed note over them.
        readme: The exact bytes of `README.txt`.
        payload_bytes: How long `payload.age` is.
    """

    path: Path
    manifest: bytes
    signature: str
    readme: bytes
    payload_bytes: int

    def payload(self) -> "Part":
        """Return `payload.age`, to be read once and closed."""
        file = self.path.open("rb")
        file.seek(BLOCK)
        return Part(file, self.payload_bytes)


class Part:
    """A stretch of a file, as a file."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file, self._left = file, left

    def read(self, most: int = -1) -> bytes:
        """Return at most so many bytes; none at the end of the stretch."""
        data = self._file.read(min(most if most >= 0 else self._left, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


class Sink(Protocol):
    """Where the payload is written to."""

    def write(self, data: bytes, /) -> int:
        """Take some bytes."""
        ...


def write(
    path: Path, payload: Callable[[Sink], None], closing: Callable[[], tuple[bytes, bytes, str]]
) -> None:
    """Write a backup: whole and durable, or not at all. A file that exists is not replaced.

    Args:
        path: The file to make.
        payload: Writes the sealed content.
        closing: Called afterwards; returns README, manifest and signature.

    Raises:
        OSError: The file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "r+b") as file:
            file.seek(BLOCK)
            payload(file)
            size = file.tell() - BLOCK
            file.write(_padding(size))
            readme, manifest, signature = closing()
            for name, data in zip(MEMBERS[1:], (readme, manifest, signature.encode()), strict=True):
                file.write(_header(name, len(data)) + data + _padding(len(data)))
            file.write(END)
            file.seek(0)
            file.write(_header(PAYLOAD, size))
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> Archive:
    """Return a backup whose form is right.

    Raises:
        BackupRefusedError: It cannot be read, or is damaged, cut or something else.
    """
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BackupRefusedError(f"{path} cannot be read: {reason}.", "unreadable") from error


def _read(path: Path, file: IO[bytes]) -> Archive:
    whole = os.fstat(file.fileno()).st_size
    size = _sized(file, PAYLOAD)
    if size > whole:
        raise _damaged("it is cut off")
    file.seek(size, os.SEEK_CUR)
    _expect(file, _padding(size))
    texts = []
    for name in MEMBERS[1:]:
        length = _sized(file, name)
        if length > MOST_BYTES:
            raise _damaged(f"{name} is too long")
        texts.append(file.read(length))
        _expect(file, _padding(length))
    _expect(file, END)
    if file.tell() != whole:
        raise _damaged("something follows its end")
    readme, manifest, signature = texts
    try:
        return Archive(path, manifest, signature.decode("utf-8"), readme, size)
    except UnicodeDecodeError as error:
        raise _damaged(f"{SIGNATURE} is no text") from error


def _sized(file: IO[bytes], name: str) -> int:
    block = file.read(BLOCK)
    try:
        size = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").size
        expected = _header(name, size)
    except (tarfile.TarError, ValueError) as error:
        raise _damaged(f"{name} is not where it should be") from error
    if block != expected:
        raise _damaged(f"{name} is not where it should be")
    return size


def _expect(file: IO[bytes], data: bytes) -> None:
    if file.read(len(data)) != data:
        raise _damaged("it is cut off, or has something where nothing should be")


def _damaged(what: str) -> BackupRefusedError:
    return BackupRefusedError(f"The file is damaged or no Caretrail backup: {what}.", "damaged")


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def _padding(size: int) -> bytes:
    return b"\0" * (-size % BLOCK)
