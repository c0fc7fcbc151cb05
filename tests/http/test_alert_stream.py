"""The stream of alerts over a real connection: what it tells, and what ends it."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from app.alerts import streaming
from app.alerts.stream_works import MOST_OF_SESSION
from app.http import lasting
from app.identity.table import session
from tests.support.alarming import finding, raised
from tests.support.listening import PATH, Listener, wait
from tests.support.served import Line, Person, Served

ENDS = "alert.stream.end"


@pytest.fixture
def manager(served: Served) -> Person:
    """Who manages one home."""
    return served.world.person("registered_manager")


def told(lines: list[Line]) -> list[tuple[str, str, str | None]]:
    """Return act, outcome and reason of lines."""
    return [(line.e["act"], line.e["out"], line.e.get("why")) for line in lines]


def raise_some(served: Served, number: int = 1) -> list[str]:
    """Have alerts raised at the home, each about something else."""
    world = served.world
    return raised(world, *(finding(world.org, world.home) for _ in range(number)))


def last_event(served: Served, manager: Person) -> int:
    """Return the number of an event a client may have seen last."""
    with Listener(served, manager) as listener:
        raise_some(served)
        number = listener.events(1)[0].id
    assert number is not None
    return number


def test_what_happens_is_told_within_seconds(served: Served, manager: Person) -> None:
    """An alert raised, a step and another finding are one event each, numbered as their entries are."""
    world = served.world
    with Listener(served, manager) as listener:
        assert listener.answer is not None
        assert "text/event-stream" == listener.answer.headers["content-type"]
        [begun] = listener.lines(1)
        assert ("alert.stream", "ok", begun.receipt) == (
            begun.e["act"],
            begun.e["out"],
            listener.answer.headers["Audit-Event"],
        )
        one = finding(world.org, world.home, subject="source:told")
        since = time.monotonic()
        [alert_id] = raised(world, one)
        listener.events(1)
        assert time.monotonic() - since < 5
        step = {"state": "in_review", "comment": "somebody's fault, they say"}
        assert 201 == served.ask("POST", f"/v1/alerts/{alert_id}/steps", manager, json=step).status_code
        raised(world, one)
        heard = listener.events(3)

    assert [("raised", "new", 1), ("step", "in_review", 1), ("found_again", "in_review", 2)] == [
        (one.data["what"], one.data["state"], one.data["count"]) for one in heard
    ]
    assert {alert_id} == {one.data["id"] for one in heard}
    assert [1, 2, 3] == [one.data["version"] for one in heard]
    acts = {line.seq: line.e["act"] for line in served.lines() if line.org == world.org}
    assert ["alert.raise", "alert.step", "alert.raise"] == [acts[one.id or -1] for one in heard]
    assert "somebody's fault" not in str(heard)
    assert [("alert.stream", "ok", None), (ENDS, "ok", None)] == told(listener.lines(2))
    assert 3 == listener.lines(2)[1].e["n"]


def test_a_client_that_comes_back_misses_nothing_and_hears_nothing_twice(
    served: Served, manager: Person
) -> None:
    """After `Last-Event-ID` come exactly the events since, also when they are more than one look takes."""
    last = last_event(served, manager)
    missed = raise_some(served, streaming.EVENTS_AT_ONCE + 20)
    with Listener(served, manager, after=last, seconds=0) as listener:
        assert "over" == listener.over()
    heard = listener.alerts

    assert missed == [one.data["id"] for one in heard]
    numbers = [one.id or 0 for one in heard]
    assert last < numbers[0]
    assert numbers == sorted(set(numbers))
    with Listener(served, manager, after=numbers[59], seconds=0) as again:
        again.over()
    assert missed[60:] == [one.data["id"] for one in again.alerts]


def test_without_a_last_event_a_stream_begins_now(served: Served, manager: Person) -> None:
    """What was raised before is in the list and not in the stream."""
    raise_some(served)
    with Listener(served, manager, seconds=0) as listener:
        listener.over()
    assert [] == listener.alerts


@pytest.mark.parametrize("number", ["-1", "x", "01", ""])
def test_a_number_that_no_event_has_is_refused(served: Served, manager: Person, number: str) -> None:
    """`Last-Event-ID` is the id of an event, as it came: 422 otherwise, with one entry."""
    answer = served.ask("GET", PATH, manager, headers={"Last-Event-ID": number})
    assert 422 == answer.status_code
    assert [("alert.stream", "fail", "invalid-request")] == told(served.lines_of(answer))


def test_nobody_hears_of_other_homes_or_of_themselves(served: Served, manager: Person) -> None:
    """A stream tells what its listener would see in the list, and nothing else."""
    world = served.world
    elsewhere = finding(world.org, world.other_home)
    own = finding(world.org, world.home, subject=f"user:{manager.id}", user_id=manager.id)
    abroad = finding(world.other_org, world.foreign_home)
    with Listener(served, manager) as listener:
        raised(world, abroad, org=world.other_org)
        raised(world, elsewhere, own, finding(world.org))
        [seen] = raise_some(served)
        heard = listener.events(1)
    assert [seen] == [one.data["id"] for one in heard]


def test_a_stream_does_not_keep_its_session_awake(served: Served, manager: Person) -> None:
    """Its looks are no activity: the session goes idle, and the stream ends at once, with its entry."""
    with Listener(served, manager) as listener:
        served.world.pass_time(minutes=6)
        raise_some(served)
        listener.events(1)
        time.sleep(1.5)
        assert manager.session is not None
        [row] = [row for row in served.world.rows(session) if row["id"] == manager.session.id]
        assert row["started_at"] == row["seen_at"]
        served.world.pass_time(minutes=4)
        assert "session-idle" == listener.over(patience_s=5)
    assert [("alert.stream", "ok", None), (ENDS, "fail", "session-idle")] == told(listener.lines(2))


def lock(served: Served, manager: Person) -> None:
    """Lock the session."""
    assert 204 == served.ask("POST", "/v1/sessions/current/lock", manager).status_code


def sign_out(served: Served, manager: Person) -> None:
    """End the session."""
    assert 204 == served.ask("DELETE", "/v1/sessions/current", manager).status_code


def deactivate(served: Served, manager: Person) -> None:
    """Deactivate the account."""
    keeper = served.world.person("registered_manager", None)
    path = f"/v1/users/{manager.id}/deactivate"
    assert 200 == served.ask("POST", path, keeper, json={"reason": "left"}).status_code


def take_permission(served: Served, manager: Person) -> None:
    """Take the permission away."""
    keeper = served.world.person("registered_manager", None)
    body = {"assignments": [{"role": "carer", "home_id": served.world.home}]}
    headers = {"If-Match": '"1"'}
    answer = served.ask("PATCH", f"/v1/users/{manager.id}", keeper, json=body, headers=headers)
    assert 200 == answer.status_code, answer.text


@pytest.mark.parametrize(
    ("end", "reason", "why"),
    [
        (lock, "session-locked", "session-locked"),
        (sign_out, "session-ended", "signed-out"),
        (deactivate, "session-ended", "deactivated"),
        (take_permission, "forbidden", "no-permission"),
    ],
)
def test_what_ends_ends_the_stream(
    served: Served, manager: Person, end: Callable[[Served, Person], None], reason: str, why: str
) -> None:
    """Locked, signed out, deactivated or without the permission: the stream ends within two looks.

    The look that was refused adds no entry: of a stream there are two, and its end says why.
    """
    with Listener(served, manager) as listener:
        end(served, manager)
        assert reason == listener.over(patience_s=5)
        assert [("alert.stream", "ok", None), (ENDS, "fail", why)] == told(listener.lines(2))


def test_the_end_of_a_session_ends_its_stream(served: Served) -> None:
    """When its lifetime is over the stream ends with its entry, though the token is worth nothing either."""
    world = served.world
    manager = world.person("registered_manager", signed_in=False)
    began = world.now
    world.sign_in(manager, lifetime=timedelta(minutes=5))
    assert manager.session is not None
    token = served._signer.issue(
        manager.session.id, manager.org, manager.id, began, began + timedelta(minutes=5)
    )
    with Listener(served, token) as listener:
        world.pass_time(minutes=8)
        assert "session-ended" == listener.over(patience_s=5)
    acts = [(act, out) for act, out, _ in told(listener.lines(2))]
    assert [("alert.stream", "ok"), (ENDS, "fail")] == acts


def test_streams_are_bounded(served: Served, manager: Person) -> None:
    """One more than a session may have is refused with 409; a place that was left is free again."""
    listeners = [Listener(served, manager) for _ in range(MOST_OF_SESSION)]
    for one in listeners:
        one.__enter__()
    try:
        refused = served.ask("GET", PATH, manager, params={"seconds": "0"})
        assert 409 == refused.status_code
        assert [("alert.stream", "fail", "too-many-streams")] == told(served.lines_of(refused))
        listeners[0].leave()
        listeners[0].lines(2)
        assert 200 == served.ask("GET", PATH, manager, params={"seconds": "0"}).status_code
    finally:
        for one in listeners:
            one.leave()
    for one in listeners:
        assert [("alert.stream", "ok", None), (ENDS, "ok", None)] == told(one.lines(2))
    assert 0 == len(served.desk.streams)


def test_silence_is_broken(served: Served, manager: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing happens a comment comes from time to time, and makes no entry."""
    monkeypatch.setattr(streaming, "HEARTBEAT_EVERY_S", 0.5)
    with Listener(served, manager) as listener:
        wait(lambda: len(listener.comments) >= 2)
        assert 1 == len(listener.lines(1))


