"""A key that finds no room: a sentence with the folder and the reason, and every key as it was."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.unit.commands.conftest import Line, Told
from tests.unit.commands.test_no_room import _ways, on_small

FULL = "head -c 64k /dev/zero > {}/full; true"


def told_on_full(way: tuple[str, ...], line: Line, keys: Path, *command: str) -> Told:
    """Run a command whose keys folder, as it is, is on a disk that is full."""
    kept = keys.with_name("kept")
    shutil.copytree(keys, kept)
    line.variables["CARETRAIL_KEYS_DIR"] = str(keys)
    return on_small(way, line, keys, "32k", f"cp -a {kept}/. {keys}; {FULL.format(keys)}", command)


def refused(told: Told, keys: Path) -> bool:
    """Say whether a command was refused in the sentence, and in nothing else."""
    sentence = f"caretrail: the keys folder {keys} cannot be written: No space left on device."
    return (2, True, False) == (told.code, sentence in told.err, "Traceback" in told.err)


@pytest.mark.parametrize("way", _ways())
def test_init_without_room_for_keys_says_so(line: Line, way: tuple[str, ...]) -> None:
    """The first key is not made; where there is room, the same command goes on."""
    (keys := line.data_dir.parent / "keys").mkdir()
    command = ("init", "--organisation", "Sample Care", "--admin", "maria.sample")
    told = told_on_full(way, line, keys, *command)

    assert refused(told, keys), told.err
    assert 0 == line.run(*command).code


@pytest.mark.parametrize("way", _ways())
@pytest.mark.parametrize("command", ["keys rotate", "keys rotate root"])
def test_a_rotation_without_room_says_so(
    founded: tuple[Line, object], tmp_path: Path, way: tuple[str, ...], command: str
) -> None:
    """Nothing was rotated; where there is room, the same command does it."""
    line = Line(tmp_path / "data")
    shutil.copytree(founded[0].data_dir, line.data_dir)
    keys = line.data_dir / "keys"
    before = line.run("keys", "status", "--json").json
    told = told_on_full(way, line, keys, *command.split())

    assert refused(told, keys), told.err
    assert before == line.run("keys", "status", "--json").json
    assert 0 == line.run(*command.split()).code


@pytest.mark.parametrize("command", ["keys rotate", "keys rotate root"])
def test_a_folder_that_cannot_be_written_is_told_before_anything(
    founded: tuple[Line, object], tmp_path: Path, command: str
) -> None:
    """Not even the lock of a rotation can be taken: a folder is missing, and nobody may make it."""
    line = Line(tmp_path / "data", {"CARETRAIL_KEYS_DIR": "/proc/nowhere"})
    shutil.copytree(founded[0].data_dir, line.data_dir)
    told = line.run(*command.split())

    sentence = f"the keys folder /proc/nowhere cannot be written: {os.strerror(errno.ENOENT)}"
    assert (2, True) == (told.code, sentence in told.err), told.err
