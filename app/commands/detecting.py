"""`caretrail detect`: what the rules of detection say of the past; with --raise as alerts, too."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

from app.access.work import Work
from app.alerts.history import RUN, RecordRun, found_since, raise_all
from app.alerts.judging import JUDGE
from app.commands.auditing import chains_of
from app.commands.calling import Caller, sign_what_moved
from app.commands.opening import open_service
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.errors import InvalidRequestError
from app.core.identifiers import SYSTEM
from app.detection.finding import Finding
from app.incidents.known import open_incidents
from app.main import Service

COMMAND = "caretrail detect"


def detect(since: str, org: str | None, *, raising: bool, as_json: bool) -> None:
    """Judge the past once more and tell what is found, oldest first.

    Works beside a running service. Run twice with `raising`, it adds nothing the second time.

    Raises:
        InvalidRequestError: `since` is no instant, or there is no such organisation.
    """
    first = instant(since)
    with open_service(begin()) as service:
        chains = [one for one in chains_of(service, org) if one != SYSTEM]
        told = [asyncio.run(_judged(service, chain, first, raising=raising)) for chain in chains]
        sign_what_moved(service)
    lines = [line for one in told for line in _lines(one, named=len(told) > 1)]
    result({"organisations": told}, "\n".join(lines), as_json=as_json)
    if raising:
        alerts, findings = sum(one["alerts"] for one in told), sum(len(one["findings"]) for one in told)
        remark(f"{alerts} alerts tell of {findings} findings")


def instant(told: str) -> datetime:
    """Return the instant somebody gave: `2026-04-01` or `2026-04-01T08:00:00Z`.

    Raises:
        InvalidRequestError: It is neither; an instant needs its time zone.
    """
    try:
        if len(told) == len("2026-04-01"):
            return datetime.combine(date.fromisoformat(told), datetime.min.time(), UTC)
        found = datetime.fromisoformat(told)
    except ValueError as error:
        raise InvalidRequestError(detail="--since takes 2026-04-01 or 2026-04-01T08:00:00Z") from error
    if found.tzinfo is None:
        raise InvalidRequestError(detail="--since needs a time zone: 2026-04-01T08:00:00Z")
    try:
        return found.astimezone(UTC)
    except OverflowError as error:  # less than a day before the first year, or after the last one
        raise InvalidRequestError(detail="--since lies outside of the calendar") from error


async def _judged(service: Service, org: str, since: datetime, *, raising: bool) -> dict[str, Any]:
    caller = Caller(service, org, COMMAND)

    async def do(work: Work) -> Any:
        return (await caller.do(JUDGE, work)).answer.payload

    found = await found_since(do, org, since, open_incidents)
    alerts = await raise_all(do, found) if raising else 0
    await caller.do(RUN, RecordRun(since, len(found), raising))
    return {"organisation": org, "findings": [_shown(one) for one in found], "alerts": alerts}


def _shown(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "subject": finding.subject,
        "user_id": finding.user_id,
        "at": finding.at,
        "chain": finding.chain,
        "entries": list(finding.entries),
        "explanation": finding.explanation,
        "figures": finding.figures,
        "homes": list(finding.homes),
        "resident_ids": list(finding.resident_ids),
    }


def _lines(judged: dict[str, Any], *, named: bool) -> list[str]:
    lines = [_line(finding) for finding in judged["findings"]] or ["nothing was found"]
    return [f"organisation {judged['organisation']}", *lines] if named else lines


def _line(finding: dict[str, Any]) -> str:
    last = finding["entries"][-1] if finding["entries"] else "-"
    return (
        f"{finding['at']}  {finding['severity']:<8}  {finding['rule']:<20}  {finding['subject']}"
        f"  {finding['explanation']} (entry {last})"
    )
