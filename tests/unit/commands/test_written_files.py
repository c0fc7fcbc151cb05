"""What a command is told to write: whole, for its user alone, or not at all, wherever it is to lie."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.commands.written_files import scratch_beside, whole
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


def refusing(error: int) -> Callable[..., None]:
    """Return what fails as a system call does."""

    def fails(*_: Any) -> None:
        raise OSError(error, os.strerror(error))

    return fails


@pytest.mark.parametrize("linkable", [True, False], ids=["links", "no links"])
def test_of_two_runs_at_once_one_gives_the_file_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linkable: bool
) -> None:
    """Each writes a file of its own: what has the name is all of one's, and the other is told so."""
    out = tmp_path / "out"
    if not linkable:
        monkeypatch.setattr(os, "link", refusing(errno.EPERM))
    with pytest.raises(InvalidRequestError) as refused, whole(out) as first:
        first.write(b"half of it")
        first.flush()
        with whole(out) as second:
            second.write(b"all of the second")
        first.write(b", and the rest")

    assert f"{out} is there already: give another name" == refused.value.detail
    assert (b"all of the second", [out]) == (out.read_bytes(), list(tmp_path.iterdir()))
    assert 0o600 == stat.S_IMODE(out.stat().st_mode)


def test_a_run_that_is_broken_off_leaves_anothers_file(tmp_path: Path) -> None:
    """What a run ends with takes nothing away from one beside it."""
    out = tmp_path / "out"
    with whole(out) as first:
        first.write(b"all of the first")
        with pytest.raises(KeyboardInterrupt), whole(out) as second:
            second.write(b"half")
            raise KeyboardInterrupt

    assert (b"all of the first", [out]) == (out.read_bytes(), list(tmp_path.iterdir()))


def test_a_file_that_came_meanwhile_is_kept(tmp_path: Path) -> None:
    """Whoever made it may need it; neither is a part of another name taken for one of ours."""
    out, mine = tmp_path / "out", tmp_path / "out.part"
    mine.write_bytes(b"mine")
    with pytest.raises(InvalidRequestError) as refused, whole(out) as file:
        file.write(b"all of it")
        out.write_bytes(b"theirs")

    assert f"{out} is there already: give another name" == refused.value.detail
    assert (b"theirs", b"mine") == (out.read_bytes(), mine.read_bytes())
    assert {out, mine} == set(tmp_path.iterdir())


def test_the_name_is_stored_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose name may be lost with the power was not written; some folders cannot be asked that."""
    stored: list[Path] = []
    monkeypatch.setattr("app.commands.written_files.sync_folder", stored.append)
    with whole(tmp_path / "one"):
        pass
    monkeypatch.setattr("app.commands.written_files.sync_folder", refusing(errno.EINVAL))
    with whole(tmp_path / "two"):
        pass
    monkeypatch.setattr("app.commands.written_files.sync_folder", refusing(errno.EIO))
    with pytest.raises(InvalidRequestError) as refused, whole(tmp_path / "three"):
        pass

    assert f"{tmp_path / 'three'} cannot be written: Input/output error" == refused.value.detail
    assert [tmp_path] == stored
    assert {"one", "two"} == {path.name for path in tmp_path.iterdir()}


def test_what_fails_elsewhere_is_not_said_of_the_file(tmp_path: Path) -> None:
    """A connection that ends while a file is written is told as it is, and leaves the place free."""
    with pytest.raises(ConnectionResetError), whole(tmp_path / "out") as file:
        file.write(b"half")
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("opened", [whole, scratch_beside])
def test_a_disk_that_is_full_is_told_while_it_is_written(tmp_path: Path, opened: Callable[..., Any]) -> None:
    """Where there is no room for more than a buffer holds, the file is named, not only the failure."""
    out = tmp_path / "out"
    with pytest.raises(InvalidRequestError) as refused, opened(out) as file:
        with Path("/dev/full").open("wb") as full:
            os.dup2(full.fileno(), file.fileno())
        file.write(bytes(1 << 20))

    assert f"{out} cannot be written: No space left on device" == refused.value.detail
    assert [] == list(tmp_path.iterdir())


def test_a_long_name_is_written(tmp_path: Path) -> None:
    """A name may be as long as the file system has it, though what is begun has one that is longer."""
    out = tmp_path / ("x" * 255)
    with whole(out) as file:
        file.write(b"all of it")

    assert b"all of it" == out.read_bytes()


def test_what_is_written_meanwhile_has_no_name(tmp_path: Path) -> None:
    """Nothing of it can be found in the folder, also by whoever comes after a kill."""
    with scratch_beside(tmp_path / "out") as file:
        file.write(b"plain")
        file.seek(0)

        assert (b"plain", []) == (file.read(), list(tmp_path.iterdir()))


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
