"""`caretrail keys status`: which keys there are, and whether they fit the database."""

import hashlib
from typing import Any

from sqlalchemy import func, select

from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import result
from app.identity.table import account
from app.main import Service
from app.residents.table import resident
from app.storage.guard import carrying
from app.vault.provider import ROOT_KEY, SIGNING_KEY, FileKeys
from app.vault.table import organisation_keys


def status(*, as_json: bool) -> None:
    """Tell the state of the keys; that it can be told says that the root key is the database's own.

    Raises:
        StartRefusedError: A key is missing, damaged, readable by others or of another database.
    """
    with open_service(begin()) as service:
        told = _state(service)
    lines = [f"{name:<20} {value}" for name, value in told.items() if name != "organisations"]
    lines += [
        f"organisation {one['id']}  generation {one['generation']}  since {one['made_at']}"
        for one in told["organisations"]
    ]
    result(told, "\n".join(lines), as_json=as_json)


def _state(service: Service) -> dict[str, Any]:
    keys = FileKeys(service.settings.keys_dir)
    newest = (
        select(
            organisation_keys.c.org,
            func.max(organisation_keys.c.generation).label("generation"),
            func.max(organisation_keys.c.made_at).label("made_at"),
        )
        .group_by(organisation_keys.c.org)
        .order_by(organisation_keys.c.org)
    )
    with service.engine.connect() as connection, carrying(connection, "keys"):
        organisations = [dict(row._mapping) for row in connection.execute(newest)]
        residents = connection.execute(select(func.count()).select_from(resident)).scalar_one()
        people = connection.execute(select(func.count()).select_from(account)).scalar_one()
    return {
        "provider": "file",
        "directory": str(service.settings.keys_dir),
        "root_key": "fits this database",
        "root_key_id": _name(keys.secret(ROOT_KEY)),
        "signing_key_id": _name(keys.secret(SIGNING_KEY)),
        "residents_with_keys": residents,
        "people_with_keys": people,
        "organisations": [{"id": one.pop("org"), **one} for one in organisations],
    }


def _name(secret: bytes) -> str:
    """Return what tells two keys apart and nothing about them."""
    return hashlib.sha256(b"caretrail/v1 key id\0" + secret).hexdigest()[:16]
