"""Which alert tells of which misuse, and which tells of none."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from app.core.clock import parse
from app.detection.finding import Finding
from tests.simulation.days import FIRST_DAY
from tests.simulation.misusing import TOLD_BY
from tests.simulation.playing import Misuse, Place

REVIEWED_AFTER = timedelta(hours=24)
"""An alert is looked at within a day and closed: a later finding about the same is then a new alert."""
AFTERWARDS = timedelta(hours=12)
"""An alert that comes later than that is not about the misuse, even if one of its entries is."""
OVERDUE = "backup-overdue"


@dataclass(eq=False)
class Alarm:
    """What a home would see as one alert: findings of a rule about the same within a day."""

    rule: str
    subject: str
    at: str
    last: str
    places: set[Place] = field(default_factory=set)
    explanation: str = ""

    @property
    def week(self) -> int:
        """Return its week, counted from 1."""
        return (parse(self.at).date() - FIRST_DAY).days // 7 + 1


def alarms(findings: Iterable[Finding]) -> list[Alarm]:
    """Return findings folded into alerts, in the order in which these were raised."""
    raised: list[Alarm] = []
    newest: dict[tuple[str, str], Alarm] = {}
    for one in sorted(findings, key=lambda finding: finding.at):
        alarm = newest.get((one.rule, one.subject))
        if alarm is None or parse(one.at) - parse(alarm.at) >= REVIEWED_AFTER:
            alarm = Alarm(one.rule, one.subject, one.at, one.at, explanation=one.explanation)
            newest[(one.rule, one.subject)] = alarm
            raised.append(alarm)
        alarm.last = one.at
        alarm.places |= {(one.chain, seq) for seq in one.entries}
    return raised


@dataclass
class Measured:
    """What became of the misuse of one seed, and of its honest days.

    Attributes:
        told: Of each misuse the rules that told of it.
        false: Alerts that tell of no misuse at all.
    """

    days: int
    told: list[tuple[Misuse, frozenset[str]]]
    false: list[Alarm]

    def found(self, misuse: Misuse) -> bool:
        """Say whether a rule that is meant for it told of it."""
        return any(one is misuse and rules & TOLD_BY[misuse.kind] for one, rules in self.told)

    @property
    def missed(self) -> list[Misuse]:
        """Return the misuse no rule meant for it told of."""
        return [misuse for misuse, _ in self.told if not self.found(misuse)]

    def false_in(self, weeks: range) -> list[Alarm]:
        """Return the false alerts of some weeks."""
        return [alarm for alarm in self.false if alarm.week in weeks]

    def false_by_rule(self) -> Counter[str]:
        """Return how many false alerts each rule made."""
        return Counter(alarm.rule for alarm in self.false)


def measure(days: int, misuse: Sequence[Misuse], findings: Iterable[Finding]) -> Measured:
    """Match alerts with misuse by the entries they rest on."""
    raised = alarms(findings)
    true: set[int] = set()
    told: list[tuple[Misuse, frozenset[str]]] = []
    for one in misuse:
        fits = [alarm for alarm in raised if _tells(alarm, one)]
        true |= {id(alarm) for alarm in fits}
        told.append((one, frozenset(alarm.rule for alarm in fits)))
    first = FIRST_DAY.isoformat()
    return Measured(days, told, [a for a in raised if id(a) not in true and a.at >= first])


def _tells(alarm: Alarm, misuse: Misuse) -> bool:
    if not misuse.began:
        return False
    began, ended = parse(misuse.began), parse(misuse.ended)
    if alarm.rule == OVERDUE and misuse.kind in ("backup_overdue", "backup_failed"):
        # what is overdue left no entry: that is what is wrong
        return began <= parse(alarm.at) <= ended + timedelta(days=2)
    in_time = parse(alarm.last) >= began and parse(alarm.at) <= ended + AFTERWARDS
    return in_time and not alarm.places.isdisjoint(misuse.entries)
