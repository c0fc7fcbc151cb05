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
from app.exchange.matching import PatientInDoubtError, Recorded, find, just_made
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

_RECORDS = select(record.c.source_index, record.c.source_digest, record.c.id, record.c.deleted).where(
    record.c.org == bindparam("org"),
    record.c.resident_id == bindparam("resident"),
    record.c.source_index.is_not(None),
)

_DELETED = "The record of its medicine was deleted, or never made: a person must say what the dose was of."
_NOT_IMPORTED = "The prescription it names was not imported, neither now nor earlier."


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

    def leaves_out(self, source_key: str, code: str, reason: str) -> None:
        """Note that nothing is made of a resource, and why."""
        self.not_imported.append({"resource": source_key, "code": code, "reason": reason})

    def remark(self, source_key: str, sentence: str) -> None:
        """Note something about a resource, once."""
        told = {"resource": source_key, "remark": sentence}
        if told not in self.remarks:
            self.remarks.append(told)

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
        for left in self.plan.left_out:
            report.leaves_out(left.key, left.code, left.reason)
        report.remarks = [{"resource": r.key, "remark": r.sentence} for r in self.plan.remarks]
        people, rows = _people(opened, self, report)
        _report_moved(people, report)
        for person in people:
            _records(opened, person, report)
        opened.note = Note(object=("home", self.home_id), reason=opened.visit.reason)
        opened.note.homes = tuple(dict.fromkeys((self.home_id, *(row.home_id for row in rows))))
        opened.discloses(*(row.id for row in rows), count=len(report.created))
        return Answer(report.plain())


class _Known(NamedTuple):
    """What earlier runs made for a resident: ids by index, digests by index and by resource.

    `deleted` are the ids of records that were deleted, `held` the resources of those that were not.
    """

    ids: dict[bytes, str]
    digests: dict[bytes, set[bytes]]
    deleted: set[str]
    held: set[bytes]

    @classmethod
    def of(cls, opened: Opened, found: Recorded | None) -> Self:
        """Return what is known of somebody, their Patient included."""
        known = cls({}, defaultdict(set), set(), set())
        if found is not None:
            known.digests[resource_of(found.source_index)].add(found.source_digest)
            for row in opened.execute(_RECORDS, {"org": opened.org, "resident": found.row.id}):
                known.ids[row.source_index] = row.id
                for name in (row.source_index, resource_of(row.source_index)):
                    known.digests[name].add(row.source_digest)
                if row.deleted:
                    known.deleted.add(row.id)
                else:
                    known.held.add(resource_of(row.source_index))
        return known


class _Person(NamedTuple):
    """A resident of the run, known again or just made, and what the plan has for them."""

    resident: Recorded
    drafts: dict[bytes, RecordDraft]
    known: _Known


def _people(opened: Opened, run: ImportBundle, report: Report) -> tuple[list[_Person], list[ResidentRow]]:
    """Return the residents of the run, and the rows of all whom the report names."""
    people: list[_Person] = []
    rows: list[ResidentRow] = []
    for draft in run.plan.residents:
        records = [r for r in run.plan.records if r.resident_key == draft.source_key]
        try:
            found = find(opened, draft, [person.resident for person in people])
        except PatientInDoubtError as doubt:
            for source in dict.fromkeys([draft.source_key, *(r.source_key for r in records)]):
                report.leaves_out(source, doubt.code, doubt.reason)
            rows.append(doubt.row)
            continue
        one = found or just_made(opened, draft, *_resident(opened, run.home_id, draft))
        status = "created"
        if found is not None:
            status = "unchanged" if found.source_digest == content_digest(opened, draft.kept) else "changed"
            _note_found(report, draft, found.row, run.home_id, status)
        report.residents.append({"resource": draft.source_key, "id": one.row.id, "status": status})
        drafts = {record_index(opened, record.key): record for record in records}
        people.append(_Person(one, drafts, _Known.of(opened, found)))
        rows.append(one.row)
    return people, rows


def _note_found(report: Report, draft: ResidentDraft, row: ResidentRow, home_id: str, status: str) -> None:
    """Note what somebody who imports to a resident recorded earlier has to know."""
    if status == "changed":
        report.differs(draft.source_key)
    if (row.status, row.home_id) != ("resident", home_id):
        sentence = f"Their status is {row.status}, their home {row.home_id}: what is new was added there."
        report.remark(draft.source_key, sentence)


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


def _report_moved(people: list[_Person], report: Report) -> None:
    """Note what the source says of somebody now and an earlier run recorded for another of this run."""
    holders: dict[bytes, list[str]] = defaultdict(list)
    for person in people:
        for resource in person.known.held:
            holders[resource].append(person.resident.row.id)
    for person in people:
        for index, draft in person.drafts.items():
            for other in holders.get(resource_of(index), ()):
                if other != person.resident.row.id:
                    report.differs(draft.source_key)
                    report.remark(
                        draft.source_key, f"It is recorded for resident {other}, too: decide whose it is."
                    )


def _records(opened: Opened, person: _Person, report: Report) -> None:
    known = person.known
    ids = {draft.key: known.ids[index] for index, draft in person.drafts.items() if index in known.ids}
    for index, draft in person.drafts.items():
        earlier = known.digests.get(index) or known.digests.get(resource_of(index))
        prescription = _recorded_prescription(opened, draft, known)
        if earlier and content_digest(opened, draft.kept) not in earlier:
            report.differs(draft.source_key)
        elif index in known.ids:
            report.unchanged += 1
        elif draft.is_stand_in and (earlier or prescription):
            continue  # its dose belongs to another medication
        elif draft.medication_key is None:
            ids[draft.key] = _make(opened, person, draft, draft.body, report)
        else:
            if draft.prescription_key and not prescription:
                report.remark(draft.source_key, _NOT_IMPORTED)
            medication = prescription or ids.get(draft.medication_key)
            if medication is None or medication in known.deleted:
                report.leaves_out(draft.source_key, "medication-left-out", _DELETED)
            else:
                body = draft.whole_body({draft.medication_key: medication})
                ids[draft.key] = _make(opened, person, draft, body, report)


def _recorded_prescription(opened: Opened, draft: RecordDraft, known: _Known) -> str | None:
    key = draft.prescription_key
    return known.ids.get(record_index(opened, key)) if key else None


def _make(opened: Opened, person: _Person, draft: RecordDraft, body: dict[str, Any], report: Report) -> str:
    record_id = _record(opened, person.resident, draft, body)
    report.created.append({"resource": draft.source_key, "id": record_id, "category": draft.category})
    return record_id


def _record(opened: Opened, one: Recorded, draft: RecordDraft, body: dict[str, Any]) -> str:
    now = spell(opened.at)
    row = RecordRow(
        id=new_id(),
        org=opened.org,
        resident_id=one.row.id,
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
    opened.note.homes = (one.row.home_id,)
    place = record_place(opened.org, one.row.id, row.id, "source", 1)
    source = columns(opened, one.key, draft.kept, record_index(opened, draft.key), place)
    make(opened, one.key, row, body, source)
    opened.also.append(further_entry(opened, "record.create"))
    return row.id
