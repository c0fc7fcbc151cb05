"""A stored answer is given again to nobody who may not see now what it shows (promise P7).

The cases come from the published operations: each that takes an Idempotency-Key has one, or shows nothing.
"""

import pytest

from tests.http.bodies import CANARY, record_of
from tests.http.errands import Ground
from tests.http.hiding import (
    Hide,
    Shown,
    caller_moves,
    caller_named,
    record_removed,
    resident_moves,
    resident_removed,
    shown,
    user_moves,
    webhook_removed,
)
from tests.http.published import NOT_BUILT_YET, OPERATIONS, Caller
from tests.http.test_route_walk import state
from tests.support.broken_turns import show_repeats_unseen
from tests.support.served import Served

KEYED, WITHOUT_BODY, NOT_BUILT = 40, 5, 3
OF_USERS = (caller_moves, user_moves)
OF_RECORDS = (resident_moves, resident_removed, record_removed)
OF_INCIDENTS = (caller_moves, caller_named)
OF_ENDPOINTS = (caller_moves, webhook_removed)
HIDDEN: dict[str, tuple[Hide, ...]] = {
    "POST /v1/users": OF_USERS,
    "PATCH /v1/users/{user_id}": OF_USERS,
    "POST /v1/users/{user_id}/deactivate": OF_USERS,
    "POST /v1/users/{user_id}/reactivate": OF_USERS,
    "POST /v1/users/{user_id}/shifts": (caller_moves,),
    "PATCH /v1/users/{user_id}/shifts/{shift_id}": (caller_moves,),
    "POST /v1/homes": (caller_moves,),
    "POST /v1/residents": (caller_moves, resident_moves, resident_removed),
    "PATCH /v1/residents/{resident_id}": (caller_moves, resident_moves, resident_removed),
    "POST /v1/residents/{resident_id}/discharge": (caller_moves, resident_moves, resident_removed),
    "POST /v1/residents/{resident_id}/records": OF_RECORDS,
    "PUT /v1/residents/{resident_id}/records/{record_id}": OF_RECORDS,
    "POST /v1/residents/{resident_id}/erasure": (caller_moves,),
    "POST /v1/erasures/{erasure_id}/approve": (caller_moves,),
    "POST /v1/alerts/{alert_id}/steps": (caller_moves,),
    "PUT /v1/alert-rules/{rule}": (caller_moves,),
    "POST /v1/webhooks": OF_ENDPOINTS,
    "PUT /v1/webhooks/{webhook_id}": OF_ENDPOINTS,
    "POST /v1/webhooks/{webhook_id}/secret": OF_ENDPOINTS,
    "POST /v1/webhooks/{webhook_id}/test": OF_ENDPOINTS,
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/replay": OF_ENDPOINTS,
    "POST /v1/incidents": OF_INCIDENTS,
    "PATCH /v1/incidents/{incident_id}": OF_INCIDENTS,
    "POST /v1/incidents/{incident_id}/assessments": OF_INCIDENTS,
    "POST /v1/incidents/{incident_id}/notifications": OF_INCIDENTS,
    "POST /v1/incidents/{incident_id}/actions": OF_INCIDENTS,
    "POST /v1/incidents/{incident_id}/actions/{action_id}/done": OF_INCIDENTS,
    "POST /v1/incidents/{incident_id}/close": (caller_moves,),  # a closed one is amended by nobody
    "POST /v1/incidents/{incident_id}/reopen": OF_INCIDENTS,
    "PUT /v1/incidents/{incident_id}/scope": OF_INCIDENTS,
    "POST /v1/incidents/{incident_id}/containment": OF_INCIDENTS,
    "POST /v1/incidents/{incident_id}/containment/lift": OF_INCIDENTS,
}
"""How what each answer shows goes out of its caller's sight."""
SHOWS_NOTHING = {name for name, row in OPERATIONS.items() if row["idempotency_key"] and row["success"] == 204}
"""Their answers have no body: a repeat tells its caller what they know, that their call had gone through."""
CASES = [(operation, hide) for operation, ways in HIDDEN.items() for hide in ways]
PROVEN = [
    ("POST /v1/residents", resident_moves),
    ("POST /v1/incidents", caller_named),
    ("PATCH /v1/users/{user_id}", caller_moves),
    ("POST /v1/users/{user_id}/shifts", caller_moves),
    ("POST /v1/residents/{resident_id}/records", record_removed),
]
"""The ways in which answers were once given away."""


@pytest.fixture(scope="module")
def ground(served: Served) -> Ground:
    """What lies at each place."""
    return Ground(served)


def named(case: tuple[str, Hide]) -> str:
    """Return the name of a case."""
    return f"{case[0]} {case[1].__name__}"


