"""The scope of an incident: what it is about is kept, what that reaches is computed anew from the trail.

Nothing computed is stored: the trail is there, and a number kept beside it could only be another one.

Source: UK GDPR article 33(3)(a).
"""

from dataclasses import dataclass
from typing import Any

from app.access.opened import Opened
from app.access.work import Answer
from app.core.errors import InvalidRequestError
from app.incidents.one_incident import OneIncident
from app.incidents.scope import Fold, Selection
from app.incidents.scope_reading import catch_up, fold_now, homes_managed, reads_trail
from app.incidents.scope_rows import ScopeRow, find_scope, keep_scope
from app.incidents.seeing import find, find_open
from app.incidents.shown_again import REACH, scope_again
from app.incidents.unknowns import not_known
from app.trail.names import names_of

JsonObject = dict[str, Any]


@dataclass
class SetScope(OneIncident):
    """Say what an incident is about, and learn what that reaches."""

    selection: Selection
    changes = True
    alone = True
    own_sql = True

    def touches(self) -> str:
        """Return the incident: one scope in a turn."""
        return f"scope of {self.incident_id}"

    def perform(self, opened: Opened) -> Answer:
        """Keep the selection and return the scope."""
        wanted = self.selection
        if wanted.until is not None and wanted.until < wanted.since:
            raise InvalidRequestError(("/to", "Must not be before from."))
        find_open(opened, self.incident_id)
        behind = catch_up(opened)
        if behind is not None:
            return Answer(refusal=behind)
        row = keep_scope(opened, self.incident_id, find_scope(opened, self.incident_id), wanted)
        answer, homes = _answer(opened, row, wanted), homes_managed(opened)
        counted_for = None if homes is None else sorted(homes)
        return Answer(answer, replay=answer | {REACH: counted_for})

    def look_again(self, opened: Opened, told: JsonObject) -> JsonObject:
        """Return the scope, as far as it was counted for what the caller still reaches."""
        return scope_again(opened, told)


@dataclass
class ReadScope(OneIncident):
    """Read what an incident is about, and what that reaches by now."""

    own_sql = True

    def perform(self, opened: Opened) -> Answer:
        """Return both, or that nobody has said yet what it is about."""
        find(opened, self.incident_id)
        kept = find_scope(opened, self.incident_id)
        if kept is None:
            opened.note.count = 0
            return Answer({"incident_id": self.incident_id, "selection": None, "scope": None})
        behind = catch_up(opened)
        if behind is not None:
            return Answer(refusal=behind)
        return Answer(_answer(opened, *kept))


def _answer(opened: Opened, row: ScopeRow, selection: Selection) -> JsonObject:
    fold, known = fold_now(opened, selection, row.id)
    opened.discloses(*fold.residents, count=fold.counted)
    scope = fold.told()
    name_actors(opened, fold, scope)
    scope["complete"] = known.upto is None
    scope["not_known"] = not_known(fold, known)
    kept = {"set_by": row.set_by, "set_at": row.set_at, "version": row.version}
    return {"incident_id": row.id, "selection": selection.told() | kept, "scope": scope}


def name_actors(opened: Opened, fold: Fold, scope: JsonObject) -> None:
    """Put names to those who acted, as the trail has them, for a caller who may read the trail there."""
    if not reads_trail(opened):
        return
    held = {actor: tally.name_seq for actor, tally in fold.actors.items() if tally.name_seq is not None}
    names = names_of(opened, set(held.values()))
    for actor in scope["actors"]:
        actor["name"] = names.get(held.get(actor["user_id"], -1))
