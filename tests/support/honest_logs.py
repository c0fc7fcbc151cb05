"""Random honest logs: whatever an organisation may enter, chained, counted and signed by the real code.

A seed decides everything: how many people and residents, which names and words (letters of any script,
formulas, control characters), a clock that stands, runs or jumps over months, who is renamed or erased, when
a checkpoint is signed and a month closed. The lines come from `app.audit.line`, roots from
`app.audit.merkle`, notes from the notary, months from `app.audit.segments`, the derived files from the
export's own code.
"""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.audit import line, merkle, verify
from app.audit.checkpoint import Notary
from app.audit.segments import Subject, Subjects
from app.core.clock import spell
from app.trail import export_files
from app.trail.names import KeptName
from tests.support.sample_export import Sample, base64_of, canonical, path_of

DEPLOYMENT = "care.example"
SEED = b"k" * 32
START = datetime(2026, 1, 30, 23, 59, tzinfo=UTC)
LETTERS = "aZ09 .,;\"'\\/=+-@\t\r\n\x00\x7fßé\u202e\u2028😀中\uffff<>&"
ACTS = (
    *("record.read", "record.create", "record.update", "record.list", "record.search", "resident.read"),
    *("auth.login", "auth.logout", "audit.export", "record.delete", "unheard.of", "breakglass.start"),
)


