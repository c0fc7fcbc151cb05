"""Misuse by reading: too much, too early, elsewhere, of one's own kin, out of the house."""

from datetime import timedelta
from functools import partial

from tests.simulation import asking
from tests.simulation.asking import Asked
from tests.simulation.caring import looks, opens, reads
from tests.simulation.exporting import exported
from tests.simulation.house import House, namesakes
from tests.simulation.staging import Stage
from tests.support.scripts import NOWHERE


def many_in_an_hour(stage: Stage) -> None:
    """Have a day carer open 200, 60 or 25 records within an hour."""
    records = stage.size(200, 60, 25)
    duty = stage.working("carer", lambda d: not d.member.bound and "night" not in d.post.name)
    about = stage.random.sample(stage.here, min(len(stage.here), stage.size(58, 42, 20)))
    categories = ("care_plan", "daily_note", "about_me", "allergy")
    asks = [ask for category in categories for ask in opens(about, category)][:records]
    pace = 3000 / records if records > 60 else 2400 / records
    stage.does(duty.came + timedelta(hours=2.2), duty.member, stage.tablet(duty.unit), asks, pace)


def one_more_a_night(stage: Stage) -> None:
    """Have a night carer open one resident of the other unit on each of ten nights."""
    who = stage.working("carer night", lambda d: not d.member.bound).member
    for number in range(stage.number, stage.number + 14):
        duty = next((d for d in stage.duties(number) if d.member is who), None)
        if duty is None:
            continue
        others = stage.unfamiliar(duty)
        at = duty.came + timedelta(hours=stage.random.uniform(3, 6))
        stage.does(at, who, stage.tablet(duty.unit), opens(stage.random.sample(others, 1), "care_plan"))


def many_exports(stage: Stage) -> None:
    """Have the manager's account export the trail: ten times by night, five times, once from outside."""
    who, outside = stage.one("manager"), stage.outside()
    spot = outside if stage.misuse.size == "gross" else who.own_phone
    at = stage.at("01:30" if stage.misuse.size == "gross" else "19:30", 1)
    for _ in range(stage.size(10, 5, 1)):
        stage.special(at, partial(exported, who=who, spot=spot, misuse=stage.misuse))
        at += timedelta(minutes=3)


def without_a_shift(stage: Stage) -> None:
    """Have a day carer who is off read at 03:00 from outside, at 23:20, or in the afternoon."""
    who = stage.free("carer")
    spot = who.own_phone if stage.misuse.size == "gross" else stage.tablet(who.unit)
    at = stage.at({"gross": "03:05", "moderate": "23:20", "subtle": "14:10"}[stage.misuse.size])
    about = stage.random.sample(stage.here, stage.size(15, 6, 3))
    stage.does(at, who, spot, [*looks(about), *reads(about, "daily_note")], 40)


def elsewhere_by_number(stage: Stage) -> None:
    """Have somebody of this home try pages of residents of the other home, which do not open."""
    duty = stage.working("carer", lambda d: d.member.homes == 1)
    about = stage.random.sample(stage.house.elsewhere, stage.size(25, 8, 1))
    stage.does(duty.came + timedelta(hours=3), duty.member, stage.tablet(duty.unit), looks(about), 30)


def elsewhere_on_duty(stage: Stage) -> None:
    """Have somebody engaged at both homes read residents of the one they do not work at."""
    duty = stage.working("carer", lambda d: d.member.homes == 2)
    about = stage.random.sample(stage.house.elsewhere, stage.size(20, 6, 1))
    stage.does(
        duty.came + timedelta(hours=4), duty.member, stage.tablet(duty.unit), opens(about, "care_plan"), 30
    )


def probing(stage: Stage) -> None:
    """Have somebody try what their role may not see, and numbers at random."""
    duty = stage.working("carer")
    random = stage.random

    def tried(_house: House, n: int) -> Asked:
        resident = random.choice(stage.here)
        if n % 3 == 0:
            resident = type(resident)(NOWHERE[:-4] + f"{n:04x}", "", "", "")
            return asking.look(resident)
        return asking.records(resident, "finance" if n % 2 else "medication")

    at = duty.came + timedelta(hours=2.5)
    asks = [partial(tried, n=n) for n in range(stage.size(45, 14, 4))]
    stage.does(at, duty.member, stage.tablet(duty.unit), asks, 40)


def own_kin(stage: Stage) -> None:
    """Have somebody read a resident who has their family name and whom they do not care for."""
    number = {"gross": 1, "moderate": 2, "subtle": 3}[stage.misuse.size]
    who = namesakes(stage.house.members)[number]
    kin = stage.house.residents[number]
    stage.misuse.who.append(who.person.id)
    asks = [
        *looks([kin]),
        *(ask for c in ("care_plan", "about_me", "daily_note", "allergy", "diet") for ask in opens([kin], c)),
        *(
            ask
            for c in ("care_plan", "daily_note", "observation", "incident_report")
            for ask in reads([kin], c)
        ),
    ]
    duty = next(d for n in range(stage.number, stage.number + 14) for d in stage.duties(n) if d.member is who)
    times = stage.size(2, 1, 1)
    some = (asks * times)[: stage.size(20, 7, 1)]
    stage.does(duty.came + timedelta(hours=3.4), who, stage.tablet(duty.unit, 2), some, 35)
