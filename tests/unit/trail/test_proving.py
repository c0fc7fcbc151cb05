"""Proofs through the door: of one entry, and of one tree by another."""

import json
import logging
from base64 import b64decode

import pytest
from sqlalchemy import text

from app.audit import merkle, tiles, verify
from app.audit.checkpoint import Notary
from app.audit.proofs import extends
from app.core.errors import (
    AuditUnavailableError,
    ForbiddenError,
    HiddenError,
    InvalidRequestError,
    NotFoundError,
)
from app.trail import proving
from app.trail.checkpoints import NewestCheckpoint
from app.trail.proving import ProofBrokenError, ProveConsistency, ProveEntry
from tests.support.unprotected import removal
from tests.unit.trail.stories import admit, lines_of, list_residents, look_at

PROOF = "GET /v1/audit/events/{seq}/proof"
CONSISTENCY = "GET /v1/audit/consistency"
CHECKPOINT = "GET /v1/audit/checkpoint"


@pytest.fixture
def auditor(any_world):
    return any_world.person("auditor", None)


@pytest.fixture
def prove(any_world, notary, guards, auditor):
    """Return the proof of an entry, as the auditor gets it."""
    return lambda seq: any_world.answer(ProveEntry(str(seq), notary, guards), PROOF, auditor).payload


@pytest.fixture
def consistency(any_world, notary, guards, auditor):
    """Return the hashes of a consistency proof, as the auditor gets them."""

    def ask(first, second):
        work = ProveConsistency(first, second, notary, guards)
        return [b64decode(h) for h in any_world.answer(work, CONSISTENCY, auditor).payload["hashes"]]

    return ask


def signed(world, notary, guards, auditor) -> verify.Checkpoint:
    """Return the newest checkpoint, made now."""
    note = world.answer(NewestCheckpoint(notary, guards), CHECKPOINT, auditor).payload
    return verify.read_checkpoint(verify.open_note(note.encode(), notary.keys(world.org)))


def checked(world, notary: Notary, proof: str, seq: int) -> verify.Checkpoint:
    """Check a proof as an auditor does, with the verifier alone; return the checkpoint in it."""
    line = json.dumps({"seq": seq, "proof": proof}).encode()
    path, note = verify.read_proof(line, seq)
    said = verify.read_checkpoint(verify.open_note(note, notary.keys(world.org)))
    leaf = verify.leaf_hash(lines_of(world)[seq])
    assert verify.root_over(leaf, seq, said.size, path) == said.root
    assert said.origin == notary.origin(world.org)
    return said


def tamper(world, statement: str, **parameters) -> None:
    """Change rows as somebody with the file can, who first takes the triggers away."""

    def change(connection):
        if connection.dialect.name == "sqlite":
            for taken in removal("sqlite"):
                connection.execute(text(taken))
        assert connection.execute(text(statement), parameters).rowcount > 0

    world.looking(change)


def entry_of(world) -> dict:
    """Return the entry of the visit served last, also if another line can no longer be read."""
    query = text("SELECT line FROM audit_event WHERE org = :org AND seq = :seq")
    place = {"org": world.org, "seq": world.visit.stamp.seq}
    return json.loads(bytes(world.looking(lambda c: c.execute(query, place).scalar_one())))["e"]


def grow(world, lines: int) -> None:
    """Let a chain get some lines."""
    carer = world.person("carer")
    while len(lines_of(world)) < lines:
        list_residents(world, carer, world.home)


# --- one entry ---------------------------------------------------------------------------------------


def test_every_entry_is_proven(any_world, notary, prove):
    """Each entry of the chain, the first and the very newest, has a proof the verifier accepts."""
    size = len(lines_of(any_world))
    for seq in range(size):
        assert checked(any_world, notary, prove(seq), seq).size >= seq + 1

    newest = any_world.visit.stamp.seq
    assert checked(any_world, notary, prove(newest), newest).size == newest + 1


