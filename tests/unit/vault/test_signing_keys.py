"""The files of the signing key, through a rotation and through what can break one off."""

from datetime import UTC, datetime, timedelta

import pytest

from app.core.entropy import SystemEntropy
from app.core.errors import ConflictError, StartRefusedError
from app.vault.provider import SIGNING_KEY, FileKeys
from app.vault.signing_keys import (
    NEXT_KEY,
    PREVIOUS_KEY,
    RETIRED_KEYS,
    SigningFiles,
    SigningKeys,
    public_half,
)

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
UNTIL = AT + timedelta(days=30)


@pytest.fixture
def files(tmp_path) -> SigningFiles:
    """The files of a fresh deployment."""
    FileKeys(tmp_path).create(SIGNING_KEY, SystemEntropy())
    return SigningFiles(tmp_path)


def rotated(files: SigningFiles, at: datetime = AT) -> tuple[bytes, bytes]:
    """Rotate, and return the old and the new seed."""
    old, new = files.load(at).present, files.prepare(SystemEntropy(), at)
    files.switch(at + timedelta(days=30))
    return old, new


def test_a_fresh_key_signs_alone(files):
    """Before any rotation there is one key."""
    keys = files.load(AT)

    assert keys == SigningKeys(keys.present)
    assert (keys.present,) == keys.seeds


def test_both_sign_during_the_overlap(files):
    """After a rotation the new key signs first and the old one beside it, until the instant that was said."""
    old, new = rotated(files)

    assert SigningKeys(new, old, UNTIL) == files.load(AT)
    assert (new, old) == files.load(UNTIL - timedelta(seconds=1)).seeds


def test_the_old_key_only_checks_afterwards(files):
    """When the overlap is over the old key signs no more, and its public half is still there."""
    old, new = rotated(files)

    assert SigningKeys(new, retired=(public_half(old),)) == files.load(UNTIL)


def test_the_private_half_is_removed_in_time(files, tmp_path):
    """Retiring removes the private half once its time is over, not before, and keeps the public half."""
    old, new = rotated(files)
    assert not files.retire(UNTIL - timedelta(seconds=1))
    assert (tmp_path / PREVIOUS_KEY).exists()
    assert files.retire(UNTIL)

    assert sorted([SIGNING_KEY, RETIRED_KEYS, ".lock"]) == sorted(path.name for path in tmp_path.iterdir())
    assert old.hex() not in (tmp_path / RETIRED_KEYS).read_text()
    assert SigningKeys(new, retired=(public_half(old),)) == files.load(UNTIL)
    assert not files.retire(UNTIL)


def test_every_key_of_many_rotations_still_checks(files):
    """Three rotations later each former key is among the retired ones, in order, none twice."""
    before = []
    for month in range(3):
        old, _ = rotated(files, AT + timedelta(days=31 * month))
        before.append(public_half(old))

    assert tuple(before) == files.load(AT + timedelta(days=200)).retired


def test_no_rotation_during_an_overlap(files):
    """While two keys sign there is no third: the one before last would have to go unannounced."""
    rotated(files)

    with pytest.raises(ConflictError):
        files.prepare(SystemEntropy(), AT)


def test_without_a_prepared_key_nothing_is_touched(files, tmp_path):
    """Of two that prepared the same key the second does not retire the one that still signs."""
    old, new = files.load(AT).present, files.prepare(SystemEntropy(), AT)
    assert (new, public_half(new)) == (files.prepare(SystemEntropy(), AT), files.to_come())
    files.switch(UNTIL)
    with pytest.raises(ConflictError):
        files.switch(UNTIL)

    assert SigningKeys(new, old, UNTIL) == files.load(AT)
    assert not (tmp_path / RETIRED_KEYS).exists()
    assert files.to_come() is None


def test_a_rotation_broken_off_goes_on_with_the_same_key(files, tmp_path):
    """A crash before the switch leaves the old key in use, and the next attempt takes up the prepared one."""
    old = files.load(AT).present
    prepared = files.prepare(SystemEntropy(), AT)

    assert SigningKeys(old) == files.load(AT)
    assert prepared == files.prepare(SystemEntropy(), AT)


def test_a_crash_within_the_switch_changes_nothing(files, tmp_path):
    """Between keeping the old key aside and the rename there is still the old key alone."""
    old, new = files.load(AT).present, files.prepare(SystemEntropy(), AT)
    (tmp_path / PREVIOUS_KEY).write_text(f"{old.hex()}\n2026-04-01T09:00:00.000000Z\n")
    (tmp_path / PREVIOUS_KEY).chmod(0o600)

    assert SigningKeys(old) == files.load(AT)
    files.switch(UNTIL)
    assert SigningKeys(new, old, UNTIL) == files.load(AT)
    assert not (tmp_path / NEXT_KEY).exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (PREVIOUS_KEY, "ab"),
        (PREVIOUS_KEY, "00" * 32),
        (PREVIOUS_KEY, "00" * 32 + "\nsoon\n"),
        (PREVIOUS_KEY, "zz" * 32 + "\n2026-04-01T09:00:00.000000Z\n"),
        (RETIRED_KEYS, "00" * 31),
        (RETIRED_KEYS, "\xff"),
        (SIGNING_KEY, ""),
    ],
)
def test_a_damaged_file_is_refused_in_words(files, tmp_path, name, content):
    """Whatever stands in a file of the key, nothing starts on a guess, and no content is repeated."""
    (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / name).chmod(0o600)

    with pytest.raises(StartRefusedError) as refused:
        files.load(AT)
    assert name in str(refused.value)
    assert "00" * 16 not in str(refused.value)


def test_a_former_key_that_others_can_read_is_refused(files, tmp_path):
    """The key before is as secret as the present one while it signs."""
    rotated(files)
    (tmp_path / PREVIOUS_KEY).chmod(0o644)

    with pytest.raises(StartRefusedError, match="chmod 600"):
        files.load(AT)


def test_what_is_written_is_for_the_owner_alone(files, tmp_path):
    """Every file of a rotation has mode 0600."""
    rotated(files)
    rotated(files, UNTIL)

    assert {0o600} == {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}


def test_a_replaced_file_leaves_traces(files):
    """A running service sees that the files are others without reading them."""
    before = files.traces()
    rotated(files)
    after = files.traces()

    assert before != after
    assert after == files.traces()
