"""What a command is told to write: whole, for its user alone, or not at all, wherever it is to lie."""

import errno
import os
import stat
from pathlib import Path

import pytest

from app.commands.written_files import whole
from app.core.errors import InvalidRequestError
from tests.unit.commands.conftest import Line

COMMANDS = {
    "audit sheet": 1,
    "audit export": 1,
    "backup identity": 2,
}
"""Commands that write a file, and how they end where they cannot."""
PLACES = {
    "no folder": ("nowhere/x", "there is no folder"),
    "no file system for it": ("/proc/x", "cannot be written: No such file or directory"),
    "below a file": ("file/x", "there is no folder"),
    "too long a name": ("x" * 300, "cannot be written: File name too long"),
    "there already": ("file", "is there already: give another name"),
}


def test_a_file_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    """Until the last byte is on the disk there is none of this name; then it is its user's alone."""
    out = tmp_path / "out"
    with whole(out) as file:
        file.write(b"all of it")
        assert not out.exists()

    assert (b"all of it", [out]) == (out.read_bytes(), list(tmp_path.iterdir()))
    assert 0o600 == stat.S_IMODE(out.stat().st_mode)


@pytest.mark.parametrize("broken_off", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_of_what_was_broken_off(tmp_path: Path, broken_off: type[BaseException]) -> None:
    """Whatever ends the writing, nothing of it stays, and what it was is told on."""
    with pytest.raises(broken_off), whole(tmp_path / "out") as file:
        file.write(b"half")
        raise broken_off

    assert [] == list(tmp_path.iterdir())


def test_a_disk_that_fails_is_told_and_leaves_the_place_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the last bytes do not reach the disk there is no file, and a second run can write it."""

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(InvalidRequestError) as refused, whole(out) as file:
            file.write(b"half")
    left = list(tmp_path.iterdir())
    with whole(out) as file:
        file.write(b"all of it")

    assert (f"{out} cannot be written: No space left on device", []) == (refused.value.detail, left)
    assert b"all of it" == out.read_bytes()


def test_what_a_killed_run_left_is_written_anew(tmp_path: Path) -> None:
    """A part of another run is in nobody's way, and whoever could read it cannot read what comes."""
    (part := tmp_path / "out.part").write_bytes(b"left")
    part.chmod(0o644)
    with whole(tmp_path / "out") as file:
        file.write(b"new")

    assert b"new" == (tmp_path / "out").read_bytes()
    assert 0o600 == stat.S_IMODE((tmp_path / "out").stat().st_mode)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_cannot_be_written_is_told(
    founded: tuple[Line, dict[str, str]], tmp_path: Path, command: str, place: str
) -> None:
    """Each command says which file and why, in one line, and leaves nothing where it was to be."""
    (tmp_path / "file").write_text("kept")
    where, why = PLACES[place]
    told = founded[0].run(*command.split(), "--out", tmp_path / where)

    assert (COMMANDS[command], "") == (told.code, told.out)
    [sentence] = [line for line in told.err.splitlines() if not line.startswith("{")]
    assert sentence.startswith("caretrail: ")
    assert why in sentence
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


def test_no_entry_is_made_for_a_place_that_cannot_be_written(
    founded: tuple[Line, dict[str, str]], tmp_path: Path
) -> None:
    """An export that cannot be written anywhere does not stand in the trail as begun."""
    line, _ = founded
    before = line.run("audit", "verify").out
    for where in ("nowhere/x", "/proc/x", "x" * 300):
        assert 1 == line.run("audit", "export", "--out", tmp_path / where).code

    assert before == line.run("audit", "verify").out
