"""What a rule is: a name, a title, and thresholds that an organisation may set within bounds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from app.detection.finding import Severity

_NOTHING: Mapping[str, Mapping[str, int]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Threshold:
    """One number of a rule.

    Attributes:
        default: What it is where the organisation set nothing and the role has no default of its own.
        minimum: The least it may be set to.
        maximum: The most: so a rule is switched off openly, never by a number nobody reaches.
        unit: What is counted.
        about: What the number means, in one sentence.
        lower_is_stricter: Whether a smaller number makes the rule find more.
    """

    default: int
    minimum: int
    maximum: int
    unit: str
    about: str
    lower_is_stricter: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the catalogue.

    Attributes:
        name: How it is called everywhere.
        title: What it looks for, in plain words.
        severity: How grave its findings are unless the organisation says otherwise.
        thresholds: Its numbers by name; the first is what a finding counts.
        by_role: Numbers that differ for a role: role -> threshold -> number.
        quiet_hours: For how long the same thing is not told again, unless it doubles.
        system_wide: Whether entries of the system's chain can raise it, in every organisation.
    """

    name: str
    title: str
    severity: Severity
    thresholds: Mapping[str, Threshold]
    by_role: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: _NOTHING)
    quiet_hours: int = 12
    system_wide: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """A rule as it is in force in an organisation.

    Attributes:
        rule: The rule.
        enabled: Whether it is judged at all.
        severity: What its findings are.
        thresholds: The numbers the organisation set, for everybody; they go before defaults by role.
    """

    rule: Rule
    enabled: bool = True
    severity: Severity = "medium"
    thresholds: Mapping[str, int] = field(default_factory=dict)

    def limit(self, threshold: str, roles: Iterable[str] = ()) -> int:
        """Return a number of the rule for somebody; of several roles the most lenient counts."""
        numbers = [self._for_role(threshold, role) for role in roles] or [self._for_role(threshold, "")]
        return max(numbers) if self.rule.thresholds[threshold].lower_is_stricter else min(numbers)

    def _for_role(self, threshold: str, role: str) -> int:
        for numbers in (self.thresholds, self.rule.by_role.get(role, {})):
            if threshold in numbers:
                return numbers[threshold]
        return self.rule.thresholds[threshold].default


def by_default(rule: Rule) -> Setting:
    """Return a rule's setting where an organisation set nothing."""
    return Setting(rule, severity=rule.severity)
