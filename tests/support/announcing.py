"""A change that other systems are told of, as alerts and incidents have them told."""

from dataclasses import dataclass, field
from typing import Any

from app.access.opened import Opened
from app.access.operation import Operation
from app.access.visit import System
from app.access.work import Answer, Work
from app.core.errors import CaretrailError
from app.core.identifiers import new_id
from app.webhooks.outbox import announce

RAISE = Operation("*", "*", "system", "self", "alert.raise", 200)


def an_alert() -> dict[str, Any]:
    """Return what may be told of an alert."""
    alert = new_id()
    told = {"alert_id": alert, "rule": "refusals", "severity": "high", "status": "new", "count": 3}
    return told | {"link": f"/v1/alerts/{alert}"}


@dataclass
class Announcing(Work):
    """Announce something; `fails` afterwards, on request."""

    event: str = "alert.raised"
    data: dict[str, Any] = field(default_factory=an_alert)
    fails: bool = False
    changes = True

    def perform(self, opened: Opened) -> Answer:
        """Do so."""
        announce(opened, self.event, self.data)
        if self.fails:
            raise CaretrailError(why="failed-on-request")
        return Answer()


def tell(world: Any, work: Announcing | None = None, org: str | None = None) -> None:
    """Have a world announce something."""
    world.answer(work or Announcing(), RAISE, System("detection", org or world.org))
