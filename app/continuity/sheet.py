"""What is printed about one resident, most urgent first. Pure: from what is recorded to tables of text.

An empty list means *not recorded*, never *none*, and is printed so. What has been decided, given and avoided
is printed whole; capacity and risks are shortened, because a page that is too long is not read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from app.continuity import wording
from app.continuity.wording import NOT_RECORDED, shortened
from app.core.clock import parse
from app.core.local_time import day_of
from app.printing.dates import day, instant

MOST_ROWS = 6
"""Of capacity and risks."""
_SEVERITIES = ("severe", "moderate", "unknown", "mild")
_LEVELS = ("high", "medium", "low")


class Recorded(NamedTuple):
    """A record: its content and when it is about."""

    occurred_at: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """One table of a sheet.

    Attributes:
        title: What it is about.
        columns: The heads of its columns.
        rows: Its cells.
        remark: What is to be known besides, or instead of rows.
        urgent: Whether somebody could be harmed within minutes who does not read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    remark: str = ""
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """All about one resident.

    Attributes:
        resident: The id.
        name: As a stranger would look for it.
        facts: Labels and values that tell this person from others.
        sections: The tables, most urgent first.
        as_of: When it was read.
    """

    resident: str
    name: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    as_of: str


Records = Sequence[Recorded]


def sheet(
    resident: str, unit: str | None, personal: Mapping[str, Any], records: Mapping[str, Records], at: datetime
) -> Sheet:
    """Return the sheet of a resident.

    Args:
        resident: The id.
        unit: Where in the home.
        personal: `identity`, `identifiers` and `room`, unsealed.
        records: What is recorded, by category, newest first.
        at: The present instant.
    """
    on = day_of(at)
    sections = tuple(make(records.get(category, ()), on) for category, make in _SECTIONS.items())
    identity = personal["identity"]
    name = f"{identity['family_name'].upper()}, {identity['given_name']}"
    return Sheet(resident, name, _facts(unit, personal, on), sections, instant(at))


def _facts(unit: str | None, personal: Mapping[str, Any], on: date) -> tuple[tuple[str, str], ...]:
    identity, identifiers = personal["identity"], personal["identifiers"]
    facts = {
        "Known as": identity.get("preferred_name"),
        "Born": wording.born(identifiers["date_of_birth"], on),
        "NHS number": wording.nhs_number(identifiers.get("nhs_number")),
        "Sex": identity.get("sex"),
        "Room": personal["room"],
        "Unit": unit,
    }
    told = ((label, value or wording.UNKNOWN) for label, value in facts.items())
    return tuple((label, value) for label, value in told if (label, value) != ("Known as", wording.UNKNOWN))


# --- the sections -------------------------------------------------------------------------------


def _advance(records: Records, on: date) -> Section:
    in_force = [one.body for one in records if one.body["status"] == "in_force"]
    in_force.sort(key=lambda body: list(wording.DECISIONS).index(body["kind"]))
    rows = tuple(
        (
            wording.DECISIONS[body["kind"]],
            body["summary"],
            wording.validity(body["valid_from"], body.get("review_on"), on),
            body.get("signed_by") or wording.UNKNOWN,
            body.get("original_location") or wording.UNKNOWN,
        )
        for body in in_force
    )
    remark = "The signed original is what counts: fetch it." if rows else NOT_RECORDED
    if records and not rows:
        remark = f"None in force is recorded; {len(records)} revoked or superseded."
    columns = ("Decision", "What it says", "Valid", "Signed by", "The original is")
    return Section("Resuscitation and advance decisions", columns, rows, remark, urgent=True)


