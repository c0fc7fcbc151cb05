"""The ledger of what ended: signed, added to, never silently wrong."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.audit.checkpoint import Notary
from app.audit.ended_file import START, EndedFiles, Ledger, LedgerDamagedError, further, in_order
from app.storage import durable

ORG = "01900000-0000-7000-8000-000000000001"
NOTARY = Notary("care.example", bytes(range(32)))


@pytest.fixture
def files(tmp_path) -> EndedFiles:
    return EndedFiles(tmp_path / "ended", NOTARY)


def line(number) -> bytes:
    return json.dumps({"seq": number, "kind": "ended", "id": f"u{number}"}).encode() + b"\n"


def filled(files, since=START, *batches):
    """Add batches of lines, each five lines of the trail further; return how far it is then."""
    for numbers in batches or ((1, 2), (), (3,)):
        since = files.extend(ORG, since, since.size + 5, f"leaf{since.size + 5}", [line(n) for n in numbers])
    return since


def damage(files) -> str:
    with pytest.raises(LedgerDamagedError) as caught:
        files.read(ORG)
    return caught.value.what


def test_it_keeps_what_was_added_and_how_far_it_is(files):
    """Lines come back as they were, with the place in the trail, also where nothing ended in between."""
    assert files.read(ORG) is None
    reached = filled(files)

    assert files.read(ORG).reached == reached
    assert (15, "leaf15", 3) == (reached.size, reached.leaf, reached.entries)
    assert [1, 2, 3] == [one["seq"] for one in files.read(ORG).lines]
    assert [ORG] == files.chains()


def test_what_a_crash_broke_off_is_written_again(files):
    """Lines that no note covers do not count, and the next addition takes their place."""
    reached = filled(files)
    body = files.folder / f"{ORG}.jsonl"
    body.write_bytes(body.read_bytes() + line(99)[:7])

    assert [1, 2, 3] == [one["seq"] for one in files.read(ORG).lines]
    filled(files, reached, (4,))
    assert [1, 2, 3, 4] == [one["seq"] for one in files.read(ORG).lines]


def test_of_two_processes_one_adds(files):
    """Who read the lines before another process added them adds nothing and learns how far it is."""
    reached = filled(files)
    late = EndedFiles(files.folder, NOTARY).extend(ORG, START, 5, "leaf5", [line(1)])

    assert reached == late == files.read(ORG).reached


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda body, _: body.write_bytes(body.read_bytes().replace(b"u2", b"u7")), "not those"),
        (lambda body, _: body.write_bytes(body.read_bytes()[:-4]), "not those"),
        (lambda body, _: body.write_bytes(b"".join(body.read_bytes().splitlines(True)[1:])), "not those"),
        (lambda body, _: body.unlink(), "not those"),
        (lambda _, note: note.unlink(), "is missing"),
        (lambda _, note: note.write_text(note.read_text().replace("15", "20", 1)), "not ours"),
        (lambda _, note: note.write_bytes(b"\xff"), "not ours"),
    ],
)
def test_any_other_content_is_told(files, change, says):
    """A line changed, taken out or cut off, a note changed or lost: it is no ledger, and that is said."""
    filled(files)
    change(files.folder / f"{ORG}.jsonl", files.folder / f"{ORG}.note")

    assert says in damage(files)


def test_a_ledger_of_others_is_refused(files):
    """One signed by another key or for another chain has nobody's key destroyed here."""
    filled(files)
    other = EndedFiles(files.folder, Notary("care.example", bytes(32)))
    with pytest.raises(LedgerDamagedError, match="damaged"):
        other.read(ORG)
    for ending in ("note", "jsonl"):
        (files.folder / f"{ORG}.{ending}").rename(files.folder / f"other.{ending}")
    with pytest.raises(LedgerDamagedError):
        files.read("other")


def test_one_that_is_laid_aside_is_kept(files):
    """To begin anew removes nothing; the second time neither."""
    for _ in range(2):
        filled(files)
        files.begin_anew(ORG)

    assert files.read(ORG) is None
    kept = sorted(path.parent.name for path in files.folder.glob("*/*.jsonl"))
    assert [f"{ORG}.aside-1", f"{ORG}.aside-2"] == kept


