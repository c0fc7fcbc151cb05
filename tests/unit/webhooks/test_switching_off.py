"""Who switches an endpoint off: somebody who may, the endpoint itself, its failures; nobody past the door."""

import pytest
from sqlalchemy import delete, select, update

from app.access.visit import System
from app.core.errors import InvalidRequestError
from app.webhooks.managing import CreateEndpoint, UpdateEndpoint
from app.webhooks.table import webhook, webhook_message
from tests.support.announcing import tell
from tests.support.receiver import Reply

UPDATE = "PUT /v1/webhooks/{webhook_id}"
REFUSAL = InvalidRequestError(("/url", "Must lead elsewhere."), why="address-refused")
REFUSED = "address-refused"


def rows(world, table):
    query = select(table).order_by(*table.primary_key.columns)
    return world.looking(lambda connection: connection.execute(query).all())


def alarms(world):
    """Return what the trail was told of as altered, in its chain."""
    return [entry["obj"] for entry in world.entries() if entry["act"] == "integrity.fail"]


def change(one, url, *, active):
    return UpdateEndpoint(one, url, ["*"], active, REFUSAL)


@pytest.mark.parametrize(
    "spoil",
    [
        update(webhook).values(status="off"),
        update(webhook).values(status="deleted"),
        update(webhook).values(status="off", off_because="asked", version=2),
        delete(webhook),
    ],
)
def test_one_switched_off_in_the_database_keeps_its_messages(world, receiver, enter, deliver, spoil):
    """What waits is not dropped for a row that the trail does not know; it goes out when that is mended."""
    endpoint = enter(world, receiver.url())
    tell(world)
    [true] = rows(world, webhook)
    world.looking(lambda connection: connection.execute(spoil))

    deliver(world)

    assert ["due"] == [message.status for message in rows(world, webhook_message)]
    assert [{"t": "webhook", "id": endpoint["id"]}] == alarms(world)
    mended = [delete(webhook), webhook.insert().values(true._asdict())]
    world.looking(lambda connection: [connection.execute(one) for one in mended])
    world.pass_time(hours=2)
    assert (1, 1) == (deliver(world), len(receiver.got))


def test_gone_is_said_of_the_address_that_was_asked(world, receiver, enter, deliver, caplog):
    """410 of a message under way while somebody changes the endpoint does not switch the new one off."""
    endpoint, beside = enter(world, receiver.url()), world.beside()
    moved = UpdateEndpoint(endpoint["id"], receiver.url(path="/moved"), ["*"], True)

    def changed_meanwhile(_got):
        beside.answer(moved, UPDATE, System("cli", world.org))
        return Reply(410)

    receiver.reply = changed_meanwhile
    tell(world)
    deliver(world)

    [row] = rows(world, webhook)
    assert ("active", None, 2) == (row.status, row.off_because, row.version)
    assert "webhook-switched-off" not in [record.message for record in caplog.records]
    receiver.reply = lambda _: Reply(200)
    tell(world)
    deliver(world)
    assert "/moved" == receiver.got[-1].path


def test_whoever_may_switches_off_what_leads_inside_by_now(world, enter):
    """An address nothing may be sent to any more is no reason to keep sending to it."""
    url = "https://example.org/hooks"
    one, cli = enter(world, url)["id"], System("cli", world.org)

    assert REFUSED == world.refusal(change(one, url, active=True), UPDATE, cli).why
    assert REFUSED == world.refusal(change(one, url + "/x", active=False), UPDATE, cli).why
    shown = world.answer(change(one, url, active=False), UPDATE, cli).payload
    assert (False, "asked", url) == (shown["active"], shown["off_because"], shown["url"])
    assert REFUSED == world.refusal(change(one, url, active=True), UPDATE, cli).why
    made = CreateEndpoint(url, ["*"], REFUSAL)
    assert REFUSED == world.refusal(made, "POST /v1/webhooks", cli).why
