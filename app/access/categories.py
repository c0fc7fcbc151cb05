"""The categories of records, and which of them their authors may amend for how long (contract, section 4)."""

from typing import Literal, get_args

Category = Literal[
    "contacts",
    "about_me",
    "consent",
    "care_plan",
    "risk_assessment",
    "daily_note",
    "observation",
    "medication",
    "medication_administration",
    "allergy",
    "diet",
    "capacity",
    "advance_care_plan",
    "incident_report",
    "safeguarding",
    "professional_visit",
    "finance",
    "document",
]
CATEGORIES: tuple[Category, ...] = get_args(Category)
"""The record categories. `identity` and `identifiers` are categories of the resident itself."""

OWN_AMENDMENT_CATEGORIES = ("daily_note", "observation", "incident_report")
OWN_AMENDMENT_HOURS = 24
