"""From a finding to an alert: a new one, or one more finding of an open one.

An alert is open while nobody explained it and no incident was opened from it. Once it is closed the next
finding about the same makes a new alert that names it. What was told already - a judgement of the same
entries again - changes nothing.
"""

from typing import Any, Final

import orjson
from sqlalchemy import select

from app.access.agent import Agent, system_agent
from app.access.drafting import further_entry
from app.access.opened import FieldChange, Note, Opened
from app.alerts import rows
from app.alerts.concern import concerned_by
from app.alerts.rows import NEW, OPEN, AlertRow, StepRow
from app.alerts.table import alert
from app.core.clock import spell
from app.core.identifiers import new_id
from app.detection.finding import Finding
from app.webhooks.outbox import announce

ACT = "alert.raise"
RAISED, FOUND_AGAIN = "raised", "found_again"
SEVERITIES: Final = ("low", "medium", "high", "critical")
MOST_PLACES: Final = 200
"""How many entries an alert names as evidence: the newest."""
MOST_LOOKED_AT: Final = 20
"""How many alerts about the same are asked whether they tell of these entries already."""


def raise_alert(opened: Opened, finding: Finding) -> str:
    """Have an alert written for a finding, or the open one about the same take it in. Return its id.

    Inside the `perform` of a work with `own_sql`: what is written here must go when the work fails.

    Raises:
        RuntimeError: The work has no savepoint of its own.
        SealBrokenError: An alert about the same was changed behind the service's back.
    """
    if not opened.visit.work.own_sql:
        raise RuntimeError("a work that raises alerts runs in a savepoint: own_sql = True")
    same = _about_the_same(opened, finding)
    standing = next((one for one in same if one.status in OPEN), None)
    told = next((one for one in same if _tells(one, finding)), None)
    if told is not None and (told is not standing or not _graver(finding, told)):
        return told.id
    if standing is not None:
        return _fold(opened, standing, finding)
    return _begin(opened, finding, same[0].id if same else None)


def _about_the_same(opened: Opened, finding: Finding) -> list[AlertRow]:
    """Return the alerts of a rule about a subject: an open one, then the newest first."""
    c = alert.c
    query = (
        select(*(c[name] for name in AlertRow._fields))
        .where(c.org == opened.org, c.rule == finding.rule, c.subject == finding.subject)
        .order_by(c.status.in_(OPEN).desc(), c.id.desc())
        .limit(MOST_LOOKED_AT)
        .with_for_update()
    )
    return rows.vouched(opened, AlertRow, opened.execute(query).all())


def _tells(row: AlertRow, finding: Finding) -> bool:
    places = {(chain, seq) for chain, seq in row.places}
    return bool(finding.entries) and places.issuperset((finding.chain, seq) for seq in finding.entries)


def _graver(finding: Finding, row: AlertRow) -> bool:
    return SEVERITIES.index(finding.severity) > SEVERITIES.index(row.severity)


def _begin(opened: Opened, finding: Finding, earlier: str | None) -> str:
    alert_id = new_id()
    row = AlertRow(
        id=alert_id,
        org=opened.org,
        rule=finding.rule,
        subject=finding.subject,
        user_id=finding.user_id,
        concerned=_json(concerned_by(opened, finding)),
        severity=finding.severity,
        status=NEW,
        owner_id=None,
        findings=1,
        raised_at=spell(opened.at),
        first_at=finding.at,
        last_at=finding.at,
        entries=_json([[finding.chain, seq] for seq in finding.entries]),
        homes=_json(finding.homes),
        residents=_json(finding.resident_ids),
        story=_story(opened, alert_id, 1, finding),
        earlier_id=earlier,
        incident_id=None,
        version=1,
        state=b"",
    )
    row = rows.bound(opened, row)
    opened.execute(*rows.insertion(row))
    changes = [FieldChange(name, None, getattr(row, name)) for name in ("rule", "severity", "status")]
    _enter(opened, row, step_of(opened, row, row.status, RAISED), changes)
    announce(opened, "alert.raised", told_outside(opened, row))
    return row.id


