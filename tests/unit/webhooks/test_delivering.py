"""Delivery from the outbox: claimed, sent, recorded, tried again, given up, switched off."""

import asyncio
import logging
import sys
import threading
from collections import Counter
from datetime import timedelta

from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook

from app.access.visit import System, VisitRefusedError
from app.core.errors import AuditUnavailableError
from app.core.identifiers import SYSTEM
from app.webhooks import delivering as delivery
from app.webhooks.claiming import DISPATCH, ClaimMessages
from app.webhooks.delivering import Delivering
from app.webhooks.managing import DeleteEndpoint, RotateSecret, UpdateEndpoint
from app.webhooks.outcome import PAUSES, Came
from app.webhooks.settling import MOST_PRUNED, PruneMessages, Settle
from app.webhooks.table import webhook, webhook_attempt, webhook_message
from tests.support.announcing import Announcing, tell
from tests.support.receiver import Reply

URL = "https://example.org/hooks"


def rows(world, table):
    query = select(table).order_by(*table.primary_key.columns)
    return world.looking(lambda connection: connection.execute(query).all())


def claim(world, most=16, **under_way):
    return world.answer(ClaimMessages(most, under_way), DISPATCH, System("webhooks", SYSTEM)).payload


def settle(world, parcel, came):
    return world.answer(Settle(parcel, came), DISPATCH, System("webhooks", SYSTEM)).payload


def test_what_is_announced_arrives_signed(world, receiver, enter, deliver):
    """A receiver gets the body under the message's id, and an independent library verifies it."""
    endpoint = enter(world, receiver.url())
    tell(world)

    assert [1, 0] == [deliver(world), deliver(world)]

    [got], [message], [attempt] = receiver.got, rows(world, webhook_message), rows(world, webhook_attempt)
    assert (message.id, message.body.encode()) == (got.id, got.body)
    own = Webhook(endpoint["secret"])
    at = world.now.replace(tzinfo=None)
    assert own.sign(got.id, at, got.body.decode()) == got.headers["webhook-signature"]
    assert str(int(world.now.timestamp())) == got.headers["webhook-timestamp"]
    assert ("done", 1, None) == (message.status, message.attempts, message.lease)
    assert ("ok", 204, message.id) == (attempt.outcome, attempt.http_status, attempt.message_id)


def test_a_failure_comes_again_under_the_same_id(world, receiver, enter, deliver):
    """Not before its time, with a timestamp and a signature of its own, until it is taken."""
    receiver.reply = lambda _: Reply(503 if len(receiver.got) < 3 else 200)
    enter(world, receiver.url())
    tell(world)

    sent = [deliver(world), deliver(world)]
    for pause in PAUSES[:2]:
        world.pass_time(seconds=pause.total_seconds() * 1.1 + 1)
        sent += [deliver(world), deliver(world)]

    assert [1, 0, 1, 0, 1, 0] == sent
    assert (1, 3, 3) == tuple(
        len({got.headers[name] for got in receiver.got})
        for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    )
    [message] = rows(world, webhook_message)
    assert ("done", 3) == (message.status, message.attempts)
    assert [503, 503, 200] == [attempt.http_status for attempt in rows(world, webhook_attempt)]


def test_the_last_failure_is_a_dead_letter(world, receiver, enter, deliver, caplog):
    """After ten attempts it is given up, which the log says; nothing is sent any more."""
    receiver.reply = lambda _: Reply(500)
    enter(world, receiver.url())
    tell(world)

    for pause in (*PAUSES, timedelta(days=2)):
        assert 1 == deliver(world)
        world.pass_time(seconds=pause.total_seconds() * 1.1 + 1)

    assert 0 == deliver(world)
    [message] = rows(world, webhook_message)
    assert ("dead", 10, 10) == (message.status, message.attempts, len(receiver.got))
    assert 1 == sum(record.message == "webhook-dead-letter" for record in caplog.records)


def test_gone_switches_the_endpoint_off(world, receiver, enter, deliver, caplog):
    """410: no second attempt, the endpoint off with an entry that binds its row, an error in the log."""
    receiver.reply = lambda _: Reply(410)
    endpoint = enter(world, receiver.url())
    for _ in range(3):
        tell(world)

    deliver(world)
    tell(world)

    [row] = rows(world, webhook)
    assert ("off", "gone", 2) == (row.status, row.off_because, row.version)
    [entry] = [
        entry for entry in world.entries() if entry["act"] == "webhook.switch_off" and entry["out"] == "ok"
    ]
    assert {"t": "webhook", "id": endpoint["id"], "ver": 2} == entry["obj"]
    assert (bytes(row.state).hex(), "system:webhooks") == (entry["state"], entry["actor"]["id"])
    assert 3 == len(rows(world, webhook_message)), "what came afterwards is not even written"
    assert "webhook-switched-off" in [r.message for r in caplog.records if r.levelno == logging.ERROR]


