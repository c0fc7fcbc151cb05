"""Keys of a process that was killed while it wrote them: after each step on disk, none is ever overwritten.

A real process, ended by a signal that it cannot notice. Then two more rotations: the second is the one that
finds, under another name, what the first put into use.
"""

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.core.entropy import SystemEntropy
from app.core.errors import StartRefusedError
from app.vault.provider import ROOT_KEY, SIGNING_KEY, FileKeys
from app.vault.root_files import NEXT_ROOT, RootFiles
from app.vault.signing_keys import NEXT_KEY, RETIRED_KEYS, SigningFiles, public_half
from tests.unit.commands.conftest import ROOT

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEPT = timedelta(days=30)
STEPS = 30
"""More than any rotation takes; each test says that one was not killed any more."""
_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.vault import test_keys_killed
left = [int(sys.argv[3])]

def killing(real):
    def done(*given, **named):
        real(*given, **named)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return done

for name in ("link", "unlink", "replace", "rename"):
    setattr(os, name, killing(getattr(os, name)))
getattr(test_keys_killed, sys.argv[1])(Path(sys.argv[2]), 0)
"""


def root_rotated(folder: Path, _n: int) -> None:
    """Make the root key if there is none, and rotate it as the command does."""
    files = FileKeys(folder)
    if not files.exists(ROOT_KEY):
        files.create(ROOT_KEY, SystemEntropy())
    RootFiles(folder).prepare(SystemEntropy())
    RootFiles(folder).switch()


def signing_rotated(folder: Path, n: int) -> None:
    """Make the signing key if there is none, and rotate it for the n-th time."""
    files, at = FileKeys(folder), AT + n * 2 * KEPT
    if not files.exists(SIGNING_KEY):
        files.create(SIGNING_KEY, SystemEntropy())
    SigningFiles(folder).prepare(SystemEntropy(), at)
    SigningFiles(folder).switch(at + KEPT)


def roots(folder: Path) -> set[str]:
    """Return the root keys in use and those kept aside."""
    return {path.read_text().strip() for path in (folder / ROOT_KEY, *folder.glob("root-*.retired.key"))}


def signers(folder: Path) -> set[str]:
    """Return the public halves that sign or only check."""
    keys = SigningFiles(folder).load(AT)
    return {public.hex() for public in (*map(public_half, keys.seeds), *keys.retired)}


def seen(folder: Path, name: str) -> set[str]:
    """Return what a key file holds, if it is there."""
    return {(folder / name).read_text().strip()} if (folder / name).exists() else set()


def seen_public(folder: Path, name: str) -> set[str]:
    """Return the public half of what a key file holds, if it is there."""
    return {public_half(bytes.fromhex(one)).hex() for one in seen(folder, name)}


Ways = tuple[
    Callable[[Path, int], None], Callable[[Path, str], set[str]], tuple[str, str], Callable[..., set[str]]
]
WAYS: dict[str, Ways] = {
    "root": (root_rotated, seen, (ROOT_KEY, NEXT_ROOT), roots),
    "signing": (signing_rotated, seen_public, (SIGNING_KEY, NEXT_KEY), signers),
}


def killed(rotated: Callable[[Path, int], None], folder: Path, after: int) -> bool:
    """Rotate in a process of its own, killed after so many steps; say whether it was."""
    command = [sys.executable, "-c", _KILLED, rotated.__name__, str(folder), str(after)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.parametrize("which", WAYS)
@pytest.mark.parametrize("founded", [False, True], ids=["anew", "founded"])
def test_killed_after_each_step_every_key_is_in_use_or_kept(tmp_path, which, founded):
    """Rotated twice more, each key that was in use or to come is in use, kept aside or only checks."""
    rotated, keys_in, (present, to_come), found = WAYS[which]
    for after in range(1, STEPS):
        folder = tmp_path / str(after)
        if founded:
            FileKeys(folder).create(present, SystemEntropy())
        known = keys_in(folder, present)
        was_killed = killed(rotated, folder, after)
        known |= keys_in(folder, present) | keys_in(folder, to_come)
        for n in (1, 2):
            rotated(folder, n)
            known |= keys_in(folder, present)

            assert known <= found(folder), after
        assert [] == [path.name for path in folder.glob("*.making")]
        if not was_killed:
            break
    assert not was_killed
    assert after > 3, "too few steps to have been the whole rotation"


@pytest.mark.parametrize("which", WAYS)
def test_what_was_left_before_is_removed_and_never_written_to(tmp_path, which):
    """A second name of the key in use, left by an older version, is gone at the start of a rotation."""
    rotated, keys_in, (present, to_come), found = WAYS[which]
    FileKeys(tmp_path).create(present, SystemEntropy())
    old = keys_in(tmp_path, present)
    (tmp_path / f"{to_come}.making").hardlink_to(tmp_path / present)
    rotated(tmp_path, 0)

    assert old <= found(tmp_path)
    assert old.isdisjoint(keys_in(tmp_path, present))
    assert not (tmp_path / f"{to_come}.making").exists()


def test_a_switch_removes_what_was_left_too(tmp_path):
    """Prepared by a process that was killed, a key is taken up by one that only has to switch."""
    for name in (ROOT_KEY, NEXT_ROOT, SIGNING_KEY, NEXT_KEY):
        FileKeys(tmp_path).create(name, SystemEntropy())
        (tmp_path / f"{name}.making").hardlink_to(tmp_path / name)
    RootFiles(tmp_path).switch()

    assert [] == list(tmp_path.glob("*.making"))
    (tmp_path / f"{NEXT_KEY}.making").hardlink_to(tmp_path / NEXT_KEY)
    SigningFiles(tmp_path).switch(AT + KEPT)
    assert [] == list(tmp_path.glob("*.making"))
    assert not (tmp_path / RETIRED_KEYS).exists()


_ACTS: dict[str, Callable[[Path], object]] = {
    "create": lambda folder: FileKeys(folder).create(NEXT_ROOT, SystemEntropy()),
    "clear away": lambda folder: FileKeys(folder).clear_away(),
    "switch root": lambda folder: RootFiles(folder).switch(),
    "switch signing": lambda folder: SigningFiles(folder).switch(AT + KEPT),
}


@pytest.mark.parametrize("which", _ACTS)
def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path, which):
    """Whatever the system says, the folder and its reason are told; there is no traceback."""
    (folder := tmp_path / "keys").touch()  # a file in the folder's place: refused to root, too

    with pytest.raises(StartRefusedError, match=rf"the keys folder {folder} cannot be written: (File|Not)"):
        _ACTS[which](folder)
