"""What goes out next: an endpoint that is slow, or for which much waits, holds up nobody else."""

from collections import Counter

import pytest

from app.webhooks.claiming import AT_ONCE_FOR_ONE
from app.webhooks.delivering import MOST_AT_ONCE
from tests.support.announcing import tell
from tests.unit.webhooks.test_delivering import claim


@pytest.fixture
def slow(world, enter):
    """Return a function that enters endpoints for which much is due before anything of others."""

    def made(number, waiting=9):
        ids = [enter(world, f"https://slow{n}.example.org/")["id"] for n in range(number)]
        for _ in range(waiting):
            tell(world)
        world.pass_time(seconds=5)
        return ids

    return made


def quick(world, enter, number=1):
    """Enter endpoints for each of which one message is due, after all others; return their ids."""
    ids = [enter(world, f"https://quick{n}.example.org/")["id"] for n in range(number)]
    tell(world)
    return ids


@pytest.mark.parametrize("free", [1, 2, 4])
def test_endpoints_that_can_take_no_more_stand_in_nobodys_way(world, enter, slow, free):
    """However much waits for those with all their messages under way, the next free place is another's."""
    full = slow(3, waiting=12)
    claim(world, most=12)
    [one] = quick(world, enter)

    assert [one] == [parcel.webhook_id for parcel in claim(world, most=free, **dict.fromkeys(full, 4))]


def test_the_first_of_each_endpoint_goes_before_the_second_of_any(world, enter, slow):
    """With fewer places than are wanted every endpoint has its oldest message sent first."""
    ids = [*slow(3), *quick(world, enter, 3)]
    first, second = claim(world, most=6), claim(world, most=3)

    assert dict.fromkeys(ids, 1) == Counter(parcel.webhook_id for parcel in first)
    assert dict.fromkeys(ids[:3], 1) == Counter(parcel.webhook_id for parcel in second)


def test_a_place_that_comes_free_is_of_who_has_least_under_way(world, enter, slow):
    """Whose messages fill all places gives up the next one to come free, though more of its own is older."""
    ids = slow(MOST_AT_ONCE // AT_ONCE_FOR_ONE)
    under_way = Counter(parcel.webhook_id for parcel in claim(world))
    assert dict.fromkeys(ids, AT_ONCE_FOR_ONE) == under_way
    new = quick(world, enter, 2)
    under_way[ids[0]] -= 2

    assert sorted(new) == sorted(parcel.webhook_id for parcel in claim(world, most=2, **under_way))
    under_way += Counter(new)
    under_way[ids[1]] -= 2
    tell(world)
    assert sorted(new) == sorted(parcel.webhook_id for parcel in claim(world, most=2, **under_way)), (
        "one each"
    )


def test_the_last_free_place_is_not_of_the_many_that_wait_longer(world, enter, slow):
    """However many have something under way and older messages, who has nothing under way comes first."""
    busy = dict.fromkeys(slow(5, waiting=2), 3)
    [one] = quick(world, enter)

    assert [one] == [parcel.webhook_id for parcel in claim(world, most=1, **busy)]


def test_the_full_do_not_hide_who_has_less_under_way(world, enter, slow):
    """Of two that may have another one sent, the one with less has its turn, whatever the full have due."""
    full = dict.fromkeys(slow(3, waiting=2), AT_ONCE_FOR_ONE)
    [more] = slow(1, waiting=1)
    [less] = quick(world, enter)

    assert [less] == [p.webhook_id for p in claim(world, most=1, **full, **{more: 2, less: 1})]


def test_an_endpoint_gets_no_more_than_its_share_at_a_time(world, slow):
    """What is under way already counts, and places that are free stay free then."""
    [one] = slow(1)

    assert [1, 3, 0] == [len(claim(world, **{one: sent})) for sent in (3, 1, 4)]
