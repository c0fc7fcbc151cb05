"""Lists, versions and repeats, as the contract words them."""

from datetime import timedelta, timezone
from typing import Any

import httpx2
import pytest

from app.core.clock import spell
from tests.http.bodies import admission, nhs_number, record_of
from tests.support.served import Ask, Person, Served

RESIDENTS = "/v1/residents"


@pytest.fixture
def manager(served: Served) -> Person:
    """Somebody who may do everything in the organisation."""
    return served.world.person("registered_manager", None)


@pytest.fixture
def resident(served: Served, manager: Person) -> str:
    """The path of somebody at the world's own home."""
    body = admission(served.world.home, "Sample")
    return f"{RESIDENTS}/{made(served.ask('POST', RESIDENTS, manager, json=body))['id']}"


def made(answer: httpx2.Response) -> dict[str, Any]:
    """Return what was made."""
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def note(served: Served, text: str, **ago: float) -> dict[str, Any]:
    """Return a note of some time ago."""
    return record_of("daily_note", text) | {"occurred_at": spell(served.world.now - timedelta(**ago))}


# --- lists ------------------------------------------------------------------------------------------


def pages(served: Served, path: str, who: Person, **params: str) -> list[list[str]]:
    """Return the ids of every page of a list."""
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = served.ask("GET", path, who, params=params | more).json()
        found.append([item["id"] for item in answer["items"]])
        cursor = answer["next_cursor"]
        if cursor is None:
            return found


def test_pages_of_a_list_hold_everything_once_newest_first(
    served: Served, manager: Person, resident: str
) -> None:
    """Pages follow each other without gap or repetition, the newest first, ties in order of their ids."""
    minutes = (50, 40, 40, 40, 30, 20, 10)
    ids = [
        made(served.ask("POST", f"{resident}/records", manager, json=note(served, str(m), minutes=m)))["id"]
        for m in minutes
    ]
    newest_first = [i for _, i in sorted(zip((-m for m in minutes), ids, strict=True), reverse=True)]

    found = pages(served, f"{resident}/records", manager, limit="2")

    assert [2, 2, 2, 1] == [len(page) for page in found]
    assert newest_first == [i for page in found for i in page]
    assert [newest_first] == pages(served, f"{resident}/records", manager)


def signed_in_often(served: Served, home: str, org: str, *, times: int) -> str:
    """Return somebody who is signed in on so many devices; time does not pass far enough to end any."""
    person = served.world.person("carer", home, org=org, signed_in=False)
    for _ in range(times):
        served.world.pass_time(seconds=31)
        served.world.sign_in(person)
    return person.id


@pytest.mark.parametrize("path", [RESIDENTS, "/v1/users", "/v1/audit/events", "/v1/sessions"])
def test_every_list_is_handed_out_in_pages(served: Served, path: str) -> None:
    """Residents, users, entries and sessions come in pages that hold each item once, newest first."""
    world = served.world
    org = world.found("Paged Care")
    manager = world.person("registered_manager", None, org=org)
    home = world.open_home(org, "Paged House")
    served.ask_all(Ask("POST", RESIDENTS, manager, admission(home, f"S{n}")) for n in range(7))
    for _ in range(6):
        world.person("kitchen", home, org=org, signed_in=False)
    key = "seq" if path == "/v1/audit/events" else "id"
    asked = {}
    if path == "/v1/sessions":
        asked = {"user_id": signed_in_often(served, home, org, times=7)}
    found: list[list[Any]] = []
    cursor: dict[str, str] = {}
    while len(found) < 4:
        answer = served.ask("GET", path, manager, params={"limit": "3"} | asked | cursor).json()
        found.append([item[key] for item in answer["items"]])
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    whole = [item[key] for item in served.ask("GET", path, manager, params=asked).json()["items"]]

    flat = [item for page in found for item in page]
    assert len(flat) == len(set(flat)) >= 7
    assert sorted(flat, reverse=True) == flat
    # reading the trail lengthens it: what a page showed stays in its place behind the newer entries
    assert flat == [item for item in whole if item <= flat[0]][: len(flat)]


