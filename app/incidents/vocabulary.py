"""The words of incidents, as requests, rows and answers have them.

Source: guide 6.1.1 of the DSPT's big picture guides (what to report), UK GDPR article 33 (what to tell).
"""

from typing import Any, Final, Literal

from app.access.categories import Category as OfARecord

Nature = Literal["incident", "near_miss"]
"""A near miss is kept and learned from, and nobody outside has to be told of it."""
Kind = Literal[
    "disclosure",
    "loss_or_theft",
    "intrusion_attempt",
    "unauthorised_change",
    "malware",
    "social_engineering",
    "unattended_device",
    "mis_sent",
    "insider_misuse",
    "availability_loss",
    "other",
]
Known = Literal["yes", "no", "unknown"]
"""An answer to a question that may be open still: not to know is an answer."""
Category = Literal["identity", "identifiers", OfARecord, "staff", "credentials", "other"]
"""What kind of data it touches: the categories of records, and what else a home holds."""
Recipient = Literal[
    "senior_management",
    "ico",
    "dspt",
    "cqc",
    "dhsc",
    "people_affected",
    "police",
    "safeguarding",
    "insurer",
    "other",
]
Decision = Literal["none", "ico", "ico_and_dhsc"]
"""Who outside has to be told: nobody, the ICO, or the ICO and the department."""

INSTANTS: Final = ("occurred_at", "ended_at", "detected_at", "became_aware_at")
"""When it happened, was over, was noticed, and when the home knew that it was a breach."""
STARTS: Final = ("detected_at", "became_aware_at")
"""Those a clock counts from: once said they are corrected, and never taken back to nothing."""
TEXTS: Final = (
    "what_happened",
    "how_found",
    "consequences",
    "measures",
    "clinical_harm",
    "contact",
    "local_reference",
    "root_cause",
    "lessons",
)
"""What is written in people's own words, and sealed."""
Plain = dict[str, Any]
