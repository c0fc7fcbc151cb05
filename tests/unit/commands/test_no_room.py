"""A backup, or a file, that finds no room: on a real, small file system, in a mount namespace of its own.

Wherever the system lets this user make one. The same rules are held without it by `test_room_for_backups`.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.commands.conftest import Line, Told
from tests.unit.commands.places import found_place

_MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && eval "$1" && shift && exec "$@"'
_NOTHING = "true"


def _ways() -> list[tuple[str, ...]]:
    """Return how this user can have a mount namespace, the plainest first."""
    for way in (("unshare", "-m"), ("unshare", "-rm")):
        probe = [*way, "sh", "-c", _MOUNT, "sh", "64k", "/mnt", _NOTHING, "true"]
        try:
            if 0 == subprocess.run(probe, capture_output=True).returncode:
                return [way]
        except FileNotFoundError:
            return []
    return []


def on_small(
    way: tuple[str, ...],
    line: Line,
    where: Path,
    size: str,
    first: str = _NOTHING,
    run: tuple[str, ...] = ("backup", "create"),
) -> Told:
    """Run a command where a small disk is mounted, after one that fills it."""
    command = [*way, "sh", "-c", _MOUNT, "sh", size, str(where), first]
    done = subprocess.run(
        [*command, sys.executable, "-m", "app", *run],
        env=line.environment,
        cwd=line.data_dir.parent,
        capture_output=True,
        text=True,
    )
    return Told(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("way", _ways())
def test_a_full_folder_of_backups_is_told_as_such(request, tmp_path, way):
    """Without room in the folder of backups the run fails with its name, and leaves nothing there."""
    place = found_place(request, tmp_path, "sqlite")
    (folder := tmp_path / "backups").mkdir()
    place.line.variables["CARETRAIL_BACKUP_DIR"] = str(folder)
    told = on_small(way, place.line, folder, "256k")
    assert (1, True) == (told.code, f"no room in {folder}" in told.err), told.err
    assert "unforeseen" not in told.err


@pytest.mark.parametrize("way", _ways())
def test_no_backup_takes_the_last_room_of_the_trail(request, tmp_path, way):
    """Where the reserve is gone and cannot come back, a backup goes onto another disk or is refused."""
    place = found_place(request, tmp_path, "sqlite")
    there = place.line.data_dir
    (kept := tmp_path / "kept").mkdir()
    there.rename(kept / "data")
    there.mkdir()
    fill = f"cp -a {kept}/data/. {there}"
    told = on_small(way, place.line, there, "24m", fill)
    assert (1, True) == (told.code, "what is left is the trail's" in told.err), told.err
    place.line.variables["CARETRAIL_BACKUP_DIR"] = str(tmp_path / "elsewhere")
    told = on_small(way, place.line, there, "24m", fill)
    assert 0 == told.code, told.err


@pytest.mark.parametrize("way", _ways())
@pytest.mark.parametrize("command", ["audit sheet", "audit export", "backup identity"])
def test_a_file_that_finds_no_room_is_told_as_such(request, tmp_path, way, command):
    """A full disk is told in a sentence, whichever command was to write there."""
    place = found_place(request, tmp_path, "sqlite")
    (small := tmp_path / "small").mkdir()
    out, fill = small / "out", f"head -c 64k /dev/zero > {small}/full; true"
    told = on_small(way, place.line, small, "32k", fill, (*command.split(), "--out", str(out)))

    assert f"caretrail: {out} cannot be written: No space left on device" in told.err, told.err
    assert "unforeseen" not in told.err