def test_a_cursor_belongs_to_its_list_and_its_caller(served: Served, manager: Person, resident: str) -> None:
    """A cursor that comes with another query, list or caller, or was touched, is 422 and shows nothing."""
    for n in range(3):
        made(served.ask("POST", f"{resident}/records", manager, json=note(served, "n", minutes=n)))
    path, other = f"{resident}/records", served.world.person("nurse")
    cursor = served.ask("GET", path, manager, params={"limit": "1"}).json()["next_cursor"]
    asks = {
        "another limit": (path, manager, {"limit": "2", "cursor": cursor}),
        "another category": (path, manager, {"limit": "1", "category": "daily_note", "cursor": cursor}),
        "another period": (path, manager, {"limit": "1", "from": "2026-01-01T00:00:00Z", "cursor": cursor}),
        "another list": (RESIDENTS, manager, {"limit": "1", "cursor": cursor}),
        "another caller": (path, other, {"limit": "1", "cursor": cursor}),
        **{
            f"touched at {at}": (path, manager, {"limit": "1", "cursor": touched(cursor, at)})
            for at in range(len(cursor))
        },
        "cut": (path, manager, {"limit": "1", "cursor": cursor[:-4]}),
        "longer": (path, manager, {"limit": "1", "cursor": f"{cursor}AAAA"}),
        "spelled otherwise": (path, manager, {"limit": "1", "cursor": f"{cursor[:5]}!*{cursor[5:]}"}),
    }
    answers = served.ask_all(Ask("GET", p, who, params=params) for p, who, params in asks.values())
    statuses = dict(zip(asks, [answer.status_code for answer in answers], strict=True))

    assert served.ask("GET", path, manager, params={"limit": "1", "cursor": cursor}).status_code == 200
    assert {name for name, status in statuses.items() if status != 422} == set()


