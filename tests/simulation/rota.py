"""Who is on duty when: as planned a week ahead, and as it came.

As planned every duty has a shift row. As it came people fall ill and an agency worker takes their place, two
swap and half of the swaps never reach the rota, people come early and stay late.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from tests.simulation.days import day_of, local
from tests.simulation.people import UNITS, Member

REST = timedelta(hours=10)
MOST_IN_A_WEEK = 5


@dataclass(frozen=True)
class Post:
    """A place on the rota: who may take it, and the hours it lasts, from a local time."""

    name: str
    taken_by: str
    unit: str
    begins: str
    hours: float
    weekends: bool = True


POSTS: tuple[Post, ...] = (
    Post("nurse day", "nurse day", UNITS[0], "08:00", 12),
    Post("nurse night", "nurse night", UNITS[0], "20:00", 12),
    Post("medicines early", "medicines", UNITS[1], "08:00", 6.5),
    Post("medicines late", "medicines", UNITS[1], "14:00", 7.5),
    *(Post("senior early", "senior", unit, "07:30", 7.5) for unit in UNITS),
    *(Post("senior late", "senior", unit, "14:30", 7.5) for unit in UNITS),
    *(Post("carer early", "carer", unit, "07:30", 7.5) for unit in UNITS for _ in range(2)),
    *(Post("carer late", "carer", unit, "14:30", 7.5) for unit in UNITS for _ in range(2)),
    *(Post("carer night", "carer night", unit, "21:45", 10) for unit in (*UNITS, UNITS[0])),
    Post("kitchen", "kitchen", UNITS[0], "07:00", 8),
    Post("activities", "activities", UNITS[0], "10:00", 7, weekends=False),
    Post("administrator", "administrator", UNITS[0], "09:00", 8, weekends=False),
)


@dataclass(frozen=True)
class Duty:
    """One person on duty.

    Attributes:
        starts, ends: As on the rota.
        came, left: As it was.
        planned: It is on the rota a week ahead.
        entered: A shift row says so at all.
        unit: Where they work that day, be it their usual unit or not.
    """

    member: Member
    post: Post
    day: int
    starts: datetime
    ends: datetime
    came: datetime
    left: datetime
    planned: bool = True
    entered: bool = True

    @property
    def unit(self) -> str:
        """Return the unit of the post; somebody bound to a unit works there and nowhere else."""
        return self.member.unit if self.member.bound else self.post.unit


class Rota:
    """Makes the duties of one day after another."""

    def __init__(self, members: list[Member], seed: str) -> None:
        self._members = members
        self._seed = seed
        self._free_from: dict[Member, datetime] = {}
        self._worked: Counter[tuple[Member, int]] = Counter()

    def day(self, number: int) -> list[Duty]:
        """Return who is on duty on the n-th day, in the order of the posts."""
        random = Random(f"{self._seed}/rota/{number}")
        weekend = day_of(number).weekday() >= 5
        posts = [post for post in POSTS if post.weekends or not weekend]
        return [duty for post in posts for duty in self._duty(random, post, number)]

    def _duty(self, random: Random, post: Post, number: int) -> Iterator[Duty]:
        starts = local(day_of(number), post.begins)
        chance = random.random()
        planned = self._choose(random, post, number, starts)
        if planned is None or chance < 0.04:
            agency = self._agency(random, post, number, starts)
            if agency is not None:
                yield self._made(random, agency, post, number, planned=False)
            return
        if chance < 0.07:
            # a swap: somebody else comes, and only the half of swaps reaches the rota
            other = self._choose(random, post, number, starts)
            if other is not None:
                yield self._made(random, other, post, number, planned=False, entered=chance < 0.055)
                return
        yield self._made(random, planned, post, number)

    def _choose(self, random: Random, post: Post, number: int, starts: datetime) -> Member | None:
        week = number // 7
        fit = [
            m
            for m in self._members
            if m.post == post.taken_by
            and m.hired <= number
            and self._free_from.get(m, starts) <= starts
            and self._worked[(m, week)] < MOST_IN_A_WEEK
            and (not m.bound or m.unit == post.unit)
        ]
        if not fit:
            return None
        member = min(
            fit,
            key=lambda m: (self._worked[(m, week)] + (0 if m.unit == post.unit else 1.5), random.random()),
        )
        self._take(member, week, starts, post)
        return member

    def _agency(self, random: Random, post: Post, number: int, starts: datetime) -> Member | None:
        role = {"nurse day": "agency_nurse", "nurse night": "agency_nurse"}.get(post.taken_by, "agency_carer")
        if post.taken_by not in ("nurse day", "nurse night", "carer", "carer night", "senior"):
            return None
        fit = [m for m in self._members if m.role == role and self._free_from.get(m, starts) <= starts]
        if not fit:
            return None
        member = random.choice(fit)
        self._take(member, number // 7, starts, post)
        return member

    def _take(self, member: Member, week: int, starts: datetime, post: Post) -> None:
        self._worked[(member, week)] += 1
        self._free_from[member] = starts + timedelta(hours=post.hours) + REST

    def _made(
        self,
        random: Random,
        member: Member,
        post: Post,
        number: int,
        *,
        planned: bool = True,
        entered: bool = True,
    ) -> Duty:
        starts = local(day_of(number), post.begins)
        ends = starts + timedelta(hours=post.hours)
        agency = member.kind == "agency"
        came = starts + timedelta(minutes=random.uniform(1, 12) if agency else random.gauss(-4, 7))
        late = random.expovariate(1 / 40) if random.random() < 0.25 else random.gauss(-4, 6)
        left = ends + timedelta(minutes=-8 if agency else min(late, 120))
        return Duty(member, post, number, starts, ends, came, left, planned, entered)
