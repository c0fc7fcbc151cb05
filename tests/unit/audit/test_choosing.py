"""Lines chosen by what they are about, upwards and a piece at a time."""

import orjson
import pytest

from app.audit import choosing, indexing, reading, stored
from tests.support.chains import ORG, Chains
from tests.unit.audit.test_reading import QUERIES, SIZE


@pytest.fixture
def filled(chains: Chains) -> Chains:
    """A chain of 120 entries, indexed in pieces of 9 lines, so that lists end within a walk."""
    chains.found(ORG)
    chains.append(SIZE)
    with chains.turn() as connection:
        while indexing.catch_up(connection, ORG, 9):
            pass
    return chains


def walked(chains, wanted, most):
    """Return all numbers that are wanted, gone through in pieces, and how many there were in each."""
    found, pieces = [], []
    with chains.turn() as connection:
        within = reading.span(connection, ORG, wanted, SIZE)
        start = within.start
        while start is not None:
            seqs, start = choosing.numbers(connection, ORG, wanted, range(start, within.stop), most)
            found += seqs
            pieces.append(len(seqs))
    return found, pieces


@pytest.mark.parametrize("most", [1, 7, 1000])
@pytest.mark.parametrize("name", QUERIES)
def test_pieces_hold_what_is_wanted_once_and_in_order(filled, name, most):
    """Each filter finds, in pieces of any size, exactly the lines that a look at every line finds."""
    wanted, holds = QUERIES[name]
    with filled.turn() as connection:
        lines = stored.lines(connection, ORG, 0, SIZE)
    expected = [seq for seq, line in enumerate(lines) if holds(seq, orjson.loads(line)["e"])]
    found, pieces = walked(filled, wanted, most)

    assert found == expected
    assert max(pieces) <= most


def test_what_is_looked_at_at_once_is_bounded(filled, monkeypatch):
    """A piece may end before it is full, even empty, and the next one goes on from there."""
    monkeypatch.setattr(choosing, "MOST_LOOKED_AT", 3)
    wanted, _ = QUERIES["all at once"]
    whole, _ = walked(filled, wanted, 1000)
    found, pieces = walked(filled, wanted, 5)

    assert found == whole != []
    assert len(pieces) > 2
    assert 0 in pieces


def test_lines_come_in_order_and_a_missing_one_is_not_made_up(filled):
    """Lines of chosen numbers come in the order of their numbers; whoever reads them counts them."""
    with filled.turn() as connection:
        lines = choosing.lines(connection, ORG, [3, 50, 119, 500])
        assert choosing.lines(connection, ORG, []) == []

    assert [orjson.loads(line)["c"]["seq"] for line in lines] == [3, 50, 119]


def test_acts_are_those_in_the_index(filled):
    """Every act that occurs in the chain is told, once."""
    with filled.turn() as connection:
        acts = indexing.acts(connection, ORG)
        assert indexing.acts(connection, "nobody") == []

    assert acts == ["record.create", "record.delete", "record.read", "resident.list"]