def touched(cursor: str, at: int) -> str:
    """Return a cursor with another letter in one place, so that other bits come of it."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = letters[(letters.index(cursor[at]) + 32) % 64]
    return cursor[:at] + other + cursor[at + 1 :]


def test_from_is_inclusive_and_to_exclusive(served: Served, manager: Person, resident: str) -> None:
    """`from` lets in what happened at that very instant, `to` does not, in any spelling of the instant."""
    for minutes in (30, 20, 10):
        made(served.ask("POST", f"{resident}/records", manager, json=note(served, "n", minutes=minutes)))
    at = {m: served.world.now - timedelta(minutes=m) for m in (30, 20, 10)}

    def texts(**period: str) -> list[str]:
        params = {name.rstrip("_"): value for name, value in period.items()}
        items = served.ask("GET", f"{resident}/records", manager, params=params).json()["items"]
        return [item["occurred_at"] for item in items]

    spelled = {m: spell(instant) for m, instant in at.items()}
    with_offset = at[20].astimezone(timezone(timedelta(hours=1))).isoformat()
    assert [spelled[10], spelled[20]] == texts(from_=spelled[20])
    assert [spelled[10], spelled[20]] == texts(from_=with_offset)
    assert [spelled[30]] == texts(to=spelled[20])
    assert [spelled[20]] == texts(from_=spelled[20], to=spelled[10])
    assert [] == texts(from_=spelled[20], to=spelled[20])


# --- versions ---------------------------------------------------------------------------------------


def test_a_version_is_named_by_its_etag(served: Served, manager: Person, resident: str) -> None:
    """Each change gives the next strong ETag; the older one is stale from then on, and nothing is lost."""
    first = served.ask("GET", resident, manager).headers["ETag"]
    change = {"identity": {"preferred_name": "Addie"}}

    second = served.ask("PATCH", resident, manager, json=change, headers={"If-Match": first})
    stale = served.ask("PATCH", resident, manager, json=change, headers={"If-Match": first})
    read = served.ask("GET", resident, manager)

    assert ('"1"', '"2"', 412) == (first, second.headers["ETag"], stale.status_code)
    assert (read.headers["ETag"], read.json()["version"]) == ('"2"', 2)
    assert read.json()["identity"]["preferred_name"] == "Addie"


def test_of_two_changes_of_one_version_one_wins(served: Served, manager: Person, resident: str) -> None:
    """Twelve changes of the same version at once: one succeeds, eleven are 412."""
    asks = [Ask("PATCH", resident, manager, {"room": f"R{n}"}, {"If-Match": '"1"'}) for n in range(12)]
    statuses = sorted(answer.status_code for answer in served.ask_all(asks))

    assert [200] + [412] * 11 == statuses
    assert served.ask("GET", resident, manager).json()["version"] == 2


def test_every_version_of_a_record_is_kept(served: Served, manager: Person, resident: str) -> None:
    """Each amendment is a version of its own, readable with the reason for it."""
    made_at = note(served, "first", minutes=5)
    record = (
        f"{resident}/records/{made(served.ask('POST', f'{resident}/records', manager, json=made_at))['id']}"
    )
    for version in (1, 2):
        body = {"occurred_at": made_at["occurred_at"], "body": {"text": f"v{version + 1}"}}
        body["amendment_reason"] = f"reason {version}"
        answer = served.ask("PUT", record, manager, json=body, headers={"If-Match": f'"{version}"'})
        assert (200, f'"{version + 1}"') == (answer.status_code, answer.headers["ETag"])

    versions = served.ask("GET", f"{record}/versions", manager).json()["items"]
    each = [served.ask("GET", f"{record}/versions/{n}", manager) for n in (1, 2, 3, 4)]

    assert [(3, "v3"), (2, "v2"), (1, "first")] == [(v["version"], v["body"]["text"]) for v in versions]
    assert ["reason 2", "reason 1", None] == [v.get("amendment_reason") for v in versions]
    assert [200, 200, 200, 404] == [answer.status_code for answer in each]
    assert versions == [answer.json() for answer in reversed(each[:3])]
    assert [404] * 3 == [
        served.ask("GET", f"{record}/versions/{bad}", manager).status_code for bad in ("0", "01", "1_0")
    ]


# --- repeats ----------------------------------------------------------------------------------------


def test_a_key_is_kept_across_a_restart(served: Served, manager: Person) -> None:
    """After a restart the same key and body get the same answer, and nothing is made twice."""
    ask = Ask("POST", RESIDENTS, manager, admission(served.world.home, "Restarted"), {"Idempotency-Key": "k"})
    first = served.ask_all([ask])[0]
    count = len(served.ask("GET", RESIDENTS, manager, params={"limit": "200"}).json()["items"])

    served.restart()
    again = served.ask_all([ask])[0]

    assert (201, first.json()) == (again.status_code, again.json())
    assert first.headers["ETag"] == again.headers["ETag"]
    assert count == len(served.ask("GET", RESIDENTS, manager, params={"limit": "200"}).json()["items"])


def test_a_key_belongs_to_its_user_and_its_route(served: Served, manager: Person, resident: str) -> None:
    """The same key of somebody else, or at another route, is another key."""
    other, key = served.world.person("registered_manager", None), {"Idempotency-Key": "shared"}
    body = note(served, "once", minutes=1)
    answers = [
        served.ask("POST", f"{resident}/records", manager, json=body, headers=key),
        served.ask("POST", f"{resident}/records", other, json=body, headers=key),
        served.ask("POST", "/v1/homes", manager, json={"name": "Keyed House"}, headers=key),
    ]

    assert [201, 201, 201] == [answer.status_code for answer in answers]
    assert len({answer.json()["id"] for answer in answers}) == 3


def test_a_key_is_forgotten_after_a_day(served: Served, manager: Person) -> None:
    """For 24 hours a key answers once more; then it is as new."""
    ask = Ask("POST", "/v1/homes", manager, {"name": "Dated House"}, {"Idempotency-Key": "of-the-day"})
    first = served.ask_all([ask])[0].json()
    served.world.pass_time(hours=23, minutes=59)
    served.world.sign_in(manager)
    within = served.ask_all([ask])[0].json()
    served.world.pass_time(minutes=1)
    served.world.sign_in(manager)
    after = served.ask_all([ask])[0].json()

    assert first == within
    assert first["id"] != after["id"]


def test_the_same_request_twice_at_once_is_done_once(served: Served, manager: Person) -> None:
    """Twelve identical requests with one key at once make one resident; each is told of it, or 409."""
    body = admission(served.world.home, "Twelvefold")
    answers = served.ask_all(
        Ask("POST", RESIDENTS, manager, body, {"Idempotency-Key": "twelve"}) for _ in range(12)
    )
    found = served.ask("POST", f"{RESIDENTS}/search", manager, json={"family_name": "Twelvefold"}).json()

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert [item["id"] for item in found["items"]] == list(
        {answer.json()["id"] for answer in answers if answer.status_code == 201}
    )


def test_one_nhs_number_at_once_admits_one(served: Served, manager: Person) -> None:
    """Twelve admissions with one NHS number at once: one resident, eleven conflicts."""
    asks = [
        Ask("POST", RESIDENTS, manager, admission(served.world.home, f"N{n}", nhs_number(77)))
        for n in range(12)
    ]

    assert [201] + [409] * 11 == sorted(answer.status_code for answer in served.ask_all(asks))


def test_a_repeat_is_judged_anew(served: Served, manager: Person, resident: str) -> None:
    """Who has lost the permission meanwhile gets no stored answer either, and what was deleted stays so."""
    nurse = served.world.person("nurse")
    ask = Ask("POST", f"{resident}/records", nurse, note(served, "told", minutes=1), {"Idempotency-Key": "n"})
    first, again = served.ask_all([ask])[0], served.ask_all([ask])[0]
    record = f"{resident}/records/{made(first)['id']}"
    amendment = {"occurred_at": ask.json["occurred_at"], "body": {"text": "x"}, "amendment_reason": "y"}
    headers = {"Idempotency-Key": "m", "If-Match": '"1"'}
    change = Ask("PUT", record, nurse, amendment, headers)
    assert served.ask_all([change])[0].status_code == 200
    removal = {"If-Match": '"2"', "Audit-Reason": "wrong%20person"}
    assert served.ask("DELETE", record, manager, headers=removal).status_code == 204
    deleted = served.ask_all([change])[0]
    user = f"/v1/users/{nurse.id}"
    etag = served.ask("GET", user, manager).headers["ETag"]
    moved = {"assignments": [{"role": "kitchen", "home_id": served.world.home}]}
    assert served.ask("PATCH", user, manager, json=moved, headers={"If-Match": etag}).status_code == 200
    lost = served.ask_all([ask])[0]

    assert [201, 201, 404, 403] == [answer.status_code for answer in (first, again, deleted, lost)]
    assert "told" not in deleted.text + lost.text


def test_a_repeated_removal_is_answered_as_the_first(served: Served, manager: Person, resident: str) -> None:
    """The record is gone, by this very call: with its key it is told so again, without it there is none."""
    ask = Ask("POST", f"{resident}/records", manager, note(served, "of another", minutes=1))
    record = f"{resident}/records/{made(served.ask_all([ask])[0])['id']}"
    once = {"If-Match": '"1"', "Audit-Reason": "wrong%20person"}
    removals = [Ask("DELETE", record, manager, None, once | key) for key in ({"Idempotency-Key": "gone"}, {})]
    first, again, other = (served.ask_all([one])[0] for one in (removals[0], removals[0], removals[1]))

    assert [204, 204, 404] == [answer.status_code for answer in (first, again, other)]
    assert [b"", b""] == [first.content, again.content]
    entries = [served.lines_of(answer)[0].e for answer in (first, again, other)]
    assert [("record.delete", "ok")] * 2 + [("record.delete", "fail")] == [
        (e["act"], e["out"]) for e in entries
    ]
    assert [True, False, False] == ["state" in entry for entry in entries]


def test_a_failed_call_is_not_kept(served: Served, manager: Person) -> None:
    """A refused request leaves its key free: corrected, the same key works."""
    key = {"Idempotency-Key": "second-try"}
    wrong = served.ask("POST", "/v1/homes", manager, json={"name": ""}, headers=key)
    right = served.ask("POST", "/v1/homes", manager, json={"name": "Second House"}, headers=key)

    assert [422, 201] == [wrong.status_code, right.status_code]
