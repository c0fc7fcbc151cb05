"""Carrying out a plan: residents and records of a bundle come into a home, once.

The original resource is sealed with the record it became. A run that finds a resource again adds
nothing; one that finds it changed reports that and applies nothing, whatever it would become now, for a
care record is amended by people. One entry is made for each piece of the run, and one for each resident and
record it makes.

Of two runs of one organisation each would look for somebody before the other has made them. So each piece
takes one lock of the organisation before it looks, and before any lock of a resident, and keeps it until
it is committed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select

from app.access.drafting import further_entry
from app.access.opened import Note, Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.identifiers import id_or_none, new_id
from app.core.local_time import day_of
from app.exchange.drafts import NotImportableError, Plan, RecordDraft, ResidentDraft
from app.exchange.earlier_runs import Known
from app.exchange.matching import PatientInDoubtError, Recorded, find, just_made
from app.exchange.pieces import Piece
from app.exchange.run_report import Report
from app.exchange.sources import Named, columns, content_digest, record_indexes, resident_index, resource_of
from app.identity.homes import require_home
from app.identity.table import organisation
from app.residents.admission import AdmitResident, admit, new_resident
from app.residents.bodies import dump
from app.residents.boxes import record_place, resident_place
from app.residents.recording import make
from app.residents.rows import RecordRow, ResidentRow
from app.vault.sealing import DataKey

IMPORT = Operation("*", "*", "system", "self", "import.run", 201)
IMPORTER = "system:cli"

_LOCK = select(organisation.c.id).where(organisation.c.id == bindparam("of")).with_for_update(key_share=True)

_DELETED = "The record of its medicine was deleted, or never made: a person must say what the dose was of."
_NOT_IMPORTED = "The prescription it names was not imported, neither now nor earlier."
_WHICH_PRESCRIPTION = (
    "A prescription of the id it names was imported, and one of the two does not name its server: whether it"
    " is the one cannot be told, and the dose is not linked to it."
)
_WHICH_RESOURCE = (
    "An earlier run imported another under this id, and one of the two does not name its server: whether it"
    " is the same, changed, cannot be told, and nothing was added. Compare the two."
)
_GONE = "Its resident was removed or erased while this run was under way."


@dataclass
class ImportBundle(Work):
    """Bring the residents and records of a plan, or of a piece of one, into a home."""

    plan: Plan | Piece
    home_id: str
    medications: Mapping[str, str] = field(default_factory=dict)
    """What earlier pieces of the run made or found: see `Report`."""
    report: Report = field(default_factory=Report, init=False)
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return the home."""
        return "home", id_or_none(self.home_id)

    def perform(self, opened: Opened) -> Answer:
        """Write what is new and report the rest."""
        opened.execute(_LOCK, {"of": opened.org})
        require_home(opened, self.home_id)
        report = self.report = Report()  # whatever an attempt that was taken back found
        report.left_out = [
            {"resource": left.key, "code": left.code, "reason": left.reason} for left in self.plan.left_out
        ]
        report.medications |= self.medications
        for one in self.plan.remarks:
            report.remark(one.key, one.sentence)
        people, rows = _people(opened, self, report)
        for person in people:
            _records(opened, person, report)
        opened.note = Note(object=("home", self.home_id), reason=opened.visit.reason)
        opened.note.homes = tuple(dict.fromkeys((self.home_id, *(row.home_id for row in rows))))
        opened.discloses(*(row.id for row in rows), count=len(report.created))
        return Answer(report.plain())


class _Person(NamedTuple):
    """A resident of the run, known again or just made, and what the plan has for them."""

    resident: Recorded
    drafts: dict[Named, RecordDraft]
    known: Known