def test_an_endpoint_that_fails_for_days_is_switched_off(world, receiver, enter, deliver):
    """When a message is given up and nothing came through for five days; not when something did."""
    receiver.reply = lambda _: Reply(500)
    enter(world, receiver.url())

    def give_up_one():
        tell(world)
        for pause in (*PAUSES, timedelta(hours=1)):
            deliver(world)
            world.pass_time(seconds=pause.total_seconds() * 1.1 + 1)
        return [row.status for row in rows(world, webhook)]

    assert ["active"] == give_up_one(), "three days and a half"
    receiver.reply = lambda _: Reply(200)
    tell(world)
    deliver(world)
    receiver.reply = lambda _: Reply(500)
    assert ["active"] == give_up_one(), "something came through in between"
    assert ["off"] == give_up_one()
    assert "failing" == rows(world, webhook)[0].off_because


def test_what_waits_for_an_endpoint_that_went_away_is_dropped(world, receiver, enter, deliver):
    """Switched off or removed before it was sent: it is not sent."""
    off, removed = enter(world, receiver.url()), enter(world, receiver.url())
    tell(world)
    cli = System("cli", world.org)
    change = UpdateEndpoint(off["id"], receiver.url(), ["*"], False)
    world.answer(change, "PUT /v1/webhooks/{webhook_id}", cli)
    world.answer(DeleteEndpoint(removed["id"]), "DELETE /v1/webhooks/{webhook_id}", cli)

    deliver(world)

    assert (["dropped", "dropped"], []) == ([m.status for m in rows(world, webhook_message)], receiver.got)


def test_both_secrets_sign_for_a_day(world, receiver, enter, deliver):
    """After a rotation a receiver may verify with the old secret for 24 hours, and no longer."""
    old = enter(world, receiver.url())
    path = "POST /v1/webhooks/{webhook_id}/secret"
    new = world.answer(RotateSecret(old["id"]), path, System("cli", world.org)).payload
    counts = []
    for hours in (0, 23, 2):
        world.pass_time(hours=hours)
        tell(world)
        deliver(world)
        got = receiver.got[-1]
        signatures = got.headers["webhook-signature"].split(" ")
        at = world.now.replace(tzinfo=None)
        known = [
            Webhook(secret["secret"]).sign(got.id, at, got.body.decode()) in signatures
            for secret in (new, old)
        ]
        counts.append((len(signatures), known))

    assert [(2, [True, True]), (2, [True, True]), (1, [True, False])] == counts


