"""A resident is admitted to a home."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select

from app.access.agent import Agent, Place
from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.policy import Question, need
from app.access.work import Answer, Facts, Work
from app.core.clock import spell
from app.core.errors import ConflictError, InvalidRequestError
from app.core.identifiers import new_id
from app.core.local_time import day_of
from app.identity.homes import require_home
from app.residents.boxes import look_up, resident_state, seal_personal
from app.residents.looking_again import admitted_again
from app.residents.rows import ResidentRow
from app.residents.showing import show
from app.residents.table import resident
from app.vault.sealing import DataKey

Personal = dict[str, Any]

_INSERT = insert(resident)


@dataclass
class AdmitResident(Work):
    """Admit a resident to a home."""

    home_id: str
    unit: str | None
    room: str | None
    identity: dict[str, Any]
    identifiers: dict[str, Any]
    admitted_on: str
    changes = True

    def asked(self) -> tuple[str, str | None]:
        """Return a resident that has no id yet."""
        return "resident", None

    def question(self, _operation: Operation, _agent: Agent, _facts: Facts, _at: datetime) -> Question:
        """Want create on identity and identifiers, at the home."""
        wanted = need("identity:create", "identifiers:create")
        place = Place(self.home_id, self.unit)
        return Question(anywhere=wanted, here=wanted, seen=need("identity:read"), place=place)

    def perform(self, opened: Opened) -> Answer:
        """Write the new resident and return them as the caller may see them."""
        require_home(opened, self.home_id)
        require_past("/admitted_on", self.admitted_on, opened.at)
        row = admit(opened, new_resident(opened, self))
        return Answer(show(opened, row, {}), version=1)

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return what the caller may be shown of the resident, where they are now."""
        return admitted_again(opened, told)


def new_resident(opened: Opened, asked: AdmitResident) -> tuple[DataKey, ResidentRow, Personal]:
    """Return a key, a sealed row and the plain values of a resident not yet written."""
    resident_id = new_id()
    key, wrapped = opened.new_owner(resident_id)
    personal = {"identity": asked.identity, "identifiers": asked.identifiers, "room": asked.room}
    boxes = seal_personal(key, opened.org, resident_id, 1, personal)
    row = ResidentRow(
        id=resident_id,
        org=opened.org,
        home_id=asked.home_id,
        unit=asked.unit,
        status="resident",
        admitted_on=asked.admitted_on,
        discharged_on=None,
        wrapped_key=wrapped,
        identity=boxes["identity"] or b"",
        identifiers=boxes["identifiers"] or b"",
        room=boxes["room"],
        created_at=spell(opened.at),
        deleted=False,
        version=1,
        state=b"",
    )
    return key, row._replace(state=resident_state(key, row)), personal


def admit(
    opened: Opened,
    made: tuple[DataKey, ResidentRow, Personal],
    source: dict[str, Any] | None = None,
) -> ResidentRow:
    """Have a new resident written, refuse a second with the same NHS number, note it for the entry."""
    key, row, personal = made
    indexes = look_up(opened, personal["identity"], personal["identifiers"])
    refuse_second(opened, indexes["nhs_index"], row.id)
    kept = source or {"source_index": None, "source_digest": None, "source": None}
    opened.change(_INSERT, row._asdict() | indexes | kept)
    changes = [FieldChange(f, None, v) for f, v in resident_fields(row, personal).items()]
    opened.changed("resident", row.id, 1, row.state, changes, (row.id, key))
    opened.note.homes = (row.home_id,)
    opened.discloses(row.id)
    return row


def refuse_second(opened: Opened, index: bytes | None, but: str) -> None:
    """Refuse a second resident of the organisation with the same NHS number."""
    if index is None:
        return
    c = resident.c
    same = select(c.id).where(c.org == opened.org, c.nhs_index == index, c.deleted.is_(False), c.id != but)
    if opened.execute(same).first() is not None:
        raise ConflictError(
            "A resident with this NHS number is recorded already in your organisation. Find them, or ask the"
            " manager of the other home. Whoever comes back is not admitted anew: amend them with `status`:"
            " `resident` (PATCH)."
        )


def resident_fields(row: ResidentRow, personal: Personal) -> dict[str, Any]:
    """Return what the trail compares before and after: each field by its name."""
    fields: dict[str, Any] = {
        "home_id": row.home_id,
        "unit": row.unit,
        "status": row.status,
        "admitted_on": row.admitted_on,
        "discharged_on": row.discharged_on,
        "room": personal["room"],
    }
    fields |= personal["identity"]
    fields |= personal["identifiers"]
    return fields


def require_past(pointer: str, day: str, at: datetime) -> None:
    """Refuse a day that has not come yet where the home is."""
    if date.fromisoformat(day) > day_of(at):
        raise InvalidRequestError((pointer, "Must not lie in the future."))
