"""The grid: every field of it, written out by hand."""

import orjson
import pytest

from app.incidents.grid import GRID, HIGHEST, LOWEST, Scores

# Rows: likelihood 1 to 5. Columns: impact 1 to 5. - nobody, I the ICO, D the ICO and the department.
AS_GIVEN = """
    - - - - -
    - - - - -
    - I I D D
    - I I D D
    - I I D D
"""
VULNERABLE = """
    - - - - -
    - - - - -
    I I I D D
    I I I D D
    I I I D D
"""
WORDS = {"-": "none", "I": "ico", "D": "ico_and_dhsc"}


def fields(drawn):
    """Return likelihood, impact and decision of each field of a drawn grid."""
    rows = [line.split() for line in drawn.strip().splitlines()]
    return [(x + 1, y + 1, WORDS[word]) for x, row in enumerate(rows) for y, word in enumerate(row)]


def proposed(vulnerable, special):
    """Return what is proposed for each field."""
    return [
        (x, y, GRID.propose(GRID.counted(Scores(x, y), vulnerable, special)))
        for x in range(LOWEST, HIGHEST + 1)
        for y in range(LOWEST, HIGHEST + 1)
    ]


def test_every_field_of_the_grid():
    """All 25 fields, where neither vulnerable people nor special categories are involved."""
    assert 25 == len(fields(AS_GIVEN))
    assert fields(AS_GIVEN) == proposed("no", "no")


@pytest.mark.parametrize(
    ("vulnerable", "special"),
    [("yes", "no"), ("no", "yes"), ("yes", "yes"), ("unknown", "no"), ("no", "unknown")],
)
def test_every_field_where_two_is_the_least(vulnerable, special):
    """Vulnerable people or special categories make each score at least 2, and not to know counts as yes."""
    assert fields(VULNERABLE) == proposed(vulnerable, special)


def test_the_product_means_nothing():
    """2 times 5 is 10 and nothing to report; 3 times 2 is 6 and is."""
    assert ["none", "ico"] == [GRID.propose(Scores(*pair)) for pair in ((2, 5), (3, 2))]


def test_scores_count_as_given_above_the_floor():
    """What counts is never less than what was given, on either axis."""
    assert Scores(2, 4) == GRID.counted(Scores(1, 4), "yes", "no")
    assert Scores(5, 2) == GRID.counted(Scores(5, 1), "no", "yes")
    assert Scores(1, 1) == GRID.counted(Scores(1, 1), "no", "no")


def test_every_row_names_its_source_and_whether_it_was_read():
    """The grid as a whole is not verified, and no row claims to be without naming where it was read."""
    plain = GRID.plain
    rows = [*plain["likelihood"], *plain["impact"], *plain["rules"], plain["floor"], plain["otherwise"]]

    assert (False, 14) == (plain["verified"], len(rows))
    assert [1, 2, 3, 4, 5] * 2 == [row["score"] for row in (*plain["likelihood"], *plain["impact"])]
    assert all(isinstance(row["verified"], bool) and row["source"] for row in rows)
    assert all("https://" in row["source"] for row in rows if row["verified"])
    assert all("memory" in row["source"] for row in rows if not row["verified"])
    assert orjson.dumps(plain)
