"""Refused sign-ins tell nothing: one answer, one cost, one entry; and the throttle counts them."""

import time
from typing import Any

import argon2._password_hasher
import httpx2
import pytest

from app.core.identifiers import SYSTEM
from tests.support.served import Ask, Person, Served
from tests.support.world import PASSWORD

WRONG = "not this one at all"


class Argon2Calls:
    """Counts what the Argon2 library is asked to compute."""

    def __init__(self) -> None:
        self.verified = self.hashed = 0


@pytest.fixture
def argon2_calls(monkeypatch: pytest.MonkeyPatch) -> Argon2Calls:
    """The library's two functions, counted; they still compute."""
    calls, library = Argon2Calls(), argon2._password_hasher
    verify, hash_ = library.verify_secret, library.hash_secret

    def counted_verify(*args: Any, **named: Any) -> bool:
        calls.verified += 1
        return verify(*args, **named)

    def counted_hash(*args: Any, **named: Any) -> bytes:
        calls.hashed += 1
        return hash_(*args, **named)

    monkeypatch.setattr(library, "verify_secret", counted_verify)
    monkeypatch.setattr(library, "hash_secret", counted_hash)
    return calls


def attempt(served: Served, username: str, password: str, **more: str) -> httpx2.Response:
    """Try to sign in."""
    return served.ask("POST", "/v1/sessions", json={"username": username, "password": password} | more)


def people(served: Served) -> dict[str, Person]:
    """Return somebody active, somebody deactivated, and somebody of an agency off shift."""
    world = served.world
    world.pass_time(hours=2)  # what others failed at is forgotten
    manager = world.person("registered_manager", None)
    left = world.person("carer", signed_in=False)
    body = {"reason": "left"}
    assert served.ask("POST", f"/v1/users/{left.id}/deactivate", manager, json=body).status_code == 200
    return {
        "active": world.person("carer", signed_in=False),
        "left": left,
        "off shift": world.person("agency_carer", shift_hours=0, signed_in=False),
    }


def refusals(served: Served) -> dict[str, tuple[str, dict[str, str]]]:
    """Return every way to be refused: the slug, and what is sent."""
    who = people(served)
    active, left, off = who["active"], who["left"], who["off shift"]
    right = {"password": PASSWORD}
    code = {"otp": served.world.otp(off)}
    return {
        "unknown name": ("credentials-refused", {"username": "nobody.here", **right}),
        "unreadable name": ("credentials-refused", {"username": "\u202e\u200b", **right}),
        "unknown name, long password": ("credentials-refused", {"username": "nobody", "password": "x" * 512}),
        "wrong password": ("credentials-refused", {"username": active.username, "password": WRONG}),
        "long password": ("credentials-refused", {"username": active.username, "password": "x" * 512}),
        "wrong password and code": (
            "credentials-refused",
            {"username": active.username, "password": WRONG, "otp": "000000"},
        ),
        "deactivated, wrong password": (
            "credentials-refused",
            {"username": left.username, "password": WRONG},
        ),
        "deactivated": ("credentials-refused", {"username": left.username, **right}),
        "off shift, wrong password": ("credentials-refused", {"username": off.username, "password": WRONG}),
        "no code": ("otp-required", {"username": active.username, **right}),
        "wrong code": ("otp-required", {"username": active.username, **right, "otp": "000000"}),
        "wrong recovery code": (
            "otp-required",
            {"username": active.username, **right, "recovery_code": "abcde-fghij"},
        ),
        "off shift": ("off-shift", {"username": off.username, **right, **code}),
    }


def test_every_refusal_costs_one_argon2(served: Served, argon2_calls: Argon2Calls) -> None:
    """Whatever a sign-in is refused for, exactly one Argon2 is computed for it: 13 ways to be refused."""
    costs = {}
    wanted = refusals(served)
    for name, (_, body) in wanted.items():
        before = (argon2_calls.verified, argon2_calls.hashed)
        answer = served.ask("POST", "/v1/sessions", json=body)
        after = (argon2_calls.verified, argon2_calls.hashed)
        costs[name] = (answer.json()["type"], after[0] - before[0], after[1] - before[1])

    assert len(wanted) == 13
    assert {name: (f"/problems/{slug}", 1, 0) for name, (slug, _) in wanted.items()} == costs


def test_refused_credentials_are_answered_alike(served: Served) -> None:
    """For a wrong name, a wrong password and a deactivated user the answer is the same, to the header."""
    alike = [body for slug, body in refusals(served).values() if slug == "credentials-refused"]
    answers = [served.ask("POST", "/v1/sessions", json=body) for body in alike]
    changing = ("request_id",)
    bodies = [{k: v for k, v in answer.json().items() if k not in changing} for answer in answers]
    headers = [
        {k: v for k, v in answer.headers.items() if k not in ("date", "x-request-id", "content-length")}
        for answer in answers
    ]

    assert {401} == {answer.status_code for answer in answers}
    assert all(body == bodies[0] for body in bodies)
    assert all(header == headers[0] for header in headers)
    assert "audit-event" not in headers[0]


