"""Webhooks over HTTP: endpoints managed, messages received by a real HTTPS server, tried again, replayed."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from app.audit.verify import verify_export
from app.core.clock import SetClock
from app.core.identifiers import new_id
from app.webhooks.delivering import Delivering
from app.webhooks.table import webhook
from tests.http.bodies import CANARY
from tests.support.announcing import tell
from tests.support.receiver import Authority, Receiver, Reply
from tests.support.served import Database, Deployment, Line, Person, Served

PATH = "/v1/webhooks"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of the provider's own."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def served(
    database: Database, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A deployment of the present day that knows the authority: receivers compare timestamps with today.

    It neither judges nor delivers by itself: what goes out, and when, is up to each test.
    """
    clock = SetClock(datetime.now(UTC))
    world = Deployment.on(database, tmp_path_factory.mktemp("deployment"), clock=clock)
    world.settings = world.settings.model_copy(update={"webhooks_ca": authority.file, "jobs": "worker"})
    with Served(world) as served:
        yield served


@pytest.fixture(scope="module")
def admin(served: Served) -> Person:
    """Who looks after systems, and sees no records."""
    return served.world.person("it_admin", None)


@pytest.fixture
def receiver(authority: Authority) -> Iterator[Receiver]:
    """Another system, on this machine, over TLS."""
    with Receiver(authority.certify("localhost")) as receiver:
        yield receiver


def deliver(served: Served) -> int:
    """Send what is due, once, in the server's own event loop; return how many messages that was."""

    async def once() -> int:
        one = Delivering(served.desk.door.visit, served.world.settings)
        begun = await one.look()
        await one.settled()
        await one.stop()
        return begun

    loop = served.desk.door._loop
    assert loop is not None
    return asyncio.run_coroutine_threadsafe(once(), loop).result(30)


def entered(served: Served, admin: Person, url: str, *events: str) -> dict[str, Any]:
    """Enter an endpoint and return it as it was answered."""
    answer = served.ask("POST", PATH, admin, json={"url": url, "events": list(events or ["*"])})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def entries(lines: list[Line]) -> list[tuple[str, str]]:
    """Return act and outcome of lines."""
    return [(line.e["act"], line.e["out"]) for line in lines]


def test_an_endpoint_is_entered_tried_and_verified(served: Served, admin: Person, receiver: Receiver) -> None:
    """The secret of the answer verifies the message that a test sends; the log shows how it went."""
    made = entered(served, admin, receiver.url())
    one = f"{PATH}/{made['id']}"
    tried = served.ask("POST", f"{one}/test", admin)
    deliver(served)

    [got] = receiver.got
    said = Webhook(made["secret"]).verify(got.body, got.headers)
    assert (202, {"delivery_id": got.id}) == (tried.status_code, tried.json())
    assert ("webhook.test", {"webhook_id": made["id"], "link": one}) == (said["type"], said["data"])
    assert {"id": made["id"]}.items() <= served.ask("GET", said["data"]["link"], admin).json().items()
    [delivery] = served.ask("GET", f"{one}/deliveries", admin).json()["items"]
    assert (got.id, "webhook.test", "done", None) == tuple(
        delivery[name] for name in ("id", "event", "status", "due_at")
    )
    [attempt] = delivery["attempts"]
    assert (1, "ok", 204) == (attempt["n"], attempt["outcome"], attempt["http_status"])
    assert [("webhook.test", "ok")] == entries(served.lines_of(tried))


def test_a_secret_is_shown_once(served: Served, admin: Person, receiver: Receiver) -> None:
    """Where it is made, and nowhere else: not when it is read or listed, not when the call is repeated."""
    body, key = {"url": receiver.url(), "events": ["*"]}, {"Idempotency-Key": new_id()}
    first, again = (served.ask("POST", PATH, admin, json=body, headers=key) for _ in range(2))
    one = f"{PATH}/{first.json()['id']}"
    turned = [served.ask("POST", f"{one}/secret", admin, headers=key) for _ in range(2)]
    read = [served.ask("GET", path, admin) for path in (one, PATH)]

    made = [answer.json()["secret"] for answer in (first, again, *turned)]
    assert [True, False, True, False] == [isinstance(secret, str) for secret in made]
    assert made[0] != made[2]
    assert first.json() | {"secret": None} == again.json()
    assert not [a for a in (again, *turned[1:], *read) if "whsec_" in a.text]
    stored = repr([dict(row) for row in served.world.rows(webhook)])
    assert not [secret for secret in (made[0], made[2]) if secret[6:] in stored]


