"""`caretrail keys ...`: which keys there are, whether they fit the database; new ones."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from app.access.operations import operation
from app.audit import note
from app.audit.checkpoint import Notary, newest
from app.commands.calling import Caller, present, sign_what_moved
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.clock import spell
from app.core.errors import CaretrailError
from app.core.identifiers import SYSTEM
from app.core.settings import Provider, Settings, variable_of
from app.identity.table import account
from app.main import Service
from app.residents.table import resident
from app.storage import durable
from app.storage.guard import carrying
from app.trail.checkpoints import NewestCheckpoint
from app.trail.rotation import REWRAP, ROTATE, RecordRotation, WrapAnew
from app.vault.keepers import transit_root
from app.vault.provider import ROOT_KEY, FileKeys, refused_unless_written
from app.vault.root import LocalRoot
from app.vault.root_files import RootFiles
from app.vault.sealing import key_name
from app.vault.signing_keys import SigningFiles, SigningKeys
from app.vault.table import organisation_keys

CHECKPOINT = operation("GET", "/v1/audit/checkpoint")
_COMMAND = "caretrail keys rotate"
_IN_LINES = ("organisations", "verifier_keys")
"""What of the state is told in lines of its own."""
OVERLAP_DAYS = 30
"""For so long both signing keys sign, if nobody says otherwise."""
_TRIES = 5
"""A service that has not seen the new key yet may sign a size first, for a second at most."""


def status(*, as_json: bool) -> None:
    """Tell the state of the keys; that it can be told says that the root key is the database's own.

    Raises:
        StartRefusedError: A key is missing, damaged, readable by others or of another database.
    """
    with open_service(begin()) as service:
        told = _state(service)
    lines = [f"{name:<20} {_said(value)}" for name, value in told.items() if name not in _IN_LINES]
    lines += [f"verifier key         {vkey}" for vkey in told["verifier_keys"].values()]
    lines += [
        f"organisation {one['id']}  generation {one['generation']}  since {one['made_at']}{_under_way(one)}"
        for one in told["organisations"]
    ]
    result(told, "\n".join(lines), as_json=as_json)


def rotate(overlap_days: int, *, as_json: bool) -> None:
    """Make a new signing key; both sign for a while, then the old one is retired.

    Works beside a running service, which takes the new key up within a second or two. Broken off, it is
    run again: what the trail says already is said once more, with the same key.

    Raises:
        ConflictError: Both keys of an earlier rotation still sign.
        StartRefusedError: The keys folder cannot be written.
    """
    settings = begin()
    # Of two at once the second finds that both keys sign, and is refused before it enters anything
    with _rotating(settings), open_service(settings) as service:
        files, at = SigningFiles(service.settings.keys_dir), service.clock.now()
        seed, until = files.prepare(service.entropy, at), at + timedelta(days=overlap_days)
        to_come = Notary(service.settings.deployment, seed)
        sign_what_moved(service)
        work = RecordRotation(service.notary, to_come, until)
        chains = present(service, SYSTEM, ROTATE, work, _COMMAND)
        files.switch(until)
        service.signing.refresh()
        for chain in chains:
            _sign_with_both(service, chain)
        sign_what_moved(service)
        # A crash before this line: the new keys were not printed, but `keys status` shows them.
        vkeys = {chain: service.notary.vkeys(chain)[0] for chain in chains}
    told = {"both_sign_until": spell(until), "verifier_keys": vkeys}
    result(told, "\n".join(vkeys.values()), as_json=as_json)
    remark(
        f"Give the new verifier keys to whoever checks exports. Until {spell(until)} the old ones do, too.\n"
        f"Keep a new copy of {service.settings.keys_dir} elsewhere."
    )


def rotate_root(to: Provider | None, *, as_json: bool) -> None:
    """Make a new root key and wrap every organisation's key under it; what they seal stays as it is.

    Works beside running services that know of it: those that read the same keys folder, and those with the
    same settings of Transit. They take it up within a second. Broken off, it is run again.

    Args:
        to: Who keeps it from now on; None: who keeps it now.
        as_json: Write the result as JSON.

    Raises:
        StartRefusedError: The keys folder cannot be written.
    """
    settings = begin()
    # One after the other, each beginning with the key that the one before it left
    with _rotating(settings), open_service(settings) as service:
        old = service.keyring.root
        to = to or ("file" if old.kind == "file" else "transit")
        kept = _to_file(service) if to == "file" else _to_transit(service)
        sign_what_moved(service)
        told = {"provider": to, "root_key_id": service.keyring.root.name, **kept}
    text = (
        f"the root key is {told['root_key_id']} now ({to}); {told['keys_wrapped']} keys were wrapped under it"
    )
    result(told, text, as_json=as_json)
    if old.kind != to:
        remark(f"Set {variable_of('keys_provider')}={to} for every process, and restart each when it suits.")
    if to == "file":
        remark(f"Keep a copy of {service.settings.keys_dir} elsewhere NOW: any you have is of another key.")
    remark(f"Backups made until now want the root key before ({old.kind}: {told['retired'] or old.name}).")


@contextmanager
def _rotating(settings: Settings) -> Iterator[None]:
    """Let one process at a time rotate, and have a copy of a key gone that a killed one left."""
    with ExitStack() as stack:
        with refused_unless_written(settings.keys_dir):
            stack.enter_context(durable.locked(settings.keys_dir, durable.ROTATION))
        FileKeys(settings.keys_dir).clear_away()
        yield


def _to_file(service: Service) -> dict[str, Any]:
    roots, old = RootFiles(service.settings.keys_dir), service.keyring.root
    to_come = LocalRoot(roots.prepare(service.entropy), service.entropy)
    work = WrapAnew(to_come, old.name)
    wrapped = present(service, SYSTEM, REWRAP, work, f"{_COMMAND} root")
    kept = roots.switch()
    service.keyring.use(to_come)
    return {"keys_wrapped": wrapped, "retired": str(kept) if kept is not None else None}


def _to_transit(service: Service) -> dict[str, Any]:
    old = service.keyring.root
    to_come = transit_root(service.settings, service.entropy)
    work = WrapAnew(to_come, old.name, again=old.kind == to_come.kind)
    wrapped = present(service, SYSTEM, REWRAP, work, f"{_COMMAND} root")
    service.keyring.use(to_come)
    file = service.settings.keys_dir / ROOT_KEY
    return {"keys_wrapped": wrapped, "retired": str(file) if file.exists() else None}


def _sign_with_both(service: Service, chain: str) -> None:
    """See to it that a checkpoint over the rotation's entry carries both signatures."""
    wanted = set(service.notary.keys(chain)[:2])
    for _ in range(_TRIES):
        sign_what_moved(service)
        with service.engine.connect() as connection, carrying(connection, "keys"):
            signed = newest(connection, chain)
        if signed is not None and wanted <= set(note.signed_by(signed.note, service.notary.keys(chain))):
            return
        work = NewestCheckpoint(service.notary, service.guards)  # its entry makes the chain longer by one
        asyncio.run(Caller(service, chain, _COMMAND).do(CHECKPOINT, work))
    raise CaretrailError(
        "The new key is in use, but another process still signs with the old one alone. Restart the service.",
        why="rotation-not-taken-up",
    )


