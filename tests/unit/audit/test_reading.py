"""Pages of the trail, and the index they are found with."""

from datetime import timedelta

import orjson
import pytest
from sqlalchemy import text

from app.audit import indexing, reading, stored
from app.audit.reading import Wanted
from app.core.clock import spell
from tests.support.chains import HOMES, ORG, OTHER, PEOPLE, RESIDENTS, START, Chains

SIZE = 120


@pytest.fixture
def filled(chains: Chains) -> Chains:
    """A chain of 120 entries, one a second, none indexed yet, beside another chain."""
    chains.found(ORG, OTHER)
    chains.append(SIZE)
    chains.append(10, OTHER)
    return chains


def numbers(chains, wanted, before=None, limit=200, org=ORG):
    """Return the numbers of a page, as a query finds them."""
    with chains.turn() as connection:
        while indexing.catch_up(connection, org, 50):
            pass
        return [entry.seq for entry in reading.page(connection, org, wanted, before, limit).entries]


def expected(chains, holds):
    """Return, newest first, the numbers of the lines for which a condition holds, one by one."""
    with chains.turn() as connection:
        lines = stored.lines(connection, ORG, 0, SIZE)
    events = [(seq, orjson.loads(line)["e"]) for seq, line in enumerate(lines)]
    return [seq for seq, e in reversed(events) if holds(seq, e)]


