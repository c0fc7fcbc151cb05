"""`caretrail backup ...`: make, list and check backups, and bring one back into an empty place."""

import asyncio
from pathlib import Path
from typing import Any

from app.access.visit import VisitRefusedError
from app.backups import restoring, sealing, shelf
from app.backups.job import backup_job
from app.backups.shelf import Kept
from app.commands.bringing_back import keyring_of, newest, notary_of, retired_roots
from app.commands.calling import Caller, sign_what_moved
from app.commands.opening import open_service
from app.commands.progress import progress
from app.commands.recurring import backup_means
from app.commands.starting import begin
from app.commands.stoppable import ended_like_an_interrupt
from app.commands.telling import remark, result
from app.commands.written_files import whole
from app.core.clock import spell
from app.core.errors import InvalidRequestError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.jobs.scheduler import run_now

_COMMAND = "caretrail backup create"
_KEYS_APART = """
This backup does NOT hold the root key, and without the root key nobody can read what is in it.
Keep a copy of {keys} where a fire, a thief and a virus that reach this machine do not: on paper or a
stick in a safe. Keep the age identity that opens backups there, too, and not on this machine.
"""


def create(*, as_json: bool) -> None:
    """Make a backup now. Works beside a running service; one at a time.

    Raises:
        CaretrailError: It could not be made; the run is recorded all the same.
    """
    with open_service(begin()) as service, progress("copying the database") as told:
        sign_what_moved(service)  # here, not by the job: it runs in a thread, and a turn is for one
        job = backup_job(backup_means(service, lambda: None, told))
        try:
            with ended_like_an_interrupt():
                made = asyncio.run(run_now(Caller(service, SYSTEM, _COMMAND).do, job))
        except VisitRefusedError as refused:
            raise refused.error from refused
        finally:
            sign_what_moved(service)
        keys = service.settings.keys_dir
    remark(_KEYS_APART.format(keys=keys))
    result(made, f"{made['path']}\nsha256 {made['sha256']}", as_json=as_json)


def identity(out: Path) -> None:
    """Make an age identity in a file that is not there yet, and print its recipient."""
    secret, recipient = sealing.new_identity()
    write_private(out, f"# recipient: {recipient}\n{secret}\n")
    result(None, recipient, as_json=False)
    remark(
        f"{out} opens every backup made for this recipient. Move it off this machine; put the recipient into"
        " the file that CARETRAIL_BACKUP_RECIPIENTS names."
    )


def write_private(path: Path, text: str) -> None:
    """Write a file for this user alone, durably; one that exists is not replaced.

    Raises:
        StartRefusedError: It exists or cannot be written.
    """
    try:
        with whole(path) as file:
            file.write(text.encode())
    except InvalidRequestError as refused:
        raise StartRefusedError(refused.detail) from refused


def listing(*, as_json: bool) -> None:
    """Tell what is in the folder of backups. Reads no database: it may be gone."""
    settings = begin()
    found = shelf.listed(settings.backup_dir, notary_of(settings).keys(SYSTEM))
    result([_listed(one) for one in found], "\n".join(map(_line, found)) or "no backups", as_json=as_json)


def _listed(one: Kept) -> dict[str, Any]:
    made = spell(one.made_at) if one.made_at is not None else None
    return one._asdict() | {"path": str(one.path), "made_at": made}


def _line(one: Kept) -> str:
    if one.fault is not None:
        return f"{one.path.name}  {one.bytes:>12} bytes  NOT USABLE: {one.fault}"
    return f"{one.path.name}  {one.bytes:>12} bytes  {one.database}  schema {one.schema}"


def verify(path: Path | None, identity_file: Path | None, *, as_json: bool) -> None:
    """Check a backup - the newest by default - as far as it can be: with an identity its content, too.

    Raises:
        BackupRefusedError: It is damaged, another deployment's, or does not open.
    """
    settings = begin()
    keys = notary_of(settings).keys(SYSTEM)
    chosen = path or newest(settings)
    file = identity_file or settings.backup_identity
    if identity_file is not None or file.exists():
        opened_by, retired = sealing.identities(file), retired_roots(settings)
        told = restoring.check(chosen, keys, keyring_of(settings), opened_by, retired).manifest
        checked = "form, signature, sealed bytes and content"
    else:
        told = restoring.check_form(chosen, keys)[1]
        checked = "form, signature and sealed bytes; not the content, which wants the identity"
    value = {"path": str(chosen), "id": told["id"], "made_at": told["made_at"], "checked": checked}
    result(value, f"{chosen}\nwhole: {checked}", as_json=as_json)
