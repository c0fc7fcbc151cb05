"""Signed notes: the published examples, strict reading, checkpoints, and pure Ed25519 beside a library."""

import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audit import note, verify
from app.audit.verify import Checkpoint
from tests.support.sample_export import ORG, Sample

# From the documentation and tests of golang.org/x/mod/sumdb/note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
PETER_LINE = (
    "— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
PETER_NOTE = PETER_TEXT + "\n" + PETER_LINE
# The example of c2sp.org/signed-note.
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
OLD = note.Signer("care.example/audit/system", Ed25519PrivateKey.from_private_bytes(b"o" * 32))
NEW = note.Signer("care.example/audit/system", Ed25519PrivateKey.from_private_bytes(b"n" * 32))


def opened_by_both(text: str, *keys: verify.Key) -> str:
    """Open a note with the library and with the verifier's own arithmetic; they must agree."""
    found = []
    for read, error in (
        (lambda: note.open_note(text, keys), note.NoteBrokenError),
        (lambda: verify.open_note(text.encode(), keys), verify.MalformedError),
    ):
        try:
            found.append(read())
        except error:
            found.append("refused")
    assert found[0] == found[1]
    return found[0]


def test_published_notes_open():
    """The notes published by C2SP and by the Go project open with their published keys."""
    assert opened_by_both(PETER_NOTE, note.read_key(PETER)) == PETER_TEXT
    assert opened_by_both(FOO_NOTE, note.read_key(FOO)) == "This is an example message.\n"


def test_signing_gives_the_published_note():
    """The published private key signs the published text to the published bytes, under the published key."""
    signer = note.Signer("PeterNeumann", Ed25519PrivateKey.from_private_bytes(PETER_SEED))

    assert signer.vkey == PETER
    assert note.sign(PETER_TEXT, signer) == PETER_NOTE


@pytest.mark.parametrize(
    "broken",
    [
        "",
        PETER_TEXT,
        PETER_TEXT + "\n",
        PETER_NOTE[:-1],
        "\x01" + PETER_NOTE,
        "\ud800" + PETER_NOTE,
        PETER_TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Bad Name"),
        PETER_TEXT + "\n" + PETER_LINE.replace("PeterNeumann", "Bad+Name"),
        PETER_TEXT + "\n" + PETER_LINE.replace("—", "-"),
        PETER_TEXT + "\n" + PETER_LINE.replace("—", "——"),
        PETER_TEXT + "\n" + PETER_LINE.replace("=", ""),
        PETER_TEXT + "\n" + PETER_LINE.replace("AM=", "AN="),
        PETER_NOTE + "Unexpected line.\n",
        PETER_NOTE + "\n",
        PETER_NOTE.replace("cryptography", "cryptographY"),
        PETER_NOTE.replace("x08go", "x08gp"),
        PETER_TEXT + PETER_LINE,
        PETER_NOTE + PETER_LINE.replace("PeterNeumann", "Peter+Neumann"),
        PETER_NOTE + PETER_LINE.replace("PeterNeumann", "Peter\u2003Neumann"),
        PETER_NOTE + PETER_LINE.replace("PeterNeumann", ""),
        PETER_TEXT + "\n" + PETER_LINE * 65,
        FOO_NOTE,
    ],
)
def test_broken_notes_are_refused(broken):
    """A note that is cut, re-encoded, edited or signed by somebody else is refused."""
    with pytest.raises(note.NoteBrokenError):
        note.open_note(broken, [note.read_key(PETER)])
    with pytest.raises(verify.MalformedError):
        verify.open_note(broken.encode(errors="surrogatepass"), [note.read_key(PETER)])


def test_every_mangling_of_a_verifier_key_is_refused():
    """No part of a verifier key, and no key with one letter changed, is read as a key."""
    parts = [PETER[i:j] for i in range(len(PETER)) for j in range(i + 1, len(PETER) + 1)]
    edits = [PETER[:i] + chr(ord(PETER[i]) + 1) + PETER[i + 1 :] for i in range(len(PETER))]
    refused = 0
    for vkey in [*parts, *edits]:
        if vkey != PETER:
            with pytest.raises(note.NoteBrokenError):
                note.read_key(vkey)
            refused += 1

    assert 66 * 67 // 2 - 1 + 66 == refused


@pytest.mark.parametrize(
    "vkey",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "Peter\u2003Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_keys_of_another_length_or_kind_are_refused(vkey):
    """A key of another length or algorithm, or under a name with a space, is refused."""
    with pytest.raises(note.NoteBrokenError):
        note.read_key(vkey)


def test_rotation_carries_both_signatures():
    """A note of two keys opens with either, also beside signatures of keys nobody asked about."""
    both = note.sign("rotated\n", OLD, NEW)

    assert opened_by_both(both, OLD.key) == opened_by_both(both, NEW.key) == "rotated\n"
    assert opened_by_both(both, OLD.key, NEW.key) == "rotated\n"
    assert opened_by_both(both, note.read_key(PETER)) == "refused"


def test_broken_signature_of_a_known_key_spoils_the_note():
    """One broken signature of a known key refuses the note although another one holds."""
    spoiled = note.sign("text\n", OLD) + NEW.line("other text\n")

    assert opened_by_both(spoiled, OLD.key) == "text\n"
    assert opened_by_both(spoiled, OLD.key, NEW.key) == "refused"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no line end",
        "tab\there\n",
        "bell\x07\n",
        "smuggled\n\n" + PETER_LINE[:-1],
    ],
)
def test_text_that_cannot_be_a_note_is_not_signed(text):
    """Text without a line end, with control characters or ending in a signature is never signed."""
    with pytest.raises(note.NoteBrokenError):
        note.sign(text, OLD)


