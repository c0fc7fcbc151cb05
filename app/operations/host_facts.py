"""What the doctor reads from this machine: folders and their modes, keys, recipients, TLS. No database."""

import stat
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from app.backups import offsite, sealing
from app.backups.archive import BackupRefusedError
from app.backups.drill_places import left_by_drills
from app.core.entropy import SystemEntropy
from app.core.errors import StartRefusedError
from app.core.file_rights import refuse_locked
from app.core.settings import Settings
from app.operations.disk import Space, spaces
from app.printing import typesetting
from app.storage.reserve import Reserve
from app.vault.keepers import keyring_for
from app.vault.keyring import Keyring
from app.vault.root_files import NEXT_ROOT
from app.vault.signing_keys import SigningFiles
from app.webhooks import delivering

DEMO = "demo.json"
MOST_FILES = 10_000
"""Files looked at in one folder: backups and guards are tens, not more."""


class Open(NamedTuple):
    """A file or folder whose mode lets others in."""

    path: Path
    mode: int
    writable: bool


class Lacking(NamedTuple):
    """An extra that the settings ask for and that is not installed.

    Attributes:
        told: What wants it, and how it is installed.
        stops: Whether who runs jobs does not start without it.
    """

    told: str
    stops: bool


class HostFacts(NamedTuple):
    """This machine, as far as the service is concerned.

    Attributes:
        spaces: The room in each folder.
        reserve: How many bytes are kept back for a full disk; None where the database is a server's.
        keys_fault: Why the keys cannot be used; None where they can.
        keyring: The root key, where it can be read.
        rotating: A root key that was made and not taken up yet.
        open_keys: Keys that others may read or write.
        open_others: Other files and folders of the service that others may.
        demo: Whether this is a demo, with invented people.
        identity: Whether what opens backups is on this machine.
        identity_fits: Whether it opens those made from now on; None where there is nothing to compare.
        recipients: How many recipients backups are sealed for.
        recipients_fault: Why they are sealed for nobody.
        exposed: Why the service would refuse to listen like this.
        certificate_until: When the TLS certificate ends; None without one.
        left: Folders with opened copies of the database, of drills that were killed.
        lacking: Extras that are asked for and not installed.
        mute: Why no endpoint can be told of anything from here; None if it can.
    """

    spaces: list[Space]
    reserve: int | None
    keys_fault: str | None
    keyring: Keyring | None
    rotating: bool
    open_keys: list[Open]
    open_others: list[Open]
    demo: bool
    identity: bool
    identity_fits: bool | None
    recipients: int
    recipients_fault: str | None
    exposed: str | None
    certificate_until: datetime | None
    left: Sequence[Path] = ()
    lacking: Sequence[Lacking] = ()
    mute: str | None = None


def look_at_host(settings: Settings, at: datetime, exposed: str | None) -> HostFacts:
    """Return the facts of this machine.

    Args:
        settings: What the operator chose.
        at: The present instant.
        exposed: Why the service would refuse to listen, where it would.

    Raises:
        StartRefusedError: This user may not look into a folder of the service.
    """
    for folder in (settings.data_dir, settings.keys_dir, settings.guard_dir, settings.backup_dir):
        refuse_locked(folder)  # what cannot be seen would be taken for missing
    keyring, keys_fault = _keys(settings, at)
    recipients, recipients_fault = _recipients(settings)
    url = settings.database_url.get_secret_value()
    reserve = Reserve.beside(url)
    return HostFacts(
        spaces=spaces(settings),
        reserve=reserve.size if reserve is not None else None,
        keys_fault=keys_fault,
        keyring=keyring,
        rotating=(settings.keys_dir / NEXT_ROOT).exists(),
        open_keys=open_to_others(_with_content(settings.keys_dir)),
        open_others=open_to_others(_others(settings)) + _changeable(settings),
        demo=(settings.data_dir / DEMO).exists(),
        identity=settings.backup_identity.exists(),
        identity_fits=_fits(settings.backup_identity, recipients),
        recipients=len(recipients),
        recipients_fault=recipients_fault,
        exposed=exposed,
        certificate_until=certificate_end(settings.tls_cert) if settings.tls_cert else None,
        left=left_by_drills(settings.data_dir),
        lacking=list(_lacking(settings)),
        mute=_mute(),
    )


def open_to_others(paths: list[Path]) -> list[Open]:
    """Return those files and folders that others than their owner may read or write."""
    found = []
    for path in paths:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue  # not there, or removed meanwhile
        if mode & 0o077:
            found.append(Open(path, mode, bool(mode & 0o022)))
    return found


def certificate_end(path: Path) -> datetime | None:
    """Return when the certificate in a PEM file ends; None where there is none to be read."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None


def _others(settings: Settings) -> list[Path]:
    # the data directory is not walked: an operator's exports may lie in it
    url = settings.database_url.get_secret_value()
    database = [Path(url.removeprefix("sqlite:///"))] if url.startswith("sqlite:///") else []
    folders = _with_content(settings.guard_dir) + _with_content(settings.backup_dir)
    return [settings.data_dir, *database, *folders, settings.backup_identity]


def _changeable(settings: Settings) -> list[Open]:
    """Return files that say who opens what, and their folders, if others may change them; all may read them.

    Whoever adds themselves there opens every backup, or every pack, from the next one on.
    """
    files = (settings.backup_recipients, settings.continuity_recipients)
    folders = {file.parent for file in files} - {settings.data_dir}  # that one is looked at already
    found = open_to_others([*files, *sorted(folders)])
    return [one for one in found if one.writable and not one.mode & stat.S_ISVTX]


def _with_content(folder: Path) -> list[Path]:
    return [folder, *(sorted(folder.iterdir())[:MOST_FILES] if folder.is_dir() else [])]


def _lacking(settings: Settings) -> Iterator[Lacking]:
    """Yield which extras are asked for and not installed; without that of Transit no key can be used."""
    copied = settings.backup_recipients.exists()
    asked = (
        (settings.offsite_bucket is not None, offsite.refuse_without_extra, copied),
        (settings.continuity_format == "pdf", typesetting.refuse_without_extra, False),
    )
    for wanted, refuse, stops in asked:
        try:
            if wanted:
                refuse()
        except StartRefusedError as refused:
            yield Lacking(str(refused), stops)


def _mute() -> str | None:
    try:
        delivering.refuse_without_extra()
    except StartRefusedError as refused:
        return str(refused)
    return None


def _keys(settings: Settings, at: datetime) -> tuple[Keyring | None, str | None]:
    try:
        keyring = keyring_for(settings, SystemEntropy())
        SigningFiles(settings.keys_dir).load(at)
    except StartRefusedError as refused:
        return None, str(refused)
    return keyring, None


def _recipients(settings: Settings) -> tuple[list[str], str | None]:
    try:
        return sealing.recipients(settings.backup_recipients), None
    except StartRefusedError as refused:
        return [], str(refused)


def _fits(identity: Path, recipients: list[str]) -> bool | None:
    if not recipients or not identity.exists():
        return None
    try:
        return not set(sealing.identities(identity).recipients()).isdisjoint(recipients)
    except BackupRefusedError:  # whatever it holds, it opens nothing
        return False
