"""What a backup says of itself, signed by the deployment's signing key.

Readable by everybody who holds the file: counts, ids of chains, roots, the schema. Nothing of a person.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from app.audit import note
from app.audit.checkpoint import Notary
from app.audit.verify import Key
from app.backups.archive import BackupRefusedError
from app.core.identifiers import SYSTEM
from app.storage import schema
from app.storage.snapshot import Snapshot, all_rows, only
from app.vault.rooted import ROOT_CHECK

FORMAT = "caretrail-backup/1"


class Source(NamedTuple):
    """What a copy of a database holds, read from the copy itself.

    Attributes:
        schema: The revision of its schema.
        counts: Rows by table.
        chains: Size and root by chain.
        checkpoints: The newest signed checkpoint by chain.
        key_check: What tells whether a root key is this database's, in hex.
    """

    schema: str
    counts: dict[str, int]
    chains: dict[str, dict[str, Any]]
    checkpoints: dict[str, str]
    key_check: str


def tables() -> list[str]:
    """Return the names of all tables of this version: what a new backup counts."""
    return [str(table.name) for table in schema.tables()]


def survey(view: Snapshot, counted: Iterable[str]) -> Source:
    """Return what a copy holds.

    Args:
        view: The copy.
        counted: The tables whose rows are counted; an older version's copy has fewer than this one's.
    """
    counts = {name: int(only(view, f"SELECT count(*) FROM {name}")) for name in counted}
    heads = all_rows(view, "SELECT org, size, leaf FROM audit_head ORDER BY org")
    newest = (
        "SELECT c.org, c.note FROM audit_checkpoint c WHERE c.size ="
        " (SELECT max(size) FROM audit_checkpoint WHERE org = c.org) ORDER BY c.org"
    )
    return Source(
        schema=str(only(view, "SELECT version_num FROM alembic_version")),
        counts=dict(sorted(counts.items())),
        chains={org: {"size": size, "leaf": bytes(leaf).hex()} for org, size, leaf in heads},
        checkpoints=dict(all_rows(view, newest)),
        key_check=bytes(only(view, f"SELECT value FROM key_check WHERE name = '{ROOT_CHECK}'")).hex(),
    )


def spelled(told: dict[str, Any]) -> bytes:
    """Return the bytes of a manifest."""
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def sign(notary: Notary, manifest: bytes) -> str:
    """Return the signed note over a manifest's exact bytes."""
    return notary.sign_text(SYSTEM, _text(manifest))


def _text(manifest: bytes) -> str:
    return f"{FORMAT}\n{sha256(manifest).hexdigest()}\n"


def read(manifest: bytes, signature: str, keys: Sequence[Key]) -> dict[str, Any]:
    """Return a manifest that one of the keys signed.

    Raises:
        BackupRefusedError: It was signed by somebody else, or was changed.
    """
    try:
        if note.open_note(signature, keys) != _text(manifest):
            raise BackupRefusedError("The manifest is not the one that was signed.", "damaged")
    except note.NoteBrokenError as error:
        raise BackupRefusedError(
            "The backup is not signed by a key of this deployment: it is another one's, or was changed.",
            "foreign",
        ) from error
    told: dict[str, Any] = orjson.loads(manifest)
    if told["format"] != FORMAT:
        raise BackupRefusedError("The backup was made by another version: use that one.", "format")
    return told
