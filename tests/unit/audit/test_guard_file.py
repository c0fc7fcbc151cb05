"""The guard against a roll-back."""

import errno
import json
import os
import shutil
import threading

import pytest

from app.audit import checkpoint, divergence, guard_file
from app.audit.checkpoint import Notary
from app.audit.divergence import check_start, divergences
from app.audit.guard_file import GuardForkedError, Guards, GuardUnreadableError
from app.core.errors import StartRefusedError
from tests.support.chains import ORG, START

NOTARY = Notary("care.example", bytes(range(32)))


@pytest.fixture
def guards(tmp_path) -> Guards:
    return Guards(tmp_path / "guard", NOTARY)


def sign(chains, org=ORG):
    with chains.turn() as connection:
        return checkpoint.sign_head(connection, NOTARY, org, None, START)


def start(chains, guards):
    with chains.turn() as connection:
        check_start(lambda: divergences(connection, guards))


def refusal(chains, guards) -> str:
    with pytest.raises(StartRefusedError) as caught:
        start(chains, guards)
    return str(caught.value)


def grown(chains, *sizes):
    """Return a checkpoint of the chain at each of these sizes."""
    chains.found(ORG)
    signed, before = [], 0
    for size in sizes:
        chains.append(size - before)
        signed.append(sign(chains))
        before = size
    return signed


# --- the file -----------------------------------------------------------------------------------


def test_it_keeps_what_was_signed(sqlite_chains, guards):
    """What the guard was moved to is what it knows, to the byte of the note."""
    (signed,) = grown(sqlite_chains, 7)

    assert guards.read(ORG) is None
    assert guards.move(signed)
    assert guards.read(ORG) == signed
    assert guards.chains() == [ORG]
    written = json.loads(guards.path(ORG).read_bytes())
    assert list(written) == ["origin", "size", "root", "peaks", "note"]


def test_it_never_moves_back(sqlite_chains, guards):
    """A smaller or an equal checkpoint leaves the guard where it is."""
    three, nine = grown(sqlite_chains, 3, 9)

    assert [guards.move(nine), guards.move(three), guards.move(nine)] == [True, False, False]
    assert guards.read(ORG) == nine


def test_it_refuses_another_root_of_the_same_size(sqlite_chains, guards):
    """Two roots of one size are a fork: the guard keeps the one it has."""
    (signed,) = grown(sqlite_chains, 4)
    guards.move(signed)

    with pytest.raises(GuardForkedError):
        guards.move(signed._replace(root=bytes(32)))
    assert guards.read(ORG) == signed


def test_a_crash_while_writing_leaves_the_old_file(sqlite_chains, guards, monkeypatch):
    """The file is replaced whole: until the rename the old one stands."""
    three, nine = grown(sqlite_chains, 3, 9)
    guards.move(three)
    with monkeypatch.context() as patched:
        patched.setattr(guard_file.Path, "replace", _crash)
        with pytest.raises(InterruptedError):
            guards.move(nine)

    assert guards.read(ORG) == three
    assert guards.move(nine), "the lock is free again"


def _crash(*_arguments):
    raise InterruptedError


def test_many_at_once_end_at_the_largest(sqlite_chains, guards):
    """Several writers at once leave the largest checkpoint, whoever comes last."""
    signed = grown(sqlite_chains, *range(1, 21))
    threads = [threading.Thread(target=guards.move, args=(one,)) for one in reversed(signed)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert guards.read(ORG) == signed[-1]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("size", 5),
        ("root", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("origin", "care.example/audit/system"),
        ("peaks", []),
        ("peaks", ["not base64"]),
        ("peaks", ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]),
        ("note", "a note"),
        ("size", "many"),
    ],
)
def test_a_file_that_was_changed_is_refused(sqlite_chains, guards, member, value):
    """A guard file counts only with its signature and with everything in it fitting together."""
    (signed,) = grown(sqlite_chains, 4)
    guards.move(signed)
    path = guards.path(ORG)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {member: value}))

    assert "is damaged or not ours" in refusal(sqlite_chains, guards)
    with pytest.raises(StartRefusedError):
        guards.move(signed)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_a_file_that_is_none_is_refused(sqlite_chains, guards, content):
    """Whatever stands in a guard file, the start is refused in plain words and never crashes."""
    (signed,) = grown(sqlite_chains, 4)
    guards.move(signed)
    guards.path(ORG).write_bytes(content)

    assert "put the kept copy back" in refusal(sqlite_chains, guards)


