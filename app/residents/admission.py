"""Residents come, change and go: admit, amend, remove, discharge."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from app.access.agent import Agent, Place
from app.access.opened import FieldChange, Opened
from app.access.operations import Operation
from app.access.policy import Question, need
from app.access.work import Answer, Facts, Work
from app.core.clock import spell
from app.core.errors import ConflictError, InvalidRequestError, VersionConflictError
from app.core.identifiers import new_id
from app.identity.homes import require_home
from app.residents.boxes import key_of, look_up, resident_state, seal_personal, unseal_personal
from app.residents.register import about_resident
from app.residents.rows import ResidentRow
from app.residents.showing import allergy_statuses, show
from app.residents.table import resident
from app.vault.sealing import DataKey

Personal = dict[str, Any]

_INSERT = insert(resident)
_WRITTEN = (
    "home_id",
    "unit",
    "status",
    "discharged_on",
    "admitted_on",
    "identity",
    "identifiers",
    "room",
    "deleted",
    "version",
    "state",
    "nhs_index",
    "family_index",
    "family_birth_index",
)
_UPDATE = (
    update(resident)
    .where(
        resident.c.org == bindparam("of"),
        resident.c.id == bindparam("which"),
        resident.c.version == bindparam("was"),
    )
    .values({name: bindparam(name) for name in _WRITTEN})
)


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
        _require_past("/admitted_on", self.admitted_on, opened.at)
        row = admit(opened, new_resident(opened, self))
        return Answer(show(opened, row, opened.at, {}), version=1)


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
    _refuse_second(opened, indexes["nhs_index"], row.id)
    kept = source or {"source_index": None, "source_digest": None, "source": None}
    opened.change(_INSERT, row._asdict() | indexes | kept)
    changes = [FieldChange(f, None, v) for f, v in _fields(row, personal).items()]
    opened.changed("resident", row.id, 1, row.state, changes, (row.id, key))
    opened.note.homes = (row.home_id,)
    opened.discloses(row.id)
    return row


def _refuse_second(opened: Opened, index: bytes | None, but: str) -> None:
    if index is None:
        return
    c = resident.c
    same = select(c.id).where(c.org == opened.org, c.nhs_index == index, c.deleted.is_(False), c.id != but)
    if opened.execute(same).first() is not None:
        raise ConflictError(
            "A resident with this NHS number is recorded already in your organisation. Find them, or ask the"
            " manager of the other home."
        )


def _fields(row: ResidentRow, personal: Personal) -> dict[str, Any]:
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


@dataclass
class AmendResident(Work):
    """Change a resident by merge patch (RFC 7396)."""

    resident_id: str
    was: int
    patch: dict[str, Any]
    changes = True

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def touches(self) -> str:
        """Return the resident: one change in a turn."""
        return self.resident_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want update of what the patch names: identity, identifiers or both."""
        return about_resident(operation, facts, at, *self._needed())

    def _needed(self) -> list[str]:
        identity = set(self.patch) - {"identifiers"} or not self.patch
        return (["identity:update"] if identity else []) + (
            ["identifiers:update"] if "identifiers" in self.patch else []
        )

    def perform(self, opened: Opened) -> Answer:
        """Write the changed resident and return them."""
        row: ResidentRow = opened.facts.resident
        if row.version != self.was:
            raise VersionConflictError
        self._check_move(opened, row)
        key = key_of(opened, row)
        before = unseal_personal(key, row)
        after = merged(before, self.patch)
        plain = {k: self.patch[k] for k in ("home_id", "unit", "admitted_on") if k in self.patch}
        changed = amend(opened, key, row, row._replace(**plain), before, after)
        readable = opened.allows("allergy:read", changed.place(opened.at))
        allergies = allergy_statuses(opened, [row]) if readable else {}
        return Answer(show(opened, changed, opened.at, allergies), version=changed.version)

    def _check_move(self, opened: Opened, row: ResidentRow) -> None:
        if "admitted_on" in self.patch:
            _require_past("/admitted_on", self.patch["admitted_on"], opened.at)
        home_id = self.patch.get("home_id", row.home_id)
        if home_id != row.home_id:
            require_home(opened, home_id)
        if not opened.allows("identity:update", Place(home_id, self.patch.get("unit", row.unit), row.id)):
            raise InvalidRequestError(("/home_id", "Name a home and unit of your own."))


