"""How alerts are shown: in a list, one with all that belongs to it, and as events of a stream."""

from typing import Any, Final

import orjson
from sqlalchemy import select

from app.access.opened import Opened
from app.alerts import rows
from app.alerts.raising import FOUND_AGAIN
from app.alerts.rows import AlertRow, StepRow
from app.alerts.same import plain_subject
from app.alerts.seeing import Viewer
from app.alerts.table import alert_step
from app.audit import choosing
from app.core.identifiers import is_id
from app.detection.catalogue import RULES
from app.residents.table import resident

MOST_STEPS: Final = 500
"""Of an alert so many steps are shown, the newest; its count tells how often it was found again."""
JsonObject = dict[str, Any]


def title_of(rule: str) -> str:
    """Return what a rule looks for; of one that is no longer in the catalogue, its name."""
    known = RULES.get(rule)
    return known.title if known is not None else rule


def _subject(row: AlertRow) -> str:
    """Return what an alert is about; of a resident only that it is one: who, the alert itself tells."""
    subject = plain_subject(row.subject)
    kind = subject.partition(":")[0]
    return kind if kind == "resident" else subject


def show_brief(row: AlertRow) -> JsonObject:
    """Return an alert as a list shows it: ids, words and numbers, and of no resident."""
    return {
        "id": row.id,
        "rule": row.rule,
        "title": title_of(row.rule),
        "severity": row.severity,
        "state": row.status,
        "user_id": row.user_id,
        "subject": _subject(row),
        "home_ids": row.home_ids,
        "owner_id": row.owner_id,
        "count": row.findings,
        "raised_at": row.raised_at,
        "first_at": row.first_at,
        "last_at": row.last_at,
        "earlier_alert_id": row.earlier_id,
        "incident_id": row.incident_id,
        "version": row.version,
    }


def show_whole(opened: Opened, row: AlertRow) -> JsonObject:
    """Return an alert with its explanation, its evidence, and what was done about it."""
    place = rows.story_place(row.org, row.id, row.findings)
    story: Any = opened.organisation_key().unseal_json(row.story, place)
    residents = _residents(opened, row)
    opened.discloses(*residents, count=1)
    steps = steps_of(opened, row)
    return show_brief(row) | {
        "explanation": story["explanation"],
        "figures": story["figures"],
        "resident_ids": residents,
        "evidence": _evidence(opened, row),
        "history": [show_step(step) for step in steps],
        "comments": _comments(opened, steps),
    }


def _residents(opened: Opened, row: AlertRow) -> list[str]:
    """Return the residents it concerns; to somebody of one home those who live there."""
    homes = Viewer(opened).homes
    if homes is None:
        return row.resident_ids
    c = resident.c
    there = select(c.id).where(c.org == opened.org, c.id.in_(row.resident_ids), c.home_id.in_(homes))
    seen = set(opened.execute(there).scalars())
    return [one for one in row.resident_ids if one in seen]


def steps_of(opened: Opened, row: AlertRow) -> list[StepRow]:
    """Return what happened to an alert, the first first; that it was found again is only counted."""
    c = alert_step.c
    query = (
        select(*(c[name] for name in StepRow._fields))
        .where(c.org == opened.org, c.alert_id == row.id, c.what != FOUND_AGAIN)
        .order_by(c.id.desc())
        .limit(MOST_STEPS)
    )
    return rows.vouched(opened, StepRow, opened.execute(query).all())[::-1]


def show_step(step: StepRow) -> JsonObject:
    """Return what happened to an alert: who, when, what."""
    return {
        "at": step.at,
        "by": step.by,
        "what": step.what,
        "was": step.was,
        "state": step.status,
        "owner_id": step.owner_id,
        "severity": step.severity,
        "count": step.findings,
    }


def _comments(opened: Opened, steps: list[StepRow]) -> list[JsonObject]:
    key = opened.organisation_key()
    return [
        {
            "at": step.at,
            "by": step.by,
            "text": key.unseal(step.comment, rows.box_place(step.org, step.id, "comment")).decode(),
        }
        for step in steps
        if step.comment is not None
    ]


def _evidence(opened: Opened, row: AlertRow) -> list[JsonObject]:
    """Return the entries it rests on, by their places; of those still stored, what was done.

    By whom and to whom is told of entries of the organisation's own chain - the system's is everybody's - and
    to somebody of some homes of entries of these homes. What is told of residents is disclosed.
    """
    places, homes = row.places, Viewer(opened).homes
    told: dict[tuple[str, int], JsonObject] = {}
    for chain in sorted({chain for chain, _ in places}):
        seqs = sorted(seq for where, seq in places if where == chain)
        for line in choosing.lines(opened.connection(), chain, seqs):
            read = orjson.loads(line)
            event = read["e"]
            named = chain == opened.org and (
                homes is None or not set(homes).isdisjoint(event.get("homes", ()))
            )
            told[chain, read["c"]["seq"]] = _told(read, named=named)
            if named:
                _disclose(opened, event)
    return [{"chain": chain, "seq": seq} | told.get((chain, seq), {}) for chain, seq in places]


def _disclose(opened: Opened, event: JsonObject) -> None:
    """Note whose data an entry tells of: the residents behind the thing it names."""
    thing = event.get("obj", {})
    if is_id(thing.get("id") or ""):
        resident_itself = [thing["id"]] if thing["t"] == "resident" else []
        opened.discloses(*resident_itself, *event.get("subs", ()))


def _told(line: JsonObject, *, named: bool) -> JsonObject:
    """Return what a line says, and if it may be, of whom and what."""
    event = line["e"]
    shown = {"recorded_at": line["c"]["ts"], "act": event["act"], "outcome": event["out"]}
    if named:
        thing = event.get("obj", {})
        shown |= {"agent_id": event["actor"]["id"], "entity": {"type": thing.get("t"), "id": thing.get("id")}}
    return shown


def show_event(row: AlertRow, step: StepRow) -> JsonObject:
    """Return what a stream tells: an alert as a list shows it, as it was after one thing that happened."""
    then = {
        "severity": step.severity,
        "state": step.status,
        "owner_id": step.owner_id,
        "count": step.findings,
        "version": step.alert_version,
    }
    return show_brief(row) | then | {"what": step.what, "was": step.was, "at": step.at, "by": step.by}
