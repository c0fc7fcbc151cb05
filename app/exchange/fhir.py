"""From a FHIR R4 bundle to a plan: whose is each resource, what does it become, what is left out.

The order is the argument. Who lives here comes first, for a record needs its resident; then
each resource finds its owner by its references; only then does its type decide what it is.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from app.core.errors import InvalidRequestError
from app.core.local_time import day_of
from app.exchange import (
    mapping_assessments,
    mapping_documents,
    mapping_doses,
    mapping_findings,
    mapping_medicines,
    mapping_person,
    mapping_plans,
    mapping_visits,
    mapping_warnings,
)
from app.exchange.bundle import Entry, JsonObject, entries_of
from app.exchange.dates import Moment, begins, moment
from app.exchange.drafts import (
    Kept,
    LeftOut,
    NotImportableError,
    Plan,
    RecordDraft,
    Remark,
    ResidentDraft,
    Sketch,
)
from app.exchange.elements import is_entered_in_error, objects, text
from app.exchange.reading import Reading, truth
from app.exchange.references import Bundle
from app.residents.bodies import dump, parse_imported_body

MAPPINGS: Mapping[str, Callable[[Reading], list[Sketch]]] = MappingProxyType(
    {
        "AllergyIntolerance": mapping_warnings.allergy,
        "CarePlan": mapping_plans.care_plan,
        "Condition": mapping_findings.condition,
        "Consent": mapping_plans.consent,
        "DiagnosticReport": mapping_findings.diagnostic_report,
        "DocumentReference": mapping_documents.document,
        "Encounter": mapping_visits.encounter,
        "FamilyMemberHistory": mapping_findings.family_history,
        "Flag": mapping_warnings.flag,
        "Immunization": mapping_doses.immunization,
        "MedicationAdministration": mapping_doses.administration,
        "MedicationRequest": mapping_medicines.request,
        "MedicationStatement": mapping_medicines.statement,
        "NutritionOrder": mapping_assessments.diet,
        "Observation": mapping_findings.observation,
        "Patient": mapping_person.patient_records,
        "Procedure": mapping_visits.procedure,
        "QuestionnaireResponse": mapping_findings.questionnaire,
        "RelatedPerson": mapping_person.related_person,
        "RiskAssessment": mapping_assessments.risk,
        "ServiceRequest": mapping_visits.service_request,
    }
)
"""What each type of resource becomes. README.md has the same as a table, with the reasons."""

_WHY_NOT_OURS = {
    "no-subject": "It names no subject, and no resource of a resident refers to it.",
    "other-subject": "Its subject, or what it is about, is not a Patient of this bundle.",
    "several-subjects": "It belongs to more than one person; whose it is cannot be told.",
}
_UNDATED = "None of its dates is one that has come: the record counts from the import."
_UNLINKED = "00000000-0000-0000-0000-000000000000"


def plan(bundle: Any, at: datetime) -> Plan:
    """Return what an import of a bundle would do.

    Args:
        bundle: The decoded JSON of the file.
        at: The present instant: nothing occurred, and nobody was born, after it.

    Returns:
        A plan in which every entry of the bundle is used or left out with a reason.

    Raises:
        InvalidRequestError: It is no bundle. Whatever is wrong inside one is reported.
    """
    return _Planner(bundle, at).plan()


class _Planner:
    """One reading of one bundle."""

    def __init__(self, bundle: Any, at: datetime) -> None:
        entries, aside = entries_of(bundle)
        self._at = at
        self._bundle = Bundle(entries)
        self._count = len(entries) + len(aside)
        self._residents: dict[str, ResidentDraft] = {}
        self._records: dict[str, RecordDraft] = {}
        self._left_out = {one.position: LeftOut(one.position, one.key, one.code, one.reason) for one in aside}
        self._remarks: list[Remark] = []

    def plan(self) -> Plan:
        """Go through the bundle: residents, records, then what nothing was made of."""
        for patient in self._bundle.patients():
            self._attempt(patient, self._admit)
        # An administration comes after the medication it needs
        for entry in sorted(self._bundle.entries, key=lambda entry: entry.type == "MedicationAdministration"):
            self._attempt(entry, self._record)
        self._leave_out_unused()
        records = sorted(self._records.values(), key=lambda record: record.medication_key is not None)
        left_out = sorted(self._left_out.values(), key=lambda one: one.position)
        return Plan(
            self._count,
            tuple(self._residents.values()),
            tuple(records),
            tuple(left_out),
            tuple(self._remarks),
        )

    def _attempt(self, entry: Entry, step: Callable[[Entry], None]) -> None:
        try:
            if entry.position not in self._left_out:
                step(entry)
        except NotImportableError as refused:
            self._leave_out(entry, refused.code, refused.reason)

    def _leave_out(self, entry: Entry, code: str, reason: str) -> None:
        if entry.key in self._residents:
            self._remarks.append(Remark(entry.key, f"Only the resident is imported. {reason}"))
        else:
            self._left_out[entry.position] = LeftOut(entry.position, entry.key, code, reason)

    def _admit(self, patient: Entry) -> None:
        why_not = self._why_not_admitted(patient)
        if why_not:
            raise NotImportableError("not-valid", why_not)
        identity, identifiers = mapping_person.resident(patient, day_of(self._at))
        kept, positions = Kept(patient.resource), frozenset({patient.position})
        has_died = truth(patient.resource, "deceasedBoolean") or patient.resource.get("deceasedDateTime")
        is_in_use = patient.resource.get("active") is None or truth(patient.resource, "active")
        self._residents[patient.key] = ResidentDraft(patient.key, identity, identifiers, kept, positions)
        if has_died:
            self._remarks.append(Remark(patient.key, "The source says that this person has died."))
        if not is_in_use:
            self._remarks.append(Remark(patient.key, "The source no longer uses this record of the person."))

    def _why_not_admitted(self, patient: Entry) -> str | None:
        if self._bundle.sharing_nhs_number(patient):
            return "Another Patient of the bundle carries the same NHS number."
        if is_entered_in_error(patient.resource):
            return "The Patient is marked as entered in error."
        links = objects(patient.resource.get("link"))
        if any(text(link.get("type")) == "replaced-by" for link in links):
            return "The Patient was replaced by another: that one is to be imported."
        return None

    def _record(self, entry: Entry) -> None:
        if entry.type == "Medication":
            return  # a product is kept with the records that name it
        owner = self._bundle.belonging(entry)
        if not isinstance(owner, Entry) and (owner != "no-subject" or entry.type in MAPPINGS):
            raise NotImportableError(owner, _WHY_NOT_OURS[owner])
        if entry.type not in MAPPINGS or not isinstance(owner, Entry):
            subject = "" if isinstance(owner, Entry) else " It names no subject."
            reason = f"No category of records takes a resource of this type.{subject}"
            raise NotImportableError("no-category", reason)
        if owner.key not in self._residents:
            raise NotImportableError("resident-left-out", "Its Patient could not be imported.")
        reading = Reading(entry, owner, self._bundle, day_of(self._at))
        drafts = [self._draft(sketch, reading) for sketch in MAPPINGS[entry.type](reading)]
        must_be_linked(drafts, self._records)
        self._records.update((draft.key, draft) for draft in drafts)
        self._remarks += [Remark(entry.key, sentence) for sentence in reading.remarks]

    def _draft(self, sketch: Sketch, reading: Reading) -> RecordDraft:
        entry, occurred = reading.entry, moment(sketch.dates, self._at)
        if occurred.at is None and any(map(begins, sketch.dates)):
            reading.remark(_UNDATED)
        return RecordDraft(
            key=sketch.key_of(entry),
            source_key=entry.key,
            resident_key=reading.owner.key,
            category=sketch.category,
            body=checked_body(sketch, occurred),
            occurred_at=occurred.at,
            occurred_at_estimated=occurred.estimated,
            entered_in_error=is_entered_in_error(entry.resource),
            medication_key=sketch.medication,
            prescription_key=sketch.prescription,
            kept=Kept(entry.resource, _named(sketch.parts)),
            positions=frozenset({entry.position, *(part.position for part in sketch.parts)}),
        )

    def _leave_out_unused(self) -> None:
        used = {position for record in self._records.values() for position in record.positions}
        used |= {position for resident in self._residents.values() for position in resident.positions}
        for entry in self._bundle.entries:
            if entry.position not in used and entry.position not in self._left_out:
                reason = "It is a product, and no prescription or administration of a resident names it."
                self._leave_out(entry, "no-subject", reason)


def _named(parts: tuple[Entry, ...]) -> dict[str, JsonObject]:
    """Return resources by name: what else the bundle holds must not show in what is kept of a record."""
    names = Counter(part.name for part in parts)
    return {part.name if names[part.name] == 1 else part.address: part.resource for part in parts}


def must_be_linked(drafts: list[RecordDraft], earlier: Mapping[str, RecordDraft]) -> None:
    """Check that each administration has its medication among its own or the earlier drafts.

    Raises:
        NotImportableError: One has not.
    """
    own = {draft.key for draft in drafts}
    for draft in drafts:
        if (
            draft.medication_key is not None
            and draft.medication_key not in own
            and draft.medication_key not in earlier
        ):
            raise NotImportableError("medication-left-out", "The medication it belongs to is not imported.")


def checked_body(sketch: Sketch, occurred: Moment) -> dict[str, Any]:
    """Return the body of a sketch as it will be stored, but without the link to a medication.

    Raises:
        NotImportableError: The mapping made something that a record may not hold.
    """
    raw = sketch.body
    if sketch.category == "medication_administration":
        if occurred.at is None or occurred.estimated:
            reason = "It does not say on which day and when, or says a time that has not come yet."
            raise NotImportableError("no-time", reason)
        raw = raw | {"medication_id": _UNLINKED, "given_at": occurred.at}
    try:
        body = dump(parse_imported_body(sketch.category, raw))
    except InvalidRequestError as refused:
        faults = " ".join(f"{pointer}: {sentence}" for pointer, sentence in refused.errors)
        raise NotImportableError("not-valid", f"Its record would not be sound. {faults}") from None
    body.pop("medication_id", None)
    return body
