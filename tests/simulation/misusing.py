"""Every kind of misuse the simulator knows, in its sizes, and the rules that are to tell of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from tests.simulation import misusing_accounts as accounts
from tests.simulation import misusing_reading as reading
from tests.simulation import misusing_records as records
from tests.simulation.house import House
from tests.simulation.people import Member
from tests.simulation.playing import Misuse, Plan
from tests.simulation.rota import Duty
from tests.simulation.staging import Stage, Staged

SIZES = ("gross", "moderate", "subtle")
"""Gross is what a manager would call gross. Subtle is what a manager might not call misuse at all."""
TOLD_BY: Mapping[str, frozenset[str]] = {
    "bulk_reading": frozenset({"bulk-reading", "outside-place"}),
    "bulk_export": frozenset({"bulk-export"}),
    "out_of_hours": frozenset({"off-rota", "unusual-hours"}),
    "off_shift": frozenset({"off-shift-attempts"}),
    "outside_place": frozenset({"outside-place", "refusals"}),
    "probing": frozenset({"refusals"}),
    "password_guessing": frozenset({"failed-sign-ins"}),
    "password_spraying": frozenset({"sign-in-spray"}),
    "two_devices": frozenset({"two-devices"}),
    "dormant_account": frozenset({"dormant-sign-in"}),
    "deactivated_account": frozenset({"deactivated-sign-in"}),
    "family_name": frozenset({"family-name"}),
    "privilege_change": frozenset({"privilege-change"}),
    "mass_change": frozenset({"mass-change"}),
    "late_entries": frozenset({"late-entries"}),
    "row_tampering": frozenset({"trail-check"}),
    "clock_step": frozenset({"clock-step"}),
    "backup_failed": frozenset({"backup-failed"}),
    "backup_overdue": frozenset({"backup-overdue"}),
}
"""The rules of the catalogue a kind is found by; an alert of another rule does not count for it."""
NOT_MEASURED: Mapping[str, str] = {
    "break_glass": "emergency access is not built yet: nothing writes its entries",
    "second_factor_exception": "exceptions from the second factor are not built yet",
    "own_record": "staff are no residents here: an account is tied to no resident's record",
}


class Scenario(NamedTuple):
    """One kind of misuse, in all sizes it comes in."""

    kind: str
    variant: str
    staged: Staged
    sizes: tuple[str, ...] = SIZES
    lasts_days: int = 2


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("bulk_reading", "many in an hour", reading.many_in_an_hour),
    Scenario("bulk_reading", "one more resident a night", reading.one_more_a_night, ("subtle",), 14),
    Scenario("bulk_export", "exports of the trail", reading.many_exports),
    Scenario("out_of_hours", "without a shift", reading.without_a_shift),
    Scenario("off_shift", "agency worker after the shift", accounts.off_shift),
    Scenario("outside_place", "residents of the other home, refused", reading.elsewhere_by_number),
    Scenario(
        "outside_place", "residents of the other home, while at this one", reading.elsewhere_on_duty, SIZES, 5
    ),
    Scenario("probing", "forbidden categories and numbers at random", reading.probing),
    Scenario("password_guessing", "one account", accounts.guessing, SIZES, 6),
    Scenario("password_spraying", "many accounts, one source", accounts.spraying),
    Scenario("two_devices", "two places at once", accounts.two_places),
    Scenario("dormant_account", "unused for months", accounts.awakened),
    Scenario("deactivated_account", "a leaver's", accounts.deactivated),
    Scenario("family_name", "kin they do not care for", reading.own_kin, SIZES, 14),
    Scenario("privilege_change", "rights given away", accounts.rights),
    Scenario("mass_change", "notes of others rewritten", records.rewriting),
    Scenario("mass_change", "notes marked as entered in error", records.removing),
    Scenario("late_entries", "filled in after a fall", records.after_an_incident),
    Scenario("row_tampering", "rows changed past the service", records.row_changed),
    Scenario("clock_step", "set back", records.clock_set_back),
    Scenario("backup_failed", "by night", records.backup_fails, SIZES, 4),
    Scenario("backup_overdue", "none made", records.backup_missing, SIZES, 7),
)


class Planned(NamedTuple):
    """A misuse to come, and the day it begins."""

    day: int
    scenario: Scenario
    misuse: Misuse


class Misusing:
    """Spreads every kind and size over the days of a seed."""

    def __init__(self, seed: str, first: int, last: int, sizes: Sequence[str] = SIZES) -> None:
        random = Random(f"{seed}/misuse")
        self._seed = seed
        self._used: Counter[Member] = Counter()
        wanted = [(scenario, size) for scenario in SCENARIOS for size in scenario.sizes if size in sizes]
        random.shuffle(wanted)
        self.planned: list[Planned] = []
        for n, (scenario, size) in enumerate(wanted):
            # each in its own part of the time, so that a day has few, but none beyond the end
            latest = max(first, last - scenario.lasts_days)
            day = min(latest, first + (n * (last - first)) // len(wanted) + random.choice((0, 0, 1)))
            self.planned.append(Planned(day, scenario, Misuse(scenario.kind, size, scenario.variant)))

    @property
    def all(self) -> list[Misuse]:
        """Return every misuse of the seed."""
        return [one.misuse for one in self.planned]

    def day(self, house: House, rota: Sequence[Sequence[Duty]], number: int) -> Plan:
        """Return the deeds of the misuse that begins on a day."""
        plan: Plan = []
        for one in self.planned:
            if one.day == number:
                stage = Stage(house, rota, number, one.misuse, self._seed, self._used)
                one.scenario.staged(stage)
                plan += stage.plan
        return plan