def merged(before: Personal, patch: dict[str, Any]) -> Personal:
    """Return the personal values after a merge patch: null removes a field."""
    after: Personal = {part: dict(before[part]) for part in ("identity", "identifiers")}
    for part, fields in after.items():
        for name, value in patch.get(part, {}).items():
            if value is None:
                fields.pop(name, None)
            else:
                fields[name] = value
    return after | {"room": patch.get("room", before["room"])}


def amend(
    opened: Opened, key: DataKey, row: ResidentRow, wanted: ResidentRow, before: Personal, after: Personal
) -> ResidentRow:
    """Have a resident's next version written and note what changed."""
    version = row.version + 1
    boxes = seal_personal(key, opened.org, row.id, version, after)
    changed = ResidentRow(**(wanted._asdict() | boxes | {"version": version}))
    changed = changed._replace(state=resident_state(key, changed))
    indexes = look_up(opened, after["identity"], after["identifiers"])
    if not changed.deleted:
        _refuse_second(opened, indexes["nhs_index"], row.id)
    values = changed._asdict() | indexes
    opened.change(
        _UPDATE,
        {name: values[name] for name in _WRITTEN} | {"of": row.org, "which": row.id, "was": row.version},
    )
    old, new = _fields(row, before), _fields(changed, after)
    changes = [FieldChange(f, old.get(f), new.get(f)) for f in old | new if old.get(f) != new.get(f)]
    opened.changed("resident", row.id, version, changed.state, changes, (row.id, key))
    opened.discloses(row.id)
    if changed.home_id != row.home_id:
        opened.note.homes = (row.home_id, changed.home_id)
    return changed


@dataclass
class RemoveResident(Work):
    """Mark a resident as entered in error. The history stays."""

    resident_id: str
    was: int
    changes = True

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def touches(self) -> str:
        """Return the resident: one change in a turn."""
        return self.resident_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want `identity:delete`."""
        return about_resident(operation, facts, at, "identity:delete")

    def perform(self, opened: Opened) -> Answer:
        """Mark the resident."""
        row: ResidentRow = opened.facts.resident
        if row.version != self.was:
            raise VersionConflictError
        key = key_of(opened, row)
        personal = unseal_personal(key, row)
        amend(opened, key, row, row._replace(deleted=True), personal, personal)
        opened.note.changes = [FieldChange("deleted", before=False, after=True)]
        return Answer(None)


@dataclass
class DischargeResident(Work):
    """Record that a resident left, or died."""

    resident_id: str
    discharged_on: str
    reason: str
    changes = True

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def touches(self) -> str:
        """Return the resident: one change in a turn."""
        return self.resident_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want `residents:discharge`."""
        return about_resident(operation, facts, at, "residents:discharge")

    def perform(self, opened: Opened) -> Answer:
        """Write the discharge and return the resident."""
        row: ResidentRow = opened.facts.resident
        if row.status != "resident":
            raise ConflictError("This resident was discharged already. Read the resident again.")
        _require_past("/discharged_on", self.discharged_on, opened.at)
        if self.discharged_on < row.admitted_on:
            raise InvalidRequestError(("/discharged_on", "Must not lie before the admission."))
        key = key_of(opened, row)
        personal = unseal_personal(key, row)
        status = "died" if self.reason == "died" else "discharged"
        wanted = row._replace(status=status, discharged_on=self.discharged_on)
        changed = amend(opened, key, row, wanted, personal, personal)
        opened.note.changes = [
            *opened.note.changes,
            FieldChange("discharge_reason", before=None, after=self.reason),
        ]
        return Answer(_discharged(opened, changed), version=changed.version)


def _discharged(opened: Opened, row: ResidentRow) -> dict[str, Any]:
    """Return the resident as the caller may see them; who may discharge may not always read."""
    if not opened.allows("identity:read", row.place(opened.at)):
        return {"id": row.id, "status": row.status, "version": row.version}
    readable = opened.allows("allergy:read", row.place(opened.at))
    return show(opened, row, opened.at, allergy_statuses(opened, [row]) if readable else {})


def _require_past(pointer: str, day: str, at: datetime) -> None:
    if date.fromisoformat(day) > at.date():
        raise InvalidRequestError((pointer, "Must not lie in the future."))
