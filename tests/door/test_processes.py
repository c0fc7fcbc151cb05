"""Several serving processes on one PostgreSQL: one chain, one throttle, one truth about sessions and keys."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pyotp
import pytest
from sqlalchemy import update

from app.identity.table import one_time
from tests.support.cast import nhs_number
from tests.support.check_log import check_database
from tests.support.crash import Client, Ward, compare
from tests.support.postgresql import make_database
from tests.support.served import Database
from tests.support.server_process import ServerProcess
from tests.support.world import PASSWORD, Person

SERVERS = 3


class House:
    """Three servers on one deployment."""

    def __init__(self, ward: Ward, servers: list[ServerProcess]) -> None:
        self.ward = ward
        self.servers = servers
        self.clients = [server.client() for server in servers]
        self.notes = f"/v1/residents/{ward.resident}/records"

    def ask(
        self, n: int, method: str, path: str, who: Person | str, body: Any = None, **headers: str
    ) -> httpx2.Response:
        """Send a request to the n-th server."""
        token = who if isinstance(who, str) else self.ward.token(who)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        authorised = {"Authorization": f"Bearer {token}"} | named
        return self.clients[n % SERVERS].request(method, path, json=body, headers=authorised)

    def at_once(self, asks: list[Callable[[], httpx2.Response]]) -> list[httpx2.Response]:
        """Let requests go at the same moment and return their answers."""
        ready = threading.Barrier(len(asks))

        def go(ask: Callable[[], httpx2.Response]) -> httpx2.Response:
            ready.wait(10)
            return ask()

        with ThreadPoolExecutor(len(asks)) as pool:
            return list(pool.map(go, asks))

    def at_all(self, *asked: Any, **headers: str) -> list[httpx2.Response]:
        """Send one request to all servers at the same moment."""
        return self.at_once([partial(self.ask, n, *asked, **headers) for n in range(SERVERS)])

    def note(self, word: str) -> dict[str, Any]:
        """Return the body of a new note."""
        now = datetime.now(UTC).isoformat()
        return {"category": "daily_note", "occurred_at": now, "body": {"text": word}}


@pytest.fixture(scope="module")
def house(postgresql_url: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One deployment, three processes."""
    folder: Path = tmp_path_factory.mktemp("processes")
    made = make_database(postgresql_url, f"processes_{worker_id}")
    servers: list[ServerProcess] = []
    with Ward(Database("postgresql", made.owner, made.service), folder) as ward:
        try:
            with ThreadPoolExecutor(SERVERS) as pool:
                list(pool.map(lambda _: servers.append(ward.serve()), range(SERVERS)))
            house = House(ward, servers)
            yield house
            for client in house.clients:
                client.close()
        finally:
            for server in servers:
                server.stop()
        assert [] == check_database(ward.owner_url).problems


def slugs(answers: list[httpx2.Response]) -> Counter[str]:
    """Return how often each status or problem was answered."""
    told = [
        a.json()["type"].rsplit("/", 1)[1] if a.status_code >= 400 else str(a.status_code) for a in answers
    ]
    return Counter(told)


def test_entries_are_the_answers_whoever_served_them(house):
    """Under load on all three every request has one entry, at its receipt, in one unbroken chain."""
    clients = [Client.start(house.ward, one, f"p{n}", 3.0) for n, one in enumerate(house.servers)]
    try:
        chronicles = [client.finish() for client in clients]
    finally:
        for client in clients:
            client.stop()
    findings = check_database(house.ward.owner_url)

    assert all(len(one.asked) > 50 for one in chronicles)
    assert all(len(one.answers) == len(one.asked) for one in chronicles)
    assert [] == [problem for one in chronicles for problem in compare(one, findings)]
    requests = sum(len(one.asked) for one in chronicles)
    answered = [rid for rid in findings.by_request() if rid.startswith("r-p")]
    assert requests == len(answered)


def test_a_key_used_at_all_processes_has_one_effect(house):
    """The same creation sent to all three at once is made once and answered alike by all."""
    nurse = house.ward.tokens["nurse"]
    for n in range(10):
        body = house.note(f"same at once {n}")
        key = f"shared-{n}"
        answers = house.at_all("POST", house.notes, nurse, body, Idempotency_Key=key)
        assert {"201": SERVERS} == slugs(answers)
        assert len({a.json()["id"] for a in answers}) == 1
        assert len({a.headers["Audit-Event"] for a in answers}) == SERVERS
        other = house.ask(n, "POST", house.notes, nurse, house.note("another"), Idempotency_Key=key)
        assert (422, "/problems/idempotency-key-reused") == (other.status_code, other.json()["type"])
    texts = house.ask(0, "GET", f"{house.notes}?category=daily_note&limit=200", nurse).json()["items"]
    made = Counter(one["body"]["text"] for one in texts if one["body"]["text"].startswith("same at once"))
    assert {f"same at once {n}": 1 for n in range(10)} == made


def test_a_version_is_changed_by_one_process_only(house):
    """Of three amendments of one version at three processes one is made, the others are told of it."""
    nurse = house.ward.tokens["nurse"]
    made = house.ask(0, "POST", house.notes, nurse, house.note("to be amended")).json()
    for version in range(1, 11):
        body = {"occurred_at": made["occurred_at"], "body": {"text": "amended"}, "amendment_reason": "race"}
        path = f"{house.notes}/{made['id']}"
        answers = house.at_all("PUT", path, nurse, body, If_Match=f'"{version}"')
        assert {"200": 1, "version-conflict": SERVERS - 1} == slugs(answers)


