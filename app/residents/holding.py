"""A hold: a record is kept whatever its retention date, for an inquiry or a claim, until it is lifted.

Holds are put and lifted by operators (`caretrail residents hold`); the trail tells of each.
"""

from dataclasses import dataclass

from sqlalchemy import bindparam, insert, update

from app.access.opened import FieldChange, Opened
from app.access.operation import Operation
from app.access.work import Answer
from app.core.clock import spell
from app.core.errors import ConflictError
from app.residents.about_resident import AboutResident
from app.residents.boxes import key_of, resident_place
from app.residents.erasure_rows import HoldRow, find_hold, hold_state
from app.residents.rows import ResidentRow
from app.residents.table import resident_hold

HOLD = Operation("*", "*", "system", "self", "resident.hold", 200)
LIFT = Operation("*", "*", "system", "self", "resident.hold_lift", 200)
_AS_IT_IS = "The record is held already, or there is no hold to lift."
_INSERT = insert(resident_hold)
_CHANGED = ("held", "reason", "set_by", "set_at", "version", "state")
_UPDATE = (
    update(resident_hold)
    .where(
        resident_hold.c.org == bindparam("of"),
        resident_hold.c.resident_id == bindparam("which"),
        resident_hold.c.version == bindparam("was"),
    )
    .values({name: bindparam(name) for name in _CHANGED})
)


@dataclass
class SetHold(AboutResident):
    """Put a hold on a resident's record, or lift it."""

    held: bool
    reason: str

    def perform(self, opened: Opened) -> Answer:
        """Write it. The reason is sealed under the resident's key and goes with it."""
        resident: ResidentRow = opened.facts.resident
        before = find_hold(opened, resident.id)
        was = before is not None and bool(before.held)
        if was == self.held:
            raise ConflictError(_AS_IT_IS, why="hold-as-it-is")
        row = self._row(opened, resident, before.version + 1 if before is not None else 1)
        if before is None:
            opened.change(_INSERT, row._asdict())
        else:
            values = {name: getattr(row, name) for name in _CHANGED}
            opened.change(_UPDATE, values | {"of": row.org, "which": resident.id, "was": before.version})
        key = opened.organisation_key()
        changes = [FieldChange("held", before=was, after=self.held)]
        opened.changed("hold", resident.id, row.version, row.state, changes, (opened.org, key))
        opened.note.homes = (resident.home_id,)
        opened.discloses(resident.id)
        return Answer({"resident_id": resident.id, "held": self.held})

    def _row(self, opened: Opened, resident: ResidentRow, version: int) -> HoldRow:
        place = resident_place(opened.org, resident.id, "hold", version)
        row = HoldRow(
            resident_id=resident.id,
            org=opened.org,
            held=self.held,
            reason=key_of(opened, resident).seal(self.reason.encode(), place),
            set_by=opened.agent.id,
            set_at=spell(opened.at),
            version=version,
            state=b"",
        )
        return row._replace(state=hold_state(opened.organisation_key(), row))
