"""What a page by two filters costs does not depend on how long the trail is."""

from datetime import timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import event

from app.audit import indexing, log, reading
from app.audit.entry import Draft, begin
from app.audit.reading import Wanted
from tests.support.chains import ORG, PEOPLE, START, actor

CARER, OTHERS = PEOPLE[0], PEOPLE[1]
ENTRIES = 300
"""Of the care worker, however many of others lie between two of them."""
PIECE = 25
LIMIT = 40
WANTED = Wanted(agent_id=CARER, act="record.create")


class Cost(NamedTuple):
    """What a page took of the database."""

    statements: int
    lists: int
    lines: int


def fill(chains, apart):
    """Write a trail in which every `apart`th entry is the care worker's, a fifth of them `record.create`."""
    with chains.turn() as connection:
        log.found(connection, ORG, START)
        for first in range(0, ENTRIES * apart, 500):
            numbers = range(first, min(first + 500, ENTRIES * apart))
            drafts = [Draft(ORG, _event(number, apart)) for number in numbers]
            log.append(connection, drafts, START + timedelta(seconds=first))
        while indexing.catch_up(connection, ORG, PIECE):
            pass


def _event(number, apart):
    own = number % apart == 0
    created = number // apart % 5 == 0 if own else number % 3 > 0
    return begin("record.create" if created else "record.read", "ok", actor(CARER if own else OTHERS)) | {
        "subs": []
    }


def page_and_cost(chains, wanted):
    """Return the numbers of a page, and what they took; rows are counted by PostgreSQL only."""
    taken = []

    def count(_connection, cursor, statement, _parameters, _context, _many):
        taken.append((statement, cursor.rowcount))

    with chains.turn() as connection:
        event.listen(chains.engine, "after_cursor_execute", count)
        page = reading.page(connection, ORG, wanted, None, LIMIT)
        event.remove(chains.engine, "after_cursor_execute", count)
    lists = sum(rows for statement, rows in taken if "audit_index" in statement)
    lines = sum(rows for statement, rows in taken if "line, leaf" in statement)
    return [entry.seq for entry in page.entries], Cost(len(taken), lists, lines)


@pytest.mark.parametrize(("apart", "lists"), [(2, 29), (40, 252)])
def test_a_page_by_two_filters_takes_as_much_of_a_long_trail(chains, apart, lists):
    """A trail twenty times as long takes the same statements and lines, and one list a number at most."""
    fill(chains, apart)

    found, cost = page_and_cost(chains, WANTED)

    assert found == [5 * n * apart for n in range(59, 59 - LIMIT, -1)]
    assert cost.statements == 8
    if chains.engine.dialect.name == "postgresql":
        assert (cost.lines, cost.lists) == (246, lists)


def test_the_rarer_filter_leads_whichever_is_named_first(chains):
    """As many lines are looked at whether the rare filter is the first or the last of them."""
    fill(chains, 40)
    first = Wanted(also=((("agent", CARER),), (("act", "record.create"),)))
    last = Wanted(also=((("act", "record.create"),), (("agent", CARER),)))

    assert page_and_cost(chains, first) == page_and_cost(chains, last)


def test_a_filter_that_nothing_meets_looks_at_no_line(chains):
    """Where one of the filters has no entry left, the page ends with one statement of the index."""
    fill(chains, 2)

    found, cost = page_and_cost(chains, Wanted(agent_id="nobody", act="record.create"))

    assert (found, cost.statements) == ([], 3)