def test_processes_at_once_send_each_message_once(world, receiver, enter, delivering):
    """Processes that look at the same moment share the messages: each attempt is one process's."""
    enter(world, receiver.url())
    enter(world, receiver.url())
    for _ in range(15):
        tell(world)
    others = [world.beside() for _ in range(3)]
    ready = threading.Barrier(len(others))

    async def until_nothing_is_due(one):
        for _ in range(8):
            await one.look()
            await one.settled()
        await one.stop()

    def process(one):
        made = delivering(one)
        ready.wait(10)
        asyncio.run(until_nothing_is_due(made))

    threads = [threading.Thread(target=process, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert {1} == set(Counter(got.id for got in receiver.got).values())
    assert 30 == len(receiver.got) == len(rows(world, webhook_attempt))


def test_a_lease_keeps_others_away_until_it_ends(world, enter):
    """A process that died with a message keeps it for a minute; then another sends it, as attempt two."""
    enter(world, URL)
    tell(world)
    other = world.beside()

    [first] = claim(world)
    assert [] == claim(other)
    world.pass_time(seconds=61)
    [second] = claim(other)

    assert (first.message_id, 1, 2) == (second.message_id, first.n, second.n)
    assert "taken-away" == settle(world, first, Came("ok", 200))["status"], "it is no longer that process's"
    assert "done" == settle(other, second, Came("ok", 200))["status"]
    assert [2] == [attempt.n for attempt in rows(world, webhook_attempt)]


def test_attempts_that_never_come_back_end_too(world, enter):
    """A message whose sender dies every time is given up after as many attempts as any other."""
    enter(world, URL)
    tell(world)
    claimed = 0
    for _ in range(12):
        claimed += len(claim(world))
        world.pass_time(seconds=61)

    assert (10, ["dead"]) == (claimed, [m.status for m in rows(world, webhook_message)])


def test_a_slow_endpoint_holds_up_nobody_else(world, enter):
    """Of one endpoint a few are under way at a time, however much of it is due before the others."""
    slow = enter(world, URL)
    for _ in range(30):
        tell(world)
    quick = enter(world, URL)
    tell(world)

    assert {slow["id"]: 4, quick["id"]: 1} == Counter(parcel.webhook_id for parcel in claim(world, most=5))
    assert [] == claim(world, **{slow["id"]: 4})


def test_a_message_that_was_altered_is_not_signed(world, receiver, enter, deliver):
    """Nobody has us sign a text of theirs by writing it into the outbox; the trail is told."""
    enter(world, receiver.url())
    tell(world, Announcing())
    for change in (
        update(webhook_message).values(body='{"type":"alert.raised","data":{"all":"well"}}'),
        update(webhook_message).values(body="x", due_at=world.later(hours=2)),
    ):
        world.looking(lambda connection, change=change: connection.execute(change))
        assert 0 == deliver(world)
        world.pass_time(hours=3)

    assert [] == receiver.got
    alarms = [entry for entry in world.entries() if entry["act"] == "integrity.fail"]
    assert ["webhook_message"] == [entry["obj"]["t"] for entry in alarms]


def test_old_messages_are_pruned(world, receiver, enter, deliver):
    """What ended more than 30 days ago goes with its attempts; what still waits stays."""
    enter(world, receiver.url())
    tell(world)
    deliver(world)
    tell(world)
    world.pass_time(days=31)
    world.answer(PruneMessages(), DISPATCH, System("webhooks", SYSTEM))

    assert ["due"] == [message.status for message in rows(world, webhook_message)]
    assert [] == rows(world, webhook_attempt)


def test_a_backlog_is_pruned_piece_by_piece(world, receiver, enter, delivering):
    """However much is to be pruned, a turn removes so much of it; each look goes on until nothing is left."""
    enter(world, receiver.url())
    tell(world)
    world.looking(lambda connection: _multiply(connection, MOST_PRUNED + 5))
    world.pass_time(days=31)
    one = delivering(world)

    left = []
    for _ in range(3):
        asyncio.run(one.look())
        left.append((len(rows(world, webhook_message)), len(rows(world, webhook_attempt))))

    assert [(6, 5), (1, 0), (1, 0)] == left


def _multiply(connection, times):
    """Enter so many messages that arrived, like the one that waits, each with an attempt."""
    waiting = dict(connection.execute(select(webhook_message)).one()._mapping)
    done = waiting | {"status": "done", "ended_at": waiting["created_at"]}
    tried = {"webhook_id": waiting["webhook_id"], "at": waiting["created_at"], "outcome": "ok", "took_ms": 1}
    for n in range(times):
        message = {"org": waiting["org"], "id": f"old {n:03}"}
        connection.execute(webhook_message.insert(), done | message)
        attempt = {"org": waiting["org"], "message_id": message["id"], "n": 1}
        connection.execute(webhook_attempt.insert(), tried | attempt)


def test_without_the_extra_nothing_is_sent_and_the_log_says_why(
    world, receiver, enter, deliver, monkeypatch, caplog
):
    """What is due waits, untried; the log says once what is missing and how it is installed."""
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.delitem(sys.modules, "app.webhooks.sending", raising=False)
    enter(world, receiver.url())
    tell(world)

    assert [0, 0] == [deliver(world), deliver(world)]

    [message] = rows(world, webhook_message)
    assert ("due", 0, []) == (message.status, message.attempts, receiver.got)
    said = [record for record in caplog.records if record.message == "webhooks-not-delivered"]
    [why] = {record.why for record in said}
    assert why.startswith(
        "delivering to endpoints wants the extra `webhooks`: install requirements-extras.lock"
    )
    monkeypatch.undo()
    assert 1 == deliver(world)


def test_it_runs_until_it_is_stopped(world, receiver, enter, delivering, monkeypatch):
    """Started, it sends by itself what is announced; stopped, it waits for what is under way."""
    monkeypatch.setattr(delivery, "LOOK_EVERY_S", 0.02)
    receiver.reply = lambda _: Reply(200, pause_s=0.3)
    enter(world, receiver.url())

    async def run():
        one = delivering(world)
        one.start()
        tell(world)
        for _ in range(200):
            if receiver.got:
                break
            await asyncio.sleep(0.02)
        await one.stop()

    asyncio.run(run())

    assert ["done"] == [message.status for message in rows(world, webhook_message)]


def test_what_came_of_an_attempt_survives_a_trail_that_is_away(world, receiver, enter, settings, monkeypatch):
    """A delivery whose record cannot be written at once is recorded as soon as it can, and not sent again."""
    monkeypatch.setattr(delivery, "SETTLE_EVERY_S", 0.01)
    enter(world, receiver.url())
    tell(world)
    refused = []

    async def visit(visit):
        if isinstance(visit.work, Settle) and len(refused) < 3:
            refused.append(visit)
            raise VisitRefusedError(AuditUnavailableError(), None)
        world.turn.serve([visit])
        return visit.outcome

    async def run():
        one = Delivering(visit, settings)
        await one.look()
        await one.settled()
        await one.stop()

    asyncio.run(run())

    assert (3, 1) == (len(refused), len(receiver.got))
    assert ["done"] == [message.status for message in rows(world, webhook_message)]
