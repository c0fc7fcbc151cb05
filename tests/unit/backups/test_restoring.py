"""What comes back from a backup, and what is refused before anything is written."""

import io
import os
import subprocess
import tarfile
import threading
import zlib
from pathlib import Path

import pytest

from app.audit.checkpoint import Notary
from app.backups import archive, restoring, sealing
from app.backups.archive import BackupRefusedError
from app.core.entropy import SystemEntropy
from app.core.identifiers import SYSTEM
from app.storage.snapshot import sqlite_snapshot
from app.vault.keyring import Keyring
from tests.unit.backups.damage import damaged

VARIANTS = 1000


@pytest.fixture(scope="module")
def made(bench):
    """A backup."""
    return bench.make()


def check(bench, path, **other):
    return restoring.check(
        path,
        other.get("keys", bench.keys),
        other.get("keyring", bench.keyring),
        other.get("identities", bench.identities),
    )


def test_what_comes_back_is_the_database(bench, made, tmp_path):
    """The restored file holds every row and every head that the manifest counted."""
    path = restoring.restore_file(check(bench, made.path), tmp_path)
    with sqlite_snapshot(path) as view:
        ((people,),) = next(view.rows("SELECT count(*) FROM account"))
    assert people == made.manifest["counts"]["account"] == 1
    assert [one.name for one in tmp_path.iterdir()] == ["caretrail.db"]


def test_a_thousand_damaged_backups_are_refused(bench, made, tmp_path):
    """Whatever is flipped, cut, moved or spliced in a backup: it is refused, and nothing is written."""
    whole, other = made.path.read_bytes(), bench.make().path.read_bytes()
    path = tmp_path / "damaged"
    refused = 0
    for what, data in damaged(whole, other, VARIANTS, seed=20261122):
        path.write_bytes(data)
        try:
            check(bench, path)
        except BackupRefusedError:
            refused += 1
        else:
            pytest.fail(f"accepted although {what}")
    assert refused == VARIANTS
    assert [one.name for one in tmp_path.iterdir()] == ["damaged"]


def test_every_byte_around_the_sealed_content_counts(bench, made, tmp_path):
    """A change of any single byte outside the sealed content - headers, padding, manifest - is refused."""
    whole = made.path.read_bytes()
    size = archive.read(made.path).payload_bytes
    outside = [*range(archive.BLOCK), *range(archive.BLOCK + size, len(whole), 3)]
    path, refused = tmp_path / "damaged", 0
    for at in outside:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(BackupRefusedError):
            restoring.check_form(path, bench.keys)
        refused += 1
    assert refused == len(outside)


def test_a_backup_of_another_deployment_is_refused(bench, made):
    """A backup that our key did not sign is refused as foreign."""
    stranger = Notary("care.example", bytes(32)).keys(SYSTEM)
    with pytest.raises(BackupRefusedError, match="foreign"):
        check(bench, made.path, keys=stranger)


def test_a_backup_sealed_for_somebody_else_is_refused(bench, made, tmp_path):
    """Without the identity it was sealed for, a backup opens for nobody."""
    other = tmp_path / "other.txt"
    other.write_text(sealing.new_identity()[0])
    with pytest.raises(BackupRefusedError, match="identity") as refused:
        check(bench, made.path, identities=sealing.identities(other))
    assert f"The backup does not open with the identity in {other}: " in refused.value.detail


def test_a_backup_of_another_root_key_is_refused(bench, made):
    """Where the root key is not the one of the database inside, restoring it would help nobody."""
    with pytest.raises(BackupRefusedError, match="root-key"):
        check(bench, made.path, keyring=Keyring(bytes(32), SystemEntropy()))


def test_a_root_key_that_was_is_named_and_not_used(bench, made):
    """Among retired root keys the one that fits is named; where none does, the kept copy is asked for."""
    other, retired = Keyring(bytes(32), SystemEntropy()), Keyring(bytes([1]) * 32, SystemEntropy())
    for held, expected in (
        (
            {"root-a.retired.key": retired, "root-b.retired.key": bench.keyring},
            "root-b.retired.key in the keys",
        ),
        ({"root-a.retired.key": retired}, "None of the 1 root-....retired.key"),
        ({}, "Put the kept copy"),
    ):
        with pytest.raises(BackupRefusedError, match="root-key") as refused:
            restoring.check(made.path, bench.keys, other, bench.identities, held)
        assert expected in refused.value.detail


