"""Searching the trail as FHIR does, through the door."""

import json
from collections import deque

import pytest

from app.access.door import share_a_turn
from app.access.operations import OPERATIONS
from app.access.visit import Visit
from app.audit import verify
from app.core.errors import AuditUnavailableError, ForbiddenError, InvalidRequestError
from app.trail import fhir_search
from app.trail.fhir_search import SearchAuditEvents, Sought
from tests.unit.trail.stories import admit, lines_of, list_residents, look_at, story

SEARCH = "GET /v1/fhir/AuditEvent"


def page(world, who, notary, count=200, cursor=None, **sought):
    """Return the AuditEvents of a page, and the cursor of the next."""
    answer = world.answer(SearchAuditEvents(Sought(**sought), notary, count, cursor), SEARCH, who).payload
    return answer["events"], answer["next_cursor"]


def derived(world, notary, org=None):
    """Return, newest first, number, resident and action of each AuditEvent, derived from every entry."""
    found = []
    for seq, e in reversed(list(enumerate(world.entries(org)))):
        line = {"c": {"org": world.org, "seq": seq, "ts": "t"}, "e": e}
        events = verify.fhir_events(line, "", {}, notary.origin(world.org))
        found += [(seq, who, e, one) for who, one in zip(e.get("subs") or [None], events, strict=True)]
    return found


def ids(events):
    """Return the ids of AuditEvents."""
    return [event["id"] for event in events]


def test_each_parameter_finds_what_a_look_at_each_entry_finds(any_world, notary):
    """Patient, agent, action and outcome, alone and together, find exactly the AuditEvents that fit."""
    world, auditor = any_world, story(any_world)
    nobody = world.person("kitchen")
    world.do(SearchAuditEvents(Sought(), notary), SEARCH, nobody)
    residents = [e["obj"]["id"] for e in world.entries() if e["act"] == "resident.create"]
    reader = next(e["actor"]["id"] for e in world.entries() if e["act"] == "resident.list")
    queries = [
        ({}, lambda who, e, one: True),
        ({"patients": (residents[0],)}, lambda who, e, one: who == residents[0]),
        ({"patients": tuple(residents[:2])}, lambda who, e, one: who in residents[:2]),
        ({"agents": (reader, "x")}, lambda who, e, one: e["actor"]["id"] == reader),
        ({"outcomes": ("4",)}, lambda who, e, one: one["outcome"] == "4"),
        ({"outcomes": ("12",)}, lambda who, e, one: False),
        ({"outcomes": ("0", "8")}, lambda who, e, one: one["outcome"] in "08"),
        *[({"actions": (a,)}, lambda who, e, one, a=a: one["action"] == a) for a in fhir_search.ACTIONS],
        ({"actions": ("C", "E")}, lambda who, e, one: one["action"] in "CE"),
        (
            {"patients": (residents[0],), "agents": (reader,), "actions": ("R",), "outcomes": ("0",)},
            lambda who, e, one: (who, e["actor"]["id"], one["action"]) == (residents[0], reader, "R"),
        ),
    ]
    counts = []
    for sought, holds in queries:
        expected = [one["id"] for _, who, e, one in derived(world, notary) if holds(who, e, one)]
        events, _ = page(world, auditor, notary, **sought)
        assert ids(events) == expected, sought
        counts.append(len(expected))

    assert [bool(count) for count in counts].count(False) == 3, "12, updates and deletions: there are none"


def whole_trail(world, notary, *people):
    """Return resident and AuditEvent of all there are, newest first: every line derived whole."""
    names = {
        seq: one.display_name
        for seq, e in enumerate(world.entries())
        for one in people
        if e["act"] == "identity.set" and e["obj"]["id"] == one.id
    }
    found = []
    for line in reversed(lines_of(world)):
        told, leaf = json.loads(line), verify.leaf_hash(line).hex()
        events = verify.fhir_events(told, leaf, names, notary.origin(world.org))
        found += zip(told["e"].get("subs") or [None], events, strict=True)
    return found


