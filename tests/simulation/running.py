"""An ordinary day of those who run the home, and what happens to it: rota, starters, admissions, audits."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from random import Random

from app.access.visit import System
from app.core.clock import spell
from app.core.identifiers import SYSTEM
from app.identity.accounts import AmendAccount
from app.identity.directory import ListAccounts
from app.identity.shift_rows import NewShift
from app.identity.shifts import CreateShift
from app.residents.leaving import DischargeResident
from app.trail.checkpoints import HOUSEKEEPING, IndexLines, WriteTiles
from tests.simulation import asking, exporting
from tests.simulation.asking import Asked
from tests.simulation.backing_up import backed_up
from tests.simulation.caring import looks, opens, reads
from tests.simulation.days import day_of, local
from tests.simulation.house import House, Resident, engage, move_in
from tests.simulation.people import UNITS, Member, Spot
from tests.simulation.playing import Deed, Plan, Player, Special
from tests.simulation.rota import Duty

ROSTERING_WEEKDAY, AUDIT_WEEKDAY = 3, 1
EXPORT_DAYS = (16, 45, 75)
INSPECTION = 52
ENGAGED_BEFORE = 12
"""How many days before they begin somebody has an account: the rota is made a week ahead."""
PROMOTIONS = (33, 58)
GONE_DAYS, COME_DAYS = (9, 31, 50, 71), (13, 36, 55, 78)
SHIFTS = "POST /v1/users/{user_id}/shifts"


class Office:
    """Plans what those who run the home do on one day."""

    def __init__(self, house: House, number: int, seed: str) -> None:
        self.house, self.number, self.day = house, number, day_of(number)
        self.random = Random(f"{seed}/office/{number}")
        self.plan: Plan = []
        self.live = house.here()

    def one(self, post: str) -> Member:
        """Return who holds a post of which there is one."""
        return self.house.posted(post)[0]

    def does(self, who: Member, spot: Spot, clock: str, asks: Sequence, pace: float = 30, **more) -> None:
        """Have somebody do things one after another from a local time on, give or take ten minutes."""
        at = local(self.day, clock, self.random.uniform(-10, 10))
        for ask in asks:
            self.plan.append(Deed(at, who, spot, ask, **more))
            at += timedelta(seconds=self.random.uniform(pace * 0.5, pace * 1.6))

    def some(self, most: int) -> list[Resident]:
        """Return some residents."""
        return self.random.sample(self.live, self.random.randint(1, most))

    # --- people -----------------------------------------------------------------------------------

    def manager(self) -> None:
        """Look into what happened, at the office and at odd hours from home."""
        who, weekday, random = self.one("manager"), self.day.weekday(), self.random
        if weekday < 5:
            for clock in ("09:10", "11:00", "14:10", "16:20"):
                about = self.some(4)
                asks = [*looks(about), *opens(about[:1], "care_plan"), *reads(about[:1], "incident_report")]
                self.does(who, self.house.spots.office, clock, asks)
            if random.random() < 0.5:
                asks = [partial(_trail_of, resident=self.some(1)[0])]
                self.does(who, self.house.spots.office, "15:20", asks)
        elif random.random() < 0.3:
            self.does(who, self.house.spots.office, "11:00", looks(self.some(6)))
        if random.random() < 0.3:
            self.does(who, who.own_phone, "20:40", looks(self.some(3)))
        if random.random() < 0.04:
            self.does(who, who.own_phone, "02:15", looks(self.some(2)))  # called at night

    def deputy(self) -> None:
        """Keep the rota, audit care plans once a month, look after the rest."""
        who, weekday = self.one("deputy"), self.day.weekday()
        if weekday == 5 or (weekday == 6 and self.random.random() < 0.6):
            return
        for clock in ("08:40", "10:30", "13:30"):
            about = self.some(5)
            self.does(who, self.house.spots.office, clock, [*looks(about), *reads(about, "daily_note")])
        if weekday == AUDIT_WEEKDAY and self.day.day <= 7:
            self.does(who, self.house.spots.office, "10:50", opens(self.live, "care_plan"), 70)
            some = self.random.sample(self.live, 5)
            self.does(
                who, self.house.spots.office, "15:00", [partial(_amended, resident=r) for r in some], 200
            )

    def overseers(self) -> None:
        """Have privacy officer, auditor and IT do their week's work, and the planned exports."""
        if self.day.weekday() == 4:
            asks = [partial(_trail_of, resident=r) for r in self.some(5)]
            privacy = self.one("privacy")
            self.does(privacy, Spot(privacy.phone, privacy.own_address), "10:30", asks, 90)
        if self.day.weekday() == 0:
            people = Asked(ListAccounts(), "GET /v1/users", purpose="administration")
            self.does(self.one("it"), self.house.spots.office, "12:10", [lambda _: people])
        if self.number in EXPORT_DAYS:
            auditor = self.one("auditor")
            spot = Spot(auditor.phone, auditor.own_address)
            asks = [partial(_trail_of, resident=r) for r in self.some(6)]
            self.does(auditor, spot, "10:15", asks, 60)
            self._special("11:30", partial(exporting.exported, who=auditor, spot=spot, misuse=None))

    def inspection(self) -> None:
        """Show the inspectors whatever they ask for, all day."""
        if self.number != INSPECTION:
            return
        manager, deputy = self.one("manager"), self.one("deputy")
        self.does(manager, self.house.spots.office, "10:05", opens(self.live[:45], "care_plan"), 90)
        self.does(deputy, self.house.spots.desk, "11:00", reads(self.live[20:58], "medication"), 100)
        self._special(
            "15:45", partial(exporting.exported, who=manager, spot=self.house.spots.office, misuse=None)
        )

    # --- the rota ---------------------------------------------------------------------------------

    def rota(self, today: Sequence[Duty], next_week: Sequence[Duty]) -> None:
        """Enter next week's shifts on Thursdays, and what changed since on the day itself."""
        deputy, office = self.one("deputy"), self.house.spots.office
        if self.day.weekday() == ROSTERING_WEEKDAY:
            asks = [partial(_entered, duty=duty) for duty in next_week if duty.planned]
            self.does(deputy, office, "14:10", asks, 14)
        for duty in today:
            if not duty.planned and duty.entered:
                at = duty.starts - timedelta(minutes=self.random.uniform(30, 150))
                nurse = next(d.member for d in today if d.post.taken_by.startswith("nurse"))
                day = self.day.weekday() < 5 and at > local(self.day, "09:00")
                who, spot = (deputy, office) if day else (nurse, self.house.spots.nurses[UNITS[0]])
                if who is not duty.member and who.kind == "staff":
                    self.plan.append(Deed(at, who, spot, partial(_entered, duty=duty)))
                else:
                    self._at(at, partial(_entered_by_operator, duty=duty))

    # --- what happens to the home -----------------------------------------------------------------

    def events(self) -> None:
        """Have people begin and be promoted, residents come and go."""
        manager, office = self.one("manager"), self.house.spots.office
        for member in self.house.members:
            if member.hired == self.number + ENGAGED_BEFORE:
                self._special("10:40", partial(_begun, member=member))
        if self.number in PROMOTIONS:
            carers = [m for m in self.house.posted("carer", self.number) if m.homes == 1 and not m.bound]
            ask = partial(promoted, member=carers[-1 - PROMOTIONS.index(self.number)], to="medicines_carer")
            self.does(manager, office, "11:30", [ask])
        if self.number in GONE_DAYS:
            leaving = self.random.choice([one for one in self.live[4:] if not one.gone])
            self.does(manager, office, "13:00", [partial(_discharged, resident=leaving, day=str(self.day))])
        if self.number in COME_DAYS:
            self._special(
                "14:40", partial(_moved_in, number=200 + self.number, unit=self.random.choice(UNITS))
            )

    def service(self) -> None:
        """Have the service do what it does by night: index, inner nodes, the backup."""
        self._special("01:10", _tidied)
        self._special("02:30", backed_up)

    def _special(self, clock: str, run) -> None:
        self._at(local(self.day, clock), run)

    def _at(self, at, run) -> None:
        self.plan.append(Special(at, run))


