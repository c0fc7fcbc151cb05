"""Backups that another version made: an older one comes back and is migrated then, a newer one is refused."""

from typing import Any

from app.backups import manifest
from app.backups.archive import BackupRefusedError
from app.storage.schema import known_revisions


def refuse_newer(told: dict[str, Any]) -> None:
    """Refuse what a newer version made: this one knows neither its schema nor how to bring it forwards.

    Args:
        told: What the manifest says.

    Raises:
        BackupRefusedError: Its schema, or a table it names, is none of this version's.
        StartRefusedError: This version is not installed whole.
    """
    if told["schema"] not in known_revisions():
        raise _newer(f"its schema is at revision {told['schema']}")
    if unknown := sorted(set(told["counts"]) - set(manifest.tables())):
        raise _newer(f"it holds {', '.join(unknown)}")


def _newer(what: str) -> BackupRefusedError:
    return BackupRefusedError(
        f"It was made by a newer version of Caretrail: {what}, which this one does not know. Restore it with"
        " that version, or take an older backup.",
        "newer",
    )