def test_the_newest_checkpoint_is_used_again(any_world, notary, guards, auditor, prove):
    """An entry that a checkpoint covers is proven against the newest one there is; none is made for it."""
    said = signed(any_world, notary, guards, auditor)

    assert checked(any_world, notary, prove(0), 0) == said
    assert checked(any_world, notary, prove(said.size - 1), said.size - 1) == said
    assert checked(any_world, notary, prove(said.size), said.size).size > said.size


def test_a_proof_is_an_entry(any_world, prove):
    """Asking for a proof is recorded, with the entry it was about; residents are not named by it."""
    prove(0)
    entry = any_world.entry()

    assert (entry["act"], entry["out"]) == ("audit.proof", "ok")
    assert entry["obj"] == {"t": "audit_event", "id": "0"}
    assert "subs" not in entry


def test_a_chain_longer_than_a_tile_is_proven_by_tiles(any_world, notary, prove, consistency):
    """Past 256 lines the stored nodes are used, and written first by whoever asks."""
    grow(any_world, 300)
    said = checked(any_world, notary, prove(299), 299)
    assert any_world.looking(lambda c: c.execute(text("SELECT count(*) FROM audit_tile")).scalar_one()) == 1
    leaves = [verify.leaf_hash(line) for line in lines_of(any_world)]

    assert checked(any_world, notary, prove(17), 17) == said
    for first in (1, 255, 256, 257, 300):
        old, new = merkle.root_of(leaves[:first]), merkle.root_of(leaves[:300])
        assert extends(first, 300, old, new, consistency(first, 300))


@pytest.mark.parametrize("seq", ["999999", "9" * 40, "-1", "01", "x", ""])
def test_what_is_no_entry_has_no_proof(world, notary, guards, seq):
    """A number without an entry, or something that is no number, is a 404."""
    work = ProveEntry(seq, notary, guards)

    assert type(world.refusal(work, PROOF, world.person("auditor", None))) is NotFoundError
    assert world.entry()["out"] == "fail"


def test_only_what_may_be_read_is_proven(world, notary, guards):
    """A reader of one home gets proofs of its entries, others are hidden; a carer gets none."""
    deputy, carer = world.person("deputy_manager"), world.person("carer")
    mine = look_at(world, admit(world, world.home), carer)
    other = look_at(world, admit(world, world.other_home), world.person("carer", world.other_home))

    proof = world.answer(ProveEntry(str(mine), notary, guards), PROOF, deputy).payload
    checked(world, notary, proof, mine)
    assert isinstance(world.refusal(ProveEntry(str(other), notary, guards), PROOF, deputy), HiddenError)
    assert world.entry()["out"] == "deny"
    assert isinstance(world.refusal(ProveEntry(str(mine), notary, guards), PROOF, carer), ForbiddenError)


def test_a_proof_far_ahead_of_the_tiles_is_put_off(world, notary, guards, monkeypatch):
    """If too many tiles are left to write, the answer is 503, but what was done stays done."""
    monkeypatch.setattr(proving, "MOST_TILES", 1)
    monkeypatch.setattr(tiles, "WIDTH", 4)
    monkeypatch.setattr(tiles, "WIDTH_BITS", 2)
    auditor = world.person("auditor", None)
    grow(world, 13)
    work, refusals = ProveEntry("3", notary, guards), 0
    while isinstance(answered := world.do(work, PROOF, auditor), AuditUnavailableError):
        assert world.entry()["why"] == "tiles-behind"
        refusals += 1

    checked(world, notary, answered.answer.payload, 3)
    assert refusals >= 2


# --- one tree by another -------------------------------------------------------------------------------


