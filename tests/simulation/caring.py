"""An ordinary shift of those who care: hand-over, rounds, notes, and what is done beside them."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from random import Random

from tests.simulation import asking
from tests.simulation.asking import Asked
from tests.simulation.days import day_of, local
from tests.simulation.house import House, Resident
from tests.simulation.people import UNITS, Spot
from tests.simulation.playing import Deed, Plan, Player, Special
from tests.simulation.rota import Duty

Ask = Callable[[House], Asked]
OWN_RESIDENTS = 8
LATE_NOTES = 0.04


class Doing:
    """What one person does on one duty."""

    def __init__(self, house: House, duty: Duty, random: Random, live: list[Resident]) -> None:
        self.house, self.duty, self.random = house, duty, random
        self.unit = [one for one in live if one.unit == duty.unit]
        self.other = [one for one in live if one.unit != duty.unit]
        self.plan: Plan = []
        self._busy: list[tuple[datetime, datetime]] = []
        tablets = house.spots.units[duty.unit]
        self.tablet = tablets[random.randrange(len(tablets))]

    def burst(self, at: datetime, spot: Spot, asks: Iterable[Ask], pace: float = 14) -> datetime:
        """Do some things one after another, some seconds apart; return when that is done.

        Nobody does two things at once: what falls into something else is done after it.
        """
        asks = list(asks)
        takes = timedelta(seconds=pace * 1.1 * len(asks) + 60)
        for began, ended in sorted(self._busy):
            if at < ended and at + takes > began:
                at = ended + timedelta(seconds=self.random.uniform(90, 400))
        self._busy.append((at, at + takes))
        for ask in asks:
            if at > self.duty.left:
                break
            self.plan.append(Deed(at, self.duty.member, spot, ask))
            at += timedelta(seconds=self.random.uniform(pace * 0.5, pace * 1.6))
        return at

    def during(self, share: float) -> datetime:
        """Return an instant of the duty: 0 is its begin, 1 its end."""
        return self.duty.came + (self.duty.left - self.duty.came) * share

    def minutes_in(self, minutes: float) -> datetime:
        """Return an instant some minutes after they came."""
        return self.duty.came + timedelta(minutes=minutes)

    def note(self, resident: Resident, category: str = "daily_note") -> Ask:
        """Record something; now and then long after it happened."""
        late = self.random.random() < LATE_NOTES
        ago = self.random.uniform(65, 150) if late else self.random.uniform(1, 35)
        return lambda house: asking.written(house, resident, category, ago)

    def own(self) -> list[Resident]:
        """Return the residents this duty is mostly about: some of the unit, others each day."""
        start = self.random.randrange(max(1, len(self.unit)))
        turned = self.unit[start:] + self.unit[:start]
        return turned[:OWN_RESIDENTS]

    def goes(self, spot: Spot) -> None:
        """Sign out at the end, or just put the device down."""
        who = self.duty.member

        def end(player: Player) -> None:
            if self.random.random() < 0.7:
                player.leave(who, spot)
            else:
                player.forget(who, spot)

        self.plan.append(Special(self.duty.left, end))


def looks(residents: Iterable[Resident]) -> list[Ask]:
    """Return asking for the page of each resident."""
    return [lambda _, r=one: asking.look(r) for one in residents]


def reads(residents: Iterable[Resident], category: str) -> list[Ask]:
    """Return asking for the newest records of a category of each resident."""
    return [lambda _, r=one: asking.records(r, category) for one in residents]


def opens(residents: Iterable[Resident], category: str) -> list[Ask]:
    """Return opening the newest record of a category of each resident."""
    return [lambda house, r=one: asking.opened(house, r, category) for one in residents]


# --- by post ------------------------------------------------------------------------------------


def carer(doing: Doing) -> None:
    """Care for eight residents, help with others, write a note about most."""
    random, spot = doing.random, doing.tablet
    own = doing.own()
    first: list[Ask] = [asking.everybody] if random.random() < 0.6 else []
    doing.burst(doing.minutes_in(3), spot, first + reads(own, "daily_note"))
    for share in sorted(random.uniform(0.08, 0.97) for _ in range(5)):
        about = random.sample(own, random.choice((1, 2, 2)))
        if random.random() < 0.3:
            about += random.sample(doing.unit, 1)
        if random.random() < 0.08 and not doing.duty.member.bound:
            about += random.sample(doing.other, random.choice((1, 2, 3)))  # the other unit is short of hands
        asks: list[Ask] = []
        for resident in about:
            if random.random() < 0.4:
                asks += opens([resident], "care_plan")
            asks.append(doing.note(resident))
        doing.burst(doing.during(share), spot, asks, 25)
    _slips(doing, own)
    if random.random() < 0.06:
        asks = [lambda h: asking.written(h, random.choice(own), "incident_report", random.uniform(5, 50))]
        doing.burst(doing.during(0.6), spot, asks)


def _slips(doing: Doing, own: list[Resident]) -> None:
    """Press what one may not see, or a button on a screen that sleeps."""
    random, who, spot = doing.random, doing.duty.member, doing.tablet
    if random.random() < 0.08 and who.role in ("carer", "agency_carer"):
        resident = random.choice(own)
        doing.plan.append(
            Deed(
                doing.during(0.5), who, spot, lambda _: asking.records(resident, "medication"), expected=True
            )
        )
    if random.random() < 0.1:
        resident = random.choice(own)
        at = doing.during(0.7)
        doing.plan.append(Deed(at, who, spot, lambda _: asking.look(resident), expected=True))
        at += timedelta(minutes=7)
        doing.plan.append(Deed(at, who, spot, lambda _: asking.look(resident), expected=True, asleep=True))


def night(doing: Doing) -> None:
    """Look after a unit by night: four rounds, an observation of many on each."""
    random, spot = doing.random, doing.tablet
    doing.burst(
        doing.minutes_in(4), spot, reads(random.sample(doing.unit, min(8, len(doing.unit))), "daily_note")
    )
    day = day_of(doing.duty.day)
    for number, (clock, after) in enumerate((("22:45", 0), ("01:00", 1), ("03:15", 1), ("05:45", 1))):
        at = local(day_of(doing.duty.day + after), clock, random.uniform(-15, 15))
        seen = random.sample(doing.unit, min(len(doing.unit), random.randint(6, 10)))
        asks = [doing.note(one, "observation") for one in seen]
        if number == 0 or random.random() < 0.25:
            asks += opens(random.sample(seen, 2), "care_plan")
        doing.burst(at, spot, asks, 30)
    if random.random() < 0.08:
        asks = [lambda h: asking.written(h, seen[0], "incident_report", random.uniform(5, 40))]
        doing.burst(local(day, "23:40"), spot, asks)
    _slips(doing, seen)


def senior(doing: Doing) -> None:
    """Take the hand-over about everybody on the unit, lead the shift, keep care plans."""
    random = doing.random
    desk, tablet = doing.house.spots.nurses[doing.duty.unit], doing.tablet
    doing.burst(doing.minutes_in(2), desk, [asking.everybody, *reads(doing.unit, "daily_note")], 22)
    for share in sorted(random.uniform(0.15, 0.95) for _ in range(4)):
        about = random.sample(doing.unit, random.choice((1, 2, 3)))
        spot = tablet if random.random() < 0.6 else desk
        asks = [ask for one in about for ask in (*looks([one]), doing.note(one))]
        if random.random() < 0.35:
            asks += opens(about[:1], "care_plan")
            asks.append(partial(_amended_plan, resident=about[0]))
        doing.burst(doing.during(share), spot, asks, 30)
    if random.random() < 0.12:
        report = partial(
            asking.written, resident=random.choice(doing.unit), category="incident_report", ago=20
        )
        doing.burst(doing.during(0.4), desk, [report])
    doing.goes(desk)


def _amended_plan(house: House, resident: Resident) -> Asked:
    kept = house.newest(resident, "care_plan")
    return asking.amended(house, kept) if kept is not None else asking.look(resident)


def medicines_round(doing: Doing, at: datetime, unit: list[Resident], spot: Spot) -> None:
    """Give everybody on a unit their medicines within the hour: look, give, record, next."""
    given: list[Ask] = []
    for resident in unit:
        given += reads([resident], "medication")
        given.append(partial(asking.given, resident=resident))
    doing.burst(at, spot, given, 50)


def nurse(doing: Doing) -> None:
    """Read in, do three rounds of medicines, see to whoever needs it on both units."""
    random = doing.random
    desk, tablet = doing.house.spots.nurses[UNITS[0]], doing.tablet
    everywhere = doing.unit + doing.other
    doing.burst(
        doing.minutes_in(1), desk, [asking.everybody, *reads(random.sample(everywhere, 16), "daily_note")]
    )
    day = day_of(doing.duty.day)
    rounds = ("08:35", "12:30", "17:30") if doing.duty.post.name == "nurse day" else ("21:30",)
    for clock in rounds:
        medicines_round(doing, local(day, clock, random.uniform(-8, 12)), doing.unit, tablet)
    for share in (0.2, 0.5, 0.72, 0.93):
        about = random.sample(everywhere, random.choice((1, 2, 3)))
        asks = [ask for one in about for ask in (*opens([one], "care_plan"), doing.note(one, "observation"))]
        doing.burst(doing.during(share), desk, asks, 40)
    doing.goes(desk)


def medicines(doing: Doing) -> None:
    """Do two rounds on South, and write a few notes."""
    random, day = doing.random, day_of(doing.duty.day)
    rounds = ("08:30", "12:25") if doing.duty.post.name == "medicines early" else ("17:25", "20:15")
    for clock in rounds:
        medicines_round(doing, local(day, clock, random.uniform(-8, 12)), doing.unit, doing.tablet)
    asks = [doing.note(one) for one in random.sample(doing.unit, 4)]
    doing.burst(doing.during(0.6), doing.tablet, asks, 60)


def kitchen(doing: Doing) -> None:
    """Read the diets of everybody before breakfast, and of some before dinner."""
    spot, everywhere = doing.house.spots.kitchen, doing.unit + doing.other
    doing.burst(
        doing.minutes_in(6), spot, [asking.everybody, *reads(doing.random.sample(everywhere, 24), "diet")], 12
    )
    doing.burst(doing.during(0.55), spot, reads(doing.random.sample(everywhere, 12), "diet"), 15)


def activities(doing: Doing) -> None:
    """Spend the day with a dozen residents of both units and write about them."""
    about = doing.random.sample(doing.unit + doing.other, 12)
    doing.burst(doing.minutes_in(10), doing.tablet, opens(about[:6], "about_me"), 40)
    doing.burst(doing.during(0.9), doing.tablet, [doing.note(one) for one in about], 60)


def administrator(doing: Doing) -> None:
    """See to contacts and money of some residents."""
    desk, everywhere = doing.house.spots.desk, doing.unit + doing.other
    for share in (0.05, 0.35, 0.7):
        about = doing.random.sample(everywhere, 3)
        asks = [
            *looks(about),
            *reads(about, "contacts"),
            *reads(about[:1], "finance"),
            doing.note(about[0], "finance"),
        ]
        doing.burst(doing.during(share), desk, asks, 60)
    doing.goes(desk)


BY_POST: dict[str, Callable[[Doing], None]] = {
    "nurse day": nurse,
    "nurse night": nurse,
    "medicines": medicines,
    "senior": senior,
    "carer": carer,
    "carer night": night,
    "kitchen": kitchen,
    "activities": activities,
    "administrator": administrator,
}


def shift(house: House, duty: Duty, live: list[Resident], seed: str) -> Plan:
    """Return what somebody does on a duty."""
    random = Random(f"{seed}/shift/{duty.day}/{duty.post.name}/{duty.unit}/{duty.member.name}")
    doing = Doing(house, duty, random, live)
    BY_POST[_as(duty)](doing)
    doing.goes(doing.tablet)
    return doing.plan


def _as(duty: Duty) -> str:
    """Return which work it is: an agency carer in a senior's place does a carer's."""
    if duty.member.role == "agency_carer" and duty.post.taken_by == "senior":
        return "carer"
    return duty.post.taken_by
