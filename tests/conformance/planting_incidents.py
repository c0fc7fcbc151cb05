"""Words planted through alerts, incidents, webhooks and what is decided of a record."""

import urllib.parse
from datetime import date
from typing import Any, Protocol

from app.access.visit import System
from app.incidents.vocabulary import TEXTS
from app.residents.access_requests import EXTEND, OPEN, ExtendRequest, OpenRequest
from app.residents.holding import HOLD, SetHold
from app.residents.reviewing import REVIEW, Review
from app.webhooks.managing import CreateEndpoint
from tests.support.alarming import finding, raised
from tests.support.served import Served
from tests.support.world import Person

SCORES = {"likelihood": 3, "impact": 4, "vulnerable_people": "yes", "special_categories": "yes"}


class Words(Protocol):
    """Hands out words nobody may find."""

    def word(self) -> str:
        """Return one."""

    def name(self) -> str:
        """Return one of plain letters."""


def sent(served: Served, who: Person, path: str, body: Any, method: str = "POST") -> Any:
    """Send what must be taken, and return the answer."""
    answer = served.ask(method, path, who, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def plant_incident(served: Served, words: Words) -> None:
    """Record an incident with a word in each of its texts, and one in all that becomes of it."""
    officer = served.world.person("privacy_officer", None)
    texts = {name: words.word() for name in TEXTS}
    told_at = served.world.later()
    body = {"kind": "disclosure", "home_id": served.world.home, "became_aware_at": told_at, **texts}
    path = f"/v1/incidents/{sent(served, officer, '/v1/incidents', body)['id']}"
    sent(served, officer, path, {"lessons": words.word()}, "PATCH")
    decided = SCORES | {"decision": "ico", "reasons": words.word()}
    sent(served, officer, f"{path}/assessments", decided)
    for recipient in ("senior_management", "ico"):
        told = {name: words.word() for name in ("told_by", "reference", "note", "reasons_for_delay")}
        sent(served, officer, f"{path}/notifications", told | {"recipient": recipient, "told_at": told_at})
    action = sent(served, officer, f"{path}/actions", {"what": words.word()})["id"]
    sent(served, officer, f"{path}/actions/{action}/done", {"outcome": words.word()})
    sent(served, officer, f"{path}/close", {"root_cause": words.word(), "lessons": words.word()})
    sent(served, officer, f"{path}/reopen", {"reason": words.word()})


def plant_alert(served: Served, words: Words) -> None:
    """Raise an alert that tells a word, comment on it, set its rule for a reason."""
    world = served.world
    manager = world.person("registered_manager", None)
    told = finding(world.org, world.home, explanation=words.word(), figures={words.name(): 1})
    [alert_id] = raised(world, told)
    sent(served, manager, f"/v1/alerts/{alert_id}/steps", {"comment": words.word()})
    rule = {"enabled": True, "thresholds": {}, "reason": words.word()}
    sent(served, manager, "/v1/alert-rules/refusals", rule, "PUT")


def plant_endpoint(served: Served, words: Words) -> None:
    """Enter an endpoint at an address with a word, and remember its secret."""
    world = served.world
    url = f"https://localhost:1025/{urllib.parse.quote(words.name())}"
    work = CreateEndpoint(url, ["incident.clock"])
    world.answer(work, "POST /v1/webhooks", System("cli", world.org))


def plant_decisions(served: Served, words: Words, resident_id: str) -> None:
    """Hold a record, review it, extend a request for access: each for a reason."""
    world = served.world
    cli = System("cli", world.org)
    manager = world.person("registered_manager", None)
    world.answer(SetHold(resident_id, True, words.word()), HOLD, cli)
    today = world.now.date()
    request = world.answer(OpenRequest(resident_id, today), OPEN, cli).payload["id"]
    world.answer(ExtendRequest(request, words.word()), EXTEND, cli)
    left = {"discharged_on": today.isoformat(), "reason": "moved"}
    sent(served, manager, f"/v1/residents/{resident_id}/discharge", left)
    decided = Review(resident_id, "continue", date(2050, 1, 1), words.word(), words.word())
    world.answer(decided, REVIEW, cli)