def test_a_failure_is_shown_and_replayed(served: Served, admin: Person, receiver: Receiver) -> None:
    """A message that failed waits; one that ended goes out again under its id when somebody says so."""
    made = entered(served, admin, receiver.url())
    one = f"{PATH}/{made['id']}"
    receiver.reply = lambda _: Reply(500, body=CANARY.encode())
    tell(served.world)
    deliver(served)
    [failed] = served.ask("GET", f"{one}/deliveries", admin).json()["items"]
    replay = f"{one}/deliveries/{failed['id']}/replay"
    too_soon = served.ask("POST", replay, admin)
    receiver.reply = lambda _: Reply(200)
    served.world.pass_time(seconds=10)
    deliver(served)
    replayed = served.ask("POST", replay, admin)
    deliver(served)

    assert ("due", 500) == (failed["status"], failed["attempts"][0]["http_status"])
    assert (409, 202) == (too_soon.status_code, replayed.status_code)
    assert [failed["id"]] * 3 == [got.id for got in receiver.got]
    listed = served.ask("GET", f"{one}/deliveries", admin)
    [delivery] = listed.json()["items"]
    assert [500, 200, 200] == [attempt["http_status"] for attempt in delivery["attempts"]]
    assert CANARY not in listed.text, "what an endpoint answers is not kept"
    assert [("webhook.replay", "ok")] == entries(served.lines_of(replayed))


def test_changes_are_entries_that_bind_the_row(served: Served, admin: Person, receiver: Receiver) -> None:
    """Entered, changed, given a new secret, removed: each entry has version and digest of the row."""
    made = entered(served, admin, receiver.url())
    one, states = f"{PATH}/{made['id']}", []
    change = {"url": receiver.url(path="/other"), "events": ["incident.opened"], "active": False}
    for method, path, body in (("PUT", one, change), ("POST", f"{one}/secret", None), ("DELETE", one, None)):
        answer = served.ask(method, path, admin, json=body)
        [line] = served.lines_of(answer)
        [row] = [row for row in served.world.rows(webhook) if row["id"] == made["id"]]
        states.append((line.e["act"], line.e["obj"]["ver"], line.e["state"] == bytes(row["state"]).hex()))

    expected = ["webhook.update", "webhook.rotate", "webhook.delete"]
    assert [(act, n, True) for n, act in enumerate(expected, 2)] == states
    assert 404 == served.ask("GET", one, admin).status_code
    assert made["id"] not in served.ask("GET", PATH, admin).text
    assert (b"", b"") == (row["url"], row["secret"])


def test_what_an_endpoint_wants_is_what_it_gets(served: Served, admin: Person, receiver: Receiver) -> None:
    """Only events it asked for, only while it is on."""
    made = entered(served, admin, receiver.url(), "incident.opened")
    one = f"{PATH}/{made['id']}"
    tell(served.world)
    deliver(served)
    before = len(receiver.got)
    body = {"url": receiver.url(), "events": ["alert.raised"]}
    served.ask("PUT", one, admin, json=body | {"active": True})
    tell(served.world)
    deliver(served)
    off = served.ask("PUT", one, admin, json=body | {"active": False}).json()
    tell(served.world)
    deliver(served)
    refused = served.ask("POST", f"{one}/test", admin)

    assert (0, 1, False, "asked", 409) == (
        before,
        len(receiver.got),
        off["active"],
        off["off_because"],
        refused.status_code,
    )


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://example.org/",
            "https://10.0.0.1/",
            "https://169.254.169.254/",
            "https://[::ffff:10.0.0.1]/",
        ),
        *("https://user@localhost:8443/", "https://2130706433/", "https://metadata.google.internal/", "x"),
    ],
)
def test_hostile_addresses_are_refused_when_entered_and_when_changed(
    served: Served, admin: Person, receiver: Receiver, url: str
) -> None:
    """422 at `/url`, with one entry, `fail`, and without repeating what was sent."""
    made = entered(served, admin, receiver.url())
    one = f"{PATH}/{made['id']}"
    answers = [
        served.ask("POST", PATH, admin, json={"url": url, "events": ["*"]}),
        served.ask("PUT", one, admin, json={"url": url, "events": ["*"], "active": True}),
    ]
    served.ask("DELETE", one, admin)

    assert [(422, "/url")] * 2 == [(a.status_code, a.json()["errors"][0]["pointer"]) for a in answers]
    assert not any(url in answer.text for answer in answers if len(url) > 1)
    assert [[("webhook.create", "fail")], [("webhook.update", "fail")]] == [
        entries(served.lines_of(answer)) for answer in answers
    ]


def test_nothing_is_looked_up_for_who_may_not(served: Served) -> None:
    """Somebody without the permission is refused with one entry before any name is asked for."""
    asked: list[str] = []
    judge = served.desk.judge_url

    async def judging(url: str) -> None:
        asked.append(url)

    served.desk.judge_url = judging
    manager = served.world.person("registered_manager", None)
    body = {"url": "https://canary.example.org/", "events": ["*"]}
    answers = [
        served.ask("POST", PATH, manager, json=body),
        served.ask("PUT", f"{PATH}/{new_id()}", manager, json=body | {"active": True}),
    ]
    served.desk.judge_url = judge

    assert ([403, 403], []) == ([answer.status_code for answer in answers], asked)
    assert [[("webhook.create", "deny")], [("webhook.update", "deny")]] == [
        entries(served.lines_of(answer)) for answer in answers
    ]


