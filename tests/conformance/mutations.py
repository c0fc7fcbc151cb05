"""Every single-byte change, deletion and truncation of the files of an export, put to the verifier.

All but the manifest itself is sealed anew with the stolen key after each change, so that only the check
of the file in question can tell. For speed the verifier runs in this process, and signatures are checked
by `cryptography` in place of its own arithmetic, which has tests of its own.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.audit import verify
from tests.support.sample_export import Sample

Files = dict[str, bytes]
UNSEALED = ("manifest.json", "manifest.sig")


class Subject(NamedTuple):
    """An export to damage, and how it is sealed again: what its manifest says beside the files."""

    forger: Sample
    files: Files
    said: dict[str, object]

    def examined(self, name: str, data: bytes) -> verify.Report:
        """Return the report on the export with other bytes in one file."""
        files = self.files | {name: data}
        return (
            self.unsealed(name, data)
            if name in UNSEALED
            else self._report(self.forger.sealed(files, **self.said))
        )

    def unsealed(self, name: str, data: bytes) -> verify.Report:
        """Return the report on the export with other bytes in one file, and nothing else changed."""
        return self._report(self.files | {name: data})

    def _report(self, files: Files) -> verify.Report:
        return verify.verify_export(stored(files), [self.forger.vkey], processes=1)


def stored(files: Files) -> io.BytesIO:
    """Return a zip of files that are not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out


def of_selection(forger: Sample, files: Files) -> Subject:
    """Return an export of chosen lines as a subject."""
    manifest = json.loads(files["manifest.json"])
    kept = ("first", "last", "count", "filter", "checkpoint", "made_at")
    return Subject(forger, files, {name: manifest[name] for name in kept})


def changes(data: bytes, values: Callable[[int], Iterator[int] | range]) -> Iterator[bytes]:
    """Yield a file with each byte changed, with each taken out, and cut at each."""
    for at in range(len(data)):
        for value in values(at):
            yield data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]
        yield data[:at] + data[at + 1 :]
        yield data[:at]


def one_change(at: int) -> range:
    """Return one of the 255 other values of a byte, another one at each place."""
    return range(1 + at % 255, 2 + at % 255)


def every_change(_at: int) -> range:
    """Return all of them, for the campaign."""
    return range(1, 256)


def codes_of(
    subject: Subject, name: str, values: Callable[[int], Iterator[int] | range] = one_change
) -> tuple[int, dict[int, int]]:
    """Return how many changes of a file there are, and how often each exit code came."""
    told: dict[int, int] = {}
    count = 0
    for changed in changes(subject.files[name], values):
        code = subject.examined(name, changed).exit_code
        told[code] = told.get(code, 0) + 1
        count += 1
    return count, told


def quick_signatures(patch: pytest.MonkeyPatch) -> None:
    """Check signatures with `cryptography`, and remember what came of each."""

    @lru_cache(maxsize=10_000)
    def holds(public: bytes, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    patch.setattr(verify, "ed25519_verifies", holds)
