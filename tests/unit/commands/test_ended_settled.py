"""Which ledgers are read, in which order, and which lost lines the database has a later word on."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from app.audit.checkpoint import Notary
from app.audit.ended_file import FOLDER, START, EndedFiles
from app.commands.ended_ledgers import ledgers_of, place_of, unsettled

ORG, WHO = "01900000-0000-7000-8000-000000000001", "u"
NOTARY = Notary("care.example", bytes(range(32)))


def line(seq: int, kind: str, who: str = WHO) -> dict[str, object]:
    """Return a line of a ledger; what it is of is its number."""
    return {"seq": seq, "leaf": f"{seq:02x}", "kind": kind, "id": who}


@pytest.mark.parametrize(
    ("kind", "later", "counts"),
    [
        ("ended", "returned", False),
        ("ended", "ended", False),
        ("ended", "credentials", True),
        ("assignments", "assignments", False),
        ("assignments", "returned", False),
        ("assignments", "credentials", True),
        ("credentials", "credentials", False),
        ("credentials", "returned", True),
        ("code", "code", False),
        ("code", "credentials", True),
        ("shift", "shift", False),
        ("erased", "erased", True),
        ("asked", "asked", True),
    ],
)
def test_a_later_word_of_the_database_settles_its_kind(kind: str, later: str, counts: bool) -> None:
    """A return, a new password, a code used up settle what came before it; nothing settles an erasure."""
    lost, known = line(9, kind), line(3, later)

    assert ([lost] if counts else []) == unsettled([lost, known], {place_of(known)})
    assert [lost] == unsettled([known, lost], {place_of(known)}), "an earlier word settles nothing"
    assert [lost] == unsettled([lost, line(3, later, "another")], {place_of(known)}), "nor one on another"
    assert lost in unsettled([lost, known], set()), "nor one that is lost itself"


def fill(files: EndedFiles, *seqs: int, aside: bool = True) -> None:
    """Write a ledger, and lay it aside."""
    lines = [orjson.dumps(line(seq, "ended"), option=orjson.OPT_APPEND_NEWLINE) for seq in seqs]
    files.extend(ORG, START, seqs[-1] + 1, f"{seqs[-1]:02x}", lines)
    if aside:
        files.begin_anew(ORG)


@pytest.mark.parametrize("burnt", [False, True])
def test_the_oldest_history_comes_first(tmp_path: Path, burnt: bool) -> None:
    """A copy that only lags behind is not read; one of before the guard's folder was lost comes first."""
    guard, copy = (EndedFiles(tmp_path / place / FOLDER, NOTARY) for place in ("guard", "backups"))
    fill(copy, 1, 2)
    fill(copy, 1, 4)
    if not burnt:
        fill(guard, 1, 2, 3)
    fill(guard, 1, 4, 5)
    fill(guard, 1, 6, aside=False)
    service: Any = SimpleNamespace(
        settings=SimpleNamespace(backup_dir=tmp_path / "backups"),
        notary=NOTARY,
        guards=SimpleNamespace(ended=guard),
    )
    found = ledgers_of(service, ORG)

    seqs = [[one["seq"] for one in ledger.lines] for ledger in found.earlier]
    assert [[1, 2] if burnt else [1, 2, 3], [1, 4, 5]] == seqs
    assert [[1, 6]] == [[one["seq"] for one in ledger.lines] for ledger, _ in found.present]
    assert (5 if burnt else 6) == len(found.told), "what was not read for its order is told as well"
