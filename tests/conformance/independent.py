"""An auditor's own checker, written from the published formats alone: it shares no code with `app`.

SHA-256 from `hashlib`, Ed25519 from `cryptography`, the tree as RFC 6962 writes it down, JSON as it comes.
It is as naive and slow as can be: what it and the verifier agree on is not agreed on by a shared mistake.
"""

import base64
import hashlib
import json
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class DisagreesError(AssertionError):
    """Something is not as the formats say."""


def sha256(data: bytes) -> bytes:
    """Return SHA-256."""
    return hashlib.sha256(data).digest()


def tree_hash(entries: list[bytes]) -> bytes:
    """Return MTH(D[n]) of RFC 6962, section 2.1."""
    if not entries:
        return sha256(b"")
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0])
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return sha256(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:]))


@dataclass
class Key:
    """A verifier key `name+number+base64`, and what it signed."""

    name: str
    number: bytes
    public: Ed25519PublicKey

    @classmethod
    def read(cls, vkey: str) -> "Key":
        """Return the key of its text."""
        name, number, encoded = vkey.split("+", 2)
        data = base64.b64decode(encoded, validate=True)
        told = sha256(name.encode() + b"\n" + data)[:4]
        if data[0] != 1 or told.hex() != number:
            raise DisagreesError("the key is not what its number says")
        return cls(name, told, Ed25519PublicKey.from_public_bytes(data[1:]))

    def opened(self, note: bytes) -> str:
        """Return the text of a note that this key signed."""
        text, _, signatures = note.decode().rpartition("\n\n")
        for line in signatures.splitlines():
            dash, name, encoded = line.split(" ")
            data = base64.b64decode(encoded, validate=True)
            if (dash, name, data[:4]) == ("—", self.name, self.number):
                try:
                    self.public.verify(data[4:], text.encode() + b"\n")
                except InvalidSignature as error:
                    raise DisagreesError("a signature does not hold") from error
                return text + "\n"
        raise DisagreesError("a note is not signed by the key")


@dataclass
class Checked:
    """What was found to be so."""

    organisation: str
    lines: int
    sizes: list[int]


def check(files: dict[str, bytes], vkey: str) -> Checked:
    """Check chain, roots, signatures and file list of a whole export.

    Raises:
        DisagreesError: Anything is not as the formats say.
    """
    key = Key.read(vkey)
    manifest = json.loads(files["manifest.json"])
    _check_manifest(files, manifest, key)
    *lines, rest = files["events.jsonl"].split(b"\n")
    if rest:
        raise DisagreesError("the file of lines does not end with a line end")
    _check_chain(lines, manifest["organisation"])
    sizes = [_check_note(note, lines, key) for note in _notes(files["checkpoints.note"])]
    if len(lines) not in sizes:
        raise DisagreesError("the last line is not covered")
    return Checked(manifest["organisation"], len(lines), sizes)


def _check_manifest(files: dict[str, bytes], manifest: dict[str, object], key: Key) -> None:
    told = f"caretrail-export/1\n{sha256(files['manifest.json']).hex()}\n"
    if key.opened(files["manifest.sig"]) != told:
        raise DisagreesError("the signature is over another manifest")
    listed = manifest["files"]
    beside = {"manifest.json", "manifest.sig"}
    found = {
        name: {"sha256": sha256(data).hex(), "bytes": len(data)}
        for name, data in files.items()
        if name not in beside
    }
    if listed != found:
        raise DisagreesError("the files are not those listed")


def _check_chain(lines: list[bytes], org: str) -> None:
    prev, before = sha256(b"caretrail/v1 genesis\n" + org.encode()).hex(), ""
    for seq, line in enumerate(lines):
        place = json.loads(line)["c"]
        if (place["org"], place["prev"], place["seq"]) != (org, prev, seq) or place["ts"] < before:
            raise DisagreesError(f"line {seq} does not follow")
        again = json.dumps(json.loads(line), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        if again.encode() != line:
            raise DisagreesError(f"line {seq} is not canonical")
        prev, before = sha256(b"\x00" + line).hex(), place["ts"]


def _notes(data: bytes) -> list[bytes]:
    parts = data.decode().removesuffix("\n").split("\n\n")
    return [
        f"{text}\n\n{signatures}\n".encode() for text, signatures in zip(parts[::2], parts[1::2], strict=True)
    ]


def _check_note(note: bytes, lines: list[bytes], key: Key) -> int:
    origin, size, root = key.opened(note).splitlines()
    if origin != key.name or int(size) > len(lines):
        raise DisagreesError("a checkpoint is of another chain, or of lines that are not there")
    if base64.b64decode(root, validate=True) != tree_hash(lines[: int(size)]):
        raise DisagreesError(f"the lines do not have the root signed at {size}")
    return int(size)
