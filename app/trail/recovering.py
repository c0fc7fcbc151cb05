"""The entry that says: these lines are lost for good, and we go on from here.

A restored backup does not start (`audit.divergence`). After an operator has said that the newer database
is lost, `chain.recover` stands in the affected chain and in the system's: what is lost, the orphaned
checkpoint as the guard held it, and the reason, sealed. Only then is the guard begun anew. Whoever
holds a checkpoint of the lost part still sees that its lines are missing; nothing is made good here.

Source: AUDIT-2, promise P5.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.access.drafting import further_entry
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.audit.checkpoint import Checkpoint
from app.audit.divergence import Divergence, divergences
from app.audit.entry import Draft
from app.audit.guard_file import Guards
from app.core.errors import ConflictError
from app.core.identifiers import SYSTEM

RECOVER = Operation("*", "*", "system", "self", "chain.recover", 200)


@dataclass
class RecordRecovery(Work):
    """Enter what is lost into each chain that lost it, and into the system's; one turn, all or nothing.

    Attributes:
        guards: The guard files, as they are.
        agreed: What the operator was shown.
    """

    guards: Guards
    agreed: Sequence[Divergence]
    silent = True  # its entries are those beside it
    own_sql = True
    alone = True

    def perform(self, opened: Opened) -> Answer:
        """Prepare the entries, if things still are as they were shown."""
        if divergences(opened.connection(), self.guards) != list(self.agreed):
            raise ConflictError("Database or guard changed meanwhile. Look again.", why="recovery-outdated")
        for found in self.agreed:
            chains = [SYSTEM] if found.size is None else sorted({found.org, SYSTEM})
            opened.also += [_entry(opened, chain, found) for chain in chains]
        return Answer()


def _entry(opened: Opened, chain: str, found: Divergence) -> Draft:
    opened.note.org = chain
    opened.note.object = ("audit_chain", found.org)
    draft = further_entry(opened, RECOVER.act)
    draft.event["lost"] = lost(found)
    return draft


def lost(found: Divergence) -> dict[str, Any]:
    """Return the member `lost` of the entry: how, how many lines there are, the orphaned checkpoint."""
    said: dict[str, Any] = {"how": found.how, "kept": found.size or 0}
    if found.orphan is not None:
        said |= _orphaned(found.orphan)
    return said


def _orphaned(orphan: Checkpoint) -> dict[str, Any]:
    return {"size": orphan.size, "root": b64encode(orphan.root).decode(), "note": orphan.note}
