"""A small export, made from the contract alone: it shares no code with what it puts to the test.

Lines come from `json`, the Merkle root from the recursion of RFC 6962, rows from the `csv` module,
signatures from `cryptography`. `Sample` is the honest organisation; a test changes what it hands out
and packs it again, with the manifest as it was or sealed anew with the (stolen) key.
"""

import base64
import csv
import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORG = "0190a000-0000-7000-8000-00000000000a"
OTHER_ORG = "0190a000-0000-7000-8000-00000000000b"
ANN, BOB, EVE = (f"0190a000-0000-7000-8000-00000000010{n}" for n in (1, 2, 3))
RESIDENTS = [f"0190a000-0000-7000-8000-00000000020{n}" for n in (1, 2, 3)]
NAMES = {0: (ANN, "Ann Marlow"), 1: (BOB, '=Bob "the, Carer" Ó Sé'), 2: (EVE, "Eve Left")}
SALT = bytes(range(32))


def digest(data: bytes) -> bytes:
    """Return SHA-256."""
    return hashlib.sha256(data).digest()


def root_of(leaves: list[bytes]) -> bytes:
    """Return MTH of RFC 6962, 2.1, as it is written there."""
    if len(leaves) < 2:
        return leaves[0] if leaves else digest(b"")
    split = _split(len(leaves))
    return digest(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:]))


def path_of(index: int, leaves: list[bytes]) -> list[bytes]:
    """Return PATH of RFC 6962, 2.1.1, as it is written there."""
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*path_of(index, leaves[:split]), root_of(leaves[split:])]
    return [*path_of(index - split, leaves[split:]), root_of(leaves[:split])]


def _split(size: int) -> int:
    split = 1
    while split * 2 < size:
        split *= 2
    return split


def leaf_of(line: bytes) -> bytes:
    """Return the leaf of a line."""
    return digest(b"\x00" + line)


def base64_of(data: bytes) -> str:
    """Return base64."""
    return base64.b64encode(data).decode()


def canonical(value: Any) -> bytes:
    """Return canonical JSON."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def chained(events: list[dict[str, Any]], org: str = ORG, stamps: list[str] | None = None) -> list[bytes]:
    """Return the lines of events, each naming the leaf of the one before."""
    prev = digest(f"caretrail/v1 genesis\n{org}".encode()).hex()
    lines: list[bytes] = []
    for seq, event in enumerate(events):
        ts = stamps[seq] if stamps else f"2026-03-01T10:00:{seq // 2:02}.000001Z"
        lines.append(canonical({"c": {"org": org, "prev": prev, "seq": seq, "ts": ts}, "e": event}))
        prev = leaf_of(lines[-1]).hex()
    return lines


def event(number: int, act: str, **more: Any) -> dict[str, Any]:
    """Return an event body."""
    return {"v": 1, "id": f"0190a000-0000-7000-9000-{number:012}", "act": act, "out": "ok", **more}


def actor(user: str, seq: int, *roles: str) -> dict[str, Any]:
    """Return the `actor` of an event."""
    return {"id": user, "kind": "user", "name_seq": seq, "roles": list(roles)}


def sample_events() -> list[dict[str, Any]]:
    """Return ten events that between them fill every column of events.csv."""
    system = {"id": "system:identity", "kind": "system"}
    named = [
        event(
            seq,
            "identity.set",
            actor=system,
            obj={"t": "user", "id": user},
            name_h=digest(SALT + name.encode()).hex(),
        )
        for seq, (user, name) in NAMES.items()
    ]
    note = {"t": "record", "id": "0190a000-0000-7000-8000-000000000301", "ver": 2, "cat": "daily_note"}
    ann, bob = actor(ANN, 0, "registered_manager"), actor(BOB, 1, "nurse", "keyworker")
    vendor = {"id": "vendor-1", "kind": "integration"}
    change = {"f": "text", "b": "11" * 32, "a": "22" * 32}
    return [
        *named,
        event(3, "record.read", actor=ann, obj=note, subs=RESIDENTS[:1], purpose="care", dev="tablet-1"),
        event(4, "record.search", actor=bob, subs=RESIDENTS, n=3, src={"rid": "r-4", "ip_h": "ab" * 16}),
        event(5, "record.update", actor=bob, obj=note, subs=RESIDENTS[:1], chg=[change, {"f": "mood"}]),
        event(6, "record.read", actor=ann, subs=[]) | {"out": "deny", "why": "forbidden"},
        event(7, "record.read", actor=vendor, subs=RESIDENTS[1:2]) | {"for": BOB, "sess": "s-7"},
        event(8, "record.read", actor=actor(EVE, 2), subs=RESIDENTS[:1], grant="g-1", purpose="emergency"),
        event(9, "auth.logout", actor=ann),
    ]


COLUMNS = [
    "org,seq,recorded_utc,action,outcome,outcome_reason,actor_id,actor_name,actor_role,on_behalf_of,purpose",
    "break_glass,resident_id,record_type,record_category,record_id,record_version,fields_changed,disclosed",
    "session_id,device_id,source_ip_digest,request_id,leaf_sha256",
]


def csv_of(lines: list[bytes], names: dict[int, str]) -> bytes:
    """Return events.csv."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(",".join(COLUMNS).split(","))
    for line in lines:
        whole = json.loads(line)
        for resident in whole["e"].get("subs") or [""]:
            writer.writerow([_safe(cell) for cell in _row(whole["c"], whole["e"], resident, line, names)])
    return out.getvalue().encode()


