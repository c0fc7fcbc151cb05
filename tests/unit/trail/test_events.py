"""Reading the trail through the door."""

import pytest

from app.audit import indexing
from app.core.errors import (
    AuditUnavailableError,
    ForbiddenError,
    HiddenError,
    InvalidRequestError,
    NotFoundError,
)
from app.core.identifiers import new_id
from app.identity.directory import ListRoles
from app.residents.leaving import RemoveResident
from app.trail import events
from app.trail.events import AccessLog, ListEvents, ReadEvent
from tests.unit.trail.stories import EVENT, EVENTS, LOG, admit, list_residents, look_at


def listed(world, who, **asked):
    """Return the items of a list of events."""
    return world.answer(ListEvents(**{"limit": 200} | asked), EVENTS, who).payload["items"]


@pytest.fixture
def auditor(world):
    return world.person("auditor", None, name="Auditor")


@pytest.fixture
def carer(world):
    return world.person("carer", name="Carer")


def test_an_item_has_the_shape_of_the_contract(world, auditor, carer):
    """An event names act, outcome, agent with the name then in force, entity, residents and leaf."""
    resident = admit(world, world.home)
    seq = look_at(world, resident, carer)
    stamp = world.visit.stamp

    assert listed(world, auditor)[0] == {
        "seq": seq,
        "recorded_at": "2026-03-02T09:00:00.000000Z",
        "act": "resident.read",
        "outcome": "ok",
        "agent": {"id": carer.id, "name": carer.display_name, "role": "carer"},
        "entity": {"type": "resident", "id": resident, "version": 1},
        "resident_ids": [resident],
        "purpose": "care",
        "session_id": carer.session.id,
        "request_id": None,
        "leaf": stamp.leaf.hex(),
    }


def test_the_service_itself_has_no_name_and_no_role(world, auditor):
    """An entry of a command shows its agent without name and role, and an object that is missing as nulls."""
    admit(world, world.home)
    item = listed(world, auditor, act="home.create")[0]

    assert item["agent"] == {"id": "system:cli", "name": None, "role": None}
    assert listed(world, auditor, agent_id="nobody") == []


def test_its_own_entry_says_what_was_shown(world, auditor, carer):
    """Reading the trail is an entry: with the number of items and every resident they name."""
    residents = {admit(world, world.home) for _ in range(2)}
    items = listed(world, auditor)
    entry = world.entry()

    assert (entry["act"], entry["out"], entry["n"]) == ("audit.read", "ok", len(items))
    assert set(entry["subs"]) == residents
    assert listed(world, auditor)[0]["act"] == "audit.read"


def test_filters_go_together(any_world):
    """Person, resident, act, outcome and time narrow the list, alone and together, on both databases."""
    world = any_world
    auditor = world.person("auditor", None)
    carer, kitchen = world.person("carer"), world.person("kitchen")
    mine, other = admit(world, world.home), admit(world, world.other_home)
    world.pass_time(minutes=1)
    first = look_at(world, mine, carer)
    denied = look_at(world, other, carer)
    world.pass_time(minutes=1)
    last = look_at(world, mine, kitchen)

    def seqs(**asked):
        return [item["seq"] for item in listed(world, auditor, **asked)]

    assert seqs(agent_id=carer.id, act="resident.read") == [denied, first]
    assert seqs(about_resident=mine, act="resident.read") == [last, first]
    assert seqs(outcome="deny") == [denied]
    assert seqs(act="resident.read", since=world.later(minutes=-1)) == [last, denied, first]
    assert seqs(act="resident.read", since=world.later(minutes=-1), until=world.later()) == [
        denied,
        first,
    ]
    assert seqs(agent_id=kitchen.id, about_resident=mine, outcome="ok", act="resident.read") == [last]


