"""Carrying out a plan: residents and records of a bundle come into a home, once.

The original resource is sealed with the record it became. A run that finds a resource again adds
nothing; one that finds it changed reports that and applies nothing, whatever it would become now, for a
care record is amended by people. One entry is made for the run, and one for each resident and record it
makes.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from sqlalchemy import bindparam, select

from app.access.drafting import further_entry
from app.access.opened import Note, Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.identifiers import new_id
from app.core.local_time import day_of
from app.exchange.drafts import Plan, RecordDraft, ResidentDraft
from app.exchange.matching import PatientInDoubtError, Recorded, find
from app.exchange.sources import columns, content_digest, record_index, resource_index, resource_of
from app.identity.homes import require_home
from app.residents.admission import AdmitResident, admit, new_resident
from app.residents.bodies import dump
from app.residents.boxes import record_place, resident_place
from app.residents.recording import make
from app.residents.rows import RecordRow, ResidentRow
from app.residents.table import record
from app.vault.sealing import DataKey

IMPORT = Operation("*", "*", "system", "self", "import.run", 201)
IMPORTER = "system:cli"

_RECORDS = select(record.c.source_index, record.c.source_digest, record.c.id).where(
    record.c.org == bindparam("org"),
    record.c.resident_id == bindparam("resident"),
    record.c.source_index.is_not(None),
)


@dataclass
class Report:
    """What a run did, by resource id. No names, no content."""

    residents: list[dict[str, str]] = field(default_factory=list)
    created: list[dict[str, str]] = field(default_factory=list)
    unchanged: int = 0
    changed: list[str] = field(default_factory=list)
    not_imported: list[dict[str, str]] = field(default_factory=list)
    remarks: list[dict[str, str]] = field(default_factory=list)

    def differs(self, source_key: str) -> None:
        """Note once that a resource is another than when it was imported."""
        if source_key not in self.changed:
            self.changed.append(source_key)

    def plain(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "residents": self.residents,
            "records_created": len(self.created),
            "records": self.created,
            "records_unchanged": self.unchanged,
            "changed_not_applied": self.changed,
            "not_imported": self.not_imported,
            "remarks": self.remarks,
        }


@dataclass
class ImportBundle(Work):
    """Bring the residents and records of a plan into a home."""

    plan: Plan
    home_id: str
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the home."""
        return "home", self.home_id

    def perform(self, opened: Opened) -> Answer:
        """Write what is new and report the rest."""
        require_home(opened, self.home_id)
        report = Report()
        report.not_imported = [
            {"resource": left.key, "code": left.code, "reason": left.reason} for left in self.plan.left_out
        ]
        report.remarks = [{"resource": r.key, "remark": r.sentence} for r in self.plan.remarks]
        rows = [_import_one(opened, self, draft, report) for draft in self.plan.residents]
        opened.note = Note(object=("home", self.home_id), reason=opened.visit.reason)
        opened.note.homes = tuple(dict.fromkeys((self.home_id, *(row.home_id for row in rows))))
        opened.discloses(*(row.id for row in rows), count=len(report.created))
        return Answer(report.plain())


def _import_one(opened: Opened, run: ImportBundle, draft: ResidentDraft, report: Report) -> ResidentRow:
    """Import a resident and what is theirs; return the resident the report names for it."""
    records = [r for r in run.plan.records if r.resident_key == draft.source_key]
    try:
        found = find(opened, draft)
    except PatientInDoubtError as doubt:
        report.not_imported += [
            {"resource": source, "code": doubt.code, "reason": doubt.reason}
            for source in dict.fromkeys([draft.source_key, *(r.source_key for r in records)])
        ]
        return doubt.row
    if found is None:
        row, key = _resident(opened, run.home_id, draft)
        status = "created"
    else:
        row, key = found.row, found.key
        status = "unchanged" if found.source_digest == content_digest(opened, draft.kept) else "changed"
        _note_found(report, draft, row, run.home_id, status)
    report.residents.append({"resource": draft.source_key, "id": row.id, "status": status})
    _records(opened, row, key, records, _Known.of(opened, found), report)
    return row


