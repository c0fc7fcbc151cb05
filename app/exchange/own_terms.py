"""Words of ours and of FHIR that the writer and the reader of resources have to agree on."""

from typing import Any

REVIEW_ON = "urn:caretrail:review-on"
"""An extension of a Consent: the day on which somebody looks at it again. It ends nothing."""

ABOUT = "urn:caretrail:about"
"""The system of the category that a document is about."""

SNOMED_CT = "http://snomed.info/sct"
NO_KNOWN_ALLERGY = "716186003"

UNKNOWN: dict[str, Any] = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    ]
}
"""What stands where FHIR asks for an element and no record has it."""
