"""Whose attempts a source has to answer for, and which addresses are one source."""

import pytest

from app.access.visit import System, Visited
from app.core.identifiers import SYSTEM
from app.identity import table
from app.identity.throttle import HAMMERING
from app.identity.throttling import FOLD_THROTTLED, FoldThrottled
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
    tried = [refused(world, carer.username, address=HIS) for _ in range(10 + HAMMERING + 40)]

    assert [False] * 10 + [True] * (HAMMERING + 40) == tried
    assert {"account": [10], "source": [50]} == failures(world)
    assert refused(world, "somebody.else", address=HIS)
    world.pass_time(minutes=5)
    assert isinstance(
        world.try_sign_in(carer.username, carer.password, otp=world.otp(carer), address=HERS), Visited
    )


def test_a_device_that_tries_again_by_itself_keeps_nobody_else_out(world, carer):
    """A tablet with an old password, every three seconds for ten minutes, at the address of a whole home."""
    for second in range(0, 600, 3):
        refused(world, carer.username, address=HIS)
        if second % 60 == 57:
            assert not refused(world, f"colleague.{second}", address=HIS)
        world.pass_time(seconds=3)
        world.answer(FoldThrottled(), FOLD_THROTTLED, System("housekeeping", SYSTEM))


def test_entries_name_a_source_alike_however_it_is_refused(world):
    """What a folded entry says of a source is what the attempts before it said."""
    for address in ("2001:db8:0:1::7", "::ffff:192.0.2.9", "192.0.2.8"):
        for n in range(51):
            refused(world, f"nobody.{n}", address=address)
    world.pass_time(minutes=2)
    world.answer(FoldThrottled(), FOLD_THROTTLED, System("housekeeping", SYSTEM))
    told: dict[str, set[str]] = {"auth.login": set(), "auth.throttled": set()}
    for entry in world.entries(SYSTEM):
        if entry["act"] in told and "ip_h" in entry.get("src", {}):
            told[entry["act"]].add(entry["src"]["ip_h"])

    assert 3 == len(told["auth.throttled"])
    assert told["auth.login"] == told["auth.throttled"]


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
