"""What one check of the doctor found: a word, a sentence, and what to do."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

Result = Literal["ok", "warning", "failed", "unknown"]

FAILED, WOULD_NOT_START = 1, 2


class Finding(NamedTuple):
    """What one check found.

    Attributes:
        name: The check.
        result: In a word; `unknown` is what could not be looked at.
        told: In a sentence.
        advice: What to do; empty where nothing is to be done.
        stops: Whether the service would not start like this.
    """

    name: str
    result: Result
    told: str
    advice: str = ""
    stops: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "name": self.name,
            "result": self.result,
            "told": self.told,
            "advice": self.advice or None,
            "stops_start": self.stops,
        }

    def as_text(self) -> str:
        """Return it for people."""
        line = f"{self.result:<8} {self.name:<12} {self.told}"
        return f"{line}\n{'':<22}{self.advice}" if self.advice else line


def ok(name: str, told: str) -> Finding:
    """Return that a check found nothing to mend."""
    return Finding(name, "ok", told)


def warning(name: str, told: str, advice: str) -> Finding:
    """Return that something should be mended before it fails."""
    return Finding(name, "warning", told, advice)


def failed(name: str, told: str, advice: str, *, stops: bool = False) -> Finding:
    """Return that something is broken."""
    return Finding(name, "failed", told, advice, stops)


def unknown(name: str, told: str, advice: str = "") -> Finding:
    """Return that something could not be looked at."""
    return Finding(name, "unknown", told, advice)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 where nothing failed, 2 where the service would not start, else 1. Warnings stay 0."""
    broken = [one for one in findings if one.result == "failed"]
    if not broken:
        return 0
    return WOULD_NOT_START if any(one.stops for one in broken) else FAILED
