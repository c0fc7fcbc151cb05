"""Every role x category x action x place, over real requests, against the published matrix alone.

What is asked and what must come of it follow from `tests/contract/permissions.json` and the contract's
rule for 403 and 404 (`published.py`, `cells.py`). The trail is read from the database's own lines.

27 callers (15 roles at a home, 12 of them in the whole organisation as well) x 3 places x (18 record
categories x 4 actions + identity x 4 + identifiers x 3, for no operation deletes identifiers) = 6,399
cells. Reading a category takes two requests, by id and in the list: 7,857 requests on each database.
"""

from typing import NamedTuple

import httpx2
import pytest

from tests.http.bodies import CANARY, record_of
from tests.http.cells import RESIDENTS, Step, record_steps, resident_steps
from tests.http.published import (
    CALLERS,
    CATEGORIES,
    OPERATIONS,
    OWN_AMENDMENT,
    PLACES,
    ROLES,
    Caller,
    outcome_of,
    status_of,
)
from tests.http.stage import Stage
from tests.support.served import Ask, Line, Served

pytestmark = pytest.mark.timeout(900)  # one fixture asks nearly eight thousand times
CELLS = 6_399
REQUESTS = 7_857
OWN_ENTRIES = 15 * 3
DOCUMENTS = 15 * 17


class Taken(NamedTuple):
    """A step, its answer and its entries."""

    step: Step
    answer: httpx2.Response
    lines: list[Line]

    def __repr__(self) -> str:
        (role, wide), category, action, place = self.step.cell
        scope = "organisation" if wide else "home"
        entries = [(line.e["act"], line.e["out"], line.e.get("why")) for line in self.lines]
        return (
            f"{role}@{scope} {action} {category} at {place} home: {self.step.operation} ->"
            f" {self.answer.status_code}, expected {self.step.status}; entries {entries}"
        )


@pytest.fixture(scope="module")
def stage(served: Served) -> Stage:
    """The callers and what lies at each place for them."""
    return Stage(served)


@pytest.fixture(scope="module")
def walked(stage: Stage) -> list[Taken]:
    """Every request of the matrix with its answer and its entries: records first, then their residents."""
    pairs = [(caller, place) for caller in CALLERS for place in PLACES]
    chains = [record_steps(stage, *pair, category) for pair in pairs for category in CATEGORIES]
    answers = stage.served.ask_chains([step.ask for step in chain] for chain in chains)
    later = [resident_steps(stage, *pair) for pair in pairs]
    answers += stage.served.ask_chains([step.ask for step in chain] for chain in later)
    entries = stage.served.lines_by_request()
    return [
        Taken(step, answer, entries.get(answer.headers["X-Request-ID"], []))
        for chain, given in zip([*chains, *later], answers, strict=True)
        for step, answer in zip(chain, given, strict=True)
    ]


def test_the_whole_matrix_is_asked(walked: list[Taken]) -> None:
    """6,399 cells are put to the test, with 7,857 requests."""
    assert (CELLS, REQUESTS) == (len({taken.step.cell for taken in walked}), len(walked))


def test_each_cell_answers_as_published(walked: list[Taken]) -> None:
    """What the matrix grants succeeds; all else is 403 or 404 by the contract's order."""
    assert [] == [taken for taken in walked if taken.answer.status_code != taken.step.status]


def test_refusals_show_nothing_of_the_target(walked: list[Taken]) -> None:
    """No answer of 400 or more holds a name or a text of the record that was asked for."""
    refused = [taken for taken in walked if taken.answer.status_code >= 400]

    assert refused
    assert [] == [taken for taken in refused if CANARY in taken.answer.text]


def test_what_is_granted_is_shown(walked: list[Taken]) -> None:
    """A successful answer shows the record or resident asked for."""
    shown = [taken for taken in walked if taken.step.shows and taken.answer.status_code < 300]

    assert shown
    assert [] == [taken for taken in shown if taken.step.shows not in taken.answer.text]


