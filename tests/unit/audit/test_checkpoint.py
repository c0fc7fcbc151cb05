"""Signed checkpoints."""

import pytest
from sqlalchemy import text

from app.audit import checkpoint, indexing, merkle, note, verify
from app.audit.checkpoint import ChainNotExtendedError, Notary
from app.audit.log import ChainMissingError
from app.core.errors import AuditUnavailableError
from tests.support.chains import ORG, OTHER, START

NOTARY = Notary("care.example", bytes(range(32)))


def sign(chains, known=None, org=ORG):
    with chains.turn() as connection:
        return checkpoint.sign_head(connection, NOTARY, org, known, START)


def test_it_says_size_and_root_of_the_chain(chains):
    """A checkpoint is signed by the chain's key over its origin, its size and the root over its lines."""
    chains.found(ORG)
    leaves = [stamp.leaf for stamp in chains.append(11)]
    signed = sign(chains)

    said = verify.read_checkpoint(verify.open_note(signed.note.encode(), NOTARY.keys(ORG)))
    assert said == (f"care.example/audit/{ORG}", 11, merkle.root_of(leaves))
    assert (signed.origin, signed.size, signed.root) == tuple(said)
    assert merkle.root(signed.peaks) == signed.root


def test_it_is_stored_and_made_once(chains):
    """The same size is signed once: asked again, the stored note comes back."""
    chains.found(ORG)
    chains.append(3)
    signed = sign(chains)

    assert sign(chains, signed) == signed
    with chains.turn() as connection:
        rows = connection.execute(text("SELECT size, note FROM audit_checkpoint")).all()
    assert [tuple(row) for row in rows] == [(3, signed.note)]


def test_an_empty_chain_has_one_too(chains):
    """A chain without lines is signed with the root of the empty tree."""
    chains.found(ORG)

    assert (sign(chains).size, sign(chains).root) == (0, merkle.EMPTY_ROOT)


def test_each_chain_has_its_own_key_name(sqlite_chains):
    """One key pair signs for all chains, each under its own name: a note of one is none of another."""
    sqlite_chains.found(ORG, OTHER)
    signed = sign(sqlite_chains, org=OTHER)

    with pytest.raises(note.NoteBrokenError):
        note.open_note(signed.note, NOTARY.keys(ORG))


def test_a_rotation_signs_with_both_keys(sqlite_chains):
    """While the key is replaced, a checkpoint carries the signatures of the new and of the old key."""
    sqlite_chains.found(ORG)
    both = Notary("care.example", b"n" * 32, bytes(range(32)))
    with sqlite_chains.turn() as connection:
        signed = checkpoint.sign_head(connection, both, ORG, None, START)

    for key in both.keys(ORG):
        assert verify.open_note(signed.note.encode(), [key])
    assert verify.open_note(signed.note.encode(), NOTARY.keys(ORG))


def test_a_chain_set_back_is_not_signed(chains):
    """With fewer lines than are known to be signed, nothing more is signed."""
    chains.found(ORG)
    chains.append(5)
    known = sign(chains)
    chains.tamper("DELETE FROM audit_event WHERE seq >= 3")
    chains.tamper("UPDATE audit_head SET size = 3")

    with pytest.raises(ChainNotExtendedError, match="3 lines are stored, 5 were signed"):
        sign(chains, known)


def test_a_chain_written_anew_is_not_signed(chains):
    """A chain that was rewritten consistently, but not from the lines that were signed, is not signed."""
    chains.found(ORG)
    chains.append(5)
    known = sign(chains)
    chains.wipe()
    chains.found(ORG)
    chains.append(8)

    with pytest.raises(ChainNotExtendedError, match="do not lead to the head"):
        sign(chains, known)
    assert sign(chains, None).size == 8, "without the guard it cannot be noticed"


@pytest.mark.parametrize(
    "change", ["line = leaf WHERE seq = 6", "line = 'x' WHERE seq = 6", "seq = 99 WHERE seq = 6"]
)
def test_what_is_signed_was_read(chains, change):
    """A line that was changed or taken away since the last checkpoint prevents the next."""
    chains.found(ORG)
    chains.append(5)
    known = sign(chains)
    chains.append(4)
    chains.tamper(f"UPDATE audit_event SET {change}")

    with pytest.raises(ChainNotExtendedError):
        sign(chains, known)


def test_a_size_is_never_signed_with_two_roots(chains):
    """Where the database holds another root for the size already, nothing is signed."""
    chains.found(ORG)
    chains.append(2)
    sign(chains)
    chains.tamper("UPDATE audit_checkpoint SET root = :root", root=bytes(32))

    with pytest.raises(ChainNotExtendedError, match="another root"):
        sign(chains)


def test_far_behind_is_read_in_steps(sqlite_chains, monkeypatch):
    """A chain far ahead of what is known is read in several turns before it is signed."""
    monkeypatch.setattr(checkpoint, "MOST_REREAD", 10)
    sqlite_chains.found(ORG)
    sqlite_chains.append(25)
    with pytest.raises(AuditUnavailableError):
        sign(sqlite_chains)

    reached = checkpoint.START
    with sqlite_chains.turn() as connection:
        for size in (10, 20):
            reached = checkpoint.reread(connection, ORG, reached, 10)
            assert reached.size == size
    assert sign(sqlite_chains, reached).size == 25


def test_an_organisation_without_a_chain_is_damage(sqlite_chains):
    """There is nothing to sign or to index where an organisation has no chain."""
    with sqlite_chains.turn() as connection:
        with pytest.raises(ChainMissingError):
            checkpoint.sign_head(connection, NOTARY, ORG, None, START)
        with pytest.raises(ChainMissingError):
            indexing.catch_up(connection, ORG, 10)


def test_a_spread_of_checkpoints_ends_with_the_newest(chains):
    """An export takes few of many checkpoints, evenly, and always the newest."""
    chains.found(ORG)
    known = None
    for _ in range(20):
        chains.append(3)
        known = sign(chains, known)
    with chains.turn() as connection:
        notes = checkpoint.spread(connection, ORG, 60, 5)
        few = checkpoint.spread(connection, ORG, 4, 5)

    assert [int(said.split("\n")[1]) for said in notes] == [12, 24, 36, 48, 60]
    assert [int(said.split("\n")[1]) for said in few] == [3]


def test_the_seed_is_never_shown():
    """A notary does not print its key."""
    assert repr(NOTARY) == "Notary('care.example', hidden)"