def test_a_file_that_cannot_be_read_is_refused(sqlite_chains, guards):
    """Where the file should be and something else is, the start is refused."""
    sqlite_chains.found(ORG)
    guards.path(ORG).mkdir(parents=True)

    assert "cannot be read" in refusal(sqlite_chains, guards)


@pytest.mark.parametrize(
    "number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.EACCES, errno.ENOMEM, errno.ESTALE]
)
def test_a_file_the_system_does_not_hand_out_is_left_alone(sqlite_chains, guards, monkeypatch, number):
    """That says nothing against the file: the reason is named, and no copy put in its place."""
    (signed,) = grown(sqlite_chains, 4)
    guards.move(signed)

    def failing(_path):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(guard_file.Path, "read_bytes", failing)
        told = refusal(sqlite_chains, guards)
        with pytest.raises(GuardUnreadableError):
            guards.move(signed)

    assert f"{guards.path(ORG)} cannot be read now: {os.strerror(number)}. Mend the cause" in told
    assert "Leave the file itself as it is" in told
    assert "back." not in told
    assert "recover" not in told
    start(sqlite_chains, guards)


def test_a_file_signed_by_another_key_is_refused(sqlite_chains, guards, tmp_path):
    """A guard file of another installation is none of ours."""
    (signed,) = grown(sqlite_chains, 4)
    stranger = Notary("care.example", b"s" * 32)
    foreign = signed._replace(note=stranger.sign_checkpoint(ORG, 4, signed.root))
    Guards(tmp_path / "guard", stranger).move(foreign)

    assert "not signed by the key" in refusal(sqlite_chains, guards)


def test_only_names_of_chains_become_paths(guards):
    """No name leads out of the folder."""
    with pytest.raises(ValueError, match="no chain"):
        guards.path("../other")


# --- the start ----------------------------------------------------------------------------------


def test_a_fresh_chain_needs_no_guard(chains, guards):
    """A chain that was never signed has no guard, and the service starts."""
    chains.found(ORG)
    chains.append(2)

    start(chains, guards)


@pytest.mark.parametrize("more", [0, 1, 6, 70])
def test_a_continuation_starts(chains, guards, more, monkeypatch):
    """The database may be where the guard is, or further on, however far."""
    monkeypatch.setattr(divergence, "READ_AT_ONCE", 30)
    (signed,) = grown(chains, 5)
    guards.move(signed)
    chains.append(more)

    start(chains, guards)


def test_a_restored_older_database_is_refused(sqlite_chains, guards, tmp_path):
    """A database set back to an older, consistent state does not start, and the message says why."""
    grown(sqlite_chains, 5)
    sqlite_chains.engine.dispose()
    shutil.copy(tmp_path / "trail.db", tmp_path / "backup.db")
    sqlite_chains.append(4)
    guards.move(sign(sqlite_chains))
    sqlite_chains.engine.dispose()
    for left in tmp_path.glob("trail.db*"):
        left.unlink()
    shutil.copy(tmp_path / "backup.db", tmp_path / "trail.db")

    told = refusal(sqlite_chains, guards)
    assert told.startswith("ROLLBACK: the guard of the chain")
    assert "holds 9 lines, the database 5" in told
    assert "Put the newer database back" in told


