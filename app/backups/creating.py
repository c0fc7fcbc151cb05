"""Making a backup: one state of the database, sealed, with a signed manifest."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.audit.checkpoint import Notary
from app.backups import archive, manifest, sealing
from app.backups.archive import Sink
from app.core.clock import spell
from app.core.identifiers import new_id
from app.storage.copying import DATABASE_FILE, Copy, Progress, copied

ENDING = ".caretrail-backup"
CHUNK = 1 << 18
GZIP = 31
"""zlib's number for a gzip stream with a window of 32 KiB."""
README = files("app.backups").joinpath("RESTORING.txt").read_bytes()


@dataclass(frozen=True, slots=True)
class Recipe:
    """What every backup of a deployment is made with.

    Attributes:
        engine: The database, without time-outs.
        notary: Who signs the manifest.
        deployment: The installation's name.
        software: Which version makes it.
        folder: Where backups are kept.
        recipients: For whom it is sealed.
        programs: The folder of PostgreSQL's programs; None takes those on the PATH.
    """

    engine: Engine
    notary: Notary
    deployment: str
    software: str
    folder: Path
    recipients: list[str]
    programs: Path | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made.

    Attributes:
        path: The file.
        sha256: Of the file.
        bytes: How long the file is.
        manifest: What it says of itself.
    """

    path: Path
    sha256: str
    bytes: int
    manifest: dict[str, Any]


def make(recipe: Recipe, at: datetime, progress: Progress) -> Made:
    """Make a backup as of now; the service may go on writing.

    Args:
        recipe: What it is made with.
        at: The present instant.
        progress: Told what was read of the database, and how much there is (0: not known); may raise.

    Raises:
        StartRefusedError: The database cannot be copied.
        OSError: The folder cannot be written.
    """
    recipe.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    identifier = new_id()
    path = recipe.folder / f"{at:%Y%m%dT%H%M%SZ}-{identifier[-12:]}{ENDING}"
    told: dict[str, Any] = {
        "format": manifest.FORMAT,
        "id": identifier,
        "made_at": spell(at),
        "deployment": recipe.deployment,
        "software": recipe.software,
        "database": str(recipe.engine.dialect.name),
        "recipients": recipe.recipients,
        "readme": sha256(README).hexdigest(),
    }
    with copied(recipe.engine, recipe.folder, recipe.programs, progress) as copy:
        told |= manifest.survey(copy.view, manifest.tables())._asdict()
        archive.write(
            path, _payload(copy, recipe.recipients, progress, told), _closing(copy, recipe.notary, told)
        )
    digest, size = digest_of(path)
    return Made(path, digest, size, told)


def _payload(
    copy: Copy, recipients: list[str], progress: Progress, told: dict[str, Any]
) -> Callable[[Sink], None]:
    def write(sink: Sink) -> None:
        sealed, content = _Digesting(sink), _Content(copy, progress)
        sealing.seal(content, sealed, recipients)
        told["payload"] = {"sha256": sealed.digest.hexdigest(), "bytes": sealed.bytes}
        told["content"] = {
            "name": copy.name,
            "compression": content.compression,
            "sha256": content.digest.hexdigest(),
            "bytes": content.bytes,
        }

    return write


def _closing(copy: Copy, notary: Notary, told: dict[str, Any]) -> Callable[[], tuple[bytes, bytes, str]]:
    def close() -> tuple[bytes, bytes, str]:
        copy.finish()
        spelled = manifest.spelled(told)
        return README, spelled, manifest.sign(notary, spelled)

    return close


class _Digesting:
    """Hands on what is written, and digests it."""

    def __init__(self, to: Sink) -> None:
        self._to, self.digest, self.bytes = to, sha256(), 0

    def write(self, data: bytes, /) -> int:
        self.digest.update(data)
        self.bytes += len(data)
        return self._to.write(data)

    def flush(self) -> None:
        """Nothing is held back."""


class _Content:
    """The copy's bytes as they are sealed: SQLite's file compressed, PostgreSQL's dump as it comes."""

    def __init__(self, copy: Copy, progress: Progress) -> None:
        self._from, self._progress = copy.content, progress
        packed = copy.name == DATABASE_FILE
        self.compression = "gzip" if packed else "none"
        self._packing = zlib.compressobj(6, zlib.DEFLATED, GZIP) if packed else None
        self.digest, self.bytes = sha256(), 0
        self._waiting = bytearray()
        self._ended = False

    def read(self, most: int = -1) -> bytes:
        """Return some bytes; none at the end."""
        while not self._waiting and not self._ended:
            data = self._from.read(CHUNK)
            self.digest.update(data)
            self.bytes += len(data)
            self._progress(self.bytes, 0)
            self._ended = not data
            self._waiting += self._packed(data)
        size = len(self._waiting) if most < 0 else most
        piece = bytes(self._waiting[:size])
        del self._waiting[:size]
        return piece

    def _packed(self, data: bytes) -> bytes:
        if self._packing is None:
            return data
        return self._packing.compress(data) if data else self._packing.flush()


def digest_of(path: Path) -> tuple[str, int]:
    """Return SHA-256 and length of a file."""
    digest, size = sha256(), 0
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
            size += len(data)
    return digest.hexdigest(), size