def _fold(opened: Opened, was: AlertRow, finding: Finding) -> str:
    people = _merged(was.concerned_ids, concerned_by(opened, finding))
    places = _merged(was.places, [[finding.chain, seq] for seq in finding.entries])
    places.sort(key=lambda place: (place[1], place[0]))
    changed: dict[str, Any] = {
        "concerned": _json(people),
        "severity": finding.severity if _graver(finding, was) else was.severity,
        "owner_id": None if was.owner_id in people else was.owner_id,
        "findings": was.findings + 1,
        "first_at": min(was.first_at, finding.at),
        "last_at": max(was.last_at, finding.at),
        "entries": _json(places[-MOST_PLACES:]),
        "homes": _json(_merged(was.home_ids, finding.homes)),
        "residents": _json(_merged(was.resident_ids, finding.resident_ids)[:MOST_PLACES]),
    }
    story = _story(opened, was.id, was.findings + 1, finding)
    row = rows.bound(opened, was._replace(**changed, story=story, version=was.version + 1))
    if opened.execute(*rows.succession(was, row)).rowcount != 1:
        raise RuntimeError("a locked alert changed")
    fields = ("severity", "owner_id", "findings", "last_at")
    changes = [FieldChange(name, getattr(was, name), changed[name]) for name in fields]
    changes = [change for change in changes if change.before != change.after]
    _enter(opened, row, step_of(opened, row, was.status, FOUND_AGAIN), changes)
    if row.severity != was.severity:
        announce(opened, "alert.changed", told_outside(opened, row) | {"was": was.status})
    return row.id


def _enter(opened: Opened, row: AlertRow, step: StepRow, changes: list[FieldChange]) -> None:
    """Have an entry of its own tell of the alert, by whom detection is."""
    opened.execute(*rows.insertion(step))
    opened.also.append(entry_beside(opened, ACT, row, step, changes, _detection(opened.org)))


def entry_beside(
    opened: Opened, act: str, row: AlertRow, step: StepRow, changes: list[FieldChange], actor: Agent
) -> Any:
    """Return an entry besides the request's own that tells of an alert and of what happened to it."""
    was = opened.note
    opened.note = Note(
        object=("alert", row.id),
        version=row.version,
        state=row.state,
        changes=changes,
        owner=(opened.org, opened.organisation_key()),
        homes=tuple(row.home_ids),
        actor=actor,
        members={"rows": [rows.member(step)]},
        then=lambda seq: rows.stands_at(step, seq),
    )
    try:
        return further_entry(opened, act)
    finally:
        opened.note = was


def step_of(
    opened: Opened, row: AlertRow, was: str, what: str, comment: str | None = None, by: str | None = None
) -> StepRow:
    """Return what happened to an alert, to be written beside it."""
    step_id = new_id()
    key = opened.organisation_key()
    box = key.seal(comment.encode(), rows.box_place(opened.org, step_id, "comment")) if comment else None
    step = StepRow(
        id=step_id,
        org=opened.org,
        alert_id=row.id,
        what=what,
        at=spell(opened.at),
        by=by or _detection(opened.org).id,
        alert_version=row.version,
        severity=row.severity,
        was=was,
        status=row.status,
        owner_id=row.owner_id,
        findings=row.findings,
        comment=box,
        version=1,
        state=b"",
    )
    return rows.bound(opened, step)


def told_outside(opened: Opened, row: AlertRow) -> dict[str, Any]:
    """Return what other systems are told of an alert: ids, words, numbers and where to ask."""
    homes = row.home_ids
    return {
        "alert_id": row.id,
        "rule": row.rule,
        "severity": row.severity,
        "status": row.status,
        "home_id": homes[0] if len(homes) == 1 else None,
        "count": row.findings,
        "at": spell(opened.at),
        "link": f"/v1/alerts/{row.id}",
    }


def _detection(org: str) -> Agent:
    return system_agent(org, "detection")


def _story(opened: Opened, alert_id: str, findings: int, finding: Finding) -> bytes:
    told = {"explanation": finding.explanation, "figures": finding.figures}
    return opened.organisation_key().seal_json(told, rows.story_place(opened.org, alert_id, findings))


def _merged(some: Any, others: Any) -> list[Any]:
    return [*some, *(one for one in others if one not in some)]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
