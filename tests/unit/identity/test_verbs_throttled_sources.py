"""Whose attempts a source has to answer for, and which addresses are one source."""

import pytest

from app.access.visit import Visited
from app.identity import table
from tests.support.world import Person, World

WRONG = "not the password at all"
HERS, HIS = "192.0.2.7", "192.0.2.1"


@pytest.fixture
def carer(world: World) -> Person:
    return world.person("carer", signed_in=False)


def refused(world: World, username: str, password: str = WRONG, **more) -> bool:
    """Try to sign in; say whether the throttle refused it."""
    outcome = world.try_sign_in(username, password, **more)
    return isinstance(outcome, Visited) and outcome.stamp is None


def failures(world: World) -> dict[str, list[int]]:
    counted: dict[str, list[int]] = {"account": [], "source": []}
    for row in world.rows(table.throttle):
        counted[row["kind"]].append(len(row["failures"].split()))
    return counted


def test_an_attempt_that_the_account_refuses_counts_against_its_source(world, carer):
    """Hammering at a name is not free: who does it is slowed, and its owner comes in from elsewhere."""
    tried = [refused(world, carer.username, address=HIS) for _ in range(60)]

    assert [False] * 10 + [True] * 50 == tried
    assert {"account": [10], "source": [50]} == failures(world)
    assert refused(world, "somebody.else", address=HIS)
    world.pass_time(minutes=5)
    assert isinstance(
        world.try_sign_in(carer.username, carer.password, otp=world.otp(carer), address=HERS), Visited
    )


def test_an_attempt_that_the_source_refuses_counts_against_no_account(world, carer):
    """A name is not slowed by whoever may not try any more."""
    for n in range(50):
        assert not refused(world, f"nobody.{n}", address=HIS)

    assert refused(world, carer.username, address=HIS)

    assert not refused(world, carer.username, address=HERS)


@pytest.mark.parametrize(
    ("addresses", "sources"),
    [
        ([f"2001:db8:0:1::{n:x}" for n in range(1, 5)], [4]),
        (["2001:db8:0:1::1", "2001:db8:0:2::1"], [1, 1]),
        (["192.0.2.1", "192.0.2.2", "::ffff:192.0.2.2"], [1, 2]),
        (["somewhere", "elsewhere"], [1, 1]),
    ],
    ids=["one subscriber", "two subscribers", "IPv4", "no addresses"],
)
def test_addresses_of_one_subscriber_are_one_source(world, addresses, sources):
    """Somebody with IPv6 has 2^64 addresses; guessing is slowed as from one."""
    for n, address in enumerate(addresses):
        refused(world, f"nobody.{n}", address=address)

    assert sources == sorted(failures(world)["source"])
