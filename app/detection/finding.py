"""What a rule found: plain data, without a name or a value of anybody."""

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["low", "medium", "high", "critical"]
MOST_ENTRIES = 50
"""How many entries a finding names as evidence: the newest; `figures` may count more."""


MOST_RESIDENTS = 200
"""How many residents it names; `figures` may count more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something unusual.

    Attributes:
        rule: The name of the rule, from the catalogue.
        severity: How grave it is as it stands.
        subject: What it is about, so that another finding of the rule about the same is folded into one
            alert: `user:<id>`, `source:<digest>`, `chain`, `incident:<id>:<clock>`.
        user_id: Whose behaviour it is, if it is anybody's: they do not review it.
        at: When the entry that completed it was recorded, as the trail spells instants.
        chain: The chain its entries stand in: an organisation's id or `system`.
        entries: The places of the entries it rests on, ascending, at most `MOST_ENTRIES`.
        explanation: One or two plain sentences, with numbers, without names of people.
        figures: The numbers the sentence tells, for machines.
        homes: Which homes it concerns; empty: the organisation.
        resident_ids: Which residents, at most `MOST_RESIDENTS`.
    """

    rule: str
    severity: Severity
    subject: str
    user_id: str | None
    at: str
    chain: str
    entries: tuple[int, ...]
    explanation: str
    figures: dict[str, int | str] = field(default_factory=dict)
    homes: tuple[str, ...] = ()
    resident_ids: tuple[str, ...] = ()
