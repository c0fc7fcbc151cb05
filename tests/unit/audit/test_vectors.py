"""Our fixed vectors against the service: what it writes and believes is what they say."""

import json
from base64 import b64decode
from datetime import datetime
from pathlib import Path

from app.audit import line, merkle, note, proofs, stored, tiles, verify
from app.audit import log as trail
from app.audit.checkpoint import Notary, sign_head
from app.audit.entry import Draft
from tests.support.chains import Chains

VECTORS = Path(__file__).parents[2] / "vectors"
CHAIN, CHECKPOINT, PROOFS = (
    json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("chain", "checkpoint", "proofs")
)
ORG, LINES = CHAIN["org"], [text.encode() for text in CHAIN["lines"]]
ROOTS = [bytes.fromhex(root) for root in CHAIN["roots"]]
NOTARY = Notary("care.example", bytes.fromhex(CHECKPOINT["seed"]))


def decoded(vector) -> list[bytes]:
    return [b64decode(text) for text in vector["hashes"]]


def test_the_service_writes_these_very_lines(chains: Chains):
    """The same events at the same instants become the same bytes, roots, checkpoint and proofs."""
    chains.found(ORG)
    for size, text in enumerate(LINES):
        value = json.loads(text)
        at = datetime.fromisoformat(value["c"]["ts"])
        with chains.turn() as connection:
            assert (
                merkle.root(merkle.unpack(bytes(trail.heads(connection, [ORG])[ORG].peaks), size))
                == ROOTS[size]
            )
            trail.append(connection, [Draft(ORG, value["e"])], at)
    with chains.turn() as connection:
        assert list(stored.lines(connection, ORG, 0, 9)) == LINES
        signed = sign_head(connection, NOTARY, ORG, None, at)
        for vector in PROOFS["inclusion"]:
            [path] = tiles.inclusion_paths(connection, ORG, [vector["index"]], vector["size"])
            assert path == decoded(vector)
        for vector in PROOFS["consistency"]:
            tree = tiles.Tree(connection, ORG, 9)
            path = proofs.consistency_path(vector["first"], vector["second"], tree.hash_of)
            assert path == decoded(vector)
        for vector in PROOFS["tlog_proofs"]:
            [path] = tiles.inclusion_paths(connection, ORG, [vector["index"]], 9)
            assert proofs.tlog_proof(vector["index"], path, signed.note) == vector["proof"]

    assert (signed.size, signed.root, signed.note) == (9, ROOTS[9], CHECKPOINT["note"])
    assert NOTARY.vkeys(ORG) == [CHECKPOINT["vkey"]]


def test_the_service_and_the_verifier_believe_them():
    """Lines, note and proofs are read by the service and by the verifier, and lead to the same roots."""
    assert [line.read(text).seq for text in LINES] == list(range(9))
    check = verify.ChainCheck(ORG)
    check.feed(LINES)
    assert (check.fault, check.size) == (None, 9)

    keys = [note.read_key(CHECKPOINT["vkey"])]
    said = verify.read_checkpoint(verify.open_note(CHECKPOINT["note"].encode(), keys))
    assert said == note.read_checkpoint(note.open_note(CHECKPOINT["note"], keys))
    assert said == verify.Checkpoint(CHECKPOINT["origin"], 9, ROOTS[9])
    for vector in PROOFS["inclusion"]:
        leaf = verify.leaf_hash(LINES[vector["index"]])
        reached = verify.root_over(leaf, vector["index"], vector["size"], decoded(vector))
        assert reached == ROOTS[vector["size"]]
    for vector in PROOFS["consistency"]:
        first, second = vector["first"], vector["second"]
        assert proofs.extends(first, second, ROOTS[first], ROOTS[second], decoded(vector))
    for vector in PROOFS["tlog_proofs"]:
        kept = json.dumps({"seq": vector["index"], "proof": vector["proof"]}).encode()
        path, told = verify.read_proof(kept, vector["index"])
        leaf = verify.leaf_hash(LINES[vector["index"]])
        assert told.decode() == CHECKPOINT["note"]
        assert verify.root_over(leaf, vector["index"], 9, path) == ROOTS[9]
