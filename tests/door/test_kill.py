"""Servers and clusters crash under load, and a client in another process knows what it was told.

After each crash everything the client holds is held against the database: every answer has its entry and
its change (P1, P4), every version one entry (P2), what was answered 503 was not done (P3), and repeating
with the same key tells what became of the rest. `tests/campaigns/crash.py` does the same hundreds of times.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.check_log import check_database
from tests.support.cluster import Cluster
from tests.support.crash import Chronicle, Client, Survivor, Ward, compare
from tests.support.postgresql import make_database
from tests.support.served import Database
from tests.support.server_process import ServerProcess

ROUNDS = {"sqlite": 5, "postgresql": 3}
SEED = 20261122


@pytest.fixture
def ward(each_database: Database, tmp_path: Path) -> Iterator[Ward]:
    """A deployment on each of the two databases."""
    with Ward(each_database, tmp_path) as ward:
        yield ward


def crash_round(ward: Ward, server: ServerProcess, run: str, chance: random.Random) -> Chronicle:
    """Kill a server under load at a random moment and return what its client was told."""
    client = Client.start(ward, server, run, 30)
    try:
        client.wait_for_answers(25)
        time.sleep(chance.random() * 0.7)
        server.kill()
        return client.finish()
    finally:
        client.stop()


def held_against(ward: Ward, chronicle: Chronicle, server: ServerProcess) -> list[str]:
    """Return every promise that was broken, now and after the client repeated what it was not sure of."""
    problems = compare(chronicle, check_database(ward.owner_url))
    survivor = Survivor(ward, server)
    problems += survivor.settle(chronicle) + survivor.effects(chronicle)
    survivor.close()
    return problems + check_database(ward.owner_url).problems


@pytest.mark.timeout(300)
def test_what_a_client_was_told_holds_after_the_server_was_killed(ward):
    """After each kill -9 every answer has its entry, every change is there once, every key tells."""
    chance, rounds = random.Random(SEED), ROUNDS[ward.world.engine.dialect.name]
    answers: list[str] = []
    server = ward.serve()
    try:
        for run in range(rounds):
            chronicle = crash_round(ward, server, f"{run}", chance)
            server = ward.serve()
            assert [] == held_against(ward, chronicle, server)
            answers += [one.op for one in chronicle.answers]
    finally:
        server.kill()

    assert {"create", "amend", "remove", "read", "list", "forbidden", "missing"} == set(answers)
    assert len(answers) >= 25 * rounds


@pytest.mark.timeout(300)
def test_answers_given_before_their_commit_are_caught(ward):
    """A server that answers first and commits then is found out: an answer has no entry."""
    chance = random.Random(SEED)
    problems: list[str] = []
    for run in range(6):
        with ward.serve(answers_early=True) as server:
            chronicle = crash_round(ward, server, f"early{run}", chance)
        problems = compare(chronicle, check_database(ward.owner_url))
        if problems:
            break

    assert any("P1" in problem for problem in problems)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


def cluster_round(ward: Ward, server: ServerProcess, cluster: Cluster, run: str) -> Chronicle:
    """Crash the cluster under load, bring it back, and return what the server's client was told."""
    client = Client.start(ward, server, run, 6)
    try:
        client.wait_for_answers(50)
        ward.world.turn.close()
        cluster.crash()
        time.sleep(0.5)
        cluster.restart()
        back = time.monotonic()
        while not server.ready():
            assert time.monotonic() - back < 30, "the server does not come back"
            time.sleep(0.1)
        time.sleep(2)  # every client has asked again by then
        return client.finish()
    finally:
        client.stop()


@pytest.mark.timeout(300)
def test_what_a_client_was_told_holds_after_the_cluster_crashed(cluster, tmp_path):
    """PostgreSQL crashes under load: 503 until it is back, then served again without hands, nothing lost."""
    made = make_database(cluster.url, "crashing")
    with (
        Ward(Database("postgresql", made.owner, made.service), tmp_path) as ward,
        ward.serve() as server,
    ):
        chronicle = cluster_round(ward, server, cluster, "cluster")
        told = [one.status for one in chronicle.answers]

        assert 503 in told
        assert 503 != told[-1]
        assert [] == held_against(ward, chronicle, server)
