"""Judging entries, one after the other: what is known grows, each rule looks, and new findings are told.

The outcome does not depend on how the entries are cut into pieces: windows follow from the lines of their
span, and habits and what was told are stored with the place up to which was judged.
"""

from collections.abc import Iterable, Mapping

from app.core.identifiers import SYSTEM
from app.detection.event import LISTINGS, OPENINGS, Event
from app.detection.facts import Facts
from app.detection.feeding import AMENDMENTS, BROKEN, EXPORTS, REMOVALS
from app.detection.finding import Finding
from app.detection.rule import Setting
from app.detection.rules import changes, hours, places, reading, refusals, rights, service, sign_ins
from app.detection.rules.telling import Judge, size_of
from app.detection.state import State

_READS = (*OPENINGS, *LISTINGS)
_RIGHTS = ("user.create", "user.update", "user.reactivate", "user.reset", "role.create", "role.update")
BY_ACT: Mapping[str, tuple[tuple[str, ...], Judge]] = {
    "bulk-reading": (tuple(OPENINGS), reading.bulk_reading),
    "bulk-export": ((*EXPORTS, *LISTINGS), reading.bulk_export),
    "off-rota": (tuple(OPENINGS), hours.off_rota),
    "unusual-hours": (tuple(OPENINGS), hours.unusual_hours),
    "outside-place": (tuple(OPENINGS), places.outside_place),
    "family-name": (tuple(OPENINGS), places.family_name),
    "break-glass": ((refusals.BREAK_GLASS,), refusals.break_glass),
    "failed-sign-ins": (("auth.login",), sign_ins.failed_sign_ins),
    "two-devices": ((*_READS, "record.create", "record.update", *REMOVALS), sign_ins.two_devices),
    "dormant-sign-in": (("auth.login",), sign_ins.dormant_sign_in),
    "privilege-change": (_RIGHTS, rights.privilege_change),
    "oversight-removed": (rights.TAKING, rights.oversight_removed),
    "second-factor-exception": ((rights.FACTOR_EXCEPTION,), rights.second_factor_exception),
    "mass-change": ((*AMENDMENTS, *REMOVALS), changes.mass_change),
    "late-entries": (("record.create", "record.update"), changes.late_entries),
    "trail-check": (tuple(BROKEN), service.trail_check),
    "schema-change": ((service.SCHEMA,), service.schema_change),
    "clock-step": ((service.CLOCK,), service.clock_step),
    "detection-weakened": ((rights.RULE_SET,), rights.detection_weakened),
}
"""Rules that look at what was done, each with the acts it looks at."""
OF_REFUSALS: Mapping[str, Judge] = {
    "off-shift-attempts": hours.off_shift_attempts,
    "refusals": refusals.refusals,
    "failed-sign-ins": sign_ins.failed_sign_ins,
    "sign-in-spray": sign_ins.sign_in_spray,
    "deactivated-sign-in": sign_ins.deactivated_sign_in,
    "backup-failed": service.backup_failed,
}
"""Rules that look at whatever was refused or failed."""


def _grouped() -> dict[str, tuple[tuple[str, Judge], ...]]:
    grouped: dict[str, list[tuple[str, Judge]]] = {}
    for name, (acts, judge) in BY_ACT.items():
        for act in dict.fromkeys(acts):
            grouped.setdefault(act, []).append((name, judge))
    return {act: tuple(judges) for act, judges in grouped.items()}


_OF_ACT = _grouped()
_OF_REFUSAL = tuple(OF_REFUSALS.items())


def judge(
    state: State, events: Iterable[Event], facts: Facts, settings: Mapping[str, Setting]
) -> list[Finding]:
    """Judge entries in their order and return what is to be told."""
    found: list[Finding] = []
    for event in events:
        state.observe(event, facts)
        for name, rule in _rules_of(event):
            setting = settings[name]
            if not setting.enabled or (event.chain == SYSTEM and not setting.rule.system_wide):
                continue
            finding = rule(state, event, facts, setting)
            if finding is not None and _is_new(state, event, finding, setting):
                found.append(finding)
    return found


def judge_time(state: State, event: Event, facts: Facts, settings: Mapping[str, Setting]) -> list[Finding]:
    """Judge what follows from time alone: that something did not happen."""
    setting = settings["backup-overdue"]
    finding = service.backup_overdue(event, facts, setting) if setting.enabled else None
    return [finding] if finding is not None and _is_new(state, event, finding, setting) else []


def _rules_of(event: Event) -> tuple[tuple[str, Judge], ...]:
    good = event.out == "ok" or event.act in BROKEN
    return _OF_ACT.get(event.act, ()) if good else _OF_REFUSAL


def _is_new(state: State, event: Event, finding: Finding, setting: Setting) -> bool:
    subject = (finding.rule, finding.subject)
    return state.quiet.lets(subject, event.at, size_of(finding), setting.rule.quiet_hours)
