"""The shapes of what an incident reaches, and of its pack."""

from typing import Annotated, Any

from pydantic import Field

from app.http.breach_shapes import ContainmentOut
from app.http.incidents_shapes import IncidentToldOut
from app.http.shapes import Answered, Moment, Uuid


class SelectionOut(Answered):
    """Which entries an incident is about, as it was said."""

    from_: Annotated[Moment, Field(alias="from")]
    to: Moment | None
    user_ids: list[str]
    session_ids: list[str]
    device_ids: list[str]
    resident_ids: list[str]
    sources: list[str]


class KeptSelectionOut(SelectionOut):
    """Which entries an incident is about, and who said so."""

    set_by: str
    set_at: Moment
    version: int


class DeedsOut(Answered):
    """How often what was done."""

    read: int
    changed: int
    exported: int
    refused: int
    failed: int


class EntriesOut(DeedsOut):
    """How many entries count, and what was done by them."""

    counted: int
    other: int


class RecordsReachedOut(Answered):
    """How many records were reached; `at_least`: they were not counted to the end."""

    opened_one_by_one: int
    at_least: bool
    disclosed_with_repeats: int


class OfResidentOut(DeedsOut):
    """What was done with one resident's data; `actors` is how often by whom."""

    resident_id: Uuid
    categories: dict[str, DeedsOut]
    actors: dict[str, int]
    first: Moment
    last: Moment


class OfActorOut(DeedsOut):
    """What one person did: to how many residents, in how many sessions."""

    user_id: str
    name: str | None
    roles: list[str]
    other: int
    residents: int
    sessions: int
    device_ids: list[str]
    first: Moment
    last: Moment


class ExportedOut(Answered):
    """An export among the entries."""

    entry: int
    at: Moment
    act: str
    user_id: str


class NotKnownOut(Answered):
    """What the trail cannot tell, and of how many entries."""

    code: str
    text: str
    count: int | None


class ReachedOut(Answered):
    """What was reached, counted from the trail; whoever was reached most often comes first."""

    entries: EntriesOut
    first: Moment | None
    last: Moment | None
    residents_affected: int
    residents_named: int
    records: RecordsReachedOut
    categories: dict[str, DeedsOut]
    residents: list[OfResidentOut]
    actors: list[OfActorOut]
    exports: list[ExportedOut]


class ReachedNowOut(ReachedOut):
    """What was reached by now; not `complete` where counting stopped before the newest entry."""

    complete: bool
    not_known: list[NotKnownOut]


class ScopeOut(Answered):
    """What an incident is about, and what that reaches, counted from the trail just now."""

    incident_id: Uuid
    selection: KeptSelectionOut | None
    scope: ReachedNowOut | None


class NamedOut(Answered):
    """An organisation or a home."""

    id: Uuid
    name: str


class PackTrailOut(Answered):
    """The signed trail a pack was counted from."""

    origin: str
    size: int
    root: str


class PackFieldOut(Answered):
    """A field of a notification, with where its value is from."""

    field: str
    asked: str
    value: Any
    source: str
    remark: str


class PackFormOut(Answered):
    """The fields of a notification: a draft for a person to check."""

    basis: str
    draft: str
    fields: list[PackFieldOut]


class PackOut(Answered):
    """The pack of an incident as JSON."""

    format: str
    draft: str
    made_at: Moment
    made_by: str
    organisation: NamedOut
    home: NamedOut | None
    trail: PackTrailOut
    evidence: str
    incident: IncidentToldOut
    selection: SelectionOut | None
    scope: ReachedOut | None
    not_known: list[NotKnownOut]
    containment: list[ContainmentOut]
    article33: PackFormOut
    dspt: PackFormOut
