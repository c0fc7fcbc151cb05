"""The primary is killed under load, its standby promoted, and nothing anybody was told of is lost.

`make campaign-failover` does the same a hundred times. See `tests.support.failover` for what a round is.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.crash import Chronicle, compare
from tests.support.failover import HEALTHY_WITHIN_S, House
from tests.support.replication import wait_until

ROUNDS = 2
SEED = 20261122


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path) as house:
        yield house


@pytest.mark.timeout(300)
def test_what_clients_were_told_holds_after_a_fail_over(house):
    """There and back: every answer has its entry and its change, nobody writes on the old primary.

    Every server serves again within 30 seconds of the promotion, guard files and trail agree, and what an
    operator decided stands in the trail.
    """
    chance = random.Random(SEED)
    answers = 0
    for run in range(ROUNDS):
        told = house.fail_over(f"{run}", chance)
        assert [] == told.problems
        assert told.healthy_s < HEALTHY_WITHIN_S
        answers += sum(len(one.answers) for one in told.chronicles)
        house.rejoin()

    assert answers >= 50 * ROUNDS
    verified = house.command("audit", "verify", "--state")
    assert 0 == verified.code, verified.text
    decided = [entry.e["act"] for entry in house.findings().entries["system"]]
    expected = ["replication.degrade", "replication.restore"] * ROUNDS
    assert expected == [act for act in decided if act.startswith("replication")]


def lagging_fail_over(house: House) -> list[Chronicle]:
    """Fail over to a standby that nobody waited for, and that had heard nothing for a while."""
    house.pair.wait_for("")
    clients = house.clients("lagging")
    try:
        for client in clients:
            client.wait_for_answers(25)
        house.pair.stop_sending()
        time.sleep(2.5)  # in which the guard moves
        house.pair.fail_over()
        house.pair.wait_for("")  # the promoted one waits for nobody, either
    finally:
        for client in clients:
            client.stop()
    return [Chronicle.read(client.history) for client in clients]


@pytest.mark.timeout(300)
def test_a_standby_that_nobody_waited_for_is_found_out_by_checker_and_service(house):
    """Without waiting, acknowledged lines are lost: the checker sees it, no server goes on without them."""
    told = lagging_fail_over(house)
    problems = [problem for one in told for problem in compare(one, house.findings())]
    assert any("create (201): no entry" in problem for problem in problems)

    until = time.monotonic() + 3
    while time.monotonic() < until:
        assert not any(server.ready() for server in house.servers)
    lines = house.lines_on(house.pair.primary)
    for server in house.servers:
        wait_until(lambda server=server: b'"server-set-back"' in server.log.read_bytes())
    begun = house.command("audit", "checkpoint")
    assert (2, True) == (begun.code, "ROLLBACK" in begun.text)
    assert lines == house.lines_on(house.pair.primary)
