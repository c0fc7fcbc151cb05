"""`caretrail backup restore`: a backup comes back into an empty place."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from app.audit.checkpoint import Notary
from app.audit.ended_file import FOLDER
from app.audit.guard_file import Guards
from app.backups import restoring, sealing, shelf
from app.backups.archive import BackupRefusedError
from app.backups.restoring import Checked
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.clock import SystemClock
from app.core.entropy import SystemEntropy
from app.core.errors import StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.storage.copying import DATABASE_FILE
from app.storage.schema import is_older
from app.storage.snapshot import UNREADABLE
from app.storage.urls import parsed_url
from app.vault.keepers import keyring_for
from app.vault.keyring import Keyring
from app.vault.provider import FileKeys
from app.vault.signing_keys import SigningFiles

_RETIRED = "root-*.retired.key"
_AT_WORK = ".restoring"
"""Lies in a folder for as long as a restore fills it."""


def newest(settings: Settings) -> Path:
    """Return the newest backup whose form is right.

    Raises:
        BackupRefusedError: There is none.
    """
    found = shelf.listed(settings.backup_dir, notary_of(settings).keys(SYSTEM))
    if not found or found[0].fault is not None:
        raise BackupRefusedError(f"There is no usable backup in {settings.backup_dir}.", "none")
    return found[0].path


def restore(path: Path, to: Path, identity_file: Path | None, *, as_json: bool) -> None:
    """Bring a backup back into an empty folder, and for PostgreSQL an empty database.

    Raises:
        BackupRefusedError: The backup cannot be used; the folder stays empty.
        StartRefusedError: The target is not empty.
    """
    settings = begin()
    refuse_filled(to)
    keys = notary_of(settings).keys(SYSTEM)
    opened_by = sealing.identities(identity_file or settings.backup_identity)
    checked = restoring.check(path, keys, keyring_of(settings), opened_by, retired_roots(settings))
    bring_back(checked, settings, to)
    told = {
        "id": checked.manifest["id"],
        "made_at": checked.manifest["made_at"],
        "to": str(to),
        "database": checked.manifest["database"],
        "schema": checked.manifest["schema"],
        "to_be_migrated": is_older(checked.manifest["schema"]),
        "chains": {org: head["size"] for org, head in checked.manifest["chains"].items()},
    }
    result(told, f"restored the backup of {told['made_at']} into {to}", as_json=as_json)
    keys_dir = to / "keys" if (to / "keys").is_dir() else settings.keys_dir
    remark(_next_steps(to, keys_dir, _migration(checked.manifest)))


def refuse_filled(to: Path) -> None:
    """Refuse a target that holds anything.

    Raises:
        StartRefusedError: It does, or is no folder.
    """
    try:
        if (to / _AT_WORK).exists():  # first: what a killed restore left is not to be left lying
            raise StartRefusedError(_taken(to))
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise StartRefusedError(f"{to} is not an empty folder: nothing was written")
    except OSError as error:
        raise StartRefusedError(f"{to} cannot be used: {error.strerror}") from error


def bring_back(checked: Checked, settings: Settings, to: Path) -> None:
    """Write a checked backup's database; keys and guard go with it where they lie in the data directory.

    Raises:
        StartRefusedError: The database to fill is not empty, or it or a folder cannot be written or read.
    """
    with alone_in(to), ExitStack() as undoing:
        undoing.callback(_empty, to)
        try:
            _fill(checked, settings, to)
        except OSError as failed:
            raise StartRefusedError(f"{to} cannot be written: {failed.strerror or failed}") from failed
        except UNREADABLE as failed:
            said = (str(failed).splitlines() or ["no reason given"])[0]
            raise StartRefusedError(f"the database did not come back: {said}. Nothing was kept") from failed
        undoing.pop_all()


@contextmanager
def alone_in(to: Path) -> Iterator[None]:
    """Have a folder for one restore at a time: of two that found it empty, one is refused.

    A folder that was made here, and in which nothing came about, is removed.

    Raises:
        StartRefusedError: Another restore is at work there or was, or it cannot be written.
    """
    was_there, mark = to.exists(), to / _AT_WORK
    try:
        to.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark.touch(mode=0o600, exist_ok=False)
    except FileExistsError as taken:
        raise StartRefusedError(_taken(to)) from taken
    except OSError as failed:
        raise StartRefusedError(f"{to} cannot be written: {failed.strerror or failed}") from failed
    try:
        if {one.name for one in to.iterdir()} != {_AT_WORK}:
            raise StartRefusedError(f"{to} is not empty any more: nothing was written")
        yield
    finally:
        mark.unlink()
        if not was_there and not any(to.iterdir()):
            to.rmdir()


def _taken(to: Path) -> str:
    return (
        f"something is being restored into {to}, or was and was broken off: nothing was written. If no"
        " restore runs, remove it: it has a copy of the keys in it, or an opened database. Or take another"
    )


def _fill(checked: Checked, settings: Settings, to: Path) -> None:
    _bring_along(checked, settings, to)  # first: what cannot be taken back is filled last
    if checked.manifest["content"]["name"] == DATABASE_FILE:
        restoring.restore_file(checked, to)
    else:
        url = parsed_url(settings.owner_database_url.get_secret_value())
        restoring.restore_database(checked, url, to, settings.postgresql_programs)


def _bring_along(checked: Checked, settings: Settings, to: Path) -> None:
    """Copy what lies in the data directory beside the database, and the ledger beside the backup."""
    here = settings.data_dir
    if settings.keys_dir.parent == here and settings.keys_dir.is_dir():
        shutil.copytree(settings.keys_dir, to / settings.keys_dir.name)
    if settings.guard_dir.parent == here and settings.guard_dir.is_dir():
        Guards(settings.guard_dir, notary_of(settings)).copy_to(to / settings.guard_dir.name)
    ledgers = checked.archive.path.parent / FOLDER
    if settings.backup_dir.parent == here and ledgers.is_dir():
        shutil.copytree(ledgers, to / settings.backup_dir.name / FOLDER)


def _empty(folder: Path) -> None:
    for inside in folder.iterdir():
        if inside.is_dir():
            shutil.rmtree(inside)
        elif inside.name != _AT_WORK:
            inside.unlink()


def _migration(told: dict[str, Any]) -> str:
    if not is_older(told["schema"]):
        return ""
    return (
        f"An older version made it, the schema is at {told['schema']}: then run `caretrail migrate` on it, on"
        " PostgreSQL as the owner, before anything else.\n"
    )


def _next_steps(to: Path, keys: Path, migration: str) -> str:
    return (
        f"What was written after the backup is not in it. Serve it with CARETRAIL_DATA_DIR={to} and the keys"
        f" in {keys}.\n{migration}"
        "If it refuses to start because the guard knows more lines than the database has: those"
        " lines are what was lost. Record that with `caretrail audit recover --reason ...`: it also does"
        " again what ended after the backup - erasures, deactivated accounts - before anybody can sign in."
    )


def notary_of(settings: Settings) -> Notary:
    """Return who signs for a deployment, without its database."""
    keys = SigningFiles(settings.keys_dir).load(SystemClock().now())
    return Notary(settings.deployment, *keys.seeds, retired=keys.retired)


def keyring_of(settings: Settings) -> Keyring:
    """Return the root key of a deployment, without its database."""
    return keyring_for(settings, SystemEntropy())


def retired_roots(settings: Settings) -> dict[str, Keyring]:
    """Return the root keys that were, by the names of their files; none that cannot be read."""
    files, found = FileKeys(settings.keys_dir), {}
    for path in sorted(settings.keys_dir.glob(_RETIRED)):
        with suppress(StartRefusedError):  # damaged, or open to others: whoever puts it in place is told
            found[path.name] = Keyring(files.secret(path.name), SystemEntropy())
    return found