@pytest.mark.parametrize("whose", [None, (7,), (9, 2, 4)])
@pytest.mark.parametrize("count", [1, 4, 10, 25])
def test_no_more_is_made_than_is_told(world, notary, monkeypatch, count, whose):
    """Where lists name many, a page makes just the AuditEvents it shows, each as of the whole line."""
    carer, auditor = world.person("carer", name="Carer"), world.person("auditor", None, name="Auditor")
    residents = [admit(world, world.home) for _ in range(10)]
    for _ in range(6):
        list_residents(world, carer)
    patients = whose and tuple(residents[at] for at in whose)
    trail = whole_trail(world, notary, carer, auditor)
    expected = [event for who, event in trail if patients is None or who in patients]
    end, made, derive = world.later(seconds=1), [], verify.fhir_events

    def watched(*line):
        for event in derive(*line):
            made.append(event["id"])
            yield event

    monkeypatch.setattr(verify, "fhir_events", watched)
    world.pass_time(seconds=2)
    found, cursor = [], None
    while cursor is not None or not found:
        events, cursor = page(world, auditor, notary, count, cursor, until=end, patients=patients)
        assert len(made) == len(events)
        found += events
        made.clear()

    assert found == expected


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_pages_end_between_the_events_of_an_entry(any_world, notary, count):
    """Pages of any size hold every AuditEvent once, also where an entry about many is cut in two."""
    world, auditor = any_world, story(any_world)
    end = world.later(seconds=1)
    expected = [one["id"] for *_, one in derived(world, notary)]
    world.pass_time(seconds=2)
    found, cursor, sizes = [], None, []
    while True:
        events, cursor = page(world, auditor, notary, count, cursor, until=end)
        found += ids(events)
        sizes.append(len(events))
        if cursor is None:
            break

    assert found == expected
    assert max(sizes) == count
    assert set(sizes[:-1]) == {count}


def test_searches_share_no_turn(world, notary):
    """However many search at once, the deadline of a turn is for one of them and nobody beside it."""
    auditor = world.person("auditor", None)
    searches = [SearchAuditEvents(Sought(), notary, 200) for _ in range(3)]
    visits = [Visit(auditor.session, OPERATIONS[SEARCH], work) for work in searches]
    waiting = deque(visits)

    assert [share_a_turn(waiting) for _ in visits] == [[visit] for visit in visits]


def test_a_cursor_belongs_to_its_search(world, notary):
    """The cursor of another search, or a made one, is refused."""
    auditor = story(world)
    _, cursor = page(world, auditor, notary, 2)

    for wrong in (Sought(actions=("R",)), Sought(until="2026-03-02T09:00:00.000000Z")):
        work = SearchAuditEvents(wrong, notary, 2, cursor)
        assert isinstance(world.refusal(work, SEARCH, auditor), InvalidRequestError)


def test_its_own_entry_says_what_was_shown(world, notary):
    """A search is an entry of the trail: with whom it was about, the residents shown, and how many."""
    auditor = story(world)
    resident = next(e["obj"]["id"] for e in world.entries() if e["act"] == "resident.create")
    events, _ = page(world, auditor, notary, patients=(resident,))
    entry = world.entry()

    assert (entry["act"], entry["out"], entry["n"]) == ("audit.read", "ok", len(events))
    assert entry["obj"] == {"t": "resident", "id": resident}
    assert entry["subs"] == [resident]


def test_a_manager_of_one_home_sees_the_entries_of_that_home(world, notary):
    """Home-scoped `audit:read` sees what the list of entries shows it, nothing of the other one alone."""
    carer, manager = world.person("carer"), world.person("deputy_manager")
    here, there = admit(world, world.home), admit(world, world.other_home)
    look_at(world, here, carer)
    look_at(world, there, world.person("carer", world.other_home))
    events, _ = page(world, manager, notary)
    shown = {
        part["what"]["reference"]
        for e in events
        for part in e.get("entity", [])
        if "reference" in part["what"]
    }

    assert f"Patient/{here}" in shown
    assert page(world, manager, notary, patients=(there,))[0] == []
    list_residents(world, world.person("registered_manager", None))  # of both homes
    assert 1 == len(page(world, manager, notary, patients=(there,))[0])


def test_it_needs_audit_read(world, notary):
    """Whoever may not read the trail may not search it either."""
    assert isinstance(
        world.refusal(SearchAuditEvents(Sought(), notary), SEARCH, world.person("carer")), ForbiddenError
    )


def test_an_index_that_is_behind_is_told_of(world, notary, monkeypatch):
    """While the index has far to go there is no answer rather than one that misses entries."""
    monkeypatch.setattr(fhir_search, "MOST_CAUGHT_UP", 3)
    auditor = story(world)

    assert isinstance(
        world.refusal(SearchAuditEvents(Sought(), notary), SEARCH, auditor), AuditUnavailableError
    )
