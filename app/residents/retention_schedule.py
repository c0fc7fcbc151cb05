"""An organisation's retention schedule: how long it keeps what, who says so, and every earlier edition.

Without an edition of its own an organisation has the default (`retention.SCHEDULE`). A rule for the care
record may not go below its floor. One for a category - incident reports, say - counts for a resident who has
such records, and then the whole record stays that long: it is under one key, and goes whole or not at all.

Source: DSPT 1.4.1, NHS Records Management Code of Practice 2021.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.access.categories import CATEGORIES
from app.access.opened import Opened
from app.access.operation import Operation
from app.access.work import Answer, Work
from app.core.clock import spell
from app.core.errors import InvalidRequestError
from app.core.identifiers import new_id
from app.residents.retention import CARE_RECORD, FLOORS, SCHEDULE, Keeping
from app.residents.retention_rows import ReviewRow, RuleRow, enter, found
from app.residents.table import record, retention_review, retention_rule

READ_SCHEDULE = Operation("*", "*", "system", "self", "retention.schedule_read", 200)
SET_RULE = Operation("*", "*", "system", "self", "retention.schedule", 200)
MOST_YEARS = 100
STANDING = frozenset({"proposed", "approved"})
"""Reviews that count."""
_NO_FLOOR = (1, "")


def rules_of(opened: Opened) -> dict[str, RuleRow]:
    """Return the organisation's own rules in force, by what they are about."""
    rules: dict[str, RuleRow] = {}
    for row in found(opened, RuleRow):
        if row.what not in rules or rules[row.what].edition < row.edition:
            rules[row.what] = row
    return rules


def keeping_of(opened: Opened, resident_id: str) -> Keeping:
    """Return what the organisation decided about one resident's record.

    Raises:
        SealBrokenError: A rule or a review was changed behind the service's back.
    """
    c = record.c
    kinds = select(c.category).distinct().where(c.org == opened.org, c.resident_id == resident_id)
    categories = set(opened.execute(kinds).scalars())
    reviews = found(opened, ReviewRow, retention_review.c.resident_id == resident_id)
    return keeping(rules_of(opened), categories, reviews)


def keeping(rules: dict[str, RuleRow], categories: set[str], reviews: list[ReviewRow]) -> Keeping:
    """Return what rules and reviews say of a record. Whoever says that it is to be kept is heard at once."""
    own = rules.get(CARE_RECORD)
    years = [own.years if own is not None else SCHEDULE[0].years]
    years += [rules[what].years for what in categories & rules.keys()]
    in_force = [one for one in reviews if one.status in STANDING]
    later = [one.until for one in in_force if one.decision == "continue" and one.until is not None]
    for_good = any(one.decision == "preserve" for one in in_force)
    return Keeping(max(years), max(later, default=None), for_good)


@dataclass
class ReadSchedule(Work):
    """Read the schedule in force and its earlier editions."""

    def perform(self, opened: Opened) -> Answer:
        """Return rules, each with its edition; 0 is the default."""
        rules, editions = rules_of(opened), found(opened, RuleRow)
        inherited = [_default(rule) for rule in SCHEDULE if rule.what not in rules]
        in_force = [*inherited, *(_shown(rule) for rule in rules.values())]
        history = [_shown(row) for row in editions if rules[row.what].edition != row.edition]
        opened.note.count = len(in_force)
        return Answer({"in_force": in_force, "earlier": history})


@dataclass
class SetRule(Work):
    """Set how long something is kept: the next edition of its rule."""

    what: str
    years: int
    source: str
    changes = True
    alone = True

    def asked(self) -> tuple[str, str | None]:
        """Return a rule that has no id yet."""
        return "retention_rule", None

    def perform(self, opened: Opened) -> Answer:
        """Write it and return it."""
        self._check()
        before = found(opened, RuleRow, retention_rule.c.what == self.what)
        was = max(before, key=lambda row: row.edition, default=None)
        row = RuleRow(
            id=new_id(),
            org=opened.org,
            what=self.what,
            edition=was.edition + 1 if was is not None else 1,
            since="end_of_care",
            years=self.years,
            action="review",
            source=self.source,
            set_at=spell(opened.at),
            version=1,
            state=b"",
        )
        told = {"what": row.what, "edition": row.edition, "years": row.years, "source": row.source}
        return Answer(_shown(enter(opened, row, told)))

    def _check(self) -> None:
        if self.what not in (CARE_RECORD, *CATEGORIES):
            known = ", ".join((CARE_RECORD, *CATEGORIES))
            raise InvalidRequestError(("/what", f"Must be one of {known}."))
        floor, why = FLOORS.get(self.what, _NO_FLOOR)
        if not floor <= self.years <= MOST_YEARS:
            because = f" ({why})" if why else ""
            raise InvalidRequestError(("/years", f"Must lie between {floor} and {MOST_YEARS}{because}."))


def _shown(row: RuleRow) -> dict[str, Any]:
    named = ("what", "edition", "since", "years", "action", "source", "set_at")
    return {name: getattr(row, name) for name in named}


def _default(rule: Any) -> dict[str, Any]:
    return {**rule._asdict(), "edition": 0, "set_at": None}