def test_a_repeated_call_is_answered_although_the_name_is_gone(served: Served, admin: Person) -> None:
    """What was entered once is answered once more, whatever its name leads to by now."""
    body = {"url": "https://localhost:8443/", "events": ["*"]}
    key = {"Idempotency-Key": new_id()}
    first = served.ask("POST", PATH, admin, json=body, headers=key)
    judge = served.desk.judge_url

    async def gone(_url: str) -> Any:
        return await judge("https://10.0.0.1/")

    served.desk.judge_url = gone
    again = served.ask("POST", PATH, admin, json=body, headers=key)
    served.desk.judge_url = judge

    assert [201, 201] == [first.status_code, again.status_code]
    assert first.json()["id"] == again.json()["id"]


def test_an_endpoint_whose_name_is_gone_is_switched_off(served: Served, admin: Person) -> None:
    """Switching off asks nothing of the address, as long as it stays; switching on and moving do."""
    one = f"{PATH}/{entered(served, admin, 'https://localhost:8443/')['id']}"
    judge = served.desk.judge_url

    async def gone(_url: str) -> Any:
        return await judge("https://10.0.0.1/")

    def put(url: str, *, active: bool) -> int:
        body = {"url": url, "events": ["*"], "active": active}
        return served.ask("PUT", one, admin, json=body).status_code

    served.desk.judge_url = gone
    answers = [put("https://localhost:8444/", active=False), put("https://localhost:8443/", active=False)]
    answers += [put("https://localhost:8443/", active=True)]
    served.desk.judge_url = judge

    assert [422, 200, 422] == answers
    assert served.ask("GET", one, admin).json()["active"] is False


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"url": "https://localhost/"}, {"events": ["*"]}, {"url": 7, "events": ["*"]}),
        *(
            {"url": "https://localhost/", "events": events}
            for events in ([], "*", ["alert"], ["webhook.test"])
        ),
        {"url": "https://localhost/", "events": ["*"], "secret": "whsec_" + "A" * 32},
    ],
)
def test_bodies_are_read_strictly(served: Served, admin: Person, body: Any) -> None:
    """Unknown events, fields that are not documented, a secret of one's own: 422."""
    assert 422 == served.ask("POST", PATH, admin, json=body).status_code


def test_there_are_not_too_many(served: Served) -> None:
    """Twenty endpoints of an organisation; one more is 409 until one is removed."""
    org = served.world.other_org
    admin = served.world.person("it_admin", None, org=org)
    made = [entered(served, admin, "https://localhost:1025/") for _ in range(20)]
    body = {"url": "https://localhost:1025/", "events": ["*"]}

    assert 409 == served.ask("POST", PATH, admin, json=body).status_code
    assert 204 == served.ask("DELETE", f"{PATH}/{made[0]['id']}", admin).status_code
    assert 201 == served.ask("POST", PATH, admin, json=body).status_code


def test_another_organisations_endpoint_is_not_there(
    served: Served, admin: Person, receiver: Receiver
) -> None:
    """404 for every operation on it, and its messages are not those of one's own."""
    made = entered(served, admin, receiver.url())
    stranger = served.world.person("it_admin", None, org=served.world.other_org)
    one = f"{PATH}/{made['id']}"
    change = {"url": receiver.url(), "events": ["*"], "active": True}
    asked = [("GET", one, None), ("PUT", one, change), ("POST", f"{one}/secret", None)]
    asked += [("POST", f"{one}/test", None), ("GET", f"{one}/deliveries", None), ("DELETE", one, None)]
    asked += [("POST", f"{one}/deliveries/{new_id()}/replay", None)]

    assert {404} == {served.ask(m, path, stranger, json=body).status_code for m, path, body in asked}


def test_the_delivery_log_has_pages(served: Served, admin: Person) -> None:
    """Newest first, each message once, whatever the size of a page."""
    one = f"{PATH}/{entered(served, admin, 'https://localhost:1025/', 'incident.clock')['id']}"
    sent = [served.ask("POST", f"{one}/test", admin).json()["delivery_id"] for _ in range(5)]
    seen: list[str] = []
    params = {"limit": "2"}
    for _ in range(3):
        page = served.ask("GET", f"{one}/deliveries", admin, params=params).json()
        seen += [item["id"] for item in page["items"]]
        params["cursor"] = page["next_cursor"] or ""

    assert (sent[::-1], "") == (seen, params["cursor"])


def test_an_export_with_endpoints_is_intact(served: Served, tmp_path: Path) -> None:
    """The trail of all this verifies offline."""
    served.world.pass_time(seconds=1)
    manager = served.world.person("registered_manager", None)
    out = tmp_path / "trail.zip"
    out.write_bytes(served.ask("GET", "/v1/audit/export", manager, params={"format": "zip"}).content)

    report = verify_export(out, served.desk.notary.vkeys(served.world.org))

    assert (0, []) == (report.exit_code, report.findings), report.as_text()
