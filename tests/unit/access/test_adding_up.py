"""Several assignments that add up somewhere: found wherever it is, in each process alike."""

import os
import random
import subprocess
import sys
from itertools import permutations, product

import pytest

from app.access.agent import Agent, Grant, Place
from app.access.policy import Question, decide, need

WRITES, TELLS = frozenset({"document:create"}), frozenset({"daily_note:create"})
BOTH = need("document:create", "daily_note:create")
ASK = """
from app.access.agent import Agent, Grant, Place
from app.access.policy import Question, decide, need
both = need("document:create", "daily_note:create")
first = Grant("one", frozenset({"document:create"}), "h", None, frozenset({"r1", "r2", "r3"}))
second = Grant("two", frozenset({"daily_note:create"}), "h", None, frozenset({"r3", "r4", "r5"}))
agent = Agent("o", "u", "user", (first, second))
print(decide(agent, Question(both, both, both, Place("h", None, "r3"))).result)
"""


class Listed(frozenset[str]):
    """A set that is walked in the order it was given."""

    def __new__(cls, order: tuple[str, ...]) -> "Listed":
        made = super().__new__(cls, order)
        made.order = order
        return made

    def __iter__(self):
        return iter(self.order)


def result(*grants: Grant, place: Place | None) -> str:
    """Return the decision about what takes both permissions."""
    return decide(Agent("o", "u", "user", grants), Question(BOTH, BOTH, BOTH, place)).result


def test_two_assignments_that_share_one_resident_add_up_in_whichever_order_they_are_walked():
    """The answer is the same for all thirty-six orders of the two lists of residents, both ways round."""
    answers = []
    for first, second in product(permutations(("r1", "r2", "r3")), permutations(("r3", "r4", "r5"))):
        one = Grant("one", WRITES, "h", None, Listed(first))
        two = Grant("two", TELLS, "h", None, Listed(second))
        answers += [result(one, two, place=Place("h", None, "r3")), result(two, one, place=None)]

    assert ["permitted"] * 72 == answers


def test_each_process_answers_alike():
    """Nothing depends on the seed of the process's hashes."""
    answers = [
        subprocess.run(
            [sys.executable, "-c", ASK],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in range(6)
    ]

    assert ["permitted"] * 6 == answers


@pytest.mark.parametrize(
    ("one", "two", "place", "expected"),
    [
        (("h", None, None), (None, "east", None), Place("h", "east", "r1"), "permitted"),
        (("h", "east", None), (None, None, frozenset({"r1"})), Place("h", "east", "r1"), "permitted"),
        (("h", "east", None), ("h", None, frozenset({"r1"})), Place("h", "west", "r1"), "hidden"),
        (("h", "east", None), ("h", "west", None), Place("h", "east", "r1"), "refused"),
        (("h", None, None), ("other", None, None), Place("h", None, "r1"), "refused"),
        (("h", None, frozenset({"r1"})), ("h", None, frozenset({"r2"})), Place("h", None, "r1"), "refused"),
        (("h", None, None), ("h", None, frozenset()), Place("h", None, "r1"), "refused"),
    ],
)
def test_they_add_up_only_where_all_of_them_reach(one, two, place, expected):
    """A home, a unit and a resident may each come from another assignment; none reaches further for it."""
    first, second = Grant("one", WRITES, *one), Grant("two", TELLS, *two)

    assert [expected] * 2 == [result(first, second, place=place), result(second, first, place=place)]


def test_an_assignment_for_nobody_holds_nowhere():
    """An assignment limited to residents of whom none is named permits nothing."""
    grant = Grant("one", WRITES | TELLS, "h", None, frozenset())

    assert ["refused"] * 2 == [result(grant, place=None), result(grant, place=Place("h", None, "r1"))]


def test_what_is_held_somewhere_is_what_is_held_at_some_place():
    """Of 2,000 random sets of assignments each is told as trying every place one by one tells it."""
    dice, told = random.Random(7), []
    permissions, people = ("a:read", "b:read", "c:read"), ("r1", "r2")
    homes, units, wanted = ("h1", "h2"), ("u1", "u2"), need(*permissions)
    everywhere = [Place(*at) for at in product((*homes, "h3"), (None, *units), (*people, "r3"))]
    for _ in range(2000):
        grants = tuple(
            Grant(
                f"role{n}",
                frozenset(dice.sample(permissions, dice.randint(1, 2))),
                dice.choice((None, *homes)),
                dice.choice((None, *units)),
                dice.choice((None, *map(frozenset, ({"r1"}, {"r2"}, people, ())))),
            )
            for n in range(dice.randint(1, 4))
        )
        question = Question(anywhere=wanted, here=wanted, seen=wanted, place=None)
        answers = [decide(agent_with(grants), at_place(wanted, at)).result for at in everywhere]
        somewhere = "permitted" in answers
        assert somewhere is (decide(agent_with(grants), question).result == "permitted")
        told.append(somewhere)

    assert 100 < sum(told) < 1900


def agent_with(grants: tuple[Grant, ...]) -> Agent:
    """Return somebody with these assignments."""
    return Agent("o", "u", "user", grants)


def at_place(wanted, place: Place) -> Question:
    """Return the question about one place, with nothing wanted before."""
    return Question(anywhere=need(), here=wanted, seen=wanted, place=place)
