"""The outbox: written with what it tells of, for who wants it, and without anything about a person."""

import orjson
import pytest
from sqlalchemy import select, update

from app.access.visit import System
from app.core.identifiers import new_id
from app.detection.catalogue import RULES as DETECTED
from app.webhooks.catalogue import EVENTS, FIELDS, RULES, PayloadRefusedError, refuse_personal
from app.webhooks.managing import DeleteEndpoint, ListEndpoints, ReadEndpoint, UpdateEndpoint
from app.webhooks.table import webhook, webhook_message
from tests.support.announcing import RAISE, Announcing, an_alert, tell

URL = "https://example.org/hooks"
LINK = "/v1/alerts/{}"


def messages(world):
    query = select(webhook_message).order_by(webhook_message.c.id)
    return world.looking(lambda connection: connection.execute(query).all())


def test_each_active_endpoint_that_wants_an_event_is_told(world, enter):
    """One message for each endpoint of the organisation that wants it; none for others or elsewhere."""
    other_org = world.found("Other Care")
    all_of_them, alerts = enter(world, URL), enter(world, URL, "alert.raised", "alert.changed")
    for wanted in ("incident.opened", "alert.changed"):
        enter(world, URL, wanted)
    enter(world, URL, org=other_org)
    off, gone = enter(world, URL), enter(world, URL)
    cli = System("cli", world.org)
    world.answer(UpdateEndpoint(off["id"], URL, ["*"], False), "PUT /v1/webhooks/{webhook_id}", cli)
    world.answer(DeleteEndpoint(gone["id"]), "DELETE /v1/webhooks/{webhook_id}", cli)

    tell(world)

    assert [all_of_them["id"], alerts["id"]] == [row.webhook_id for row in messages(world)]


def test_a_message_says_what_it_is_when_and_of_what(world, enter):
    """The body is type, instant and data, as the specification proposes, and nothing else."""
    enter(world, URL)
    data = an_alert()
    tell(world, Announcing(data=data))

    [row] = messages(world)
    said = orjson.loads(row.body)
    assert {"type": "alert.raised", "timestamp": world.later(), "data": data} == said
    assert ("due", world.later(), 0, 0) == (row.status, row.due_at, row.attempts, row.tries)


def test_nothing_is_told_of_what_did_not_happen(world, enter):
    """A work that fails after it announced leaves no message: they are one transaction."""
    enter(world, URL)

    world.refusal(Announcing(fails=True), RAISE, System("detection", world.org))

    assert [] == messages(world)


@pytest.mark.parametrize("values", [{"events": '["*" ]'}, {"status": "off"}, {"status": "deleted"}])
def test_an_altered_endpoint_is_told_of_and_holds_up_nothing(world, enter, values):
    """Somebody who changes an endpoint's row cannot keep an alert from being raised, and is found out."""
    altered, other = enter(world, URL), enter(world, URL)
    change = update(webhook).where(webhook.c.id == altered["id"]).values(values)
    world.looking(lambda connection: connection.execute(change))

    tell(world)

    assert [other["id"]] == [row.webhook_id for row in messages(world)]
    [alarm] = [entry for entry in world.entries() if entry["act"] == "integrity.fail"]
    assert {"t": "webhook", "id": altered["id"]} == alarm["obj"]


@pytest.mark.parametrize("status", ["off", "deleted"])
def test_an_endpoint_switched_off_in_the_database_is_not_shown_as_such(world, enter, status):
    """Whoever reads or lists it is refused: what the trail does not know is not told as if it were so."""
    one = enter(world, URL)
    world.looking(lambda connection: connection.execute(update(webhook).values(status=status)))

    for work, path in (
        (ReadEndpoint(one["id"]), "GET /v1/webhooks/{webhook_id}"),
        (ListEndpoints(), "GET /v1/webhooks"),
    ):
        assert "state-broken" == world.refusal(work, path, System("cli", world.org)).why


CANARIES = (
    *("Ada Lovelace", "ada", "canary", "999 000 0018", "9990000018", "1934-05-01", "room 12", "", "b7"),
    *("ada@example.org", "new ", "NEW", "high\n", "/v1/residents/{id}", "/v1/alerts/ada", "{id}?name=ada"),
    *(True, False, 1.5, float("nan"), 2**53, ["new"], {"name": "ada"}, b"ada", ("new",), {"new"}),
)


@pytest.mark.parametrize("event", EVENTS)
def test_no_field_of_any_event_takes_anything_about_a_person(event):
    """Names, numbers of people, dates of birth, free text, and whatever may hold them are refused."""
    for name in EVENTS[event].fields:
        for canary in CANARIES:
            value = canary.replace("{id}", new_id()) if isinstance(canary, str) else canary
            with pytest.raises(PayloadRefusedError) as refused:
                refuse_personal(event, {name: value})
            assert "ada" not in str(refused.value).replace("data", "").lower()


def test_no_event_has_a_field_for_a_resident_or_a_user():
    """Ids of people are personal data in other hands: no event has room for one."""
    assert {"alert_id", "incident_id", "home_id", "webhook_id"} == {n for n in FIELDS if n.endswith("_id")}
    assert set(FIELDS) == {name for event in EVENTS.values() for name in event.fields}


@pytest.mark.parametrize("data", [{"name": "new"}, {"resident_id": new_id()}, {"user_id": new_id()}])
def test_a_field_nobody_listed_is_refused(data):
    """Whatever its value: what an event tells is written in the catalogue first."""
    with pytest.raises(PayloadRefusedError):
        refuse_personal("alert.raised", data)


def test_an_event_nobody_listed_is_refused():
    """An unknown event cannot be sent."""
    with pytest.raises(PayloadRefusedError):
        refuse_personal("resident.admitted", {})


def test_each_field_takes_what_it_is_for():
    """Ids, words of its list, numbers, instants, the path of a thing, and null."""
    one = new_id()
    good = an_alert() | {"at": "2026-03-02T09:00:00.000001Z", "home_id": one}

    refuse_personal("alert.raised", good)
    refuse_personal("alert.raised", dict.fromkeys(good))
    refuse_personal("incident.clock", {"incident_id": one, "clock": "72h", "hours": 24, "due_at": None})


def test_personal_data_stops_the_work_and_writes_nothing(world, enter):
    """A defect that would send a name fails the attempt: no message, and the entry says fail."""
    enter(world, URL)

    refused = world.refusal(Announcing(data={"rule": "Ada Lovelace"}), RAISE, System("detection", world.org))

    assert "error" == refused.why
    assert [] == messages(world)


def test_the_names_of_rules_are_those_of_detection():
    """Every rule can be told of, and nothing else passes for one."""
    assert set(DETECTED) == set(RULES)