@pytest.mark.parametrize("size", [5, 8])
def test_a_chain_written_anew_is_refused(chains, guards, size):
    """The same size with another root, or a continuation of something else, does not start."""
    (signed,) = grown(chains, 5)
    guards.move(signed)
    chains.wipe()
    chains.found(ORG)
    chains.append(size)

    told = refusal(chains, guards)
    assert "ROLLBACK" in told
    assert "not the one the guard knows" in told


def test_a_damaged_head_is_refused(chains, guards):
    """A head whose peaks do not belong to its size does not start."""
    (signed,) = grown(chains, 5)
    guards.move(signed)
    chains.tamper("UPDATE audit_head SET peaks = :peaks", peaks=b"short")

    assert "the head is damaged" in refusal(chains, guards)


def test_a_chain_that_is_gone_is_refused(chains, guards):
    """A guard without its chain in the database is a roll-back to before the chain."""
    (signed,) = grown(chains, 5)
    guards.move(signed)
    chains.tamper("DELETE FROM audit_head")

    assert "has no such chain" in refusal(chains, guards)


def test_checkpoints_past_the_head_are_refused(chains, guards):
    """A checkpoint in the database over more lines than there are shows a cut tail even without a guard."""
    grown(chains, 5)
    chains.tamper("UPDATE audit_head SET size = 4")

    assert "a checkpoint in the database was signed over 5" in refusal(chains, guards)


def test_a_lost_guard_is_refused(chains, guards):
    """A chain with checkpoints but without a guard does not start; the message names the command."""
    grown(chains, 5)
    told = refusal(chains, guards)

    assert "no guard file" in told
    assert "caretrail audit recover --reason" in told


# --- after a recovery ---------------------------------------------------------------------------


def test_superseding_keeps_the_old_file(sqlite_chains, guards):
    """A guard that is begun anew leaves the old one beside it, to the byte, under its size."""
    three, nine = grown(sqlite_chains, 3, 9)
    guards.move(nine)
    before = guards.path(ORG).read_bytes()
    kept = guards.supersede(ORG, three)

    assert (f"{ORG}.orphaned-9.json", before) == (kept.name, kept.read_bytes())
    assert guards.read(ORG) == three
    assert guards.chains() == [ORG], "what is kept aside is no guard"


def test_superseding_overwrites_nothing_kept_before(sqlite_chains, guards):
    """Two orphaned guards of one size are both kept; the same one again is kept once."""
    three, nine = grown(sqlite_chains, 3, 9)
    for content in (b'{"size": 9, "first": true}', b'{"size": 9}', b'{"size": 9}'):
        guards.path(ORG).parent.mkdir(exist_ok=True)
        guards.path(ORG).write_bytes(content)
        guards.supersede(ORG, three)

    assert [f"{ORG}.orphaned-9-2.json", f"{ORG}.orphaned-9.json"] == sorted(
        path.name for path in guards.path(ORG).parent.glob("*.orphaned-*")
    )
    assert nine.size == 9


@pytest.mark.parametrize("content", [None, b"", b"no json", b"[]"])
def test_superseding_what_is_no_guard(sqlite_chains, guards, content):
    """Whatever lies where the guard should be - a folder, nothing readable - is kept and replaced."""
    (three,) = grown(sqlite_chains, 3)
    guards.path(ORG).parent.mkdir(exist_ok=True)
    if content is None:
        guards.path(ORG).mkdir()
    else:
        guards.path(ORG).write_bytes(content)
    kept = guards.supersede(ORG, three)

    assert f"{ORG}.orphaned-unreadable.json" == kept.name
    assert guards.read(ORG) == three


def test_superseding_a_chain_that_is_gone(sqlite_chains, guards):
    """A chain that the database has no more has no guard any more; the old one is kept aside."""
    (three,) = grown(sqlite_chains, 3)
    guards.move(three)
    kept = guards.supersede(ORG, None)

    assert kept.exists()
    assert [] == guards.chains()
    assert guards.supersede(ORG, None) is None
