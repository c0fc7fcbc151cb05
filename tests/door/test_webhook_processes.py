"""Delivery of webhooks by several processes, one of which dies with messages in hand."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook

from app.access.visit import System
from app.core.clock import SetClock, spell
from app.webhooks.delivering import MOST_AT_ONCE
from app.webhooks.managing import CreateEndpoint
from app.webhooks.table import webhook_attempt, webhook_message
from tests.support.announcing import tell
from tests.support.delivering_process import DeliveringProcess
from tests.support.receiver import Authority, Received, Receiver, Reply
from tests.support.served import Database, Deployment

PATIENCE_S = 120
MESSAGES = 40


@pytest.fixture
def world(each_database: Database, tmp_path: Path) -> Iterator[Deployment]:
    """A deployment of the present day on each database; processes deliver from it."""
    clock = SetClock(datetime.now(UTC) - timedelta(seconds=5))
    world = Deployment.on(each_database, tmp_path, clock=clock)
    world.settings = world.settings.model_copy(update={"webhooks_ca": Authority(tmp_path).file})
    yield world
    world.close()


@pytest.fixture
def receiver(world: Deployment) -> Iterator[Receiver]:
    """Another system. Its certificate is of the deployment's authority."""
    assert world.settings.webhooks_ca is not None
    authority = Authority(world.settings.webhooks_ca.parent)
    with Receiver(authority.certify("localhost")) as receiver:
        yield receiver


def enter(world: Deployment, receiver: Receiver, times: int = 1) -> str:
    """Enter endpoints and return the secret of the last."""
    for _ in range(times):
        work = CreateEndpoint(receiver.url(), ["*"])
        made = world.answer(work, "POST /v1/webhooks", System("cli", world.org)).payload
    return str(made["secret"])


def wait_for(happened) -> None:
    """Wait until something happened."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def statuses(world: Deployment) -> Counter[str]:
    """Return how many messages have which status."""
    query = select(webhook_message.c.status)
    return Counter(world.looking(lambda connection: connection.execute(query).scalars().all()))


def test_two_processes_deliver_each_message_once(
    world: Deployment, receiver: Receiver, tmp_path: Path
) -> None:
    """Both deliver; none is sent twice, none is left, and each stops when told to."""
    secret = enter(world, receiver, times=4)
    for _ in range(MESSAGES // 4):
        tell(world)
    both = Event()

    def reply(_: Received) -> Reply:
        if (
            len(receiver.got) > MOST_AT_ONCE
        ):  # more than one process sends at a time: the other has started, too
            both.set()
        both.wait(10)
        return Reply(200, pause_s=0.1)

    receiver.reply = reply

    with (
        DeliveringProcess(world.settings, tmp_path / "one.log") as one,
        DeliveringProcess(world.settings, tmp_path / "two.log") as two,
    ):
        wait_for(lambda: statuses(world)["done"] == MESSAGES)
        ended = one.stop(), two.stop()

    logs = [(tmp_path / f"{name}.log").read_text()[-2000:] for name in ("one", "two")]
    assert ((0, 0), {"done": MESSAGES}) == (ended, statuses(world)), logs
    assert {1} == set(Counter(got.id for got in receiver.got).values())
    assert MESSAGES == len(receiver.got)
    verified = 0
    for got in receiver.got:
        signatures = got.headers["webhook-signature"].split(" ")
        at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), UTC)
        verified += Webhook(secret).sign(got.id, at, got.body.decode()) in signatures
    assert MESSAGES // 4 == verified, "each endpoint has a secret of its own"


def test_what_a_killed_process_had_in_hand_is_delivered_by_another(
    world: Deployment, receiver: Receiver, tmp_path: Path
) -> None:
    """Its leases end; the messages go out again under their ids, and no attempt is told twice."""
    enter(world, receiver)
    for _ in range(4):
        tell(world)
    receiver.reply = lambda _: Reply(200, pause_s=5)
    with DeliveringProcess(world.settings, tmp_path / "one.log") as one:
        wait_for(lambda: len(receiver.got) == 4)
        one.kill()
    in_hand = statuses(world)
    receiver.reply = lambda _: Reply(200)
    over = update(webhook_message).values(leased_until=spell(datetime.now(UTC)))
    world.looking(lambda connection: connection.execute(over))  # in place of waiting for a minute

    with DeliveringProcess(world.settings, tmp_path / "two.log") as two:
        wait_for(lambda: statuses(world)["done"] == 4)
        assert 0 == two.stop()

    assert {"due": 4} == in_hand
    assert {2} == set(Counter(got.id for got in receiver.got).values())
    query = select(webhook_attempt.c.n)
    assert [2] * 4 == list(world.looking(lambda connection: connection.execute(query).scalars().all()))


def test_a_process_without_the_extra_runs_and_says_why_nothing_is_delivered(
    world: Deployment, receiver: Receiver, tmp_path: Path
) -> None:
    """What is due stays due, untried; the log has one line with what is missing."""
    enter(world, receiver)
    tell(world)
    log = tmp_path / "without.log"
    with DeliveringProcess(world.settings, log, without_extra=True) as process:
        wait_for(lambda: b"webhooks-not-delivered" in log.read_bytes())
        time.sleep(2.5)
        assert 0 == process.stop()

    assert ({"due": 1}, []) == (statuses(world), receiver.got)
    told = log.read_text()
    assert 1 == told.count("webhooks-not-delivered")
    assert "the extra `webhooks`: install requirements-extras.lock" in told


def test_nothing_but_sending_knows_the_client() -> None:
    """A process that serves starts without the extra: only `app.webhooks.sending` imports it."""
    root = Path(sys.modules["app.webhooks"].__file__ or "").parents[1]
    knowing = {p.relative_to(root).as_posix() for p in root.rglob("*.py") if "httpx2" in p.read_text("utf-8")}

    assert {"webhooks/sending.py"} == knowing