def test_an_nhs_number_is_taken_once(house):
    """Three residents with one NHS number, admitted at three processes at once: one is."""
    manager, home = house.ward.tokens["manager"], house.ward.world.home
    for n in range(3):
        body = {
            "home_id": home,
            "identity": {"given_name": "Ida", "family_name": "Hale"},
            "identifiers": {"date_of_birth": "1941-01-01", "nhs_number": nhs_number(100 + n)},
            "admitted_on": "2026-01-01",
        }
        answers = house.at_all("POST", "/v1/residents", manager, body)
        assert {"201": 1, "conflict": SERVERS - 1} == slugs(answers)


def sign_in(house: House, n: int, person: Person, password: str, otp: str | None) -> httpx2.Response:
    """Sign somebody in at the n-th server."""
    body = {"username": person.username, "password": password} | ({"otp": otp} if otp else {})
    return house.clients[n % SERVERS].post("/v1/sessions", json=body)


def present_code(person: Person) -> str:
    """Return the present code; it was not used before by somebody new."""
    return str(pyotp.TOTP(str(person.totp_secret)).at(int(time.time())))


def test_the_throttle_counts_for_all_processes_together(house):
    """Of 24 wrong passwords at once, spread over all, ten are checked; then even right ones wait."""
    person = house.ward.world.person("carer", signed_in=False)
    asks = [partial(sign_in, house, n, person, "not the password", None) for n in range(24)]

    answers = house.at_once(asks)

    assert {"credentials-refused": 10, "too-many-attempts": 14} == slugs(answers)
    for n in range(SERVERS):
        assert 429 == sign_in(house, n, person, PASSWORD, present_code(person)).status_code


def test_a_one_time_code_works_at_one_process_only(house):
    """One code sent to three processes at once signs in once."""
    person = house.ward.world.person("carer", signed_in=False)
    code = present_code(person)
    asks = [partial(sign_in, house, n, person, PASSWORD, code) for n in range(SERVERS)]

    assert {"201": 1, "otp-required": SERVERS - 1} == slugs(house.at_once(asks))


def test_a_one_time_code_unlocks_at_one_process_only(house):
    """One code given for two sessions of an account, each at another process at once, unlocks one of them."""
    world = house.ward.world
    for n in range(3):
        both = [person := world.person("carer"), replace(person)]
        world.sign_in(both[1])
        unused = update(one_time).where(one_time.c.user_id == person.id).values(otp_step=0)
        world.looking(lambda connection, unused=unused: connection.execute(unused))
        for who in both:
            assert 204 == house.ask(n, "POST", "/v1/sessions/current/lock", who).status_code
        body = {"password": PASSWORD, "otp": present_code(person)}
        asks = [
            partial(house.ask, n + place, "POST", "/v1/sessions/current/unlock", who, body)
            for place, who in enumerate(both)
        ]

        assert {"200": 1, "otp-required": 1} == slugs(house.at_once(asks))


@pytest.mark.parametrize(
    ("how", "told"),
    [("signs out", "session-ended"), ("is ended", "session-ended"), ("locks", "session-locked")],
)
def test_a_session_ended_at_one_process_is_ended_at_all(house, how, told):
    """After sign-out, an end by a manager, or a lock at one process the next request elsewhere is refused."""
    person = house.ward.world.person("carer")
    assert person.session is not None
    for n in range(SERVERS):
        assert 200 == house.ask(n, "GET", "/v1/users/me", person).status_code
    ways = {
        "signs out": ("DELETE", "/v1/sessions/current", person),
        "is ended": ("DELETE", f"/v1/sessions/{person.session.id}", house.ward.tokens["manager"]),
        "locks": ("POST", "/v1/sessions/current/lock", person),
    }
    assert 204 == house.ask(0, *ways[how]).status_code

    answers = [house.ask(n, "GET", "/v1/users/me", person) for n in range(SERVERS)]

    assert {told: SERVERS} == slugs(answers)


def test_a_change_of_assignments_acts_on_the_next_request_everywhere(house):
    """A role given or taken at one process is there, or gone, on the next request to another."""
    world, manager = house.ward.world, house.ward.tokens["manager"]
    person = world.person("kitchen")
    path = f"/v1/users/{person.id}"
    for n, (role, status) in enumerate([("carer", 200), ("kitchen", 403), ("carer", 200)]):
        before = house.ask(n, "GET", path, manager)
        body = {"assignments": [{"role": role, "home_id": world.home}]}
        changed = house.ask(n, "PATCH", path, manager, body, If_Match=before.headers["ETag"])
        assert 200 == changed.status_code, changed.text
        for other in range(SERVERS):
            asked = house.ask(n + 1 + other, "GET", f"{house.notes}?category=daily_note", person)
            assert status == asked.status_code


def test_a_deactivated_user_is_out_everywhere(house):
    """Deactivated at one process, refused at all on the next request."""
    person = house.ward.world.person("carer")
    assert 200 == house.ask(1, "GET", "/v1/users/me", person).status_code
    path, manager = f"/v1/users/{person.id}/deactivate", house.ward.tokens["manager"]
    assert 200 == house.ask(0, "POST", path, manager, {"reason": "left"}).status_code

    assert {"session-ended": SERVERS} == slugs(
        [house.ask(n, "GET", "/v1/users/me", person) for n in range(SERVERS)]
    )
