"""What is usual stays untold: habits of people, of their colleagues, hours, places and shifts."""

from datetime import datetime, timedelta

import pytest

from app.detection.facts import Facts, Shift
from tests.unit.detection.scene import Scene

HOUR = 3600.0
COLLEAGUES = ("bob", "cy", "dee", "eve")


def reading(count: int, of: int = 5, who: str = "ann", **numbers: int) -> Scene:
    """Return a scene in which somebody opened `count` records of `of` residents within an hour."""
    scene = Scene().only("bulk-reading")
    if numbers:
        scene.worked("ann", numbers.pop("days", 12), **numbers)
    scene.opens_many(count, who, after_s=5, of=of)
    return scene


@pytest.mark.parametrize(
    ("usual", "limit"),
    [(10, 80), (50, 80), (51, 81), (100, 160), (300, 360)],
    ids=["floor", "floor still", "habit", "habit", "twice the ceiling"],
)
def test_a_limit_follows_the_habit_between_floor_and_ceiling(usual, limit):
    """160 per cent of what is usual, never below 80 records, never above twice 180."""
    assert [] == reading(limit - 1, records=usual).rules
    assert ["bulk-reading"] == reading(limit, records=usual).rules


def test_nine_days_are_no_habit():
    """Before the tenth day at work a person has no habit of their own: the ceiling counts."""
    assert [] == reading(179, records=10, days=9).rules
    assert ["bulk-reading"] == reading(80, records=10, days=10).rules


def test_one_wild_day_is_no_habit():
    """The second highest day counts: who went wild once is measured by the others."""
    scene = Scene().only("bulk-reading")
    scene.worked("ann", 12, records=10)
    scene.state.habits.of("ann").days[4].records = 1000

    scene.opens_many(80, after_s=5, of=5)

    assert ["bulk-reading"] == scene.rules


@pytest.mark.parametrize(("colleagues", "told"), [(3, []), (4, ["bulk-reading"])])
def test_newcomers_are_measured_by_their_colleagues(colleagues, told):
    """Four colleagues of the role, with five days each, tell what is usual for somebody new."""
    scene = Scene().only("bulk-reading")
    for who in COLLEAGUES[:colleagues]:
        scene.worked(who, 5, records=60)

    scene.opens_many(96, after_s=5, of=5)

    assert told == scene.rules


def test_what_was_done_more_than_four_weeks_ago_is_forgotten():
    """Days older than 28 days are no habit any more."""
    scene = reading(0, records=10)
    scene.at += timedelta(days=29)

    scene.opens_many(179, after_s=5, of=5)

    assert [] == scene.rules


def test_reading_slowly_is_not_told():
    """179 records in any hour, for three hours, are below the ceiling of an hour."""
    scene = Scene().only("bulk-reading")
    scene.opens_many(500, after_s=20.2, of=5)

    assert [] == scene.rules


# --- places -------------------------------------------------------------------------------------

PLACES = {
    **{f"n{n}": "h/north" for n in range(30)},
    **{f"s{n}": "h/south" for n in range(30)},
    **{f"o{n}": "other" for n in range(30)},
}


def at_north(*seen: str, home: str | None = None) -> Scene:
    """Return a scene in which somebody of North sees residents; perhaps the rota names a home."""
    scene = Scene().only("outside-place")
    scene.worked("ann", 12, places={"h/north": 10})
    at = scene.at.timestamp()
    shifts = {"ann": (Shift(at - HOUR, at + 8 * HOUR, home),)} if home else {}
    scene.facts = Facts(places=PLACES, shifts=shifts)
    for one in seen:
        scene.opens(one)
    return scene


def some(unit: str, count: int) -> list[str]:
    """Return the first residents of a place."""
    return [f"{unit}{n}" for n in range(count)]


def test_who_covers_for_a_unit_is_left_alone():
    """Whoever sees mostly residents of another unit works there today."""
    assert [] == at_north(*some("s", 20), *some("n", 5)).rules


def test_a_new_duty_begins_after_a_pause():
    """Residents of yesterday evening do not make today's unit a strange one."""
    scene = at_north(*some("n", 12))
    scene.at += timedelta(hours=4)
    for one in some("s", 12):
        scene.opens(one)

    assert [] == scene.rules


def test_the_rota_knows_better_than_a_habit():
    """On a shift in another home its residents are not strange; all others of homes not named are."""
    assert [] == at_north(*some("o", 20), home="other").rules
    assert ["outside-place"] == at_north(*some("n", 2), *some("o", 4), home="h").rules
    assert [] == at_north(*some("n", 2), *some("o", 20)).rules, "without a rota this is covering"


