"""Restoring: everything is checked before the first byte is written.

What is refused: a file that is damaged, cut or lengthened; one that another deployment signed or a newer
version made; one sealed for another identity; one whose database was made with another root key; a target
that is not empty. Then
the content is read a second time, into a file that gets its name when it is whole, and held against the
manifest once more: the file may have changed meanwhile.
"""

import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple

from sqlalchemy import URL

from app.audit.verify import Key
from app.backups import archive, manifest, sealing
from app.backups.archive import Archive, BackupRefusedError
from app.backups.creating import CHUNK, GZIP
from app.backups.earlier import refuse_newer
from app.storage.copying import (
    DATABASE_FILE,
    DUMP_FILE,
    connect_empty,
    make_service_role,
    restore_postgresql,
)
from app.storage.durable import sync_folder
from app.storage.snapshot import sqlite_snapshot
from app.vault.keyring import Keyring

_OTHER_ROOT = "The database in it was made with another root key than the one that is here."


class Checked(NamedTuple):
    """A backup whose every byte was vouched for.

    Attributes:
        archive: The file.
        manifest: What it says of itself.
        identities: What opens it.
    """

    archive: Archive
    manifest: dict[str, Any]
    identities: sealing.Identities


def check_form(path: Path, keys: Sequence[Key]) -> tuple[Archive, dict[str, Any]]:
    """Return a backup whose form, signature and sealed bytes are right; needs no identity.

    Raises:
        BackupRefusedError: It is damaged, cut, or another deployment's.
    """
    found = archive.read(path)
    told = manifest.read(found.manifest, found.signature, keys)
    if sha256(found.readme).hexdigest() != told["readme"]:
        raise BackupRefusedError("Its README was changed.", "damaged")
    payload, digest, size = found.payload(), sha256(), 0
    try:
        while data := payload.read(CHUNK):
            digest.update(data)
            size += len(data)
    finally:
        payload.close()
    if {"sha256": digest.hexdigest(), "bytes": size} != told["payload"]:
        raise BackupRefusedError("The sealed content is not the one that was signed.", "damaged")
    return found, told


def check(
    path: Path,
    keys: Sequence[Key],
    keyring: Keyring,
    identities: sealing.Identities,
    retired: Mapping[str, Keyring] = MappingProxyType({}),
) -> Checked:
    """Return a backup that can be restored: all of it was read, opened and compared.

    Args:
        path: The file.
        keys: Whose signature counts.
        keyring: The root key here.
        identities: What opens it.
        retired: Root keys that were, by the names of their files: one that fits is named, never used.

    Raises:
        BackupRefusedError: It cannot; nothing was written.
    """
    found, told = check_form(path, keys)
    refuse_newer(told)
    key_check = bytes.fromhex(told["key_check"])
    if not keyring.take_up(key_check):
        raise BackupRefusedError(f"{_OTHER_ROOT} {_fitting(key_check, retired)}", "root-key")
    checked = Checked(found, told, identities)
    _write_content(checked, None)
    return checked


def _fitting(key_check: bytes, retired: Mapping[str, Keyring]) -> str:
    fitting = [name for name, keyring in retired.items() if keyring.take_up(key_check)]
    if fitting:
        return (
            f"{fitting[0]} in the keys folder fits: keep a copy of the present root.key, copy that file over"
            " it, and rotate again when the restore is done."
        )
    none = f"None of the {len(retired)} root-....retired.key files there fits. " if retired else ""
    return (
        f"{none}Put the kept copy of its root.key into the keys folder first (after a rotation it is"
        " root-....retired.key), keep the present one, and rotate again when the restore is done."
    )


def restore_file(checked: Checked, folder: Path) -> Path:
    """Write an SQLite backup's database into an empty folder; return the file.

    Raises:
        BackupRefusedError: It is no SQLite backup, or is not what its manifest says; the folder stays empty.
        OSError: The folder cannot be written.
    """
    if checked.manifest["content"]["name"] != DATABASE_FILE:
        raise BackupRefusedError("It is a backup of PostgreSQL, not of SQLite.", "database")
    target = folder / DATABASE_FILE
    part = _unpacked(checked, folder)
    try:
        with sqlite_snapshot(part) as view:
            _compare(manifest.survey(view, checked.manifest["counts"]), checked.manifest)
        part.replace(target)
        sync_folder(folder)
    finally:
        part.unlink(missing_ok=True)
    return target


def restore_database(checked: Checked, url: URL, folder: Path, programs: Path | None) -> None:
    """Fill an empty PostgreSQL database from a backup.

    Args:
        checked: The backup.
        url: The database, by its owner.
        folder: Where the dump may lie while it is read.
        programs: The folder of PostgreSQL's programs.

    Raises:
        BackupRefusedError: It is no backup of PostgreSQL, or changed since it was checked.
        StartRefusedError: The database is not empty, or could not be filled.
    """
    if checked.manifest["content"]["name"] != DUMP_FILE:
        raise BackupRefusedError("It is a backup of SQLite, not of PostgreSQL.", "database")
    with connect_empty(url) as connection:
        make_service_role(connection)
    part = _unpacked(checked, folder)
    try:
        restore_postgresql(url, part, programs)
    finally:
        part.unlink(missing_ok=True)


def _unpacked(checked: Checked, folder: Path) -> Path:
    part: Path = folder / f"{checked.manifest['content']['name']}.part"
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with ExitStack() as undoing:
        undoing.callback(part.unlink, missing_ok=True)
        with os.fdopen(handle, "wb") as file:
            _write_content(checked, file)
            file.flush()
            os.fsync(file.fileno())
        undoing.pop_all()
    return part


def _write_content(checked: Checked, to: IO[bytes] | None) -> None:
    """Open the content into a file, or into nothing; either way it must be what was signed."""
    told = checked.manifest["content"]
    content = _Unpacking(to, packed=told["compression"] == "gzip")
    payload = checked.archive.payload()
    try:
        sealing.unseal(payload, content, checked.identities)
    except zlib.error as error:
        raise BackupRefusedError("The content is damaged.", "damaged") from error
    finally:
        payload.close()
    if not content.whole or (content.digest.hexdigest(), content.bytes) != (told["sha256"], told["bytes"]):
        raise BackupRefusedError("The content is not the one that was signed.", "damaged")


class _Unpacking:
    """Takes unsealed bytes, unpacks and digests them, and writes them on."""

    def __init__(self, to: IO[bytes] | None, *, packed: bool) -> None:
        self._to = to
        self._unpacking = zlib.decompressobj(GZIP) if packed else None
        self.digest, self.bytes = sha256(), 0

    @property
    def whole(self) -> bool:
        """Say whether the packed stream came to its end, and nothing followed."""
        return self._unpacking is None or (self._unpacking.eof and not self._unpacking.unused_data)

    def write(self, data: bytes) -> int:
        """Take some bytes."""
        if self._unpacking is None:
            self._on(data)
            return len(data)
        waiting, piece = data, b""
        while waiting or len(piece) == CHUNK:  # a few bytes may stand for megabytes: in bounded pieces
            piece = self._unpacking.decompress(waiting, CHUNK)
            waiting = self._unpacking.unconsumed_tail
            self._on(piece)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def _on(self, data: bytes) -> None:
        self.digest.update(data)
        self.bytes += len(data)
        if self._to is not None:
            self._to.write(data)


def _compare(found: manifest.Source, told: dict[str, Any]) -> None:
    different = [name for name, value in found._asdict().items() if value != told[name]]
    if different:
        raise BackupRefusedError(f"The database in it is not as its manifest says: {different}.", "damaged")
