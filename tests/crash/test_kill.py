"""Kill -9 under load: nothing acknowledged is lost, nothing is shown without its entry (P1, P2, P4)."""

import pytest

from tests.support.killing import Ground, rounds
from tests.support.served import Database

ROUNDS = {"sqlite": 5, "postgresql": 3}
SEED = 20261121


@pytest.mark.timeout(300)
def test_every_answer_a_client_holds_has_its_entry_and_its_change(database: Database, tmp_path):
    """After each kill every acknowledged read and write is found; unknown ones have one effect."""
    ground = Ground(database, tmp_path)
    checked = rounds(ground, ROUNDS[database.kind], SEED)

    assert checked > 50
    assert len(ground.history.keys) > 10


@pytest.mark.timeout(300)
def test_a_server_that_answers_before_the_entry_is_caught(database: Database, tmp_path):
    """The checker finds the deliberately broken variant: an answer whose entry was never committed."""
    ground = Ground(database, tmp_path)

    with pytest.raises(AssertionError, match=r"no entry for an answer|lost:"):
        rounds(ground, 12, SEED, module="tests.support.early")
