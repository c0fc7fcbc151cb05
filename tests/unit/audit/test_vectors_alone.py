"""Our fixed vectors, checked with nothing but SHA-256, Ed25519 and the words of the format."""

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

VECTORS = Path(__file__).parents[2] / "vectors"
CHAIN, CHECKPOINT, PROOFS = (
    json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    for name in ("chain", "checkpoint", "proofs")
)
LINES = [line.encode() for line in CHAIN["lines"]]
ROOTS = [bytes.fromhex(root) for root in CHAIN["roots"]]
RFC_8032_PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def leaf(line: bytes) -> bytes:
    return sha256(b"\x00" + line).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def tree(leaves: list[bytes]) -> bytes:
    """Return MTH of RFC 6962, 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node(tree(leaves[:k]), tree(leaves[k:]))


def climbed(start: bytes, index: int, size: int, hashes: list[bytes]) -> bytes:
    """Return where an inclusion proof leads, by RFC 6962's recursion read backwards."""
    if size == 1:
        assert not hashes
        return start
    k = 1 << ((size - 1).bit_length() - 1)
    if index < k:
        return node(climbed(start, index, k, hashes[:-1]), hashes[-1])
    return node(hashes[-1], climbed(start, index - k, size - k, hashes[:-1]))


def rebuilt(m: int, n: int, hashes: list[bytes], old: bytes | None) -> tuple[bytes, bytes]:
    """Return both roots a consistency proof leads to; `old` is the first root where the proof omits it."""
    if m == n:
        assert len(hashes) == (old is None)
        root = old if old is not None else hashes[0]
        return root, root
    k = 1 << ((n - 1).bit_length() - 1)
    if m <= k:
        first, second = rebuilt(m, k, hashes[:-1], old)
        return first, node(second, hashes[-1])
    first, second = rebuilt(m - k, n - k, hashes[:-1], None)
    return node(hashes[-1], first), node(hashes[-1], second)


def decoded(hashes: list[str]) -> list[bytes]:
    return [base64.b64decode(text, validate=True) for text in hashes]


def test_lines_are_linked():
    """Each line is canonical, names its chain, its number and the leaf of the line before."""
    prev = sha256(b"caretrail/v1 genesis\n" + CHAIN["org"].encode()).hexdigest()
    assert prev == CHAIN["genesis"]
    for seq, line in enumerate(LINES):
        value = json.loads(line)
        assert value["c"] == {"org": CHAIN["org"], "prev": prev, "seq": seq, "ts": value["c"]["ts"]}
        written = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert written.encode() == line
        prev = leaf(line).hex()

    assert len(LINES) == 9


def test_leaves_and_roots_follow_from_the_lines():
    """The leaves are those of the lines, the roots those of the first 0 to 9 of them."""
    leaves = [leaf(line) for line in LINES]

    assert [found.hex() for found in leaves] == CHAIN["leaves"]
    assert [tree(leaves[:size]).hex() for size in range(10)] == CHAIN["roots"]


def test_the_checkpoint_is_signed():
    """The note names origin, size and root of the whole chain and is signed by the published test key."""
    seed = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(CHECKPOINT["seed"]))
    public = bytes.fromhex(CHECKPOINT["public_key"])
    assert seed.public_key().public_bytes_raw() == public == bytes.fromhex(RFC_8032_PUBLIC)
    origin = f"care.example/audit/{CHAIN['org']}"
    number = sha256(origin.encode() + b"\n\x01" + public).digest()[:4]
    key = base64.b64encode(b"\x01" + public).decode()
    assert CHECKPOINT["vkey"] == f"{origin}+{number.hex()}+{key}"

    said, signatures = CHECKPOINT["note"].split("\n\n")
    assert said + "\n" == f"{origin}\n9\n{base64.b64encode(ROOTS[9]).decode()}\n"
    assert (CHECKPOINT["origin"], CHECKPOINT["size"]) == (origin, 9)
    assert CHECKPOINT["root"] == said.split("\n")[2]
    dash, name, encoded = signatures.removesuffix("\n").split(" ")
    signature = base64.b64decode(encoded, validate=True)
    assert (dash, name, signature[:4]) == ("—", origin, number)
    Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], (said + "\n").encode())


@pytest.mark.parametrize("vector", PROOFS["inclusion"], ids=lambda v: f"{v['index']} of {v['size']}")
def test_inclusion_proofs_lead_to_the_root(vector):
    """Each inclusion proof leads from its line to the root at its size."""
    index, size = vector["index"], vector["size"]

    assert climbed(leaf(LINES[index]), index, size, decoded(vector["hashes"])) == ROOTS[size]


@pytest.mark.parametrize("vector", PROOFS["consistency"], ids=lambda v: f"{v['first']} to {v['second']}")
def test_consistency_proofs_lead_to_both_roots(vector):
    """Each consistency proof rebuilds the root at both sizes."""
    first, second = vector["first"], vector["second"]

    assert rebuilt(first, second, decoded(vector["hashes"]), ROOTS[first]) == (ROOTS[first], ROOTS[second])


@pytest.mark.parametrize("vector", PROOFS["tlog_proofs"], ids=lambda v: f"line {v['index']}")
def test_tlog_proofs_are_whole(vector):
    """A tlog-proof holds index, path and the very checkpoint."""
    head, _, note = vector["proof"].partition("\n\n")
    kind, index, *hashes = head.split("\n")

    assert (kind, index) == ("c2sp.org/tlog-proof@v1", f"index {vector['index']}")
    assert note == CHECKPOINT["note"]
    start = leaf(LINES[vector["index"]])
    assert climbed(start, vector["index"], 9, decoded(hashes)) == ROOTS[9]


def test_there_are_enough_of_them():
    """Eleven inclusion proofs, eleven consistency proofs and two tlog-proofs are fixed."""
    assert [11, 11, 2] == [len(PROOFS[name]) for name in ("inclusion", "consistency", "tlog_proofs")]