def _state(service: Service) -> dict[str, Any]:
    root, c = service.keyring.root, organisation_keys.c
    every = select(c.org, c.generation, c.made_at, c.completed_at).order_by(c.org, c.generation)
    with service.engine.connect() as connection, carrying(connection, "keys"):
        newest = {str(row.org): row for row in connection.execute(every)}
        residents = connection.execute(select(func.count()).select_from(resident)).scalar_one()
        people = connection.execute(select(func.count()).select_from(account)).scalar_one()
    return {
        "provider": root.kind,
        "directory": str(service.settings.keys_dir),
        "root_key": "fits this database",
        "root_key_id": root.name,
        **_signing(service.signing.keys),
        "verifier_keys": {org: service.notary.vkeys(org)[0] for org in newest},
        "residents_with_keys": residents,
        "people_with_keys": people,
        "organisations": [
            {
                "id": org,
                "generation": row.generation,
                "made_at": row.made_at,
                "completed_at": row.completed_at,
            }
            for org, row in newest.items()
        ],
    }


def _signing(keys: SigningKeys) -> dict[str, Any]:
    both = keys.previous is not None and keys.until is not None
    return {
        "signing_key_id": key_name(keys.present),
        "signing_key_before": key_name(keys.previous) if keys.previous is not None else None,
        "both_sign_until": spell(keys.until) if both and keys.until is not None else None,
        "retired_signing_keys": len(keys.retired),
    }


def _under_way(organisation: dict[str, Any]) -> str:
    return "" if organisation["completed_at"] else "  NOT WHOLE: run `caretrail keys rotate organisation`"


def _said(value: object) -> str:
    return "-" if value is None else str(value)