def test_those_laid_aside_are_read_in_the_order_they_were(files):
    """The tenth comes after the second; what else lies there, or is of another chain, is none."""
    for number in range(11):
        filled(files, START, (number,))
        files.begin_anew(ORG)
    for name in (f"{ORG}.aside-old", "other.aside-1"):
        (files.folder / name).mkdir()

    assert list(range(11)) == [aside.read(ORG).lines[0]["seq"] for aside in files.asides(ORG)]
    assert [] == EndedFiles(files.folder / "none", NOTARY).asides(ORG)


@pytest.mark.parametrize("kept", [0, 1])
def test_a_crash_while_it_is_laid_aside_loses_nothing(files, monkeypatch, kept):
    """Killed before any or half of it is removed, the whole ledger lies aside; the next one goes on."""
    reached = filled(files)
    left, unlink = [None] * kept, Path.unlink

    def killed(path):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            files.begin_anew(ORG)
    files.begin_anew(ORG)

    assert reached == files.asides(ORG)[0].read(ORG).reached
    assert files.read(ORG) is None


def told(seq, leaf, who, kind="ended"):
    return {"seq": seq, "leaf": leaf, "kind": kind, "id": who}


def test_lines_of_several_ledgers_stand_in_the_order_things_happened():
    """What histories share stands first and once; then the older one's own lines, then the newer one's."""
    shared = [told(1, "a", "u"), told(2, "b", "u", "returned")]
    older = [told(5, "e", "u"), told(9, "f", "w")]
    newer = [told(3, "c", "u"), told(3, "c", "v")]  # one line of the trail that tells of two people
    ledgers = [Ledger(START, shared + older), Ledger(START, shared + newer)]

    assert shared + older + newer == in_order(ledgers)
    assert newer == further(ledgers[1], ledgers[:1])
    assert [] == further(ledgers[1], [ledgers[1]])


def test_a_copy_follows(files, tmp_path):
    """A copy takes what was added, and one of another history, or damaged, is laid aside for it."""
    copies = EndedFiles(tmp_path / "backups" / "ended", NOTARY)
    reached = filled(files)
    files.copy_to(copies.folder)
    assert copies.read(ORG) == files.read(ORG)
    filled(files, reached, (4,))
    files.copy_to(copies.folder)
    assert copies.read(ORG) == files.read(ORG)
    assert [] == list(copies.folder.glob("*/*"))

    files.begin_anew(ORG)
    filled(files, START, (8,))
    files.copy_to(copies.folder)
    assert [8] == [one["seq"] for one in copies.read(ORG).lines]
    assert 1 == len(list(copies.folder.glob("*.aside-1/*.jsonl")))
    (copies.folder / f"{ORG}.note").write_text("x")
    files.copy_to(copies.folder)
    assert copies.read(ORG) == files.read(ORG)


def test_a_damaged_ledger_is_not_copied(files, tmp_path):
    """A good copy is not replaced by a damaged original."""
    copies = EndedFiles(tmp_path / "copy", NOTARY)
    reached = filled(files)
    files.copy_to(copies.folder)
    filled(files, reached, (4,))
    (files.folder / f"{ORG}.jsonl").write_bytes(line(7))
    with pytest.raises(LedgerDamagedError):
        files.copy_to(copies.folder)
    assert reached == copies.read(ORG).reached


def test_two_processes_that_copy_lay_nothing_aside(files, tmp_path):
    """Whoever waited while another copied a longer ledger copies what is there now, not what was."""
    copies = EndedFiles(tmp_path / "copy", NOTARY)
    reached = filled(files)
    with ThreadPoolExecutor(1) as beside:
        with durable.locked(copies.folder):
            late = beside.submit(files.copy_to, copies.folder)
            time.sleep(0.3)  # it waits for the lock now
            filled(files, reached, (4,))
            for ending in ("jsonl", "note"):  # another process was quicker
                shutil.copy(files.folder / f"{ORG}.{ending}", copies.folder)
        late.result(60)

    assert [] == list(copies.folder.glob("*.aside-*"))
    assert copies.read(ORG) == files.read(ORG)
