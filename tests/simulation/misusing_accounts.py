"""Misuse of accounts: guessed, sprayed, shared, awakened, and given more rights than they should have."""

from datetime import timedelta
from functools import partial

from app.identity.accounts import AmendAccount, ReactivateAccount
from tests.simulation.asking import Asked
from tests.simulation.caring import looks, opens, reads
from tests.simulation.house import House
from tests.simulation.people import Member, Spot
from tests.simulation.playing import Player
from tests.simulation.staging import Stage

AMEND = "PATCH /v1/users/{user_id}"


def tries(stage: Stage, at, spot: Spot, names: list[str], apart: float) -> None:
    """Try user names one after another with wrong passwords."""
    for name in names:
        stage.special(at, partial(Player.attempt, username=name, spot=spot, misuse=stage.misuse, right=False))
        at += timedelta(seconds=stage.random.uniform(apart * 0.7, apart * 1.3))
    stage.special(at + timedelta(seconds=90), Player.fold)


def guessing(stage: Stage) -> None:
    """Guess the password of one account: 40 times in ten minutes, 12 in an hour, 3 on each of five days."""
    who = stage.free("senior")
    spot, name = stage.outside(), who.person.username
    if stage.misuse.size == "subtle":
        for day in range(5):
            tries(stage, stage.at("21:10", day), spot, [name] * 3, 60)
        return
    at = stage.at("22:40")
    tries(stage, at, spot, [name] * stage.size(40, 12, 0), stage.size(15, 290, 0))


def spraying(stage: Stage) -> None:
    """Try one password with many accounts: of most in ten minutes, of ten in twenty, of four in a day."""
    names = [m.person.username for m in stage.house.members if m.hired <= stage.number]
    stage.random.shuffle(names)
    spot = stage.outside()
    known = names[: stage.size(35, 10, 4)]
    if stage.misuse.size == "gross":
        known += [f"nobody.{n}" for n in range(15)]
    tries(stage, stage.at("04:20"), spot, known, stage.size(12, 110, 6 * 3600))


def two_places(stage: Stage) -> None:
    """Have an account be used at the home and elsewhere at the same time; subtle: a colleague borrows it."""
    duty = stage.working("senior")
    who, here = duty.member, stage.tablet(duty.unit)
    there = (
        stage.outside()
        if stage.misuse.size != "subtle"
        else stage.tablet("South" if duty.unit == "North" else "North")
    )
    at = duty.came + timedelta(hours=3)
    for _ in range(stage.size(10, 4, 2)):
        about = stage.random.sample(stage.here, 2)
        stage.does(at, who, here, reads(about, "daily_note"), 20)
        stage.does(at + timedelta(seconds=50), who, there, opens(about, "care_plan"), 20)
        at += timedelta(seconds=100)


def awakened(stage: Stage) -> None:
    """Use an account that nobody used for months: by night from outside, or by day, or once."""
    number = {"gross": 0, "moderate": 1, "subtle": 2}[stage.misuse.size]
    who = stage.house.posted("dormant")[number]
    stage.misuse.who.append(who.person.id)
    spot = stage.outside() if stage.misuse.size == "gross" else stage.tablet("North")
    at = stage.at({"gross": "02:20", "moderate": "19:00", "subtle": "10:30"}[stage.misuse.size])
    about = stage.random.sample(stage.here, stage.size(20, 6, 1))
    stage.does(at, who, spot, looks(about), 30)


def deactivated(stage: Stage) -> None:
    """Try the account of a leaver, with the password it had."""
    who = stage.house.posted("leaver")[0]
    stage.misuse.who.append(who.person.id)
    spot = stage.outside()
    at = stage.at("23:30")
    for _ in range(stage.size(6, 2, 1)):
        stage.special(
            at,
            partial(
                Player.attempt,
                username=who.person.username,
                spot=spot,
                misuse=stage.misuse,
                right=True,
                who=who,
            ),
        )
        at += timedelta(minutes=2)


def off_shift(stage: Stage) -> None:
    """Have an agency worker try to get in the day after their shift: eight times, four, once."""
    agency = [m for m in stage.house.members if m.role == "agency_carer"]
    busy = {d.member for n in (stage.number - 1, stage.number, stage.number + 1) for d in stage.duties(n)}
    who = next(m for m in agency if m not in busy)
    stage.misuse.who.append(who.person.id)
    at = stage.at("17:00")
    for _ in range(stage.size(8, 4, 1)):
        stage.special(
            at, partial(Player.sign_in, who=who, spot=who.own_phone, misuse=stage.misuse, expected=True)
        )
        at += timedelta(minutes=9)


def rights(stage: Stage) -> None:
    """Give rights away: managers made by night from outside, a role by evening, one more role by day."""
    manager = stage.one("manager" if stage.misuse.size == "gross" else "deputy")
    member = stage.free("carer")
    spot = stage.outside() if stage.misuse.size == "gross" else stage.house.spots.office
    clock = {"gross": "02:40", "moderate": "21:30", "subtle": "14:50"}[stage.misuse.size]
    to = {"gross": "deputy_manager", "moderate": "nurse", "subtle": "senior_carer"}[stage.misuse.size]
    asks = [partial(_granted, member=member, to=to)]
    if stage.misuse.size == "gross":
        leaver = stage.house.posted("leaver")[0]
        asks += [partial(_let_in, member=leaver), partial(_granted, member=stage.free("carer"), to=to)]
    stage.does(stage.at(clock), manager, spot, asks, 60)
    if stage.misuse.size == "gross":
        stage.special(
            stage.at(clock) + timedelta(minutes=20), partial(_put_out, member=stage.house.posted("leaver")[0])
        )


def _granted(house: House, member: Member, to: str) -> Asked:
    home = house.world.home
    wanted = [{"role": member.role, "home_id": home}, {"role": to, "home_id": home}]
    was = house.versions[member.person.id]
    house.versions[member.person.id] = was + 1
    return Asked(AmendAccount(member.person.id, was, None, wanted), AMEND, purpose="administration")


def _let_in(house: House, member: Member) -> Asked:
    house.versions[member.person.id] += 1
    work = ReactivateAccount(member.person.id, "back for a week")
    return Asked(work, "POST /v1/users/{user_id}/reactivate", purpose="administration")


def _put_out(player: Player, member: Member) -> None:
    player.put_out(member)
