"""From a finding to an alert: a new one, or one more finding of an open one.

An alert is open while nobody explained it and no incident was opened from it. Once it is closed the next
finding about the same makes a new alert that names it. What was told already - a judgement of the same
entries again - changes nothing (`same`).
"""

from typing import Any, Final

import orjson

from app.access.agent import Agent, system_agent
from app.access.drafting import further_entry
from app.access.opened import FieldChange, Note, Opened
from app.alerts import rows
from app.alerts.concern import MOST, concerned_by, homes_of
from app.alerts.rows import NEW, OPEN, AlertRow, StepRow
from app.alerts.same import Same, about_the_same, digest_of, told_in
from app.core.clock import spell
from app.core.identifiers import new_id
from app.detection.finding import Finding
from app.webhooks.outbox import announce

ACT = "alert.raise"
RAISED, FOUND_AGAIN = "raised", "found_again"
SEVERITIES: Final = ("low", "medium", "high", "critical")
MOST_PLACES: Final = 200
"""How many entries an alert names as evidence: those told last."""


def raise_alert(opened: Opened, finding: Finding) -> str:
    """Have an alert written for a finding, or the open one about the same take it in. Return its id.

    Inside the `perform` of a work with `own_sql`: what is written here must go when the work fails.

    Raises:
        RuntimeError: The work has no savepoint of its own.
    """
    if not opened.visit.work.own_sql:
        raise RuntimeError("a work that raises alerts runs in a savepoint: own_sql = True")
    same = about_the_same(opened, finding)
    told = told_in(opened, finding, same)
    if told is not None and (told.status not in OPEN or not _graver(finding, told)):
        return told.id
    if same.standing is not None:
        return _fold(opened, same.standing, finding)
    return _begin(opened, finding, same)


def _graver(finding: Finding, row: AlertRow) -> bool:
    return SEVERITIES.index(finding.severity) > SEVERITIES.index(row.severity)


def _begin(opened: Opened, finding: Finding, same: Same) -> str:
    alert_id = new_id()
    row = AlertRow(
        id=alert_id,
        org=opened.org,
        rule=finding.rule,
        subject=same.subject,
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
        homes=_json(homes_of(opened, finding)),
        residents=_json(finding.resident_ids),
        story=_story(opened, alert_id, 1, finding),
        earlier_id=same.alerts[0].id if same.alerts else None,
        incident_id=None,
        version=1,
        state=b"",
    )
    row = rows.bound(opened, row)
    opened.execute(*rows.insertion(row))
    changes = [FieldChange(name, None, getattr(row, name)) for name in ("rule", "severity", "status")]
    _enter(opened, row, step_of(opened, row, row.status, RAISED, finding=digest_of(finding)), changes)
    announce(opened, "alert.raised", told_outside(opened, row))
    return row.id


def _fold(opened: Opened, was: AlertRow, finding: Finding) -> str:
    people = _merged(was.concerned_ids, concerned_by(opened, finding))[:MOST]
    places = _merged(was.places, [[finding.chain, seq] for seq in finding.entries])
    changed: dict[str, Any] = {
        "concerned": _json(people),
        "severity": finding.severity if _graver(finding, was) else was.severity,
        "owner_id": None if was.owner_id in people else was.owner_id,
        "findings": was.findings + 1,
        "first_at": min(was.first_at, finding.at),
        "last_at": max(was.last_at, finding.at),
        "entries": _json(places[-MOST_PLACES:]),
        "homes": _json(_homes_of_both(was.home_ids, homes_of(opened, finding))),
        "residents": _json(_merged(was.resident_ids, finding.resident_ids)[:MOST_PLACES]),
    }
    story = _story(opened, was.id, was.findings + 1, finding)
    row = rows.bound(opened, was._replace(**changed, story=story, version=was.version + 1))
    if opened.execute(*rows.succession(was, row)).rowcount != 1:
        raise RuntimeError("a locked alert changed")
    fields = ("severity", "owner_id", "findings", "last_at")
    changes = [FieldChange(name, getattr(was, name), changed[name]) for name in fields]
    changes = [change for change in changes if change.before != change.after]
    _enter(opened, row, step_of(opened, row, was.status, FOUND_AGAIN, finding=digest_of(finding)), changes)
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
    """Return an entry besides the request's own that tells of an alert and of what happened to it.

    As every entry of an alert it names no home (`drafting`).
    """
    was = opened.note
    opened.note = Note(
        object=("alert", row.id),
        version=row.version,
        state=row.state,
        changes=changes,
        owner=(opened.org, opened.organisation_key()),
        actor=actor,
        members={"rows": [rows.member(step)]},
        then=lambda seq: rows.stands_at(step, seq),
    )
    try:
        return further_entry(opened, act)
    finally:
        opened.note = was


def step_of(
    opened: Opened,
    row: AlertRow,
    was: str,
    what: str,
    *,
    comment: str | None = None,
    by: str | None = None,
    finding: bytes | None = None,
) -> StepRow:
    """Return what happened to an alert, to be written beside it; of a finding with its digest."""
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
        finding=finding,
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


def _homes_of_both(some: list[str], others: list[str]) -> list[str]:
    """Return the homes of an alert and of another finding; an alert of the whole organisation stays that."""
    return _merged(some, others) if some else []


def _merged(some: Any, others: Any) -> list[Any]:
    return [*some, *(one for one in others if one not in some)]


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
