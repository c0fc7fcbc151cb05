"""Signed notes and checkpoints as C2SP specifies them, Ed25519, signature type 0x01.

A note is text that anyone can read, a blank line, and a line for each signature. A checkpoint is a
note of three lines: which log, how many lines it has, and the root over them. There is one key
pair; it signs for each chain under that chain's origin as its name, so there is a verifier key
(vkey) for each chain. During a rotation a note carries the lines of both keys.

How notes, keys and checkpoints are read is written once, in `verify`, for the auditor's sake.

Source: AUDIT-2; c2sp.org/signed-note, c2sp.org/tlog-checkpoint.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.audit import verify
from app.audit.verify import Checkpoint, Key
from app.core.errors import CaretrailError

ED25519 = b"\x01"
_Read = TypeVar("_Read")


class NoteBrokenError(CaretrailError):
    """A note, a verifier key or a checkpoint that is not what it must be."""

    def __init__(self, reason: str) -> None:
        super().__init__(why="note-broken: " + reason)


@dataclass(frozen=True, slots=True)
class Signer:
    """A key pair under the name of one chain."""

    name: str
    private: Ed25519PrivateKey

    @property
    def key(self) -> Key:
        """The verifier key: name, number and public key."""
        return verifier_key(self.name, self.private.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """The verifier key as text, to be handed to whoever checks: `name+number+base64`."""
        return vkey_of(self.key)

    def line(self, text: str) -> str:
        """Return the signature line over a text."""
        signature = self.key.number + self.private.sign(text.encode())
        return f"— {self.name} {_base64(signature)}\n"


def verifier_key(name: str, public: bytes) -> Key:
    """Return the verifier key of a public key under the name of one chain."""
    return Key(name, sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4], public)


def vkey_of(key: Key) -> str:
    """Return a verifier key as text: `name+number+base64`."""
    return f"{key.name}+{key.number.hex()}+{_base64(ED25519 + key.public)}"


def origin(deployment: str, org: str) -> str:
    """Return the name of a chain in its checkpoints and of the key that signs them."""
    return f"{deployment}/audit/{org}"


def sign(text: str, *signers: Signer) -> str:
    """Return the note of a text, signed by each signer in turn.

    Raises:
        NoteBrokenError: The text does not end a line or holds control characters, or the name of
            a signer is empty or has a space or a plus.
    """
    note = text + "\n" + "".join(signer.line(text) for signer in signers)
    read, signatures = _reading(verify.read_note, note.encode())
    if not text.endswith("\n") or read != text or len(signatures) != len(signers):
        raise NoteBrokenError("text or name cannot be signed")
    return note


def open_note(note: str, keys: Sequence[Key]) -> str:
    """Return the text of a note that at least one of the keys signed.

    Signatures of other keys neither count nor harm; a broken one of a known key is refused.

    Raises:
        NoteBrokenError: Anything else.
    """
    text, signatures = _reading(verify.read_note, note.encode(errors="surrogatepass"))
    known = {(key.name, key.number): key.public for key in keys}
    ours = [(known[name, number], data) for name, number, data in signatures if (name, number) in known]
    if not ours:
        raise NoteBrokenError("not signed by the key")
    for public, data in ours:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(data, text.encode())
        except (InvalidSignature, ValueError) as error:
            raise NoteBrokenError("the signature does not hold") from error
    return text


def signed_by(note: str, keys: Sequence[Key]) -> list[Key]:
    """Return which of the keys put their line under a note. Whether the lines hold, `open_note` says."""
    _, signatures = _reading(verify.read_note, note.encode(errors="surrogatepass"))
    there = {(name, number) for name, number, _ in signatures}
    return [key for key in keys if (key.name, key.number) in there]


def first_signer(note: str) -> bytes | None:
    """Return the number of the key that signed a note first; None where there is no note."""
    try:
        _, signatures = _reading(verify.read_note, note.encode(errors="surrogatepass"))
    except NoteBrokenError:
        return None
    return signatures[0][1] if signatures else None


def text_of(note: str) -> str:
    """Return the text of a note whoever signed it. Raises NoteBrokenError where there is no note."""
    text, _ = _reading(verify.read_note, note.encode(errors="surrogatepass"))
    return text


def read_key(vkey: str) -> Key:
    """Return a verifier key. Raises NoteBrokenError for any other text."""
    return _reading(verify.read_key, vkey)


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """Return what a checkpoint's note says."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{_base64(checkpoint.root)}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint of a note's text. Raises NoteBrokenError for any other text."""
    return _reading(verify.read_checkpoint, text)


def sign_checkpoint(size: int, root: bytes, *signers: Signer) -> str:
    """Return the signed checkpoint of a chain; the first signer's name is its origin."""
    return sign(checkpoint_text(Checkpoint(signers[0].name, size, root)), *signers)


def sign_manifest(manifest: bytes, *signers: Signer) -> str:
    """Return `manifest.sig` for the exact bytes of `manifest.json`."""
    return sign(verify.manifest_text(manifest), *signers)


def join(notes: Iterable[str]) -> str:
    """Return the text of a file of notes, a blank line between each two."""
    return "\n".join(notes)


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _reading(read: Callable[..., _Read], source: str | bytes) -> _Read:
    try:
        return read(source)
    except verify.MalformedError as error:
        raise NoteBrokenError(str(error)) from error
