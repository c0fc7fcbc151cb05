"""The warnings of the clocks: each once, over processes, restarts and corrections; and who else is told."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import orjson
import pytest

from app.access.turn import Turn
from app.access.visit import Visit, Visited, VisitRefusedError
from app.alerts.table import alert
from app.core.clock import parse, spell
from app.core.errors import CaretrailError
from app.incidents.clock_job import look
from app.incidents.table import incident_warning
from app.jobs.scheduler import Running
from app.main import Service
from app.webhooks.managing import CreateEndpoint
from app.webhooks.table import webhook_message
from tests.support.reporting import INCIDENTS, SCORED, path_of, recorded, said
from tests.support.served import Person, Served

PROCESSES = 4
EVENTS = ["incident.opened", "incident.changed", "incident.clock"]


@pytest.fixture
def manager(served: Served) -> Person:
    """Who manages incidents of the whole organisation."""
    return served.world.person("registered_manager", None)


def passes(served: Served, who: Person, hours: float) -> int:
    """Let hours pass, have somebody sign in again, and look; return how many warnings were given."""
    served.world.pass_time(hours=hours)
    served.world.sign_in(who)
    return looked(served)


def through(turn: Turn) -> Callable[[Visit], Visited]:
    """Return what takes a visit through the door of one process."""

    def visit(asked: Visit) -> Visited:
        turn.serve([asked])
        if isinstance(asked.outcome, CaretrailError):
            raise VisitRefusedError(asked.outcome, asked.stamp)
        assert asked.outcome is not None
        return asked.outcome

    return visit


def announced(served: Served) -> dict[str, dict[str, Any]]:
    """Return what waits for other systems, by its id: a table has no order."""
    return {row["id"]: orjson.loads(row["body"]) for row in served.world.rows(webhook_message)}


def looked(served: Served) -> int:
    """Have the job look once and return how many warnings it gave."""
    given: int = look(through(served.world.turn), Running("run", 0))["given"]
    return given


def given(served: Served, incident_id: str, clock: str = "72h") -> list[int]:
    """Return the marks of the warnings that were given, in order."""
    rows = served.world.rows(incident_warning)
    of_it = [row for row in rows if (row["incident_id"], row["clock"]) == (incident_id, clock)]
    return [row["mark"] for row in sorted(of_it, key=lambda row: (row["given_at"], row["mark"]))]


def entries_of(served: Served, incident_id: str) -> list[dict[str, Any]]:
    """Return the entries that tell of warnings of an incident."""
    found = served.world.entries()
    return [e for e in found if e["act"] == "incident.clock" and e["obj"]["id"] == incident_id]


def aware(served: Served, who: Person, hours: float, **more: Any) -> dict[str, Any]:
    """Record an incident that the home has been aware of for some hours; senior management was told."""
    at = served.world.later(hours=-hours)
    instants = {"detected_at": at, "became_aware_at": at}
    shown = recorded(served, who, served.world.home, **instants | more)
    told = {"recipient": "senior_management", "told_at": at}
    said(served, "POST", f"{path_of(shown)}/notifications", who, told)
    return shown


def test_each_mark_warns_once(served: Served, manager: Person) -> None:
    """At 24, 48, 66 and 72 hours there is a warning, an entry and one alert; looking again gives nothing."""
    shown = aware(served, manager, 0)
    marks: list[list[int]] = []
    for hours in (23.99, 0.01, 24, 18, 6, 6):
        passes(served, manager, hours)
        assert 0 == looked(served)
        marks.append(given(served, shown["id"]))

    assert [[], [24], [24, 48], [24, 48, 66], [24, 48, 66, 72], [24, 48, 66, 72]] == marks
    entries = entries_of(served, shown["id"])
    assert [1, 1, 1, 1] == [len(entry["rows"]) for entry in entries]
    assert {"system:incidents"} == {entry["actor"]["id"] for entry in entries}
    subject = f"incident:{shown['id']}:72h"
    [raised] = [row for row in served.world.rows(alert) if row["subject"] == subject]
    assert ("incident-clock", "critical", 4) == (raised["rule"], raised["severity"], raised["findings"])
    clock = said(served, "GET", path_of(shown), manager)["clocks"]["72h"]
    assert ("over", -6 * 3600) == (clock["state"], clock["seconds_left"])
    assert [(24, False), (48, False), (66, False), (72, False)] == [
        (one["hours"], one["late"]) for one in clock["warnings"]
    ]


def test_what_was_missed_is_given_late_and_says_so(served: Served, manager: Person) -> None:
    """After two days without a look both warnings come at once, in one entry and one alert."""
    shown = aware(served, manager, 0)

    passes(served, manager, 50)

    [entry] = entries_of(served, shown["id"])
    assert 2 == len(entry["rows"])
    warnings = said(served, "GET", path_of(shown), manager)["clocks"]["72h"]["warnings"]
    assert [(24, True), (48, True)] == [(one["hours"], one["late"]) for one in warnings]
    subject = f"incident:{shown['id']}:72h"
    [raised] = [row for row in served.world.rows(alert) if row["subject"] == subject]
    told = served.ask("GET", f"/v1/alerts/{raised['id']}", manager).json()["explanation"]
    assert "22 h 00 min are left of the 72 hours to tell the ICO" in told
    assert "The warning at 24 hours and 48 hours comes late by 26 h 00 min" in told


def test_several_processes_give_each_warning_once(served: Served, manager: Person) -> None:
    """Four processes that look at the same moment give each warning once, in one entry."""
    shown = [aware(served, manager, 30) for _ in range(5)]
    services = [served.world.assembled() for _ in range(PROCESSES)]
    ready = Barrier(PROCESSES)

    def looks(service: Service) -> None:
        ready.wait()
        look(through(service.turn), Running("run", 0))

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(looks, services))
    for service in services:
        service.turn.close()
        service.engine.dispose()

    assert [[24]] * 5 == [given(served, one["id"]) for one in shown]
    assert [1] * 5 == [len(entries_of(served, one["id"])) for one in shown]
    assert 0 == looked(served)


def test_a_corrected_instant_moves_the_clock(served: Served, manager: Person) -> None:
    """Awareness corrected by a day moves the clock, keeps what it was, needs a reason, and warns anew."""
    shown = aware(served, manager, 30)
    looked(served)
    path = path_of(shown)
    later = spell(parse(shown["became_aware_at"]) + timedelta(hours=10))

    bare = served.ask("PATCH", path, manager, json={"became_aware_at": later})
    why = "the mail was read then"
    moved = said(served, "PATCH", path, manager, {"became_aware_at": later, "reason": why})

    assert (422, "/reason") == (bare.status_code, bare.json()["errors"][0]["pointer"])
    assert spell(parse(later) + timedelta(hours=72)) == moved["clocks"]["72h"]["due_at"]
    [turn] = moved["history"]
    assert ("became_aware_at", shown["became_aware_at"], later) == (turn["what"], turn["was"], turn["became"])
    assert (why, manager.id) == (turn["reason"], turn["by"])
    assert 0 == looked(served)
    passes(served, manager, 4)
    assert [24, 24] == given(served, shown["id"])


def test_no_clock_is_moved_or_ended_without_a_reason(served: Served, manager: Person) -> None:
    """To call it a near miss, or to say the home learned of it after it was recorded, takes a reason."""
    world = served.world
    path = path_of(recorded(served, manager, world.home))
    earlier, recorded_at = world.later(hours=-1), world.later()
    world.pass_time(hours=1)
    world.sign_in(manager)
    bodies = [{"nature": "near_miss"}] + [
        {"became_aware_at": at} for at in (world.later(), earlier, recorded_at, None)
    ]
    statuses = [served.ask("PATCH", path, manager, json=body).status_code for body in bodies]
    missed = said(served, "PATCH", path, manager, {"nature": "near_miss", "reason": "nobody opened it"})

    assert [422, 422, 200, 422, 422] == statuses
    assert ("nature", "incident", "near_miss") == tuple(
        missed["history"][-1][n] for n in ("what", "was", "became")
    )
    assert ["became_aware_at", "nature"] == [turn["what"] for turn in missed["history"]]


def test_no_clock_is_moved_by_way_of_a_near_miss(served: Served, manager: Person) -> None:
    """A near miss counts by the clocks it would have: to move one takes a reason then, too, and back."""
    world = served.world
    shown = aware(served, manager, 60)
    path, later, earlier = path_of(shown), world.later(hours=-1), world.later(hours=-61)
    said(served, "PATCH", path, manager, {"nature": "near_miss", "reason": "nobody opened it"})
    bodies: list[dict[str, Any]] = [
        {"became_aware_at": later},
        {"detected_at": earlier, "became_aware_at": earlier},
        {"nature": "incident", "became_aware_at": later},
    ]
    refused = [served.ask("PATCH", path, manager, json=body) for body in bodies]
    back = said(served, "PATCH", path, manager, {"nature": "incident"})

    assert [(422, "/reason")] * 3 == [(a.status_code, a.json()["errors"][0]["pointer"]) for a in refused]
    assert shown["clocks"]["72h"]["due_at"] == back["clocks"]["72h"]["due_at"]
    said(served, "PATCH", path, manager, {"nature": "near_miss", "reason": "nobody opened it after all"})
    why = {"reason": "the mail was read then"}
    moved = said(served, "PATCH", path, manager, {"became_aware_at": later, "nature": "incident"} | why)
    assert spell(parse(later) + timedelta(hours=72)) == moved["clocks"]["72h"]["due_at"]
    turns = [(turn["what"], turn["reason"]) for turn in moved["history"][-2:]]
    assert {("nature", why["reason"]), ("became_aware_at", why["reason"])} == set(turns)


def test_a_near_miss_learns_since_when_without_a_reason(served: Served, manager: Person) -> None:
    """What was unknown, said of a near miss as it becomes an incident, only takes time away."""
    world = served.world
    path = path_of(recorded(served, manager, world.home, nature="near_miss"))
    earlier = {"became_aware_at": world.later(hours=-1)}
    shown = said(served, "PATCH", path, manager, earlier | {"nature": "incident"})

    assert world.later(hours=71) == shown["clocks"]["72h"]["due_at"]


def test_what_starts_a_clock_is_not_taken_back(served: Served, manager: Person) -> None:
    """Over is over: the instants are corrected for a reason, never emptied, whatever the reason."""
    path = path_of(aware(served, manager, 73))
    before = said(served, "GET", path, manager)["clocks"]
    bodies = [{name: None, "reason": "x"} for name in ("detected_at", "became_aware_at")]
    bodies.append({"detected_at": None, "became_aware_at": None, "reason": "x", "nature": "near_miss"})

    refused = [served.ask("PATCH", path, manager, json=body) for body in bodies]

    pointers = [[e["pointer"] for e in answer.json()["errors"]] for answer in refused]
    assert [["/detected_at"], ["/became_aware_at"], ["/detected_at", "/became_aware_at"]] == pointers
    assert "Give the right instant" in refused[0].json()["errors"][0]["detail"]
    assert before == said(served, "GET", path, manager)["clocks"]
    assert "over" == before["72h"]["state"]
    unsaid = path_of(recorded(served, manager, served.world.home))
    nothing = {"became_aware_at": None, "occurred_at": None, "lessons": "ask"}
    assert said(served, "PATCH", unsaid, manager, nothing)["clocks"]["72h"]["assumed"]


@pytest.mark.parametrize("how", ["told", "decided", "near_miss"])
def test_a_clock_that_stopped_warns_no_more(how: str, served: Served, manager: Person) -> None:
    """It stops when the ICO was told or a person decided it need not be; a near miss never had it."""
    more = {"nature": "near_miss"} if how == "near_miss" else {}
    shown = aware(served, manager, 1, **more)
    path = path_of(shown)
    if how == "told":
        told = {"recipient": "ico", "told_at": served.world.later()}
        said(served, "POST", f"{path}/notifications", manager, told)
    if how == "decided":
        said(served, "POST", f"{path}/assessments", manager, SCORED | {"decision": "none"})
    passes(served, manager, 100)

    assert [] == given(served, shown["id"])
    if how == "decided":  # to score anew without deciding takes the decision back
        said(served, "POST", f"{path}/assessments", manager, SCORED)
        looked(served)
        assert [24, 48, 66, 72] == given(served, shown["id"])


@pytest.mark.parametrize("decision", ["ico", "ico_and_dhsc"])
def test_a_decision_to_tell_stops_no_warning(decision: str, served: Served, manager: Person) -> None:
    """Who decided that the ICO is to be told is reminded at every mark until it was."""
    shown = aware(served, manager, 0)
    said(served, "POST", f"{path_of(shown)}/assessments", manager, SCORED | {"decision": decision})
    for hours in (24, 24, 18, 6):
        passes(served, manager, hours)

    assert [24, 48, 66, 72] == given(served, shown["id"])


def test_the_last_instant_is_not_over(served: Served, manager: Person) -> None:
    """At exactly 72 hours there is time left in words as well: nought minutes of it."""
    shown = aware(served, manager, 0)
    passes(served, manager, 72)

    subject = f"incident:{shown['id']}:72h"
    [raised] = [row for row in served.world.rows(alert) if row["subject"] == subject]
    told = served.ask("GET", f"/v1/alerts/{raised['id']}", manager).json()["explanation"]
    assert "0 h 00 min are left of the 72 hours" in told
    assert "over for" not in told
    assert "running" == said(served, "GET", path_of(shown), manager)["clocks"]["72h"]["state"]


def test_senior_management_has_twelve_hours(served: Served, manager: Person) -> None:
    """From detection, of a near miss too: warnings at 6 and 12 hours until they were told."""
    at = served.world.later()
    shown = recorded(served, manager, served.world.home, nature="near_miss", detected_at=at)
    for hours in (6, 6):
        passes(served, manager, hours)

    assert [6, 12] == given(served, shown["id"], "12h")
    assert shown["clocks"]["72h"] is None
    assert served.world.later() == shown["clocks"]["12h"]["due_at"]


def test_the_twelve_hours_count_from_awareness_where_nothing_was_detected(
    served: Served, manager: Person
) -> None:
    """Whoever is aware has detected it by then: warned of, and listed as overdue, from there."""
    shown = recorded(served, manager, served.world.home, became_aware_at=served.world.later(hours=-5))
    passes(served, manager, 1)
    assert [6] == given(served, shown["id"], "12h")
    passes(served, manager, 6.01)

    assert [6, 12] == given(served, shown["id"], "12h")
    overdue = said(served, "GET", f"{INCIDENTS}?overdue=true", manager)["items"]
    assert [shown["id"]] == [one["id"] for one in overdue if one["opened_at"] == shown["opened_at"]]


def test_other_systems_are_told_without_personal_data(served: Served, manager: Person) -> None:
    """Each mark is announced once with ids, words, numbers and instants."""
    endpoint = CreateEndpoint("https://example.org/told", EVENTS, None)
    served.world.answer(endpoint, "POST /v1/webhooks", served.world.person("it_admin", None))
    before = announced(served)
    shown = aware(served, manager, 50)
    looked(served)

    bodies = [body for which, body in announced(served).items() if which not in before]
    mine = [body for body in bodies if body["data"]["incident_id"] == shown["id"]]
    stopped = [body["data"]["due_at"] for body in mine if body["type"] == "incident.changed"]
    assert [served.world.later(hours=22)] == stopped  # management was told: what is left is the ICO's clock
    assert Counter({"incident.opened": 1, "incident.changed": 1, "incident.clock": 2}) == Counter(
        body["type"] for body in mine
    )
    clocks = [body["data"] for body in mine if body["type"] == "incident.clock"]
    assert [("72h", 24), ("72h", 48)] == sorted((one["clock"], one["hours"]) for one in clocks)
    allowed = {"incident_id", "home_id", "clock", "hours", "due_at", "at", "link"}
    assert [allowed, allowed] == [set(one) for one in clocks]


def test_a_moved_clock_is_announced_and_nothing_else(served: Served, manager: Person) -> None:
    """Other systems learn when a correction moves the next deadline; another change tells them nothing."""
    endpoint = CreateEndpoint("https://example.org/moved", ["incident.changed"], None)
    served.world.answer(endpoint, "POST /v1/webhooks", served.world.person("it_admin", None))
    path = path_of(shown := aware(served, manager, 30))
    before = announced(served)
    said(served, "PATCH", path, manager, {"lessons": "ask first"})
    unmoved = announced(served)
    earlier = {"became_aware_at": served.world.later(hours=-31), "detected_at": served.world.later(hours=-31)}
    said(served, "PATCH", path, manager, earlier | {"reason": "the night shift knew"})

    bodies = [body["data"] for which, body in announced(served).items() if which not in before]
    assert before == unmoved
    assert {(shown["id"], served.world.later(hours=41))} == {(b["incident_id"], b["due_at"]) for b in bodies}