def test_note_without_signer_or_with_a_bad_name_is_not_made():
    """There is no note without a signature and no key name with a space."""
    with pytest.raises(note.NoteBrokenError):
        note.sign("text\n")
    with pytest.raises(note.NoteBrokenError):
        note.sign("text\n", note.Signer("a name", OLD.private))


def test_checkpoint_and_manifest_are_those_of_the_contract():
    """Checkpoints, manifest signatures and files of notes are those made from the contract alone."""
    sample = Sample()
    signer = note.Signer(note.origin("care.example", ORG), sample.key)
    root = bytes(range(32))
    text = f"{signer.name}\n7\n{base64.b64encode(root).decode()}\n"
    signed = note.sign_checkpoint(7, root, signer)

    assert signer.vkey == sample.vkey
    assert signed.encode() == sample.note(text)
    assert note.read_checkpoint(note.open_note(signed, [signer.key])) == Checkpoint(signer.name, 7, root)
    assert (
        note.sign_manifest(sample.files()["manifest.json"], signer).encode() == sample.files()["manifest.sig"]
    )
    assert [signed.encode()] * 3 == verify.split_notes(note.join([signed] * 3).encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n7\n" + "A" * 43 + "=\n",
        "o\n07\n" + "A" * 43 + "=\n",
        "o\n-7\n" + "A" * 43 + "=\n",
        "o\n٧\n" + "A" * 43 + "=\n",
        "o\n7\n" + "A" * 42 + "B=\n",
        "o\n7\n" + "A" * 42 + "==\n",
        "o\n7\n" + "A" * 43 + "=",
        "o\n7\n" + "A" * 43 + "=\nextension\n",
    ],
)
def test_other_text_is_no_checkpoint(text):
    """A checkpoint is three lines, the size without leading zeros, the root in its one spelling."""
    with pytest.raises(note.NoteBrokenError):
        note.read_checkpoint(text)


# RFC 8032, 7.1: secret key, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), RFC_8032)
def test_rfc_8032_vectors(secret, public, message, signature):
    """The verifier's own arithmetic accepts the signatures of RFC 8032, which the library also makes."""
    secret, public, message, signature = map(bytes.fromhex, (secret, public, message, signature))

    assert signature == Ed25519PrivateKey.from_private_bytes(secret).sign(message)
    assert verify.ed25519_verifies(public, message, signature)


def library_verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Say what the library says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.integers(0, 511), st.integers(0, 255))
def test_signatures_with_a_changed_bit_are_refused(seed, message, bit, key_bit):
    """A signature holds for its message and key; with any one bit of either changed it does not."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    changed = (int.from_bytes(signature, "little") ^ 1 << bit).to_bytes(64, "little")
    other = (int.from_bytes(public, "little") ^ 1 << key_bit).to_bytes(32, "little")

    for case in ((public, message, signature), (public, message, changed), (other, message, signature)):
        assert (
            library_verifies(*case)
            == verify.ed25519_verifies(*case)
            == (case[1:] == (message, signature) and case[0] == public)
        )


def test_second_encodings_are_refused():
    """S + L, a coordinate past the prime, a wrong sign of zero, and other lengths are refused."""
    public, message, signature = (bytes.fromhex(part) for part in RFC_8032[1][1:])
    larger = (int.from_bytes(signature[32:], "little") + verify.L).to_bytes(32, "little")
    one_past_the_prime = (verify.P + 1).to_bytes(32, "little")
    minus_zero = (1 | 1 << 255).to_bytes(32, "little")

    assert not verify.ed25519_verifies(public, message, signature[:32] + larger)
    assert not verify.ed25519_verifies(public, message, signature[:-1])
    assert not verify.ed25519_verifies(public, message, signature + b"\0")
    assert not verify.ed25519_verifies(public + b"\0", message, signature)
    # With the neutral element as key, R = [S]B holds for any message: only the encoding is at fault.
    neutral = (1).to_bytes(32, "little")
    assert verify.ed25519_verifies(neutral, message, neutral + bytes(32))
    assert not verify.ed25519_verifies(one_past_the_prime, message, neutral + bytes(32))
    assert not verify.ed25519_verifies(minus_zero, message, neutral + bytes(32))
    assert not verify.ed25519_verifies(neutral, message, one_past_the_prime + bytes(32))
