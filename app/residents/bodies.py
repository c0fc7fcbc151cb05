"""What a record may hold, by category, and the one way in for every body.

A body is stored and returned as plain JSON. `parse_body` takes what a caller sent,
`parse_imported_body` what an import made; both refuse everything the model does not name.
Identity and identifiers are categories of the resident itself: see `identity.py`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from app.core.errors import InvalidRequestError
from app.residents.clinical_bodies import (
    AdvanceCarePlan,
    Allergy,
    Diet,
    Document,
    ImportedDocument,
    ImportedMedication,
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
from app.residents.refusals import read

JsonObject = dict[str, Any]

BODY_OF: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "about_me": AboutMe,
        "advance_care_plan": AdvanceCarePlan,
        "allergy": Allergy,
        "capacity": Capacity,
        "care_plan": CarePlan,
        "consent": Consent,
        "contacts": Contacts,
        "daily_note": DailyNote,
        "diet": Diet,
        "document": Document,
        "finance": Finance,
        "incident_report": IncidentReport,
        "medication": Medication,
        "medication_administration": MedicationAdministration,
        "observation": Observation,
        "professional_visit": ProfessionalVisit,
        "risk_assessment": RiskAssessment,
        "safeguarding": Safeguarding,
    }
)
"""The model of each of the 18 record categories."""

_IMPORTED: Mapping[str, type[BaseModel]] = MappingProxyType(
    {"document": ImportedDocument, "medication": ImportedMedication}
)

AnyBody = (
    AboutMe
    | AdvanceCarePlan
    | Allergy
    | Capacity
    | CarePlan
    | Consent
    | Contacts
    | DailyNote
    | Diet
    | Document
    | Finance
    | ImportedDocument
    | IncidentReport
    | Medication
    | MedicationAdministration
    | Observation
    | ProfessionalVisit
    | RiskAssessment
    | Safeguarding
)
"""Every body there is, for the documentation of answers. Input goes through `parse_body`."""


def parse_body(category: str, raw: Any) -> BaseModel:
    """Return the body a caller sent for a category.

    Args:
        category: A record category of the contract.
        raw: The decoded JSON value of `body`.

    Returns:
        The body, its texts in NFC and its instants in UTC.

    Raises:
        InvalidRequestError: With a JSON pointer from `/body` and a sentence for each fault.
    """
    return read(_model_of(category), raw, "/body")


def parse_imported_body(category: str, raw: Any) -> BaseModel:
    """Return the body an import made: as `parse_body`, but nothing the source holds is lost by it.

    A document may lack its bytes, and a medicine may have ended before it started.

    Raises:
        InvalidRequestError: As `parse_body`.
    """
    return read(_IMPORTED.get(category) or _model_of(category), raw, "/body")


def dump(body: BaseModel) -> JsonObject:
    """Return the plain JSON of a body, without the optional fields it does not have."""
    plain: JsonObject = body.model_dump(mode="json", exclude_none=True)
    if isinstance(body, ImportedDocument):
        plain["content_base64"] = body.content_base64  # null says: there were no bytes
    return plain


def _model_of(category: str) -> type[BaseModel]:
    model = BODY_OF.get(category)
    if model is None:
        raise InvalidRequestError(("/category", "Must be a record category."))
    return model