def test_every_operation_that_may_be_repeated_is_judged() -> None:
    """Each of the 40 that take a key has a case, shows nothing (5), or is not built yet (3)."""
    keyed = {name for name, row in OPERATIONS.items() if row["idempotency_key"]}
    waiting = keyed & NOT_BUILT_YET
    nothing = SHOWS_NOTHING - NOT_BUILT_YET

    assert (KEYED, WITHOUT_BODY, NOT_BUILT) == (len(keyed), len(nothing), len(waiting))
    assert keyed == HIDDEN.keys() | nothing | waiting
    assert set() == HIDDEN.keys() & (nothing | waiting)


def versions(served: Served) -> list[tuple[object, ...]]:
    """Return every row and its version; not whether a message ended, which the service sees to meanwhile."""
    return [row[:3] for row in state(served)]


def refused_like_a_read(one: Shown) -> None:
    """Demand that a repeat is refused and recorded as reading what it shows is, and changes nothing."""
    before = versions(one.served)
    again, read = one.again(), one.read()

    [line] = one.served.lines_of(again)
    assert "application/problem+json" == again.headers["Content-Type"]
    assert before == versions(one.served)
    assert CANARY not in again.text
    if read is None:  # what is the whole organisation's
        assert (403, "deny") == (again.status_code, line.e["out"])
        return
    [other] = one.served.lines_of(read)
    assert read.status_code in (403, 404)
    assert (read.status_code, read.json()["type"]) == (again.status_code, again.json()["type"])
    assert other.e["out"] == line.e["out"]
    assert set(other.e.get("subs", ())) >= set(line.e.get("subs", ()))
    assert OPERATIONS[one.operation]["act"] == line.e["act"]
    assert line.receipt == again.headers["Audit-Event"]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_what_is_out_of_sight_is_not_shown_again(case: tuple[str, Hide], ground: Ground) -> None:
    """With its key the call is answered as long as what it shows is in sight, and then no more."""
    operation, hide = case
    one = shown(ground, operation)

    hide(one)

    refused_like_a_read(one)


@pytest.mark.parametrize("case", PROVEN, ids=named)
def test_an_answer_that_is_not_looked_at_is_found(
    case: tuple[str, Hide], ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that asks the call's own question alone gives each of these away, and the cases tell."""
    show_repeats_unseen(monkeypatch)
    operation, hide = case
    one = shown(ground, operation)

    hide(one)

    assert one.told == one.again().json()
    with pytest.raises(AssertionError):
        refused_like_a_read(one)


def test_a_refused_repeat_says_what_it_did_not_show(ground: Ground) -> None:
    """Its entry names the resident, and where they live now, like the entry of a refused read."""
    one = shown(ground, "POST /v1/residents")
    resident_moves(one)
    refused, read = one.again(), one.read()

    assert read is not None
    entries = [one.served.lines_of(answer)[0].e for answer in (refused, read)]
    about = [{name: e.get(name) for name in ("out", "why", "obj", "subs", "homes")} for e in entries]
    assert about[0] == about[1]
    assert [one.told["id"]] == about[0]["subs"]
    assert ["resident.create", "resident.read"] == [e["act"] for e in entries]


# --- what of an answer is shown again -----------------------------------------------------------------


def test_of_a_resident_only_what_may_still_be_read_is_shown_again(ground: Ground) -> None:
    """A nurse who works in the office now is shown who they admitted, and nothing of allergies."""
    one = shown(ground, "POST /v1/residents", Caller("nurse"))
    assert "allergy_status" in one.told

    one.assign(f"/v1/users/{one.who.id}", "administrator", ground.homes["own"])
    again, read = one.again(), one.read()

    assert read is not None
    assert 201 == again.status_code
    assert one.told.keys() - {"allergy_status"} == again.json().keys() == read.json().keys()


def test_who_records_what_they_may_not_read_is_told_so_again(ground: Ground) -> None:
    """A carer's concern is answered once more: it is what they sent. Where it is removed, it is not."""
    served, carer = ground.served, ground.world.person("carer")
    path, body = f"/v1/residents/{ground.new_resident('own')}/records", record_of("safeguarding", CANARY)
    key = {"Idempotency-Key": f"concern-{carer.id}"}
    first, again = (served.ask("POST", path, carer, json=body, headers=key) for _ in range(2))
    record = f"{path}/{first.json()['id']}"
    hidden = served.ask("GET", record, carer)
    removal = {"If-Match": '"1"', "Audit-Reason": "of%20another"}
    assert 204 == served.ask("DELETE", record, ground.keepers["own"], headers=removal).status_code
    removed = served.ask("POST", path, carer, json=body, headers=key)

    assert [201, 201, 404, 404] == [one.status_code for one in (first, again, hidden, removed)]
    assert first.json() == again.json()


def test_who_reads_what_was_entered_in_error_is_shown_it_again(ground: Ground) -> None:
    """A deputy may read records entered in error, and so is given the answer of the call that made one."""
    one = shown(ground, "POST /v1/residents/{resident_id}/records", Caller("deputy_manager"))

    record_removed(one)
    read = one.read()

    assert read is not None
    assert [200, 201] == [read.status_code, one.again().status_code]
