"""Judged in pieces, with restarts between, is judged in one go."""

import random
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest

from app.core.clock import spell
from app.detection.catalogue import defaults
from app.detection.event import Event
from app.detection.facts import Facts, Happened, Shift, Written
from app.detection.finding import Finding
from app.detection.habit import REMEMBERED, Day, Habits
from app.detection.judging import judge
from app.detection.quiet import Quiet, Subject, Told
from app.detection.rule import Setting
from app.detection.state import State
from app.detection.windows import LONGEST

HISTORIES = 8
ORG = "org"
PEOPLE = [f"p{n}" for n in range(6)]
RESIDENTS = [f"r{n}" for n in range(24)]
BEGAN = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
Made = tuple[str, str, str, dict[str, object]]


def history(chance: random.Random) -> list[Event]:
    """Return some weeks of entries: bursts of one thing by somebody, pauses of minutes up to days."""
    events: list[Event] = []
    at = BEGAN
    while len(events) < 1000:
        at += timedelta(seconds=chance.choice((30, 900, 7200, 30_000, 80_000)) * chance.random())
        made = list(burst(chance))
        for act, out, why, more in made:
            at += timedelta(seconds=chance.choice((1, 20, 90)) * chance.random())
            more = {"actor": chance.choice(PEOPLE), "kind": "user", "roles": ("carer",), **more}
            more["session"] = f"s{chance.randrange(2)} {more['actor']}"
            events.append(Event(ORG, len(events), spell(at), at.timestamp(), act, out, why, **more))
    return events


def burst(chance: random.Random) -> Iterator[Made]:
    """Yield one thing done several times."""
    who, many = chance.choice(PEOPLE), chance.choice((1, 3, 12, 60, 110))
    act, out, why = chance.choice(
        (
            *[("record.read", "ok", "")] * 6,
            ("resident.list", "ok", ""),
            ("record.update", "ok", ""),
            ("record.create", "ok", ""),
            ("record.delete", "ok", ""),
            ("audit.export", "ok", ""),
            ("auth.login", "ok", ""),
            ("auth.login", "deny", "wrong-password"),
            ("auth.login", "deny", "inactive"),
            ("auth.login", "deny", "off-shift"),
            ("record.list", "deny", "no-permission"),
            ("user.update", "deny", "escalation"),
            ("user.update", "ok", ""),
            ("clock.step", "ok", ""),
            ("integrity.fail", "fail", "state-broken"),
        )
    )
    for n in range(min(many, 60 if act == "record.read" else 12)):
        more: dict[str, object] = {
            "actor": who,
            "object_id": f"o{n % 9}",
            "source": f"i{chance.randrange(3)}",
        }
        if act.startswith(("record.", "resident.")):
            more["residents"] = (chance.choice(RESIDENTS),)
        if act == "user.update":
            more["fields"] = ("assignments",)
        if act == "clock.step":
            more["members"] = {"clock": {"back_s": 90}}
        yield act, out, why, more


def facts(chance: random.Random) -> Facts:
    """Return facts that let every rule have something to say."""
    at = BEGAN.timestamp()
    shifts = {
        one: tuple(Shift(at + d * 86400, at + d * 86400 + 30_000, "h") for d in range(40))
        for one in PEOPLE[:3]
    }
    return Facts(
        shifts=shifts,
        places={one: ("h/a", "h/b", "k")[n % 12 // 10 + n % 2] for n, one in enumerate(RESIDENTS)},
        kin={PEOPLE[0]: frozenset(RESIDENTS[:2])},
        powerful=frozenset({"o1", "o2"}),
        incidents={one: (Happened(at + 86400, at + 90_000),) for one in RESIDENTS[:9]},
        records={f"o{n}": Written(at + 80_000 + chance.random(), at + 80_000) for n in range(9)},
    )


class Stored:
    """What the database keeps between two processes."""

    def __init__(self) -> None:
        self.days: dict[tuple[str, str], Day] = {}
        self.told: dict[Subject, Told] = {}

    def keep(self, state: State, upto: float, day: str) -> None:
        """Take in what a piece changed; forget what is too old, as the tables do."""
        self.days |= {whose: deepcopy(one) for whose, one in state.habits.changed.items()}
        self.told |= state.quiet.changed
        state.habits.changed, state.quiet.changed = {}, {}
        first = (datetime.fromisoformat(day) - timedelta(days=REMEMBERED + 1)).date().isoformat()
        newest = {who: max(d for w, d in self.days if w == who) for who, _ in self.days}
        self.days = {w: one for w, one in self.days.items() if w[1] >= first or w[1] == newest[w[0]]}
        self.told = {subject: told for subject, told in self.told.items() if told.until > upto}

    def begun_anew(self, before: list[Event]) -> State:
        """Return the state of a process that starts now."""
        days = [(who, deepcopy(day)) for (who, _), day in self.days.items()]
        state = State(ORG, habits=Habits(days), quiet=Quiet(self.told.items()))
        since = before[-1].at - LONGEST if before else 0.0
        for event in before:
            if event.at >= since:
                state.remember(event)
        return state


def in_pieces(
    events: list[Event], known: Facts, settings: dict[str, Setting], chance: random.Random
) -> list[Finding]:
    """Judge in pieces of any size, with a new process before every other one."""
    stored, found, start = Stored(), list[Finding](), 0
    state = stored.begun_anew([])
    while start < len(events):
        piece = events[start : start + chance.choice((1, 2, 7, 40, 300))]
        if chance.random() < 0.5:
            state = stored.begun_anew(events[:start])
        found += judge(state, piece, known, settings)
        stored.keep(state, piece[-1].at, piece[-1].day)
        start += len(piece)
    return found


@pytest.mark.parametrize("number", range(HISTORIES))
def test_pieces_and_restarts_change_nothing(number):
    """What is found does not depend on how the entries are cut, nor on how often a process starts anew."""
    chance = random.Random(number)
    events, known, settings = history(chance), facts(chance), defaults()

    whole = judge(State(ORG), events, known, settings)

    assert whole == in_pieces(events, known, settings, chance)
    assert len(whole) > 5


def test_the_histories_make_most_rules_tell():
    """The histories are worth judging: together they make at least ten rules tell something."""
    told = set()
    for number in range(HISTORIES):
        chance = random.Random(number)
        told |= {one.rule for one in judge(State(ORG), history(chance), facts(chance), defaults())}

    assert len(told) >= 10, sorted(told)


def test_memory_is_bounded():
    """A week after the last entry of everybody nothing is left of their windows."""
    state, settings = State(ORG), defaults()
    events = history(random.Random(1))
    judge(state, events, Facts(), settings)
    later = datetime.fromtimestamp(events[-1].at, UTC) + timedelta(days=7)

    judge(
        state, [Event(ORG, len(events), spell(later), later.timestamp(), "auth.session")], Facts(), settings
    )

    assert 0 == len(state.windows)
    assert 0 == len(state.quiet)