def test_every_earlier_size_is_proven(any_world, notary, guards, auditor, consistency):
    """For all sizes up to the signed one, the answer proves that the later tree begins with the earlier."""
    said = signed(any_world, notary, guards, auditor)
    leaves = [verify.leaf_hash(line) for line in lines_of(any_world)]
    roots = [merkle.root_of(leaves[:size]) for size in range(said.size + 1)]
    assert roots[said.size] == said.root
    asked = 0
    for second in (said.size, said.size - 1, 3):
        for first in range(second + 1):
            path = consistency(first, second)
            assert extends(first, second, roots[first], roots[second], path)
            asked += 1

    assert asked == 2 * said.size + 5
    assert any_world.entry()["obj"] == {"t": "audit_checkpoint", "id": "3"}
    assert any_world.entry()["act"] == "audit.consistency"


@pytest.mark.parametrize(("first", "second", "wrong"), [(3, 2, "/query/first"), (0, 10_000, "/query/second")])
def test_sizes_nobody_signed_are_refused(world, notary, guards, first, second, wrong):
    """Sizes out of order, or more than the newest checkpoint covers, are a 422 that says which."""
    auditor = world.person("auditor", None)
    refusal = world.refusal(ProveConsistency(first, second, notary, guards), CONSISTENCY, auditor)

    assert isinstance(refusal, InvalidRequestError)
    assert [pointer for pointer, _ in refusal.errors] == [wrong]


def test_only_organisation_wide_readers_get_consistency(world, notary, guards):
    """A consistency proof is of the whole organisation: `audit:read` at a home is not enough."""
    work = ProveConsistency(0, 1, notary, guards)

    assert isinstance(world.refusal(work, CONSISTENCY, world.person("deputy_manager")), ForbiddenError)


# --- what is stored was changed ------------------------------------------------------------------------

FORGERIES = {
    "a tile": "UPDATE audit_tile SET hash = :other WHERE org = :org AND level = 1 AND n = 0",
    "a leaf": "UPDATE audit_event SET leaf = :other WHERE org = :org AND seq = 256",
    "a line": "UPDATE audit_event SET line = :other WHERE org = :org AND seq = 257",
    "a tile removed": "DELETE FROM audit_tile WHERE org = :org",
    "a hole": "DELETE FROM audit_tile WHERE org = :org AND level = 1 AND n = 0",
    "an entry removed": "DELETE FROM audit_event WHERE org = :org AND seq = 256",
    "a note": "UPDATE audit_checkpoint SET note = replace(note, 'audit', 'audIt') WHERE org = :org",
    "a size": "UPDATE audit_checkpoint SET size = size - 1 WHERE org = :org",
}


@pytest.mark.parametrize("what", ["a line", "an entry removed", "a note", "a size"])
def test_what_does_not_hold_is_never_answered(any_world, notary, guards, auditor, prove, caplog, what):
    """A proof over something that was changed in the database is 500, an entry and an error in the log."""
    grow(any_world, 260)
    signed(any_world, notary, guards, auditor)
    assert prove(257)
    statement, given = FORGERIES[what], {"org": any_world.org, "other": bytes(range(32))}
    tamper(any_world, statement, **{k: v for k, v in given.items() if f":{k}" in statement})
    with caplog.at_level(logging.ERROR):
        refusal = any_world.refusal(ProveEntry("257", notary, guards), PROOF, auditor)

    assert isinstance(refusal, ProofBrokenError)
    assert (refusal.status, refusal.slug, refusal.retry_after) == (500, "integrity", None)
    assert entry_of(any_world)["why"].startswith("proof-broken")
    assert entry_of(any_world)["out"] == "fail"
    assert "attempt-broken" in {record.message for record in caplog.records}


@pytest.mark.parametrize("what", ["an entry removed", "a note"])
def test_consistency_that_does_not_hold_is_never_answered(any_world, notary, guards, auditor, what):
    """A consistency proof is put to the test against the signed root just as well."""
    grow(any_world, 260)
    said = signed(any_world, notary, guards, auditor)
    work = ProveConsistency(200, said.size - 1, notary, guards)
    assert any_world.answer(work, CONSISTENCY, auditor).payload["hashes"]
    statement, given = FORGERIES[what], {"org": any_world.org, "other": bytes(range(32))}
    tamper(any_world, statement, **{k: v for k, v in given.items() if f":{k}" in statement})
    work = ProveConsistency(0 if what == "a note" else 257, said.size - 1, notary, guards)

    assert isinstance(any_world.refusal(work, CONSISTENCY, auditor), ProofBrokenError)