def test_a_search_finds_nobody_out_of_scope(walked: list[Taken]) -> None:
    """A search by a name finds the resident where the caller may look, and is empty elsewhere."""
    searches = [t for t in walked if t.step.operation.endswith("/search") and t.answer.status_code == 200]
    found = [len(taken.answer.json()["items"]) for taken in searches]

    assert {True, False} == {bool(taken.step.shows) for taken in searches}
    assert [bool(taken.step.shows) for taken in searches] == [count == 1 for count in found]


def test_identifiers_are_shown_to_who_may_read_them(walked: list[Taken]) -> None:
    """A resident's answer holds date of birth and NHS number exactly for roles with `identifiers:read`."""
    reads = [t for t in walked if t.step.cell[1:3] == ("identity", "read") and t.answer.status_code == 200]
    expected = [taken.step.cell[0].holds("identifiers:read") for taken in reads]

    assert {True, False} == set(expected)
    assert expected == ["identifiers" in taken.answer.json() for taken in reads]


def test_lists_keep_to_the_category_asked_for(walked: list[Taken]) -> None:
    """A list by category holds records of that category only."""
    lists = [t for t in walked if t.step.ask.params is not None and t.answer.status_code == 200]
    wrong = [t for t in lists for item in t.answer.json()["items"] if item["category"] != t.step.cell[1]]

    assert lists
    assert [] == wrong


def test_each_request_makes_one_entry_of_its_act(walked: list[Taken]) -> None:
    """Each request, granted or not, has one entry: in its organisation's chain, with act and outcome."""
    assert [] == [taken for taken in walked if len(taken.lines) != 1 or not recorded_as_declared(taken)]


def recorded_as_declared(taken: Taken) -> bool:
    """Say whether the one entry of a request is what the contract wants."""
    step, (line,) = taken.step, taken.lines
    caller, _, _, place = step.cell
    out = outcome_of(step.status, place)
    if step.operation == f"POST {RESIDENTS}" and step.status == 404:
        # a home is named, not a resident: who holds it nowhere there is refused before it is looked up
        out = "fail" if caller.wide else "deny"
    return (line.e["act"], line.e["out"]) == (OPERATIONS[step.operation]["act"], out)


def test_each_entry_names_what_was_asked_for(walked: list[Taken]) -> None:
    """An entry names the object as asked, and the resident where it is one of the organisation's."""
    assert [] == [taken for taken in walked if not names_what_was_asked(taken)]


def names_what_was_asked(taken: Taken) -> bool:
    """Say whether object and residents of an entry are those of the request."""
    step, (line,) = taken.step, taken.lines
    kind, named = step.object
    subject = step.subject
    if step.status == 201:
        named = taken.answer.json()["id"]
        subject = named if kind == "resident" else subject
    stated = line.e.get("obj", {})
    return (stated.get("t", ""), stated.get("id"), line.e.get("subs", [])) == (
        kind,
        named,
        [subject] if subject else [],
    )


def test_each_answer_carries_the_receipt_of_its_entry(walked: list[Taken]) -> None:
    """`Audit-Event` names chain, position and leaf of the entry as they are stored."""
    assert [] == [
        t for t in walked if [line.receipt for line in t.lines] != [t.answer.headers["Audit-Event"]]
    ]


# --- own amendment, and documents ---------------------------------------------------------------


@pytest.mark.parametrize(("hours", "allowed"), [(24, True), (24.001, False)])
def test_authors_amend_their_own_entry_for_a_day(served: Served, hours: float, allowed: bool) -> None:
    """Authors amend their own note, observation or incident report for 24 hours; then they are as others."""
    stage = Stage(served, tuple(map(Caller, ROLES)), categories=())
    steps = [
        (caller, category, stage.recording((caller, "own"), category, f"{CANARY}-own"))
        for caller in stage.people
        for category in OWN_AMENDMENT
    ]
    made = served.ask_all([Ask(a.method, a.path, stage.people[c], a.json) for c, _, a in steps])
    stage.come_back(hours=hours)
    mine = [
        (step, answer.json()["id"])
        for step, answer in zip(steps, made, strict=True)
        if answer.status_code == 201
    ]
    amended = served.ask_all([amendment(stage, *step, record) for step, record in mine])

    assert OWN_ENTRIES == len(steps)
    assert [c.holds(f"{category}:create") for c, category, _ in steps] == [a.status_code == 201 for a in made]
    assert [own_status(c, category, allowed) for (c, category, _), _ in mine] == [
        a.status_code for a in amended
    ]