@dataclass
class HonestLog:
    """One log, and the exports of it.

    Attributes:
        seed: Decides everything.
        lines: The chain.
        sizes: At which sizes it was signed; the last covers all lines.
        closed: The months that an entry closes, by name: the entry's number, first line and end.
    """

    seed: int
    lines: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    closed: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let it happen."""
        self._rolls = random.Random(self.seed)
        self.org = self._id()
        self.notary = Notary(DEPLOYMENT, SEED)
        self._prev = line.genesis(self.org)
        self._at, self._month_first = START, 0
        self._names: dict[int, KeptName] = {}
        self._held: dict[str, int] = {}
        self.residents = [self._id() for _ in range(self._rolls.randrange(6))]
        self._subjects: dict[str, list[int]] = {}
        self._leaves: list[bytes] = []
        for _ in range(self._rolls.choice((0, 1, 2, 8, 40, 40))):
            self._happen()
        self._sign()

    # --- what happens -------------------------------------------------------------------------

    def _id(self) -> str:
        return f"0190a000-0000-7000-8000-{self._rolls.getrandbits(48):012x}"

    def _word(self) -> str:
        return "".join(self._rolls.choices(LETTERS, k=self._rolls.randrange(12)))

    def _happen(self) -> None:
        self._at += timedelta(seconds=self._rolls.choice((0, 0, 0.000001, 1, 3600, 86_400 * 9)))
        month = spell(self._at)[:7]
        if self.lines and json.loads(self.lines[self._month_first])["c"]["ts"][:7] < month:
            self._close()
        roll = self._rolls.random()
        if roll < 0.25 or not self._held:
            self._name()
        else:
            self._append(self._event())
        if roll > 0.8:
            self._sign()

    def _append(self, event: dict[str, Any]) -> int:
        seq = len(self.lines)
        made = {"v": 1, "id": self._id(), "out": "ok"} | event
        self.lines.append(line.splice(self.org, seq, spell(self._at), self._prev, line.canonical(made)))
        self._leaves.append(merkle.leaf_hash(self.lines[-1]))
        self._prev = self._leaves[-1].hex()
        for resident in dict.fromkeys(made.get("subs", ())):
            self._subjects.setdefault(resident, []).append(seq)
        return seq

    def _name(self) -> None:
        """Give somebody new, or somebody known, a name; perhaps it is erased later."""
        person = self._rolls.choice([self._id(), *self._held])
        salt, name = self._rolls.randbytes(32), self._word()
        actor = {"id": "system:identity", "kind": "system"}
        event = {"act": "identity.set", "actor": actor, "obj": {"t": "user", "id": person}}
        seq = self._append(event | {"name_h": sha256(salt + name.encode()).hexdigest()})
        self._held[person] = seq
        if self._rolls.random() < 0.8:
            self._names[seq] = KeptName(seq, person, salt, name)

    def _event(self) -> dict[str, Any]:
        rolls = self._rolls
        person = rolls.choice(list(self._held))
        kind = rolls.choice(("user", "user", "integration"))
        roles = [self._word() for _ in range(rolls.randrange(3))]
        actor = {"id": person, "kind": kind, "name_seq": self._held[person], "roles": roles}
        more = {
            "out": rolls.choice(("ok", "deny", "fail")),
            "why": self._word(),
            "subs": rolls.choices(self.residents, k=rolls.randrange(4)) if self.residents else [],
            "obj": {"t": self._word(), "id": self._id(), "ver": rolls.randrange(9), "cat": self._word()},
            "chg": [{"f": self._word(), "b": "0" * 64}, {"f": self._word()}][: rolls.randrange(3)],
            "n": rolls.choice((0, 1, 2**53 - 1)),
            "purpose": rolls.choice(("care", "audit", self._word())),
            "src": {"rid": self._word(), "ip_h": "ab" * 16},
            "for": person,
            "grant": self._word(),
            "dev": self._word(),
            "sess": self._word(),
        }
        kept = {name: value for name, value in more.items() if rolls.random() < 0.5}
        return {"act": rolls.choice(ACTS), "actor": actor} | kept

    def _close(self) -> None:
        """Close the month before, as the service does once it is over."""
        first, end = self._month_first, len(self.lines)
        month = json.loads(self.lines[first])["c"]["ts"][:7]
        held = [(r, [n for n in seqs if first <= n < end]) for r, seqs in self._subjects.items()]
        subjects = Subjects(self.org, month, [Subject(r, len(s), s[-1]) for r, s in held if s])
        root = merkle.root_of(self._leaves[:end])
        told = {"first": first, "end": end, "root": root.hex(), "leaves": len(subjects)}
        event = {"act": "segment.close", "actor": {"id": "system:segments", "kind": "system"}}
        event |= {"obj": {"t": "segment", "id": month}, "seg": told | {"subjects": subjects.root.hex()}}
        self.closed[month] = (self._append(event), first, end)
        self._month_first = end

    def _sign(self) -> None:
        if len(self.lines) not in self.sizes:
            self.sizes.append(len(self.lines))

    # --- what is exported ---------------------------------------------------------------------

    @property
    def vkey(self) -> str:
        """The verifier key."""
        return self.notary.vkeys(self.org)[0]

    def note(self, size: int) -> bytes:
        """Return the signed checkpoint at a size."""
        return self.notary.sign_checkpoint(self.org, size, merkle.root_of(self._leaves[:size])).encode()

    def whole(self) -> dict[str, bytes]:
        """Return the files of the whole export."""
        return self._sealed(self.lines, [self._names[seq] for seq in sorted(self._names)], self.sizes, {})

    def _sealed(
        self, lines: list[bytes], names: list[KeptName], sizes: list[int], more: dict[str, bytes], **said: Any
    ) -> dict[str, bytes]:
        known, origin = {kept.seq: kept.name for kept in names}, self.notary.origin(self.org)
        files = {
            "events.jsonl": b"".join(export_files.jsonl_of(lines)),
            "names.jsonl": export_files.name_lines(names),
            "checkpoints.note": b"\n".join(self.note(size) for size in sizes),
            "events.csv": verify.CSV_HEADER + b"".join(export_files.csv_of(lines, known)),
            "fhir.ndjson": b"".join(export_files.fhir_of(lines, known, origin)),
        }
        sealed = Sample(self.org, Ed25519PrivateKey.from_private_bytes(SEED), []).sealed(files | more, **said)
        assert self.vkey.encode() in sealed["manifest.json"]
        return sealed

    def note_over(self, manifest: bytes) -> bytes:
        """Return `manifest.sig` for any manifest."""
        return self.notary.sign_manifest(self.org, manifest).encode()

    def sealed_again(self, files: dict[str, bytes], said: dict[str, Any]) -> dict[str, bytes]:
        """Return changed files sealed anew, with all that a manifest said beside them."""
        kept = {name: value for name, value in said.items() if name != "files"}
        sample = Sample(self.org, Ed25519PrivateKey.from_private_bytes(SEED), [])
        return sample.sealed(files, **kept)

    def selection(self) -> dict[str, bytes]:
        """Return the files of an export of some lines, each with its proof."""
        chosen = sorted(self._rolls.sample(range(len(self.lines)), self._rolls.randint(1, len(self.lines))))
        lines = [self.lines[n] for n in chosen]
        said = {"first": chosen[0], "last": chosen[-1], "filter": {"picked": "by hand"}}
        proofs = b"".join(self._proof(n) for n in chosen)
        return self._sealed(lines, [], self.sizes[-1:], {"proofs.jsonl": proofs}, **said)

    def _proof(self, seq: int) -> bytes:
        path = "".join(base64_of(part) + "\n" for part in path_of(seq, self._leaves))
        text = f"c2sp.org/tlog-proof@v1\nindex {seq}\n{path}\n{self.note(len(self.lines)).decode()}"
        return canonical({"seq": seq, "proof": text}) + b"\n"