@contextmanager
def small_send_buffers(served: Served) -> Iterator[None]:
    """Let the system take little of what is sent to a new connection: the rest waits in the server."""
    listening = served._server.servers[0].sockets[0]
    with socket.socket(fileno=os.dup(listening.fileno())) as same:
        before = same.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        yield
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, before // 2)


def test_who_takes_nothing_is_dropped(
    served: Served, manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads no byte for a while is cut off before the end; the entry says why, the place is free."""
    monkeypatch.setattr(lasting, "SLOW_AFTER_S", 0.5)
    request = f"slow-{time.time_ns()}"
    with small_send_buffers(served), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", served.port))
        head = f"GET {PATH} HTTP/1.1\r\nhost: x\r\nx-request-id: {request}\r\n"
        client.sendall(f"{head}authorization: Bearer {served.token(manager)}\r\n\r\n".encode())
        wait(lambda: served.lines_by_request().get(request))
        raise_some(served, 300)
        wait(lambda: len(served.lines_by_request()[request]) == 2)
        with pytest.raises(ConnectionError):  # what was cut answers nothing any more
            for _ in range(100):
                client.sendall(b"x")
                time.sleep(0.05)
    assert [("alert.stream", "ok", None), (ENDS, "fail", "slow-reader")] == told(
        served.lines_by_request()[request]
    )
    assert 0 == len(served.desk.streams)


def test_a_server_that_stops_ends_its_streams(served: Served, manager: Person) -> None:
    """The server stops within seconds; each stream is told, and its end is in the trail."""
    with Listener(served, manager) as listener:
        since = time.monotonic()
        served.restart()
        assert time.monotonic() - since < 10
        assert "stopping" == listener.over()
        assert [("alert.stream", "ok", None), (ENDS, "ok", None)] == told(listener.lines(2))