def own_status(caller: Caller, category: str, allowed: bool) -> int:
    """Return what must come of amending one's own entry."""
    if allowed:
        return 200
    readable, may = caller.holds(f"{category}:read"), caller.holds(f"{category}:update")
    return status_of(200, somewhere=True, visible=readable, allowed=may)


def amendment(stage: Stage, caller: Caller, category: str, first: Ask, record: str) -> Ask:
    """Return the amendment of one's own entry."""
    body = {
        "occurred_at": first.json["occurred_at"],
        "body": first.json["body"],
        "amendment_reason": "a slip",
    }
    return Ask("PUT", f"{first.path}/{record}", stage.people[caller], body, {"If-Match": '"1"'})


class Documents(NamedTuple):
    """A document of each kind for each role, and how they were asked for."""

    cells: list[tuple[Caller, str]]
    made: list[str]
    read: list[httpx2.Response]
    added: list[httpx2.Response]
    listed: dict[Caller, httpx2.Response]


@pytest.fixture(scope="module")
def documents(served: Served) -> Documents:
    """Each role's resident with a document about each category, read, listed and added to by the role."""
    stage = Stage(served, tuple(map(Caller, ROLES)), categories=())
    cells = [(caller, about) for caller in stage.people for about in CATEGORIES if about != "document"]
    made = stage.made([stage.recording((c, "own"), "document", CANARY, about=about) for c, about in cells])
    ids = [one["id"] for one in made]
    paths = {c: f"{RESIDENTS}/{stage.targets[c, 'own'].resident}/records" for c in stage.people}
    reads = [Ask("GET", f"{paths[c]}/{i}", stage.people[c]) for (c, _), i in zip(cells, ids, strict=True)]
    bodies = [record_of("document", "letter", about=about) for _, about in cells]
    adds = [Ask("POST", paths[c], stage.people[c], b) for (c, _), b in zip(cells, bodies, strict=True)]
    query = {"category": "document", "limit": "200"}
    lists = [Ask("GET", paths[c], person, params=query) for c, person in stage.people.items()]
    read, listed, added = served.ask_all(reads), served.ask_all(lists), served.ask_all(adds)
    return Documents(cells, ids, read, added, dict(zip(stage.people, listed, strict=True)))


def test_reading_a_document_takes_the_permission_on_what_it_is_about(documents: Documents) -> None:
    """A document is read by who may read documents and its `about`: 255 cells of role and category."""
    expected = [
        status_of(200, somewhere=c.holds_any("read"), visible=both(c, about, "read"), allowed=True)
        for c, about in documents.cells
    ]

    assert DOCUMENTS == len(documents.cells)
    assert expected == [answer.status_code for answer in documents.read]


def test_adding_a_document_takes_the_permission_on_what_it_is_about(documents: Documents) -> None:
    """A document is added by who may add documents and records of its `about`: the request names both."""
    expected = [201 if both(caller, about, "create") else 403 for caller, about in documents.cells]

    assert expected == [answer.status_code for answer in documents.added]


def test_a_list_of_documents_leaves_out_what_they_are_about(documents: Documents) -> None:
    """A list holds exactly the documents whose `about` the caller may read as well."""
    readable: dict[Caller, set[str]] = {caller: set() for caller in documents.listed}
    for (caller, about), document in zip(documents.cells, documents.made, strict=True):
        if both(caller, about, "read"):
            readable[caller].add(document)
    for caller, answer in documents.listed.items():
        assert (200 if caller.holds("document:read") else 403) == answer.status_code
        if answer.status_code == 200:
            assert readable[caller] == {item["id"] for item in answer.json()["items"]}


def both(caller: Caller, about: str, action: str) -> bool:
    """Say whether the action is held on documents and on what this one is about."""
    return caller.holds(f"document:{action}", f"{about}:{action}")
