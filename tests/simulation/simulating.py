"""One seed, from the founding of the home to its last day."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from sqlalchemy import select

from app.audit.guard_file import Guards
from app.audit.table import head
from app.core.clock import SetClock
from tests.simulation.caring import shift
from tests.simulation.days import FIRST_DAY, day_of, local
from tests.simulation.house import LONG_AGO, STAYED_AWAY, House, engage, furnish
from tests.simulation.misusing import SIZES, Misusing
from tests.simulation.playing import Misuse, Plan, Player, in_order
from tests.simulation.rota import Duty, Rota
from tests.simulation.running import enter_shift, office_day
from tests.support.world import World

MEMORY = Path("/dev/shm")
DAYS = 90
LOOKS = ("06:00", "12:00", "18:00", "23:59")
"""When whoever watches looks. A serving process does every second; what it tells is the same."""
WARM_UP = 28
"""Days before the first misuse: habits have to be known before something can be unusual."""


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder for a database nobody keeps, in memory where there is such a place."""
    above = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="caretrail-home-", dir=above) as folder:
        yield Path(folder)


@dataclass
class Simulated:
    """What a seed came to.

    Attributes:
        world: The deployment, with its database; close it.
        misuse: Everything injected, with the entries it left.
        surprises: Answers nobody foresaw, by what they were.
    """

    seed: int
    days: int
    quiet_days: int
    world: World
    house: House
    misuse: list[Misuse]
    surprises: Counter[str]

    @property
    def entries(self) -> int:
        """Return how many entries the chain of the home has."""
        size = select(head.c.size).where(head.c.org == self.world.org)
        found: int = self.world.looking(lambda connection: connection.execute(size).scalar_one())
        return found


def simulate(
    seed: int,
    folder: Path,
    days: int = DAYS,
    *,
    quiet_until: int = WARM_UP,
    sizes: Sequence[str] = SIZES,
    look: Callable[[World], None] = lambda _: None,
) -> Simulated:
    """Play a seed on SQLite in a folder.

    Args:
        seed: All that is chosen follows from it.
        folder: Where the database goes.
        days: How many.
        quiet_until: The first day on which misuse may begin.
        sizes: Which sizes of misuse are injected; none for an honest home.
        look: Called four times a day, with the clock at that time.
    """
    name = f"home {seed}"
    began = local(FIRST_DAY, "00:30")
    world = World(f"sqlite:///{folder}/home.db", clock=SetClock(began - LONG_AGO - timedelta(hours=2)))
    house = furnish(world, Random(f"{name}/house"))
    house.guards = Guards(folder / "guard", house.notary)
    player = Player(house, name)
    _used_once(player)
    player.at(began - timedelta(days=1))
    engage(house, [m for m in house.members if not m.hired and m.post not in STAYED_AWAY])
    player.at(began)
    planner = Rota(house.members, name)
    rota = [planner.day(number) for number in range(days + 15)]
    _first_week(house, rota)
    misusing = Misusing(name, quiet_until, days - 1, sizes)
    coming: Plan = []
    for number in range(days):
        coming += _day(house, number, name, rota, misusing)
        for clock in LOOKS:
            ends = local(day_of(number), clock)
            player.play(in_order([one for one in coming if one.at < ends]))
            coming = [one for one in coming if one.at >= ends]
            player.at(ends)
            look(world)
    return Simulated(seed, days, quiet_until, world, house, misusing.all, player.surprises)


def _used_once(player: Player) -> None:
    """Let those sign in who then stay away for months; the leaver leaves."""
    for member in player.house.members:
        if member.post in STAYED_AWAY:
            player.sign_in(member, player.house.spots.units["North"][0])
            player.at(player.world.now + timedelta(minutes=10))
    for leaver in player.house.posted("leaver"):
        player.put_out(leaver)


def _first_week(house: House, rota: list[list[Duty]]) -> None:
    for duties in rota[:7]:
        for duty in duties:
            if duty.planned:
                enter_shift(house, duty)


def _day(house: House, number: int, name: str, rota: list[list[Duty]], misusing: Misusing) -> Plan:
    """Return everything that begins on a day."""
    monday = number - number % 7 + 7
    next_week = [duty for duties in rota[monday : monday + 7] for duty in duties]
    plan = office_day(house, number, name, rota[number], next_week)
    for duty in rota[number]:
        plan += shift(house, duty, house.here(), name)
    return plan + misusing.day(house, rota, number)
