"""What a misuse is staged with: who is on duty, who is not, and a place outside."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from random import Random

from app.identity.signing_in import Device
from tests.simulation.asking import Asked
from tests.simulation.days import day_of, local
from tests.simulation.house import House, Resident
from tests.simulation.people import Member, Spot
from tests.simulation.playing import Deed, Misuse, Plan, Player, Special
from tests.simulation.rota import Duty


class Stage:
    """One misuse on one day."""

    def __init__(
        self,
        house: House,
        rota: Sequence[Sequence[Duty]],
        number: int,
        misuse: Misuse,
        seed: str,
        used: Counter[Member],
    ) -> None:
        self.house, self._rota, self.number, self.misuse = house, rota, number, misuse
        self.random = Random(f"{seed}/misuse/{misuse.kind}/{misuse.size}/{misuse.variant}")
        self.plan: Plan = []
        self.used: Counter[Member] = used
        self.here = house.here()

    @property
    def day(self) -> date:
        """Return the day."""
        return day_of(self.number)

    def size(self, gross: int, moderate: int, subtle: int) -> int:
        """Return the number that goes with the size."""
        return {"gross": gross, "moderate": moderate, "subtle": subtle}[self.misuse.size]

    # --- who --------------------------------------------------------------------------------------

    def duties(self, number: int | None = None) -> Sequence[Duty]:
        """Return who is on duty on a day."""
        return self._rota[self.number if number is None else number]

    def working(self, post: str, fit: Callable[[Duty], bool] = lambda _: True) -> Duty:
        """Return a duty at a post whose name begins so, today or the next days.

        Of several it is the one of whoever was used least in other misuse.
        """
        days = (self.duties(number) for number in range(self.number, self.number + 8))
        fits = (
            [d for d in day if d.post.name.startswith(post) and d.member.kind == "staff" and fit(d)]
            for day in days
        )
        duties = next((some for some in fits if some), [])
        assert duties, f"nobody at {post} from {self.day} on"
        duty = min(duties, key=lambda d: (self.used[d.member], self.random.random()))
        self._use(duty.member)
        return duty

    def free(self, post: str) -> Member:
        """Return somebody who is not on duty today, and did not work the night before."""
        busy = {d.member for d in self.duties()}
        fit = [m for m in self.house.posted(post, max(0, self.number - 7)) if m not in busy and not m.bound]
        assert fit, f"everybody of {post} is busy around {self.day}"
        member = min(fit, key=lambda m: (self.used[m], self.random.random()))
        self._use(member)
        return member

    def one(self, post: str) -> Member:
        """Return who holds a post of which there is one."""
        member = self.house.posted(post)[0]
        self._use(member)
        return member

    def _use(self, member: Member) -> None:
        self.used[member] += 1
        self.misuse.who.append(member.person.id)

    # --- where and when -----------------------------------------------------------------------------

    def outside(self) -> Spot:
        """Return a computer nobody of the home has used before."""
        number = self.random.randrange(1, 250)
        return Spot(Device("desktop", f"pc-{number}"), f"192.0.2.{number}")

    def tablet(self, unit: str, number: int = 1) -> Spot:
        """Return a tablet of a unit."""
        return self.house.spots.units[unit][number]

    def at(self, clock: str, days: int = 0) -> datetime:
        """Return an instant of today, or of a later day."""
        return local(day_of(self.number + days), clock)

    def unfamiliar(self, duty: Duty) -> list[Resident]:
        """Return who lives on the other unit."""
        return [one for one in self.here if one.unit != duty.unit]

    # --- what ---------------------------------------------------------------------------------------

    def does(
        self,
        at: datetime,
        who: Member,
        spot: Spot,
        asks: Iterable[Callable[[House], Asked]],
        pace: float = 15,
    ) -> datetime:
        """Have somebody do things one after another; all of it belongs to the misuse."""
        for ask in asks:
            self.plan.append(Deed(at, who, spot, ask, self.misuse, expected=True))
            at += timedelta(seconds=self.random.uniform(pace * 0.7, pace * 1.3))
        return at

    def special(self, at: datetime, run: Callable[[Player], None]) -> None:
        """Have something else happen; every entry it leaves belongs to the misuse."""
        self.plan.append(Special(at, run, self.misuse))

    def beside(self, at: datetime, run: Callable[[Player], None]) -> None:
        """Have something happen that leaves no entry of its own."""
        self.plan.append(Special(at, run))

    def lasts(self, since: datetime, until: datetime) -> None:
        """Note when it goes on, where it leaves no entry."""
        self.misuse.lasts(since, until)


Staged = Callable[[Stage], None]