def test_each_hash_of_a_consistency_proof_is_put_to_the_test(any_world, notary, guards, auditor, monkeypatch):
    """A line that only the way between the two sizes meets, below a tile that is right, is noticed."""
    grow(any_world, 260)
    signed(any_world, notary, guards, auditor)
    forged = "UPDATE audit_event SET leaf = :other, line = :other WHERE org = :org AND seq = 220"
    work = ProveConsistency(200, 257, notary, guards)
    assert any_world.answer(work, CONSISTENCY, auditor)
    tamper(any_world, forged, org=any_world.org, other=bytes(range(32)))
    # what is made anew from the lines notices it in the root already
    monkeypatch.setattr(proving, "SOURCES", (tiles.Source.STORED,))
    refusal = any_world.refusal(work, CONSISTENCY, auditor)

    assert (type(refusal), refusal.why) == (ProofBrokenError, "proof-broken: size 200")


def test_a_checkpoint_of_another_key_counts_for_nothing(any_world, notary, guards, auditor, prove):
    """A stored checkpoint that says the right thing and is not signed by the service proves nothing."""
    said = signed(any_world, notary, guards, auditor)
    assert prove(0)
    stranger = Notary("care.example", bytes(range(1, 33)))
    note = stranger.sign_checkpoint(any_world.org, said.size, said.root)
    tamper(
        any_world, "UPDATE audit_checkpoint SET note = :note WHERE org = :org", note=note, org=any_world.org
    )
    refusal = any_world.refusal(ProveEntry("0", notary, guards), PROOF, auditor)

    assert isinstance(refusal, ProofBrokenError)
    assert "not signed" in refusal.why


def test_deleted_tiles_come_back(any_world, notary, prove):
    """Tiles are derived: when they are deleted, whoever asks next writes them again."""
    grow(any_world, 260)
    prove(0)
    tamper(any_world, FORGERIES["a tile removed"], org=any_world.org)

    checked(any_world, notary, prove(0), 0)


@pytest.mark.parametrize("what", ["a tile", "a leaf", "a hole"])
def test_what_is_derived_is_made_anew_from_the_lines(
    any_world, notary, guards, auditor, prove, consistency, caplog, what
):
    """A node or leaf that was changed withholds no proof: it is hashed anew from the lines, with an error."""
    grow(any_world, 600)
    said = signed(any_world, notary, guards, auditor)
    prove(257)
    statement, given = FORGERIES[what], {"org": any_world.org, "other": bytes(range(32))}
    tamper(any_world, statement, **{k: v for k, v in given.items() if f":{k}" in statement})
    with caplog.at_level(logging.ERROR):
        for seq in (0, 257, 530):
            checked(any_world, notary, prove(seq), seq)
    assert "proof-broken" in {record.message for record in caplog.records}
    assert consistency(257, said.size)


@pytest.mark.parametrize("what", ["a tile", "a hole"])
def test_too_many_lines_to_do_without_nodes_are_refused(
    any_world, notary, guards, auditor, prove, monkeypatch, what
):
    """Where the lines are too many to be read for it, a proof over wrong nodes is refused, and told how."""
    grow(any_world, 600)
    prove(257)
    statement, given = FORGERIES[what], {"org": any_world.org, "other": bytes(range(32))}
    tamper(any_world, statement, **{k: v for k, v in given.items() if f":{k}" in statement})
    monkeypatch.setattr(tiles, "MOST_FROM_LINES", 300)
    refusal = any_world.refusal(ProveEntry("257", notary, guards), PROOF, auditor)

    assert isinstance(refusal, ProofBrokenError)
    assert "caretrail audit reindex" in refusal.detail
