"""A record as a caller sends it, told apart by its category: the shape `openapi.yaml` shows.

One class for each category, so that a vendor's generator makes one type for each. The
bodies are those of `bodies.py`; a test holds the two lists together.
"""

from typing import Annotated, Literal

from pydantic import Field

from app.residents.clinical_bodies import (
    AdvanceCarePlan,
    Allergy,
    Diet,
    Document,
    Medication,
    MedicationAdministration,
    Observation,
)
from app.residents.daily_bodies import (
    AboutMe,
    Capacity,
    CarePlan,
    Consent,
    Contacts,
    DailyNote,
    Finance,
    IncidentReport,
    ProfessionalVisit,
    RiskAssessment,
    Safeguarding,
)
from app.residents.texts import Body, Instant


class _NewRecord(Body):
    occurred_at: Instant


class NewAboutMe(_NewRecord):
    """Something about the person, to be recorded."""

    category: Literal["about_me"]
    body: AboutMe


class NewAdvanceCarePlan(_NewRecord):
    """An advance care plan, to be recorded."""

    category: Literal["advance_care_plan"]
    body: AdvanceCarePlan


class NewAllergy(_NewRecord):
    """An allergy, or that none is known, to be recorded."""

    category: Literal["allergy"]
    body: Allergy


class NewCapacity(_NewRecord):
    """An assessment of capacity, to be recorded."""

    category: Literal["capacity"]
    body: Capacity


class NewCarePlan(_NewRecord):
    """A care plan, to be recorded."""

    category: Literal["care_plan"]
    body: CarePlan


class NewConsent(_NewRecord):
    """A consent, to be recorded."""

    category: Literal["consent"]
    body: Consent


class NewContacts(_NewRecord):
    """A contact, to be recorded."""

    category: Literal["contacts"]
    body: Contacts


class NewDailyNote(_NewRecord):
    """A daily note, to be recorded."""

    category: Literal["daily_note"]
    body: DailyNote


class NewDiet(_NewRecord):
    """A diet, to be recorded."""

    category: Literal["diet"]
    body: Diet


class NewDocument(_NewRecord):
    """A document, to be recorded."""

    category: Literal["document"]
    body: Document


class NewFinance(_NewRecord):
    """Something about money, to be recorded."""

    category: Literal["finance"]
    body: Finance


class NewIncidentReport(_NewRecord):
    """An incident report, to be recorded."""

    category: Literal["incident_report"]
    body: IncidentReport


class NewMedication(_NewRecord):
    """A medicine, to be recorded."""

    category: Literal["medication"]
    body: Medication


class NewMedicationAdministration(_NewRecord):
    """A dose given or not given, to be recorded."""

    category: Literal["medication_administration"]
    body: MedicationAdministration


class NewObservation(_NewRecord):
    """An observation, to be recorded."""

    category: Literal["observation"]
    body: Observation


class NewProfessionalVisit(_NewRecord):
    """A professional's visit, to be recorded."""

    category: Literal["professional_visit"]
    body: ProfessionalVisit


class NewRiskAssessment(_NewRecord):
    """A risk assessment, to be recorded."""

    category: Literal["risk_assessment"]
    body: RiskAssessment


class NewSafeguarding(_NewRecord):
    """A safeguarding concern, to be recorded."""

    category: Literal["safeguarding"]
    body: Safeguarding


NewRecord = Annotated[
    NewAboutMe
    | NewAdvanceCarePlan
    | NewAllergy
    | NewCapacity
    | NewCarePlan
    | NewConsent
    | NewContacts
    | NewDailyNote
    | NewDiet
    | NewDocument
    | NewFinance
    | NewIncidentReport
    | NewMedication
    | NewMedicationAdministration
    | NewObservation
    | NewProfessionalVisit
    | NewRiskAssessment
    | NewSafeguarding,
    Field(discriminator="category"),
]
"""Any record to be made, told apart by `category`."""
