"""Carrying out a plan: residents and records of a bundle come into a home, once.

The original resource is sealed with the record it became. A run that finds a resource again adds
nothing; one that finds it changed reports that and applies nothing, for a care record is amended by
people. One entry is made for the run, and one for each resident and record it makes.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select

from app.access.drafting import further_entry
from app.access.opened import Note, Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import ConflictError
from app.core.identifiers import new_id
from app.core.local_time import day_of
from app.exchange.drafts import Kept, Plan, RecordDraft, ResidentDraft
from app.identity.homes import require_home
from app.residents.admission import AdmitResident, admit, new_resident
from app.residents.bodies import dump
from app.residents.boxes import key_of, record_place, resident_place
from app.residents.identity import fold_name
from app.residents.recording import make
from app.residents.rows import RecordRow, ResidentRow
from app.residents.showing import RESIDENT_COLUMNS
from app.residents.table import record, resident
from app.vault.sealing import DataKey, keyed_digest

IMPORT = Operation("*", "*", "system", "self", "import.run", 201)
IMPORTER = "system:cli"

_RESIDENT = select(*RESIDENT_COLUMNS, resident.c.source_digest).where(
    resident.c.org == bindparam("org"), resident.c.source_index == bindparam("index")
)
_RECORDS = select(record.c.source_index, record.c.source_digest, record.c.id, record.c.deleted).where(
    record.c.org == bindparam("org"), record.c.resident_id == bindparam("resident")
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
        disclosed: list[str] = []
        for draft in self.plan.residents:
            disclosed += _import_one(opened, self, draft, report)
        opened.note = Note(object=("home", self.home_id), reason=opened.visit.reason)
        opened.note.homes = (self.home_id,)
        opened.discloses(*disclosed, count=len(report.created))
        return Answer(report.plain())


def _import_one(opened: Opened, run: ImportBundle, draft: ResidentDraft, report: Report) -> list[str]:
    records = [r for r in run.plan.records if r.resident_key == draft.source_key]
    try:
        row, key, status = _resident(opened, run.home_id, draft)
    except ConflictError:
        reason = "A resident with this NHS number is recorded already and was not made by an import."
        report.not_imported += [
            {"resource": source, "code": "resident-exists", "reason": reason}
            for source in dict.fromkeys([draft.source_key, *(r.source_key for r in records)])
        ]
        return []
    report.residents.append({"resource": draft.source_key, "id": row.id, "status": status})
    if status == "changed":
        report.changed.append(draft.source_key)
    _records(opened, row, key, records, report)
    return [row.id]


def _resident(opened: Opened, home_id: str, draft: ResidentDraft) -> tuple[ResidentRow, DataKey, str]:
    """Return the resident of a draft, admitted now or by an earlier run."""
    index = _index(opened, draft.source_key, *_person(draft))
    found = opened.execute(_RESIDENT, {"org": opened.org, "index": index}).first()
    if found is not None:
        row = ResidentRow._make(found[:-1])
        opened.allows("identity:read", row.place(opened.at))
        status = "unchanged" if found.source_digest == _digest(opened, draft.kept) else "changed"
        return row, key_of(opened, row), status
    asked = AdmitResident(
        home_id, None, None, dump(draft.identity), dump(draft.identifiers), day_of(opened.at).isoformat()
    )
    opened.note = Note()
    key, row, personal = new_resident(opened, asked)
    place = resident_place(opened.org, row.id, "source", 1)
    admit(opened, (key, row, personal), _source(opened, key, draft.kept, index, place))
    opened.also.append(further_entry(opened, "resident.create"))
    return row, key, "created"


def _records(
    opened: Opened, row: ResidentRow, key: DataKey, drafts: list[RecordDraft], report: Report
) -> None:
    found = opened.execute(_RECORDS, {"org": opened.org, "resident": row.id}).all()
    known = {bytes(r.source_index): r for r in found if r.source_index is not None}
    ids = {draft.key: known[i].id for draft in drafts if (i := _index(opened, draft.key)) in known}
    for draft in drafts:
        index = _index(opened, draft.key)
        if index not in known:
            ids[draft.key] = _record(opened, row, key, draft, draft.whole_body(ids))
            report.created.append(
                {"resource": draft.source_key, "id": ids[draft.key], "category": draft.category}
            )
        elif bytes(known[index].source_digest) == _digest(opened, draft.kept):
            report.unchanged += 1
        else:
            report.changed.append(draft.source_key)


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
    make(opened, key, row, body, _source(opened, key, draft.kept, _index(opened, draft.key), place))
    opened.also.append(further_entry(opened, "record.create"))
    return row.id


def _source(opened: Opened, key: DataKey, kept: Kept, index: bytes, place: Any) -> dict[str, Any]:
    """Return the columns that keep the original: how it is found again, whether it changed, itself."""
    return {
        "source_index": index,
        "source_digest": _digest(opened, kept),
        "source": key.seal_json(kept.plain, place),
    }


def _person(draft: ResidentDraft) -> tuple[str, ...]:
    """Return what tells one source's `Patient/1` from another's: never join two people by an id alone."""
    number = draft.identifiers.nhs_number
    if number is not None:
        return (number,)
    return fold_name(draft.identity.family_name), draft.identifiers.date_of_birth


def _index(opened: Opened, *source: str) -> bytes:
    return keyed_digest(opened.look_up_key("import source"), *source)


def _digest(opened: Opened, kept: Kept) -> bytes:
    return keyed_digest(opened.look_up_key("import digest"), kept.digest)
