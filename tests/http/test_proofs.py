"""Proofs as they come over the wire, checked with the verifier alone."""

import json
from base64 import b64decode

import pytest

from app.audit import verify
from app.audit.proofs import extends
from tests.support.served import Person, Served


@pytest.fixture
def auditor(served: Served) -> Person:
    """Somebody who reads the whole trail."""
    return served.world.person("auditor", None)


def checkpoint(served: Served, auditor: Person) -> verify.Checkpoint:
    """Return the newest checkpoint as it is sent."""
    text = served.ask("GET", "/v1/audit/checkpoint", auditor).text
    return verify.read_checkpoint(verify.read_note(text.encode())[0])


def test_a_proof_comes_as_text_and_holds(served: Served, auditor: Person) -> None:
    """The proof of an entry is plain text; with the leaf of the entry it leads to the signed root."""
    leaf = bytes.fromhex(served.ask("GET", "/v1/audit/events/0", auditor).json()["leaf"])
    answer = served.ask("GET", "/v1/audit/events/0/proof", auditor)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    path, note = verify.read_proof(json.dumps({"seq": 0, "proof": answer.text}).encode(), 0)
    said = verify.read_checkpoint(verify.read_note(note)[0])

    assert verify.root_over(leaf, 0, said.size, path) == said.root


def test_two_checkpoints_are_shown_to_be_of_one_trail(served: Served, auditor: Person) -> None:
    """Between two checkpoints the hashes prove that lines were only added; the receipt is on the answer."""
    first = checkpoint(served, auditor)
    second = checkpoint(served, auditor)
    sizes = {"first": str(first.size), "second": str(second.size)}
    answer = served.ask("GET", "/v1/audit/consistency", auditor, params=sizes)
    path = [b64decode(text, validate=True) for text in answer.json()["hashes"]]

    assert first.size < second.size
    assert answer.json().keys() == {"hashes"}
    assert extends(first.size, second.size, first.root, second.root, path)
    assert not extends(first.size, second.size, second.root, second.root, path)
    assert "Audit-Event" in answer.headers
