"""The ledgers of what ended, packed to go with copies of backups elsewhere, and taken over from there.

A backup alone gives back who was erased after it. So the folder `ended` travels too: each state of it in a
file of its own, a plain tar that any tar program unpacks into that folder. It holds what the ledgers hold,
ids and words; each ledger in it is signed, the tar is not.

What comes back can only add: a ledger here that goes on is left, one that fell behind goes on, and one of
another history is laid beside it, where the recovery reads it as well.
"""

import io
import re
import tarfile
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from app.audit.checkpoint import Notary
from app.audit.ended_file import FOLDER, EndedFiles, Ledger, LedgerDamagedError, further
from app.storage import durable

ENDING = ".caretrail-ended"
_NAMED = re.compile(
    r"(?P<org>[\w-]+)(?:\.aside-(?P<aside>[1-9][0-9]{0,5}))?(?:/(?P=org))?\.(?:note|jsonl)", re.ASCII
)
_WORKING = ".ledgers-"


class Packed(NamedTuple):
    """One state of the ledgers.

    Attributes:
        data: The tar.
        digest: Of it; the same state has the same one.
    """

    data: bytes
    digest: str

    @property
    def ending(self) -> str:
        """Return how the name of a file of it ends."""
        return _ending(self.digest)


def packed(backups: Path) -> Packed | None:
    """Return the ledgers that lie with the backups, None where there are none.

    Raises:
        OSError: They cannot be read.
    """
    folder = backups / FOLDER
    if not folder.is_dir():
        return None
    target = io.BytesIO()
    with durable.locked(folder), tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as tar:
        found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
        names = [name for name in found if _NAMED.fullmatch(name)]
        for name in names:
            data = (folder / name).read_bytes()
            member = tarfile.TarInfo(name)  # without a time and an owner: only what is in it counts
            member.size, member.mode = len(data), 0o600
            tar.addfile(member, io.BytesIO(data))
    data = target.getvalue()
    return Packed(data, sha256(data).hexdigest()) if names else None


def _ending(digest: str) -> str:
    return f"-{digest[:16]}{ENDING}"


def take_over(file: Path, name: str, backups: Path, notary: Notary) -> bool:
    """Bring the ledgers in a packed file to those with the backups; say whether it was whole and all signed.

    What was not signed is left out. Nothing that is here already is lost.

    Args:
        file: The file.
        name: What it was called where it came from.
        backups: The folder of the backups.
        notary: Who signs ledgers.

    Raises:
        OSError: They cannot be written.
    """
    whole = name.endswith(_ending(sha256(file.read_bytes()).hexdigest()))
    here = EndedFiles(backups / FOLDER, notary)
    with tempfile.TemporaryDirectory(dir=backups, prefix=_WORKING) as working:
        try:
            histories = _unpacked(file, Path(working))
        except (tarfile.TarError, ValueError, EOFError):
            return False
        taken = [_taken(org, EndedFiles(path, notary), here, aside=aside) for org, aside, path in histories]
    return whole and bool(taken) and all(taken)


def _unpacked(file: Path, working: Path) -> list[tuple[str, int, Path]]:
    """Write out a packed file: a folder for each history of each chain, those that were laid aside first."""
    found: dict[tuple[str, int], Path] = {}
    with tarfile.open(file, mode="r:") as tar:
        for org, aside, member in _members(tar):
            folder = found.setdefault((org, aside), working / f"{org}-{aside}")
            folder.mkdir(exist_ok=True, mode=0o700)
            content = tar.extractfile(member)
            assert content is not None  # noqa: S101 - a plain file has one
            (folder / f"{org}{Path(member.name).suffix}").write_bytes(content.read())
    return [(org, aside, found[org, aside]) for org, aside in sorted(found, key=_asides_first)]


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, int, tarfile.TarInfo]]:
    """Return what is in it, by chain and number; nothing but what we pack has such a name."""
    for member in tar:
        named = _NAMED.fullmatch(member.name)
        if named is None or member.type != tarfile.REGTYPE:
            raise ValueError("something else is in it")
        yield named["org"], int(named["aside"] or 0), member


def _asides_first(history: tuple[str, int]) -> tuple[bool, int, str]:
    org, aside = history
    return aside == 0, aside, org


def _taken(org: str, theirs: EndedFiles, here: EndedFiles, *, aside: int) -> bool:
    """Take over one history of a chain; say whether it is what it should be."""
    ledger, ours = _trusted(theirs, org), _trusted(here, org)
    if ledger is None:
        return bool(aside)  # a damaged one was laid aside for that, and counts for nothing
    if not aside and (ours is None or _goes_on(ours, ledger)):
        theirs.copy_to(here.folder)
        return True
    earlier = [_trusted(one, org) for one in here.asides(org)]
    if further(ledger, [one for one in (ours, *earlier) if one is not None]):
        theirs.copy_to(_room_aside(here.folder, org))
    return True


def _goes_on(ours: Ledger, theirs: Ledger) -> bool:
    """Say whether theirs is ours, further on."""
    return theirs.reached.size >= ours.reached.size and theirs.lines[: len(ours.lines)] == ours.lines


def _trusted(files: EndedFiles, org: str) -> Ledger | None:
    try:
        return files.read(org)
    except LedgerDamagedError:
        return None


def _room_aside(folder: Path, org: str) -> Path:
    number = 1
    while (kept := folder / f"{org}.aside-{number}").exists():
        number += 1
    return kept
