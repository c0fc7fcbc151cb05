"""The folder of backups: what is in it, and which ones are old enough to go.

Kept are all of the last day and the newest of each of the last days, weeks and months that have one. The
newest good backup is never removed, nothing that is not ours is touched, and nothing goes before the newest
was read and found whole: a disk that rots must not take the older copies with it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from app.audit.verify import Key
from app.backups import archive, manifest
from app.backups.archive import BackupRefusedError
from app.backups.creating import ENDING
from app.backups.restoring import check_form
from app.core.clock import parse, spell

FRESH = timedelta(days=1)


class Kept(NamedTuple):
    """A file of the shelf.

    Attributes:
        path: The file.
        bytes: How long it is.
        id: The backup's id; None where the file is none of ours, or cannot be read.
        made_at: When it was made.
        database: sqlite or postgresql.
        schema: The revision of its schema.
        fault: Why it does not count; None where its form and its signature are right.
    """

    path: Path
    bytes: int
    id: str | None = None
    made_at: datetime | None = None
    database: str | None = None
    schema: str | None = None
    fault: str | None = None


class Rule(NamedTuple):
    """How many backups are kept: the newest of so many days, weeks and months that have one."""

    days: int
    weeks: int
    months: int


def listed(folder: Path, keys: Sequence[Key]) -> list[Kept]:
    """Return what is on the shelf, newest first; unreadable files last. Reads manifests, not contents."""
    found = [_looked_at(path, keys) for path in folder.glob(f"*{ENDING}") if path.is_file()]
    return sorted(found, key=_rank, reverse=True)


def _rank(one: Kept) -> tuple[bool, str, str]:
    return (one.fault is None, spell(one.made_at) if one.made_at is not None else "", one.path.name)


def _looked_at(path: Path, keys: Sequence[Key]) -> Kept:
    size = path.stat().st_size
    try:
        found = archive.read(path)
        told = manifest.read(found.manifest, found.signature, keys)
    except BackupRefusedError as refused:
        return Kept(path, size, fault=refused.why)
    return Kept(path, size, told["id"], parse(told["made_at"]), told["database"], told["schema"])


def superfluous(shelf: Sequence[Kept], rule: Rule, at: datetime) -> list[Kept]:
    """Return the backups a rule does not keep. Pure; the newest is always kept, and all of the last day."""
    ours = sorted((one for one in shelf if one.fault is None), key=_instant, reverse=True)
    kept = {one.path for one in ours if one is ours[0] or at - _instant(one) < FRESH}
    for count, period in ((rule.days, _day), (rule.weeks, _week), (rule.months, _month)):
        newest: dict[tuple[int, ...], Path] = {}
        for one in ours:
            newest.setdefault(period(_instant(one)), one.path)
        kept.update(list(newest.values())[:count])
    return [one for one in ours if one.path not in kept]


def tidy(folder: Path, keys: Sequence[Key], rule: Rule, at: datetime) -> list[Path]:
    """Remove what the rule does not keep, and return it.

    Raises:
        BackupRefusedError: The newest backup is not whole; nothing was removed.
    """
    shelf = listed(folder, keys)
    going = superfluous(shelf, rule, at)
    if going:
        check_form(shelf[0].path, keys)
    for one in going:
        one.path.unlink(missing_ok=True)
    return [one.path for one in going]


def _instant(one: Kept) -> datetime:
    assert one.made_at is not None  # noqa: S101 - whose form is right has one
    return one.made_at


def _day(at: datetime) -> tuple[int, ...]:
    return (at.year, at.month, at.day)


def _week(at: datetime) -> tuple[int, ...]:
    return at.isocalendar()[:2]


def _month(at: datetime) -> tuple[int, ...]:
    return (at.year, at.month)