@pytest.mark.parametrize("asked", [{}, {"act": "resident.read"}])
def test_pages_join_while_the_trail_grows(world, auditor, carer, asked):
    """Pages are cut by number: each entry comes once, though every page is itself a new entry."""
    resident = admit(world, world.home)
    for _ in range(7):
        look_at(world, resident, carer)
    whole = [item["seq"] for item in listed(world, auditor, **asked)]
    found, cursor = [], None
    while True:
        page = world.answer(ListEvents(limit=3, cursor=cursor, **asked), EVENTS, auditor).payload
        found += [item["seq"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    newer = 1 if not asked else 0
    assert found[newer:] == whole
    assert len(whole) == len(set(whole))


def test_a_cursor_is_bound_to_its_query_and_caller(world, auditor, carer):
    """A cursor of one list is refused in another list and for another person."""
    for _ in range(3):
        admit(world, world.home)
    cursor = world.answer(ListEvents(limit=1), EVENTS, auditor).payload["next_cursor"]
    second = world.person("auditor", None)

    for work, who in [
        (ListEvents(limit=1, act="home.create", cursor=cursor), auditor),
        (ListEvents(limit=1, cursor=cursor), second),
        (ListEvents(limit=1, cursor="made-up"), auditor),
    ]:
        assert isinstance(world.refusal(work, EVENTS, who), InvalidRequestError)


# --- scope --------------------------------------------------------------------------------------


def of_the_roles(world, who):
    """Let somebody read what roles may do, which is no home's matter, and return the number of the entry."""
    world.answer(ListRoles(), "GET /v1/roles", who)
    return world.visit.stamp.seq


@pytest.fixture
def two_homes(world, carer):
    """Entries of each home, of both and of neither: what was done where, or showed who lives where."""
    elsewhere = world.person("carer", world.other_home)
    here, there = admit(world, world.home), admit(world, world.other_home)
    manager = world.person("registered_manager", None)
    return {
        "here": look_at(world, here, carer),
        "there": look_at(world, there, elsewhere),
        "both": list_residents(world, manager),
        "whole": of_the_roles(world, manager),
    }


def test_a_home_scoped_reader_sees_the_entries_of_that_home(world, two_homes):
    """`audit:read` at a home shows what was done at it, not what was done elsewhere or everywhere."""
    deputy = world.person("deputy_manager")
    seqs = {item["seq"] for item in listed(world, deputy)}

    assert {two_homes["here"], two_homes["both"]} <= seqs
    assert not seqs & {two_homes["there"], two_homes["whole"]}
    for item in listed(world, deputy):
        assert world.home in world.entries()[item["seq"]]["homes"]


def test_an_organisation_wide_reader_sees_everything(world, auditor, two_homes):
    """`audit:read` for the organisation shows the whole chain, from its first line."""
    seqs = [item["seq"] for item in listed(world, auditor)]

    assert seqs == list(range(seqs[0], -1, -1))


def test_two_homes_are_read_together(world, two_homes):
    """Somebody with `audit:read` at two homes sees the entries of both, each once."""
    both = world.person(
        assignments=[{"role": "deputy_manager", "home_id": h} for h in (world.home, world.other_home)]
    )
    seqs = [item["seq"] for item in listed(world, both)]

    assert {two_homes[name] for name in ("here", "there", "both")} <= set(seqs)
    assert two_homes["whole"] not in seqs
    assert len(seqs) == len(set(seqs))


def test_a_reader_of_a_unit_reads_no_home(world, two_homes):
    """A line knows no units, so `audit:read` limited to a unit shows no list of events."""
    limited = world.person(assignments=[{"role": "deputy_manager", "home_id": world.home, "unit": "Garden"}])

    assert listed(world, limited) == []


def test_nobody_reads_another_organisation(world, auditor, two_homes):
    """Each organisation has a chain of its own; an auditor sees nothing of another's."""
    stranger = world.person("auditor", None, org=world.found("Other Care"))

    assert not {item["leaf"] for item in listed(world, stranger)} & {
        item["leaf"] for item in listed(world, auditor)
    }


def test_a_carer_may_not_read_the_trail(world, carer):
    """Without `audit:read` the list, an event and the log are refused, and each refusal is an entry."""
    resident = admit(world, world.home)
    for work, operation in [(ListEvents(), EVENTS), (ReadEvent("0"), EVENT), (AccessLog(resident), LOG)]:
        assert isinstance(world.refusal(work, operation, carer), ForbiddenError)
        assert world.entry()["out"] == "deny"


# --- one event ----------------------------------------------------------------------------------


def test_one_event_is_the_item_of_the_list(world, auditor, carer):
    """An event read by its number is the very item of the list."""
    seq = look_at(world, admit(world, world.home), carer)
    item = next(item for item in listed(world, auditor) if item["seq"] == seq)

    assert world.answer(ReadEvent(str(seq)), EVENT, auditor).payload == item
    assert world.entry()["obj"] == {"t": "audit_event", "id": str(seq)}


@pytest.mark.parametrize("seq", ["999999", "9" * 40, "-1", "01", "1.0", "x", "", "٣", "1\n"])
def test_what_is_no_number_of_an_event_is_not_found(world, auditor, seq):
    """A number without an entry, or something that is no number, is a 404 and a failed entry."""
    refusal = world.refusal(ReadEvent(seq), EVENT, auditor)

    assert type(refusal) is NotFoundError
    assert world.entry()["out"] == "fail"


def test_an_event_of_another_home_is_hidden(world, two_homes):
    """An entry outside the homes a reader has is answered as if it were not there, and is a refusal."""
    deputy = world.person("deputy_manager")

    assert world.answer(ReadEvent(str(two_homes["here"])), EVENT, deputy).payload["seq"] == two_homes["here"]
    assert world.answer(ReadEvent(str(two_homes["both"])), EVENT, deputy).payload["seq"] == two_homes["both"]
    for hidden in ("there", "whole"):
        assert isinstance(world.refusal(ReadEvent(str(two_homes[hidden])), EVENT, deputy), HiddenError)
        assert world.entry()["out"] == "deny"


# --- the access log -----------------------------------------------------------------------------


def log_of(world, resident, who, **asked):
    return world.answer(AccessLog(resident, **asked), LOG, who).payload["items"]


def test_the_access_log_holds_everybody_who_looked(world, auditor, carer):
    """Reads, lists, changes and refused attempts concerning a resident are all in the log, newest first."""
    resident, other = admit(world, world.home), admit(world, world.home)
    elsewhere = world.person("carer", world.other_home, name="Nosy")
    seqs = [
        look_at(world, resident, carer),
        list_residents(world, carer, world.home),
        look_at(world, resident, elsewhere),
    ]
    look_at(world, other, carer)
    items = log_of(world, resident, auditor)

    assert [item["seq"] for item in items[:3]] == seqs[::-1]
    assert [item["act"] for item in items] == [
        "resident.read",
        "resident.list",
        "resident.read",
        "resident.create",
    ]
    assert items[0] == {
        "seq": seqs[2],
        "recorded_at": "2026-03-02T09:00:00.000000Z",
        "act": "resident.read",
        "outcome": "deny",
        "agent": {"id": elsewhere.id, "name": elsewhere.display_name, "role": "carer"},
        "category": None,
        "purpose": "care",
        "entity": {"type": "resident", "id": resident, "version": None},
        "leaf": items[0]["leaf"],
    }
    assert other not in str(items), "it tells nothing of other residents"


def test_reading_the_access_log_is_in_the_access_log(world, auditor):
    """Whoever reads the log of a resident stands in it from then on."""
    resident = admit(world, world.home)
    log_of(world, resident, auditor)

    assert log_of(world, resident, auditor)[0]["act"] == "audit.access_log"


def test_the_access_log_needs_no_right_to_read_the_resident(world, auditor):
    """An auditor, who may not read residents, reads their access logs."""
    resident = admit(world, world.home)
    assert isinstance(world.refusal(AccessLog(new_id()), LOG, auditor), NotFoundError)

    assert log_of(world, resident, auditor)


def test_a_resident_entered_in_error_still_has_a_log(world, auditor):
    """Removing a resident does not remove who looked."""
    resident = admit(world, world.home)
    manager = world.person("registered_manager")
    world.answer(RemoveResident(resident, 1), "DELETE /v1/residents/{resident_id}", manager, reason="twice")

    assert [item["act"] for item in log_of(world, resident, auditor)] == [
        "resident.delete",
        "resident.create",
    ]


def test_the_log_of_a_resident_elsewhere_is_hidden(world):
    """A reader at one home does not see that another home's resident is there at all."""
    deputy = world.person("deputy_manager")
    resident = admit(world, world.other_home)

    assert isinstance(world.refusal(AccessLog(resident), LOG, deputy), HiddenError)


def test_a_reader_of_a_unit_reads_the_logs_of_its_residents(world):
    """`audit:read` limited to named residents covers exactly their access logs."""
    mine, other = admit(world, world.home), admit(world, world.home)
    limited = world.person(
        assignments=[{"role": "deputy_manager", "home_id": world.home, "resident_ids": [mine]}]
    )

    assert log_of(world, mine, limited)
    assert isinstance(world.refusal(AccessLog(other), LOG, limited), HiddenError)


def test_the_log_is_narrowed_by_time_and_paged(world, auditor, carer):
    """`since` is included, `until` is not, and pages of the log join."""
    resident = admit(world, world.home)
    seqs = []
    for _ in range(5):
        world.pass_time(minutes=1)
        seqs.append(look_at(world, resident, carer))
    some = log_of(world, resident, auditor, since=world.later(minutes=-3), until=world.later(minutes=-1))
    page = world.answer(AccessLog(resident, limit=2, until=world.later(seconds=1)), LOG, auditor).payload
    again = AccessLog(resident, limit=2, until=world.later(seconds=1), cursor=page["next_cursor"])

    assert [item["seq"] for item in some] == [seqs[2], seqs[1]]
    assert len(page["items"]) == 2
    following = world.answer(again, LOG, auditor).payload["items"]
    assert following[0]["seq"] < page["items"][-1]["seq"]


# --- the index ----------------------------------------------------------------------------------


def test_a_question_far_ahead_of_the_index_is_put_off(world, auditor, monkeypatch):
    """If too much is left to index, the answer is 503, but what was done stays done."""
    monkeypatch.setattr(events, "MOST_CAUGHT_UP", 4)
    for _ in range(3):
        admit(world, world.home)
    behind = [world.looking(lambda c: indexing.behind(c, world.org))]
    while isinstance(world.do(ListEvents(act="home.create"), EVENTS, auditor), AuditUnavailableError):
        behind.append(world.looking(lambda c: indexing.behind(c, world.org)))
        assert behind[-1] == behind[-2] - 4 + 1, "four further lines, and the entry of the question"

    assert len(behind) > 2
