"""A resident is amended: the next version, by merge patch (RFC 7396).

Who was discharged or died becomes a resident again so: with a day of admission they came back, without one
the discharge was a mistake. What was recorded of the discharge stays in the history.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, update

from app.access.agent import Agent, Place
from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.policy import Question, reaches_home
from app.access.work import Answer, Facts, Work
from app.core.errors import ConflictError, HiddenError, InvalidRequestError, VersionConflictError
from app.identity.homes import require_home
from app.residents.admission import Personal, refuse_second, require_past, resident_fields
from app.residents.boxes import key_of, look_up, resident_state, seal_personal, unseal_personal
from app.residents.looking_again import resident_again
from app.residents.register import about_resident
from app.residents.reviewing import drop_destruction
from app.residents.rows import ResidentRow
from app.residents.showing import show_one
from app.residents.table import resident
from app.vault.sealing import DataKey

_IS_HERE = "The person is a resident: there is no discharge to take back. Read the resident again."
_TOO_SOON = "Must not lie before the discharge. Leave it out if the discharge was a mistake."
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
        resident.c.wrapped_key == bindparam("key_was"),  # it may be wrapped anew without a new version
    )
    .values({name: bindparam(name) for name in _WRITTEN})
)


@dataclass
class AmendResident(Work):
    """Change a resident by merge patch (RFC 7396)."""

    resident_id: str
    was: int
    patch: dict[str, Any]
    changes = True
    alone = True  # where they live decides what others in the turn may do

    def asked(self) -> tuple[str, str | None]:
        """Return the resident as asked."""
        return "resident", self.resident_id

    def question(self, operation: Operation, _agent: Agent, facts: Facts, at: datetime) -> Question:
        """Want update of what the patch names; who takes a discharge back may also record one."""
        return about_resident(operation, facts, at, *self._needed())

    def _needed(self) -> list[str]:
        identity = set(self.patch) - {"identifiers"} or not self.patch
        wanted = ["identity:update"] if identity else []
        wanted += ["identifiers:update"] if "identifiers" in self.patch else []
        return wanted + (["residents:discharge"] if "status" in self.patch else [])

    def perform(self, opened: Opened) -> Answer:
        """Write the changed resident and return them."""
        row: ResidentRow = opened.facts.resident
        if row.version != self.was:
            raise VersionConflictError
        self._check_days(opened, row)
        self._check_move(opened, row)
        key = key_of(opened, row)
        before = unseal_personal(key, row)
        after = merged(before, self.patch)
        changed = amend(opened, key, row, self._wanted(row), before, after)
        if "status" in self.patch:
            drop_destruction(opened, row.id)
        return Answer(show_one(opened, changed), version=changed.version)

    def look_again(self, opened: Opened, told: dict[str, Any]) -> dict[str, Any]:
        """Return what the caller may be shown of the resident now."""
        return resident_again(opened, told)

    def _wanted(self, row: ResidentRow) -> ResidentRow:
        named = ("home_id", "unit", "admitted_on", "status")
        plain: dict[str, Any] = {name: self.patch[name] for name in named if name in self.patch}
        return row._replace(**plain | ({"discharged_on": None} if "status" in plain else {}))

    def _check_days(self, opened: Opened, row: ResidentRow) -> None:
        back, left = "status" in self.patch, row.discharged_on
        if back and row.status == "resident":
            raise ConflictError(_IS_HERE)
        if "admitted_on" not in self.patch:
            return
        came = self.patch["admitted_on"]
        require_past("/admitted_on", came, opened.at)
        if left is not None and back and came < left:
            raise InvalidRequestError(("/admitted_on", _TOO_SOON))
        if left is not None and not back and came > left:
            raise InvalidRequestError(("/admitted_on", "Must not lie after the discharge."))

    def _check_move(self, opened: Opened, row: ResidentRow) -> None:
        home_id = self.patch.get("home_id", row.home_id)
        if home_id != row.home_id:
            require_home(opened, home_id)
        if opened.allows("identity:update", Place(home_id, self.patch.get("unit", row.unit), row.id)):
            return
        if not reaches_home(opened.agent, "identity:update", home_id):
            raise HiddenError(why="out-of-scope")
        raise InvalidRequestError(("/unit", "Name a unit of your own."))


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
        refuse_second(opened, indexes["nhs_index"], row.id)
    values = changed._asdict() | indexes
    opened.change(
        _UPDATE,
        {name: values[name] for name in _WRITTEN}
        | {"of": row.org, "which": row.id, "was": row.version, "key_was": row.wrapped_key},
    )
    old, new = resident_fields(row, before), resident_fields(changed, after)
    changes = [FieldChange(f, old.get(f), new.get(f)) for f in old | new if old.get(f) != new.get(f)]
    opened.changed("resident", row.id, version, changed.state, changes, (row.id, key))
    opened.discloses(row.id)
    if changed.home_id != row.home_id:
        opened.note.homes = (row.home_id, changed.home_id)
    return changed