@pytest.mark.parametrize("end", ["read", "write"])
def test_what_breaks_off_the_sealing_is_told_as_it_was_raised(bench, end):
    """A full disk stays a full disk, and a stop a stop, though a library stands between."""

    class Broken(io.BytesIO):
        pass

    def full(*_):
        raise OSError(28, os.strerror(28))

    ends = {"read": io.BytesIO(bytes(1 << 20)), "write": io.BytesIO()}
    ends[end] = Broken()
    setattr(ends[end], end, full)
    with pytest.raises(OSError, match="No space") as failed:
        sealing.seal(ends["read"], ends["write"], [sealing.new_identity()[1]])
    assert failed.value.errno == 28


def test_a_file_that_changes_after_its_check_leaves_nothing(bench, made, tmp_path):
    """What is written is compared once more: a file that changed meanwhile leaves an empty folder."""
    path, target = tmp_path / "changing", tmp_path / "target"
    target.mkdir()
    path.write_bytes(made.path.read_bytes())
    checked = check(bench, path)
    data = bytearray(path.read_bytes())
    data[archive.BLOCK + 5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackupRefusedError):
        restoring.restore_file(checked, target)
    assert list(target.iterdir()) == []


def test_a_backup_made_while_others_write_is_whole(bench):
    """While the service goes on writing, a backup is one state: heads, lines and rows agree."""
    stopped = threading.Event()

    def write():
        while not stopped.is_set():
            bench.world.person("carer", signed_in=False)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backups = [bench.make() for _ in range(5)]
    finally:
        stopped.set()
        writer.join()
    sizes = []
    for made in backups:
        told = check(bench, made.path).manifest
        lines = sum(head["size"] for head in told["chains"].values())
        assert told["counts"]["audit_event"] == lines
        sizes.append(lines)
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0], "nobody wrote meanwhile"


def test_any_tar_program_unpacks_a_backup(made, tmp_path):
    """The file is a plain tar of four members: a home is not left alone with it."""
    with tarfile.open(made.path) as tar:
        assert tar.getnames() == list(archive.MEMBERS)
    done = subprocess.run(["tar", "-xf", made.path, "-C", tmp_path], check=False, capture_output=True)
    assert done.returncode == 0
    assert (tmp_path / "payload.age").read_bytes().startswith(b"age-encryption.org/v1\n")
    assert b"age --decrypt" in (tmp_path / "README.txt").read_bytes()


def test_a_backup_is_for_its_user_alone_and_never_replaced(bench, made, tmp_path):
    """A backup's file is private, and a file that is there already is not written over."""
    assert made.path.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        archive.write(made.path, lambda sink: None, lambda: (b"", b"", ""))
    assert not list(made.path.parent.glob("*.part"))


def test_a_disk_that_fills_up_leaves_no_half_backup(bench, monkeypatch, tmp_path):
    """When writing fails in the middle, no file of that name, or any part of it, stays."""

    def full(_sink):
        raise OSError(28, os.strerror(28))

    with pytest.raises(OSError, match="No space"):
        archive.write(tmp_path / "x", full, lambda: (b"", b"", ""))
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_cannot_get_its_name_leaves_nothing_under_it(bench, monkeypatch, tmp_path):
    """A name without a backup behind it would be taken for the newest one."""

    def broken(*_):
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="Input/output"):
        archive.write(tmp_path / "x", lambda sink: None, lambda: (b"", b"", ""))
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_unpacked_in_pieces():
    """A content that unpacks to a thousand times its size passes through memory in bounded pieces."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packing.compress(bytes(64 << 20)) + packing.flush()
    pieces = []

    class Kept(io.RawIOBase):
        def write(self, data):
            pieces.append(len(data))
            return len(data)

    unpacking = restoring._Unpacking(Kept(), packed=True)
    unpacking.write(packed)
    assert sum(pieces) == 64 << 20
    assert max(pieces) <= 1 << 18
    assert unpacking.whole