def test_each_refusal_is_an_entry_where_the_name_is_known(served: Served) -> None:
    """A refused sign-in is one entry: in the organisation's chain for a known name, else in `system`."""
    for name, (_, body) in refusals(served).items():
        answer = served.ask("POST", "/v1/sessions", json=body)
        (line,) = served.lines_of(answer)

        known = not name.startswith("un")
        assert (("auth.login", "deny"), served.world.org if known else SYSTEM) == (
            (line.e["act"], line.e["out"]),
            line.org,
        ), name
        assert (line.e["actor"]["id"] == "unknown") == (not known)
        assert body["username"] not in str(line.e)


def test_ten_failures_slow_an_account_down(served: Served) -> None:
    """After ten failures in five minutes an account waits, even for the right password; and then goes on."""
    active = people(served)["active"]
    failed = [attempt(served, active.username, WRONG).status_code for _ in range(10)]
    slowed = attempt(served, active.username, PASSWORD, otp=served.world.otp(active))

    assert [401] * 10 == failed
    assert (429, "/problems/too-many-attempts") == (slowed.status_code, slowed.json()["type"])
    served.world.pass_time(seconds=int(slowed.headers["Retry-After"]) + 1)
    assert served.sign_in(active).status_code == 201


def test_unknown_names_are_slowed_down_alike(served: Served, argon2_calls: Argon2Calls) -> None:
    """A name nobody has gets ten attempts and then 429 as well, and those compute nothing."""
    answers = [attempt(served, "nobody.at.all", WRONG) for _ in range(12)]

    assert [401] * 10 + [429] * 2 == [answer.status_code for answer in answers]
    assert argon2_calls.verified == 10


def test_a_crowd_gets_no_more_guesses_than_one(served: Served, argon2_calls: Argon2Calls) -> None:
    """Of sixty guesses at once no more than ten are looked at."""
    active = people(served)["active"]
    argon2_calls.verified = 0
    body = {"username": active.username, "password": WRONG}
    statuses = [
        a.status_code for a in served.ask_all(Ask("POST", "/v1/sessions", None, body) for _ in range(60))
    ]

    assert (10, 50) == (statuses.count(401), statuses.count(429))
    assert argon2_calls.verified == 10


def test_what_the_throttle_refused_is_one_entry(served: Served) -> None:
    """Attempts refused by the throttle are folded into one `auth.throttled` once their minute is over."""
    active = people(served)["active"]
    answers = [attempt(served, active.username, WRONG) for _ in range(17)]
    throttled = [answer for answer in answers if answer.status_code == 429]
    served.world.pass_time(seconds=61)

    def folded() -> list[tuple[str, int]]:
        entries = [e for e in served.world.entries() if e["act"] == "auth.throttled"]
        return [(e["out"], e["n"]) for e in entries if e.get("obj", {}).get("id") == active.id]

    patience = time.monotonic() + 10  # housekeeping folds every second
    while not folded() and time.monotonic() < patience:
        time.sleep(0.1)

    assert len(throttled) == 7
    assert [("deny", 7)] == folded()
    assert [[]] * 7 == [served.lines_of(answer) for answer in throttled]


@pytest.mark.parametrize("ended", [False, True])
def test_a_session_beside_a_malformed_sign_in_has_its_entry(served: Served, ended: bool) -> None:
    """Every request with a known session makes one entry, a sign-in is told the same without."""
    nurse = served.world.person("nurse")
    if ended:
        assert 204 == served.ask("DELETE", "/v1/sessions/current", nurse).status_code

    with_session = served.ask("POST", "/v1/sessions", nurse, json={})
    with_rubbish = served.ask("POST", "/v1/sessions", "rubbish", json={})
    without = served.ask("POST", "/v1/sessions", json={})

    assert [422, 422, 422] == [one.status_code for one in (with_session, with_rubbish, without)]
    assert 1 == len({str(one.json()["errors"]) for one in (with_session, with_rubbish, without)})
    (line,) = served.lines_of(with_session)
    assert (nurse.org, "auth.login", line.receipt) == (
        line.org,
        line.e["act"],
        with_session.headers["Audit-Event"],
    )
    assert nurse.id == line.e["actor"]["id"]
    for one in (with_rubbish, without):
        assert [] == served.lines_of(one)
        assert "Audit-Event" not in one.headers
