"""What a plan consists of: drafts of residents and records, and what is left out and why.

Nobody's data is lost on the way: every entry of the bundle is the source of a draft or is
named among what is left out. `Plan` refuses to exist otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from app.core.errors import CaretrailError, InvalidRequestError
from app.exchange.bundle import Entry, JsonObject, canonical, digest, without_server
from app.residents.bodies import dump, parse_imported_body
from app.residents.identity import Identifiers, Identity


class EntryLostError(CaretrailError):
    """The planner itself is at fault: an entry would have been dropped in silence."""


@dataclass(frozen=True)
class Kept:
    """The resources a draft was made from, to be sealed with it so that nothing of them is lost."""

    resource: JsonObject = field(repr=False)
    parts: Mapping[str, JsonObject] = field(default_factory=dict, repr=False)

    @property
    def plain(self) -> JsonObject:
        """The JSON to seal: the resource, and by key those it could not be read without."""
        return {"resource": self.resource, "parts": dict(self.parts)}

    @cached_property
    def size(self) -> int:
        """How many bytes there are to seal, about."""
        return len(canonical(self.plain))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON to seal: differs when a later run brings a change."""
        return digest(self.plain)


@dataclass(frozen=True)
class ResidentDraft:
    """A resident to be admitted; the home is chosen by whoever imports.

    `continues`: an earlier piece of the same run brought them, and this one brings further records.
    """

    source_key: str
    identity: Identity
    identifiers: Identifiers
    kept: Kept
    positions: frozenset[int]
    continues: bool = False


@dataclass(frozen=True)
class RecordDraft:
    """A record to be made for one resident.

    Attributes:
        key: Names the record among all runs: the address of its resource, and `#facet`.
        source_key: What the plan and the report call the resource it is made from.
        resident_key: What they call its resident's Patient.
        category: Its category.
        body: Plain JSON; of an administration without `medication_id`, see `whole_body`.
        occurred_at: Instant in UTC, or None where the source gave no date.
        occurred_at_estimated: Whether the source gave no full date.
        entered_in_error: To be stored as deleted.
        medication_key: For an administration: the key of the medication's draft.
        prescription_key: Of what came of an administration: the key of the record of the request it
            names, where that is not in the bundle: an earlier run may have made it.
        kept: The original.
        positions: Where in the bundle its sources stand.
    """

    key: str
    source_key: str
    resident_key: str
    category: str
    body: JsonObject = field(repr=False)
    occurred_at: str | None
    occurred_at_estimated: bool
    entered_in_error: bool
    medication_key: str | None
    prescription_key: str | None
    kept: Kept
    positions: frozenset[int]

    @property
    def is_stand_in(self) -> bool:
        """Whether it is a medication that is known only because a dose of it was given."""
        return self.category == "medication" and _is_a_dose(self.source_key)

    def whole_body(self, medication_ids: Mapping[str, str]) -> JsonObject:
        """Return the body as it is stored, linked to the medication's record.

        Args:
            medication_ids: Record id of each medication made in this run or an earlier one,
                by the key of its draft.

        Raises:
            InvalidRequestError: The medication of an administration has no record.
        """
        if self.medication_key is None:
            return self.body
        medication_id = medication_ids.get(self.medication_key)
        if medication_id is None:
            raise InvalidRequestError(("/body/medication_id", "Its medication has no record."))
        linked = self.body | {"medication_id": medication_id}
        return dump(parse_imported_body(self.category, linked))


def _is_a_dose(source_key: str) -> bool:
    return without_server(source_key).startswith("MedicationAdministration/")


@dataclass(frozen=True)
class LeftOut:
    """An entry that is not imported: which, a code for machines and a sentence for people."""

    position: int
    key: str
    code: str
    reason: str


@dataclass(frozen=True)
class Remark:
    """Something to know about a resource that is imported."""

    key: str
    sentence: str


@dataclass(frozen=True)
class Plan:
    """What an import of a bundle would do, and what it would leave out."""

    entries: int
    residents: tuple[ResidentDraft, ...]
    records: tuple[RecordDraft, ...]
    left_out: tuple[LeftOut, ...]
    remarks: tuple[Remark, ...]

    def __post_init__(self) -> None:
        """Refuse a plan that loses an entry, or both imports one and leaves it out."""
        sources = [draft.positions for draft in self.residents] + [draft.positions for draft in self.records]
        used = frozenset().union(*sources)
        left = [one.position for one in self.left_out]
        if sorted([*used, *left]) != list(range(self.entries)):
            raise EntryLostError(why="import-lost-an-entry")


class NotImportableError(Exception):
    """A resource that cannot become a record; `code` and the message go into the report."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Sketch:
    """What a mapping makes of a resource, before it is checked and placed.

    `facet` tells several records of one resource apart; `parts` are further entries it was
    read from; `medication` is the key of the medication an administration belongs to, and
    `prescription` the one it would have if the request it names were in the bundle.
    """

    category: str
    body: JsonObject
    dates: tuple[object, ...] = ()
    facet: str = ""
    parts: tuple[Entry, ...] = ()
    medication: str | None = None
    prescription: str | None = None

    def dated(self, dates: tuple[object, ...]) -> "Sketch":
        """Return the same with these dates first."""
        return replace(self, dates=(*dates, *self.dates))

    def read_with(self, part: Entry | None) -> "Sketch":
        """Return the same with one more entry it was read from."""
        return replace(self, parts=(*self.parts, part)) if part else self

    def key_of(self, entry: Entry) -> str:
        """Return the key its draft will have."""
        return f"{entry.address}#{self.facet or self.category}"