def _people(opened: Opened, run: ImportBundle, report: Report) -> tuple[list[_Person], list[ResidentRow]]:
    """Return the residents of the run, and the rows of all whom the report names."""
    people: list[_Person] = []
    rows: list[ResidentRow] = []
    for draft in run.plan.residents:
        records = [r for r in run.plan.records if r.resident_key == draft.source_key]
        try:
            found = _found(opened, draft, people)
        except NotImportableError as refused:
            for source in (draft.source_key, *(r.source_key for r in records)):
                report.leaves_out(source, refused.code, str(refused))
            rows += [refused.row] if isinstance(refused, PatientInDoubtError) else []
            continue
        one = found or just_made(opened, draft, *_resident(opened, run.home_id, draft))
        status = "created"
        if found is not None:
            status = "unchanged" if found.source_digest == content_digest(opened, draft.kept) else "changed"
            _note_found(report, draft, found.row, run.home_id, status)
        report.meets(draft.source_key, one.row.id, status)
        drafts = {record_indexes(opened, record.key): record for record in records}
        asked = _looked_for(opened, records) if draft.continues else None
        people.append(_Person(one, drafts, Known.of(opened, found, asked)))
        rows.append(one.row)
    return people, rows


def _found(opened: Opened, draft: ResidentDraft, people: list[_Person]) -> Recorded | None:
    found = find(opened, draft, [person.resident for person in people])
    if found is None and draft.continues:
        raise NotImportableError("resident-left-out", _GONE)
    return found


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
    index = resident_index(opened, draft.source_key)
    place = resident_place(opened.org, row.id, "source", 1)
    admit(opened, (key, row, personal), columns(opened, key, draft.kept, index, place))
    opened.also.append(further_entry(opened, "resident.create"))
    return row, key


def _records(opened: Opened, person: _Person, report: Report) -> None:
    known, resident_id = person.known, person.resident.row.id
    for resource in known.held:
        report.held[resource].add(resident_id)
    for named, draft in person.drafts.items():
        report.claims += [(resource_of(one), draft.source_key, resident_id) for one in dict.fromkeys(named)]
        standing, there = known.judge(named, content_digest(opened, draft.kept))
        if standing == "unchanged":
            report.unchanged += 1
        elif standing == "changed":
            report.differs(draft.source_key)
        elif standing == "in doubt":
            report.differs(draft.source_key)
            report.remark(draft.source_key, _WHICH_RESOURCE)
        else:
            there = _add(opened, person, draft, report)
        if there is not None and draft.category == "medication":
            report.medications[draft.key] = there


def _add(opened: Opened, person: _Person, draft: RecordDraft, report: Report) -> str | None:
    """Have a record made, and return its id; None where nothing is to be made of the draft."""
    known, body = person.known, draft.body
    standing, prescription = _prescription(opened, draft, known)
    if draft.is_stand_in and (prescription or _dose_is_known(opened, draft, known)):
        return None  # its dose belongs to another medication
    if draft.medication_key is not None:
        if draft.prescription_key and not prescription:
            report.remark(draft.source_key, _WHICH_PRESCRIPTION if standing == "in doubt" else _NOT_IMPORTED)
        medication = prescription or report.medications.get(draft.medication_key)
        is_gone = medication in known.deleted and not draft.entered_in_error
        if medication is None or is_gone:
            report.leaves_out(draft.source_key, "medication-left-out", _DELETED)
            return None
        body = draft.whole_body({draft.medication_key: medication})
    record_id = _record(opened, person.resident, draft, body)
    report.makes(draft.source_key, record_id, draft.category)
    return record_id


def _prescription(opened: Opened, draft: RecordDraft, known: Known) -> tuple[str, str | None]:
    key = draft.prescription_key
    return known.prescription(record_indexes(opened, key)) if key else ("new", None)


def _looked_for(opened: Opened, drafts: list[RecordDraft]) -> list[Named]:
    """Return the indexes of all records on which it depends what is made of these."""
    keys = {key for one in drafts for key in (one.key, one.medication_key, one.prescription_key) if key}
    keys |= {_dose(one) for one in drafts if one.is_stand_in}
    return [record_indexes(opened, key) for key in keys]


def _dose_is_known(opened: Opened, stand_in: RecordDraft, known: Known) -> bool:
    named, digest = record_indexes(opened, _dose(stand_in)), content_digest(opened, stand_in.kept)
    return known.judge(named, digest)[0] == "unchanged"


def _dose(stand_in: RecordDraft) -> str:
    return f"{stand_in.key.partition('#')[0]}#medication_administration"


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
    source = columns(opened, one.key, draft.kept, record_indexes(opened, draft.key).own, place)
    make(opened, one.key, row, body, source)
    opened.also.append(further_entry(opened, "record.create"))
    return row.id
