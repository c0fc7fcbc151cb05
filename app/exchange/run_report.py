"""What a run of an import did, by what the source calls each resource. No names, no content."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

Told = dict[str, str]


@dataclass
class Report:
    """What a run did, or a piece of it.

    The pieces of a run may say the same of one resource: it is told once, hence the dictionaries.

    Attributes:
        residents: Who was met, by their Patient.
        created: Each record made.
        unchanged: How many were there already.
        changed: Resources that are not what they were when they were imported.
        left_out: What the plan makes nothing of: each entry of the bundle, alike or not.
        refused: Resource, code and reason of what this run makes nothing of.
        remarks: Resource and sentence.
        medications: The record of each medication by the key of its draft; a later piece may bring doses.
        held: By resource the residents for whom an earlier run recorded it.
        claims: Resource, its name, and the resident whose it is now.
    """

    residents: dict[str, Told] = field(default_factory=dict)
    created: list[Told] = field(default_factory=list)
    unchanged: int = 0
    changed: dict[str, None] = field(default_factory=dict)
    left_out: list[Told] = field(default_factory=list)
    refused: dict[tuple[str, str, str], None] = field(default_factory=dict)
    remarks: dict[tuple[str, str], None] = field(default_factory=dict)
    medications: dict[str, str] = field(default_factory=dict)
    held: dict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))
    claims: list[tuple[bytes, str, str]] = field(default_factory=list)

    def meets(self, source_key: str, resident_id: str, status: str) -> None:
        """Note who a Patient is here. The first piece that brings them tells whether they are new."""
        self.residents.setdefault(source_key, {"resource": source_key, "id": resident_id, "status": status})

    def makes(self, source_key: str, record_id: str, category: str) -> None:
        """Note a new record."""
        self.created.append({"resource": source_key, "id": record_id, "category": category})

    def differs(self, source_key: str) -> None:
        """Note that a resource is another than when it was imported."""
        self.changed[source_key] = None

    def leaves_out(self, source_key: str, code: str, reason: str) -> None:
        """Note that nothing is made of a resource, and why."""
        self.refused[source_key, code, reason] = None

    def remark(self, source_key: str, sentence: str) -> None:
        """Note something about a resource."""
        self.remarks[source_key, sentence] = None

    def add(self, piece: Self) -> None:
        """Take in what a further piece of the run did."""
        self.residents |= {key: one for key, one in piece.residents.items() if key not in self.residents}
        self.created += piece.created
        self.unchanged += piece.unchanged
        self.changed |= piece.changed
        self.left_out += piece.left_out
        self.refused |= piece.refused
        self.remarks |= piece.remarks
        self.medications |= piece.medications
        for resource, holders in piece.held.items():
            self.held[resource] |= holders
        self.claims += piece.claims

    def plain(self) -> dict[str, Any]:
        """Return the report as JSON."""
        moved = list(self._moved())
        changed = self.changed | dict.fromkeys(source_key for source_key, _ in moved)
        remarks = self.remarks | dict.fromkeys(moved)
        return {
            "residents": list(self.residents.values()),
            "records_created": len(self.created),
            "records": self.created,
            "records_unchanged": self.unchanged,
            "changed_not_applied": list(changed),
            "not_imported": self.left_out
            + [{"resource": key, "code": code, "reason": reason} for key, code, reason in self.refused],
            "remarks": [{"resource": key, "remark": sentence} for key, sentence in remarks],
        }

    def _moved(self) -> Iterator[tuple[str, str]]:
        """Yield remarks on what is somebody's now and an earlier run recorded for another of this run."""
        for resource, source_key, resident_id in self.claims:
            for other in sorted(self.held.get(resource, ())):
                if other != resident_id:
                    yield source_key, f"It is recorded for resident {other}, too: decide whose it is."