QUERIES = {
    "everything": (Wanted(), lambda n, e: True),
    "a resident": (Wanted(resident_id=RESIDENTS[1]), lambda n, e: RESIDENTS[1] in e["subs"]),
    "a person": (Wanted(agent_id=PEOPLE[2]), lambda n, e: e["actor"]["id"] == PEOPLE[2]),
    "an act": (Wanted(act="record.delete"), lambda n, e: e["act"] == "record.delete"),
    "an outcome": (Wanted(out="deny"), lambda n, e: e["out"] == "deny"),
    "a home": (Wanted(homes=(HOMES[2],)), lambda n, e: HOMES[2] in e["homes"]),
    "two homes": (Wanted(homes=(HOMES[0], HOMES[2])), lambda n, e: HOMES[0] in e["homes"]),
    "no home": (Wanted(homes=()), lambda n, e: False),
    "nobody": (Wanted(agent_id="nobody"), lambda n, e: False),
    "a person and an act": (
        Wanted(agent_id=PEOPLE[0], act="record.create"),
        lambda n, e: e["actor"]["id"] == PEOPLE[0] and e["act"] == "record.create",
    ),
    "all at once": (
        Wanted(
            since=spell(START + timedelta(seconds=20)),
            until=spell(START + timedelta(seconds=100)),
            agent_id=PEOPLE[1],
            resident_id=RESIDENTS[0],
            act="record.read",
            out="ok",
            homes=(HOMES[1], HOMES[0]),
        ),
        lambda n, e: (
            20 <= n < 100
            and e["actor"]["id"] == PEOPLE[1]
            and RESIDENTS[0] in e["subs"]
            and (e["act"], e["out"]) == ("record.read", "ok")
        ),
    ),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_page_holds_what_is_wanted(filled, name):
    """Each filter, and all together, find exactly the lines that a look at every line finds."""
    wanted, holds = QUERIES[name]

    assert numbers(filled, wanted) == expected(filled, holds)


@pytest.mark.parametrize("name", ["everything", "a resident", "two homes", "a person and an act"])
@pytest.mark.parametrize("limit", [4, 50])
def test_pages_join_without_gap_or_repeat(filled, name, limit):
    """Page after page gives what one long page gives, even while the trail grows."""
    wanted, holds = QUERIES[name]
    whole = expected(filled, holds)
    found, before = [], None
    numbers(filled, wanted)
    while before != 0:
        with filled.turn() as connection:
            page = reading.page(connection, ORG, wanted, before, limit)
        assert len(page.entries) <= limit
        found, before = found + [entry.seq for entry in page.entries], page.next or 0
        filled.append(1)
    newer = [seq for seq in found if seq >= SIZE]

    assert not newer
    assert found == whole


def test_what_is_looked_at_for_a_page_is_bounded(filled, monkeypatch):
    """With several filters a page ends after so many looks, empty if need be, and the next goes on there."""
    monkeypatch.setattr(reading, "MOST_LOOKED_AT", 5)
    wanted, holds = QUERIES["all at once"]
    numbers(filled, wanted)
    found, before, pages = [], None, 0
    while before != 0:
        with filled.turn() as connection:
            page = reading.page(connection, ORG, wanted, before, 50)
        found, before, pages = found + [entry.seq for entry in page.entries], page.next or 0, pages + 1

    assert found == expected(filled, holds)
    assert pages > 2


@pytest.mark.parametrize(
    ("seconds", "number"),
    [(-5, 0), (0, 0), (0.5, 1), (1, 1), (60, 60), (119, 119), (119.1, SIZE), (900, SIZE)],
)
def test_an_instant_becomes_a_number(filled, seconds, number):
    """The first line at or after an instant is found; between two lines it is the later one."""
    instant = spell(START + timedelta(seconds=seconds))
    with filled.turn() as connection:
        assert stored.first_at(connection, ORG, SIZE, instant) == number


def test_an_instant_is_found_in_few_reads(sqlite_chains, monkeypatch):
    """Finding an instant among n lines reads about log2(n) of them."""
    sqlite_chains.found(ORG)
    sqlite_chains.append(1000)
    reads = []
    entry = stored.entry
    monkeypatch.setattr(stored, "entry", lambda *asked: reads.append(asked) or entry(*asked))
    with sqlite_chains.turn() as connection:
        found = stored.first_at(connection, ORG, 1000, spell(START + timedelta(seconds=613)))

    assert found == 613
    assert len(reads) <= 10


def test_one_entry_is_read_by_its_number(filled):
    """An entry comes with its exact line and leaf; a number without a line gives nothing."""
    with filled.turn() as connection:
        found = stored.entry(connection, ORG, 17)
        assert orjson.loads(found.line)["c"]["seq"] == 17
        assert stored.entry(connection, ORG, SIZE) is None
        assert stored.entry(connection, "another", 0) is None


# --- the index ----------------------------------------------------------------------------------


def test_the_index_comes_in_chunks(filled):
    """The index catches up as far as it is told and says how much is left."""
    with filled.turn() as connection:
        left = [indexing.catch_up(connection, ORG, 50) for _ in range(4)]
        other = indexing.behind(connection, OTHER)

    assert left == [70, 20, 0, 0]
    assert other == 10, "each chain has an index of its own"


def test_lists_are_those_of_the_lines(filled):
    """A line is found under each of its residents and homes, its person, its act and its outcome."""
    numbers(filled, Wanted())
    with filled.turn() as connection:
        rows = connection.execute(
            text("SELECT kind, key, seqs FROM audit_index WHERE org = :org ORDER BY kind, key"), {"org": ORG}
        ).all()

    assert sorted({(kind, key) for kind, key, seqs in rows if "7" in seqs.split()}) == [
        ("act", "resident.list"),
        ("agent", PEOPLE[1]),
        ("home", HOMES[0]),
        ("home", HOMES[2]),
        ("out", "ok"),
        ("resident", RESIDENTS[0]),
        ("resident", RESIDENTS[1]),
    ]


def test_a_line_that_names_somebody_twice_stands_once():
    """Repeated residents in a line do not break the index."""
    line = b'{"c":{},"e":{"act":"a","actor":{"id":"p"},"out":"ok","subs":["r","r"]}}'

    assert indexing.postings([line], 3) == {
        ("agent", "p"): [3],
        ("act", "a"): [3],
        ("out", "ok"): [3],
        ("resident", "r"): [3],
    }


def test_a_second_writer_goes_on_where_the_first_ended(filled):
    """Catching up again after a commit takes no line twice."""
    for _ in range(3):
        with filled.turn() as connection:
            indexing.catch_up(connection, ORG, 45)
    with filled.turn() as connection:
        assert indexing.behind(connection, ORG) == 0
        rows = connection.execute(
            text("SELECT seqs FROM audit_index WHERE org = :org AND kind = 'agent'"), {"org": ORG}
        ).scalars()
        taken = sorted(int(seq) for seqs in rows for seq in seqs.split())
    assert taken == list(range(SIZE))


def test_conditions_jump_to_where_the_others_are(sqlite_chains, monkeypatch):
    """Two filters together look at few numbers, whichever of them is the rarer."""
    sqlite_chains.found(ORG)
    sqlite_chains.append(400)
    monkeypatch.setattr(reading, "MOST_LOOKED_AT", 120)
    rare = Wanted(act="record.read", out="deny")
    with sqlite_chains.turn() as connection:
        indexing.catch_up(connection, ORG, 400)
        page = reading.page(connection, ORG, rare, None, 50)

    assert page.next is None


def test_the_newest_list_of_a_key_is_looked_up(sqlite_chains):
    """SQLite takes the keys asked for first, then each by its key: not every list, to look for its key."""
    sqlite_chains.found(ORG)
    sqlite_chains.append(SIZE)
    asked = {"org": ORG, "keys": orjson.dumps([["agent", PEOPLE[0]]]).decode(), "most": SIZE}
    with sqlite_chains.turn() as connection:
        while indexing.catch_up(connection, ORG, 50):
            pass
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {reading._TOP['sqlite'].text}"), asked).all()
    steps = [row.detail for row in plan]

    assert steps[0].startswith("SCAN asked")
    assert "SEARCH list USING PRIMARY KEY (org=? AND kind=? AND key=? AND first=?)" in steps