def _note_found(report: Report, draft: ResidentDraft, row: ResidentRow, home_id: str, status: str) -> None:
    """Note what somebody who imports to a resident recorded earlier has to know."""
    if status == "changed":
        report.differs(draft.source_key)
    if (row.status, row.home_id) != ("resident", home_id):
        sentence = f"Their status is {row.status}, their home {row.home_id}: what is new was added there."
        report.remarks.append({"resource": draft.source_key, "remark": sentence})


def _resident(opened: Opened, home_id: str, draft: ResidentDraft) -> tuple[ResidentRow, DataKey]:
    asked = AdmitResident(
        home_id, None, None, dump(draft.identity), dump(draft.identifiers), day_of(opened.at).isoformat()
    )
    opened.note = Note()
    key, row, personal = new_resident(opened, asked)
    index = resource_index(opened, draft.source_key)
    place = resident_place(opened.org, row.id, "source", 1)
    admit(opened, (key, row, personal), columns(opened, key, draft.kept, index, place))
    opened.also.append(further_entry(opened, "resident.create"))
    return row, key


class _Known(NamedTuple):
    """What earlier runs made for a resident: ids by index, digests by index and by resource."""

    ids: dict[bytes, str]
    digests: dict[bytes, set[bytes]]

    @classmethod
    def of(cls, opened: Opened, found: Recorded | None) -> Self:
        """Return what is known of somebody, their Patient included."""
        known = cls({}, defaultdict(set))
        if found is not None:
            known.digests[resource_of(found.source_index)].add(found.source_digest)
            for row in opened.execute(_RECORDS, {"org": opened.org, "resident": found.row.id}):
                known.ids[row.source_index] = row.id
                for name in (row.source_index, resource_of(row.source_index)):
                    known.digests[name].add(row.source_digest)
        return known


def _records(
    opened: Opened,
    row: ResidentRow,
    key: DataKey,
    drafts: list[RecordDraft],
    known: _Known,
    report: Report,
) -> None:
    indexes = {draft.key: record_index(opened, draft) for draft in drafts}
    ids = {name: known.ids[index] for name, index in indexes.items() if index in known.ids}
    for draft in drafts:
        index = indexes[draft.key]
        earlier = known.digests.get(index) or known.digests.get(resource_of(index))
        if earlier and content_digest(opened, draft.kept) not in earlier:
            report.differs(draft.source_key)
        elif index in known.ids:
            report.unchanged += 1
        else:
            ids[draft.key] = _record(opened, row, key, draft, draft.whole_body(ids))
            report.created.append(
                {"resource": draft.source_key, "id": ids[draft.key], "category": draft.category}
            )


def _record(
    opened: Opened, resident_row: ResidentRow, key: DataKey, draft: RecordDraft, body: dict[str, Any]
) -> str:
    now = spell(opened.at)
    row = RecordRow(
        id=new_id(),
        org=opened.org,
        resident_id=resident_row.id,
        category=draft.category,
        about=body.get("about"),
        occurred_at=draft.occurred_at or now,
        occurred_at_estimated=draft.occurred_at_estimated or draft.occurred_at is None,
        recorded_at=now,
        recorded_by=IMPORTER,
        first_recorded_at=now,
        author=IMPORTER,
        late=False,
        body=b"",
        medication_id=body.get("medication_id"),
        deleted=draft.entered_in_error,
        version=1,
        state=b"",
    )
    opened.note = Note()
    opened.note.homes = (resident_row.home_id,)
    place = record_place(opened.org, resident_row.id, row.id, "source", 1)
    make(opened, key, row, body, columns(opened, key, draft.kept, record_index(opened, draft), place))
    opened.also.append(further_entry(opened, "record.create"))
    return row.id