def _row(
    c: dict[str, Any], e: dict[str, Any], resident: str, line: bytes, names: dict[int, str]
) -> list[Any]:
    who, obj, src = e["actor"], e.get("obj", {}), e.get("src", {})
    name = names.get(who["name_seq"], "[erased]") if "name_seq" in who else ""
    return [
        *(c["org"], c["seq"], c["ts"], e["act"], e["out"], e.get("why", ""), who["id"], name),
        *(";".join(who.get("roles", [])), e.get("for", ""), e.get("purpose", ""), e.get("grant", "")),
        *(resident, obj.get("t", ""), obj.get("cat", ""), obj.get("id", ""), obj.get("ver", "")),
        *(";".join(change["f"] for change in e.get("chg", [])), e.get("n", ""), e.get("sess", "")),
        *(e.get("dev", ""), src.get("ip_h", ""), src.get("rid", ""), leaf_of(line).hex()),
    ]


def _safe(cell: Any) -> str:
    text = str(cell)
    return "'" + text if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


@dataclass
class Sample:
    """An organisation with a key, its lines, and what it exports of them."""

    org: str = ORG
    key: Ed25519PrivateKey = field(default_factory=lambda: Ed25519PrivateKey.from_private_bytes(b"k" * 32))
    events: list[dict[str, Any]] = field(default_factory=sample_events)
    stamps: list[str] | None = None
    signed_sizes: tuple[int, ...] = (4, 10)
    erased: tuple[int, ...] = (2,)
    also: tuple[Ed25519PrivateKey, ...] = ()

    @property
    def origin(self) -> str:
        """The name of the chain and its key."""
        return f"care.example/audit/{self.org}"

    @property
    def vkey(self) -> str:
        """The verifier key."""
        number, public = self.numbered(self.key)
        return f"{self.origin}+{number.hex()}+{base64_of(public)}"

    def numbered(self, key: Ed25519PrivateKey) -> tuple[bytes, bytes]:
        """Return number and encoding of a public key under this chain's name."""
        public = b"\x01" + key.public_key().public_bytes_raw()
        return digest(self.origin.encode() + b"\n" + public)[:4], public

    @property
    def lines(self) -> list[bytes]:
        """The lines of the chain."""
        return chained(self.events, self.org, self.stamps)

    def note(self, text: str) -> bytes:
        """Return a text as a note signed by the key and those that sign also."""
        signed = [self.numbered(key)[0] + key.sign(text.encode()) for key in (self.key, *self.also)]
        return "".join([text, "\n", *(f"— {self.origin} {base64_of(data)}\n" for data in signed)]).encode()

    def checkpoint(self, size: int, lines: list[bytes] | None = None) -> bytes:
        """Return the signed checkpoint of the first lines."""
        root = root_of([leaf_of(line) for line in (lines or self.lines)[:size]])
        return self.note(f"{self.origin}\n{size}\n{base64_of(root)}\n")

    def names(self) -> dict[int, str]:
        """Return the names that are still there."""
        return {seq: name for seq, (_, name) in NAMES.items() if seq not in self.erased}

    def files(self) -> dict[str, bytes]:
        """Return the files of an honest, whole export."""
        lines = self.lines
        told = [
            canonical({"seq": seq, "user_id": NAMES[seq][0], "salt": base64_of(SALT), "name": name})
            for seq, name in self.names().items()
        ]
        files = {
            "events.jsonl": b"".join(line + b"\n" for line in lines),
            "names.jsonl": b"".join(line + b"\n" for line in told),
            "checkpoints.note": b"\n".join(self.checkpoint(size) for size in self.signed_sizes),
            "events.csv": csv_of(lines, self.names()),
            "README.txt": b"An export.\n",
        }
        if not self.signed_sizes:
            del files["checkpoints.note"]
        return self.sealed(files)

    def sealed(self, files: dict[str, bytes], /, **said: Any) -> dict[str, bytes]:
        """Return files with a manifest that fits them, signed; `said` overrides its members."""
        listed = {name: data for name, data in files.items() if not name.startswith("manifest.")}
        count = listed["events.jsonl"].count(b"\n")
        manifest = {
            "format": "caretrail-export/1",
            "organisation": self.org,
            "first": 0 if count else None,
            "last": count - 1 if count else None,
            "count": count,
            "filter": None,
            "files": {
                name: {"sha256": digest(data).hex(), "bytes": len(data)} for name, data in listed.items()
            },
            "checkpoint": said["checkpoint"] if "checkpoint" in said else _newest(listed),
            "keys": [self.vkey],
            "made_at": max("2026-03-01T12:00:00.000000Z", _newest_time(listed["events.jsonl"])),
            "software": "sample",
        } | said
        raw = canonical(manifest)
        return {
            **listed,
            "manifest.json": raw,
            "manifest.sig": self.note(f"caretrail-export/1\n{digest(raw).hex()}\n"),
        }

    def proof(self, seq: int, size: int) -> bytes:
        """Return a line of proofs.jsonl."""
        leaves = [leaf_of(line) for line in self.lines[:size]]
        path = "".join(base64_of(part) + "\n" for part in path_of(seq, leaves))
        text = f"c2sp.org/tlog-proof@v1\nindex {seq}\n{path}\n{self.checkpoint(size).decode()}"
        return canonical({"seq": seq, "proof": text}) + b"\n"

    def selection(self, *seqs: int, **said: Any) -> dict[str, bytes]:
        """Return the files of an honest export of some lines, each with its proof."""
        lines = [self.lines[seq] for seq in seqs]
        files = {
            "events.jsonl": b"".join(line + b"\n" for line in lines),
            "proofs.jsonl": b"".join(self.proof(seq, self.signed_sizes[-1]) for seq in seqs),
            "checkpoints.note": self.checkpoint(self.signed_sizes[-1]),
            "events.csv": csv_of(lines, {}),
        }
        about = {"first": seqs[0], "last": seqs[-1], "filter": {"picked": "by hand"}}
        return self.sealed(files, **(about | said))


def _newest_time(lines: bytes) -> str:
    """Return the time of the last line, nothing where there is none: no export is made before its lines."""
    times = re.findall(rb'"seq":[0-9]+,"ts":"([0-9-]{10}T[0-9:]{8}[.][0-9]{6}Z)"},"e":', lines[-(1 << 16) :])
    return times[-1].decode() if times else ""


def _newest(files: dict[str, bytes]) -> dict[str, Any] | None:
    if not files.get("checkpoints.note"):
        return None
    _, size, root = files["checkpoints.note"].decode().split("\n\n")[-2].split("\n")
    return {"size": int(size), "root": root}


def packed(files: dict[str, bytes]) -> bytes:
    """Return the zip of files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()