def office_day(
    house: House, number: int, seed: str, today: Sequence[Duty], next_week: Sequence[Duty]
) -> Plan:
    """Return what those who run the home do on one day."""
    office = Office(house, number, seed)
    office.manager()
    office.deputy()
    office.overseers()
    office.inspection()
    office.rota(today, next_week)
    office.events()
    office.service()
    return office.plan


def _trail_of(_house: House, resident: Resident) -> Asked:
    return asking.trail(resident=resident.id)


def _amended(house: House, resident: Resident) -> Asked:
    kept = house.newest(resident, "care_plan")
    return asking.amended(house, kept) if kept is not None else asking.look(resident)


def _shift_of(duty: Duty) -> CreateShift:
    agency = "Sample Agency" if duty.member.kind == "agency" else None
    when = NewShift(spell(duty.starts), spell(duty.ends), agency)
    return CreateShift(duty.member.person.id, duty.member.home_id, duty.member.role, when)


def _entered(_house: House, duty: Duty) -> Asked:
    return Asked(_shift_of(duty), SHIFTS, purpose="administration")


def _entered_by_operator(player: Player, duty: Duty) -> None:
    enter_shift(player.house, duty)


def enter_shift(house: House, duty: Duty) -> None:
    """Enter a shift as an operator does."""
    house.world.answer(_shift_of(duty), SHIFTS, System("cli", house.world.org))


def _begun(player: Player, member: Member) -> None:
    engage(player.house, [member])


def promoted(house: House, member: Member, to: str) -> Asked:
    """Give somebody one more role at the home."""
    home = house.world.home
    wanted = [{"role": member.role, "home_id": home}, {"role": to, "home_id": home}]
    was = house.versions[member.person.id]
    house.versions[member.person.id] = was + 1
    work = AmendAccount(member.person.id, was, None, wanted)
    return Asked(work, "PATCH /v1/users/{user_id}", purpose="administration")


def _discharged(_house: House, resident: Resident, day: str) -> Asked:
    resident.gone = True
    return Asked(DischargeResident(resident.id, day, "home"), "POST /v1/residents/{resident_id}/discharge")


def _moved_in(player: Player, number: int, unit: str) -> None:
    move_in(player.house, player.world.home, unit, f"Newcomer{number}", number)


def _tidied(player: Player) -> None:
    for org in (player.world.org, SYSTEM):
        for work in (IndexLines(20_000), WriteTiles(4096)):
            player.world.answer(work, HOUSEKEEPING, System("housekeeping", org))
