"""How the tests of the verifier examine a changed export."""

import io

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.audit import verify
from tests.support.sample_export import Sample, packed

SAMPLE = Sample()
THIEF = Ed25519PrivateKey.from_private_bytes(b"t" * 32)


def examined(files, *keys, anchors=None) -> verify.Report:
    """Return the report on files, checked with the owner's key unless told otherwise."""
    return verify.verify_export(io.BytesIO(packed(files)), keys or (SAMPLE.vkey,), anchors)


def kinds(report: verify.Report) -> list[str]:
    """Return the kinds found, in order."""
    return [found.kind for found in report.findings]


def with_lines(lines, sample=SAMPLE, **changed) -> dict[str, bytes]:
    """Return an export of other lines: everything derived from them fits, the signed roots are old."""
    files = sample.files() | {"events.jsonl": b"".join(line + b"\n" for line in lines)}
    return sample.sealed(files | changed)