def _allergies(records: Records, _on: date) -> Section:
    none_known = [one for one in records if one.body.get("none_known")]
    named = [one.body for one in records if not one.body.get("none_known")]
    active = [body for body in named if body["status"] == "active"]
    active.sort(key=lambda body: _SEVERITIES.index(body["severity"]))
    past = "; ".join(f"{body['substance']} ({body['status']})" for body in named if body not in active)
    rows = tuple((b["substance"], b.get("reaction") or wording.UNKNOWN, b["severity"]) for b in active)
    if rows and none_known:
        remark = "Somebody also recorded that none are known. The records disagree: go by this list."
    elif none_known:
        known = day_of(parse(none_known[0].occurred_at))
        remark = f"No known allergies, as recorded on {day(known.isoformat())}."
    elif rows:
        remark = ""
    else:
        remark = "No active allergy is recorded, nor that none are known." if past else NOT_RECORDED
    remark += f" No longer: {past}." if past else ""
    return Section("Allergies", ("To", "Reaction", "How bad"), rows, remark.strip(), urgent=True)


def _medicines(records: Records, on: date) -> Section:
    """Return the medicines, those to be given now first. Whose days say otherwise is marked, not left out."""
    marked = [(wording.not_now(one.body, on), one.body) for one in records if one.body["status"] != "stopped"]
    marked.sort(key=lambda one: (one[0] != "", one[1]["name"].casefold()))
    rows = tuple(
        (
            f"{mark}: {body['name']}" if mark else body["name"],
            body["dose"],
            body["route"],
            wording.how_often(body, on),
            body.get("instructions") or "",
        )
        for mark, body in marked
    )
    remark = "Doses already given today are not in here: ask, before you give one." if rows else NOT_RECORDED
    if records and not rows:
        remark = f"No current medicine is recorded; {len(records)} stopped."
    columns = ("Medicine", "Dose", "Route", "How often", "Instructions")
    return Section("Current medicines", columns, rows, remark)


def _diet(records: Records, _on: date) -> Section:
    several = len(records) > 1
    rows = tuple(
        (
            one.body["requirements"],
            wording.food(one.body.get("iddsi_food")),
            wording.fluid(one.body.get("iddsi_fluid")),
            *([instant(parse(one.occurred_at))] if several else []),
        )
        for one in records
    )
    columns = ("Diet and fluids", "Food (IDDSI)", "Drinks (IDDSI)", *(["Recorded"] if several else []))
    remark = "" if rows else NOT_RECORDED
    if several:
        remark = "More than one is recorded, the newest first: where they disagree, ask which one holds."
    return Section("Eating and drinking", columns, rows, remark, urgent=True)


def _contacts(records: Records, _on: date) -> Section:
    bodies = [one.body for one in records]
    bodies.sort(key=lambda body: (not body["next_of_kin"], not body["lasting_power_of_attorney"]))
    rows = tuple(
        (body["name"], body["relationship"], body.get("phone") or wording.UNKNOWN, wording.standing(body))
        for body in bodies
    )
    columns = ("Name", "Is", "Telephone", "Standing")
    return Section("Whom to call", columns, rows, "" if rows else NOT_RECORDED)


def _capacity(records: Records, on: date) -> Section:
    rows = [
        (
            shortened(one.body["decision"]),
            "yes" if one.body["has_capacity"] else "NO",
            wording.until(one.body.get("dols_expires_on"), on),
        )
        for one in records
    ]
    columns = ("Decision about", "Has capacity", "DoLS until")
    return _cut("Capacity and deprivation of liberty", columns, rows)


def _risks(records: Records, _on: date) -> Section:
    bodies = sorted((one.body for one in records), key=lambda body: _LEVELS.index(body["level"]))
    rows = [(shortened(body["kind"]), body["level"], shortened(body["mitigation"])) for body in bodies]
    return _cut("Risks, moving and handling", ("Risk", "Level", "What to do"), rows)


def _cut(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Section:
    left = len(rows) - MOST_ROWS
    remark = f"{left} more in the record." if left > 0 else ""
    return Section(title, columns, tuple(rows[:MOST_ROWS]), remark if rows else NOT_RECORDED)


_SECTIONS: dict[str, Callable[[Records, date], Section]] = {
    "advance_care_plan": _advance,
    "allergy": _allergies,
    "diet": _diet,
    "medication": _medicines,
    "contacts": _contacts,
    "capacity": _capacity,
    "risk_assessment": _risks,
}
CATEGORIES = tuple(_SECTIONS)
"""Which categories of records are read for a pack; no others are."""
