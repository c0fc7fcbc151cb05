"""How the tests of the verifier examine a changed export."""

import io
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.audit import verify
from tests.support.sample_export import Sample, leaf_of, packed

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


def with_fhir(files, sample=SAMPLE, **said) -> dict[str, bytes]:
    """Return an export with the fhir.ndjson that its lines and names give, sealed anew."""
    told = [json.loads(line) for line in files.get("names.jsonl", b"").splitlines()]
    names = {name["seq"]: name["name"] for name in told}
    rows = [
        verify.fhir_rows(json.loads(line), leaf_of(line).hex(), names, sample.origin)
        for line in files["events.jsonl"].splitlines()
    ]
    return sample.sealed(files | {"fhir.ndjson": b"".join(rows)}, **said)