def test_a_newcomer_on_the_rota_is_measured_by_its_home():
    """Without any habit, the home of the shift says who is strange."""
    scene = Scene().only("outside-place")
    at = scene.at.timestamp()
    scene.facts = Facts(places=PLACES, shifts={"ann": (Shift(at, at + HOUR, "h"),)})
    for one in [*some("n", 5), *some("s", 5), *some("o", 3)]:
        scene.opens(one)
    assert [] == scene.rules

    scene.opens("o9")

    assert ["outside-place"] == scene.rules


def test_a_place_seen_often_enough_is_usual():
    """A tenth of the residents of four weeks make a place one's own."""
    for south, told in ((10, []), (9, ["outside-place"])):
        scene = Scene().only("outside-place")
        scene.worked("ann", 10, places={"h/north": 9})
        scene.state.habits.of("ann").days[0].places["h/south"] = south
        scene.facts = Facts(places=PLACES)
        for one in [*some("n", 12), *some("s", 6)]:
            scene.opens(one)
        assert told == scene.rules


# --- hours --------------------------------------------------------------------------------------


def with_shift(begins_h: float, rule: str = "off-rota", hours: float = 8) -> Scene:
    """Return a scene with one shift, that begins so many hours from now."""
    scene = Scene().only(rule)
    at = scene.at.timestamp()
    scene.facts = Facts(shifts={"ann": (Shift(at + begins_h * HOUR, at + (begins_h + hours) * HOUR, "h"),)})
    return scene


@pytest.mark.parametrize(
    ("begins_h", "told"),
    [(-2, 0), (1.9, 0), (2.5, 1), (-9.9, 0), (-10.5, 1), (15 * 24, 0), (13 * 24, 1), (-15 * 24, 0)],
)
def test_off_the_rota_means_far_from_a_shift_of_these_weeks(begins_h, told):
    """Two hours before and after a shift belong to it; with none in 14 days somebody is on no rota."""
    scene = with_shift(begins_h)
    scene.opens_many(4)

    assert told == len(scene.rules)


def test_an_exchanged_shift_is_no_misuse():
    """At the home, at a usual hour, without a shift: as many swap without entering it."""
    scene = with_shift(-14)
    for who in COLLEAGUES[:3]:
        scene.happens("auth.login", who, source="home")
    scene.worked("ann", 12, hours=1 << 10)
    for n in range(44):
        scene.opens(f"r{n}", source="home")
    assert [] == scene.rules

    for n in range(3):
        scene.opens(f"r{n}", source="elsewhere")

    assert ["off-rota"] == scene.rules


def test_at_the_home_at_a_strange_hour_is_told():
    """The home's own devices excuse nobody at an hour at which they never work."""
    scene = with_shift(-14)
    for who in COLLEAGUES[:3]:
        scene.happens("auth.login", who, source="home")
    scene.worked("ann", 12, hours=1 << 20)
    for n in range(3):
        scene.opens(f"r{n}", source="home")

    assert ["off-rota"] == scene.rules


@pytest.mark.parametrize(("hour", "told"), [(10, 0), (9, 0), (11, 0), (12, 1), (8, 1)])
def test_an_hour_is_usual_with_those_beside_it(hour, told):
    """It is ten o'clock: whoever works at nine, ten or eleven is not told of."""
    scene = Scene().only("unusual-hours")
    scene.worked("ann", 12, hours=1 << hour)
    scene.opens_many(6)

    assert told == len(scene.rules)


def test_a_shift_makes_every_hour_usual():
    """Somebody on a shift works, whatever the hour."""
    scene = with_shift(-1, "unusual-hours")
    scene.worked("ann", 12, hours=1 << 3)
    scene.opens_many(8)

    assert [] == scene.rules


def test_habits_do_not_move_when_clocks_change():
    """Whoever worked at ten by the clock of the winter works at ten in summer, an hour earlier in UTC."""
    scene = Scene().only("unusual-hours")
    scene.at = datetime.fromisoformat("2026-04-01T11:20:00Z")  # 12:20 by the clock
    scene.worked("ann", 12, hours=1 << 10)
    scene.opens_many(6)
    assert ["unusual-hours"] == scene.rules

    scene = Scene().only("unusual-hours")
    scene.at = datetime.fromisoformat("2026-04-01T09:20:00Z")
    scene.worked("ann", 12, hours=1 << 10)
    scene.opens_many(6)

    assert [] == scene.rules
