"""`caretrail residents schedule|due|review|agree|access-request`: how long records stay, and deadlines."""

from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import Table, select

from app.access.operation import Operation
from app.access.work import Work
from app.commands.auditing import chains_of, say_which
from app.commands.calling import operating_user, present, sign_what_moved
from app.commands.opening import open_service
from app.commands.reasons import check_reason
from app.commands.retaining import organisation_of
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.errors import InvalidRequestError, NotFoundError
from app.core.identifiers import SYSTEM
from app.main import Service
from app.residents import access_requests, reviewing
from app.residents.retention_schedule import READ_SCHEDULE, SET_RULE, ReadSchedule, SetRule
from app.residents.reviewing import Decision
from app.residents.table import access_request, retention_review
from app.storage.guard import carrying

COMMAND = "caretrail residents"
LONGEST_SOURCE = 200
_Where = Callable[[Service], str]


def show_schedule(org: str | None, *, as_json: bool) -> None:
    """Tell how long an organisation keeps what."""
    told = _done(_the_one(org), READ_SCHEDULE, ReadSchedule(), "schedule")
    lines = [
        f"{one['what']}  {one['years']} years after the end of care  ({one['source']})"
        for one in told["in_force"]
    ]
    result(told, "\n".join(lines), as_json=as_json)


def set_rule(org: str | None, what: str, years: int, source: str, *, as_json: bool) -> None:
    """Set how long an organisation keeps something.

    Raises:
        InvalidRequestError: It is no kind of record, below the floor, or nobody says so.
    """
    if not source.strip() or len(source) > LONGEST_SOURCE:
        raise InvalidRequestError(
            detail=f"say with --source who says so, in at most {LONGEST_SOURCE} letters"
        )
    work = SetRule(what, years, source.strip())
    told = _done(_the_one(org), SET_RULE, work, "schedule")
    result(told, f"{what}: {years} years after the end of care, edition {told['edition']}", as_json=as_json)


def list_due(org: str | None, *, as_json: bool) -> None:
    """Tell whose records need not be kept any longer by date, and what waits for a colleague to agree."""
    told = _done(_the_one(org), reviewing.DUE, reviewing.ListDue(), "due")
    lines = [
        f"{one['resident_id']}  care ended {one['ended_on']}, kept to {one['kept_until']}  {_proposed(one)}"
        for one in told["due"]
    ] or ["no record is due for review"]
    lines += [_waiting(one) for one in told["waiting"]]
    result(told, "\n".join(lines), as_json=as_json)
    if told["more"]:
        remark(f"and {told['more']} more: review these first")


def _proposed(one: dict[str, Any]) -> str:
    review = one["review"]
    return f"{review['decision']} {review['status']}" if review is not None else "not reviewed"


def _waiting(one: dict[str, Any]) -> str:
    until = f" until {one['until']}" if one["until"] else ""
    return (
        f"{one['resident_id']}  {one['decision']}{until} is proposed; a colleague has to agree:"
        f" residents agree {one['id']}"
    )


def review(resident_id: str, decision: Decision, until: str | None, reason: str, *, as_json: bool) -> None:
    """Propose what becomes of a record whose time is over.

    Raises:
        InvalidRequestError: There is no reason, or the day does not go with the decision.
        RetentionHoldError: To destroy it is proposed, and it must still be kept.
    """
    check_reason(reason)
    day = _day("--until", until) if until is not None else None
    work = reviewing.Review(resident_id, decision, day, reason.strip(), operating_user())
    told = _done(lambda service: organisation_of(service, resident_id), reviewing.REVIEW, work, "review")
    result(told, f"review {told['id']}: {decision} is proposed", as_json=as_json)
    if decision == "destroy":
        remark("Now two people who are signed in ask for the erasure and approve it: basis retention_ended.")
    else:
        remark("The record is kept. A colleague agrees to it with: caretrail residents agree " + told["id"])


def agree(review_id: str, *, as_json: bool) -> None:
    """Agree that a record is kept, as a colleague proposed.

    Raises:
        ForbiddenError: The same operating user proposed it, or it is to be destroyed.
    """
    work = reviewing.Agree(review_id, operating_user())
    told = _done(_whose(retention_review, review_id), reviewing.APPROVE, work, "agree")
    result(told, f"review {review_id}: {told['decision']} is approved", as_json=as_json)


# --- requests for access --------------------------------------------------------------------------


def open_request(resident_id: str, received: str, *, as_json: bool) -> None:
    """Note that a copy was asked for, and tell by when it is due."""
    work = access_requests.OpenRequest(resident_id, _day("--received", received))
    where = lambda service: organisation_of(service, resident_id)  # noqa: E731 - one line reads best
    told = _done(where, access_requests.OPEN, work, "access-request")
    result(told, _deadline(told), as_json=as_json)


def extend_request(request_id: str, reason: str, *, as_json: bool) -> None:
    """Take two months more for a request. Whoever asked has to be told within the first month."""
    check_reason(reason)
    work = access_requests.ExtendRequest(request_id, reason.strip())
    told = _done(_whose(access_request, request_id), access_requests.EXTEND, work, "access-request extend")
    result(told, _deadline(told), as_json=as_json)
    remark("Tell whoever asked, with the reason, before the first month is over.")


def answer_request(request_id: str, *, as_json: bool) -> None:
    """Note that the copy was handed over."""
    work = access_requests.AnswerRequest(request_id)
    told = _done(_whose(access_request, request_id), access_requests.ANSWER, work, "access-request answer")
    result(told, f"request {request_id} is answered", as_json=as_json)


def list_requests(org: str | None, *, also_answered: bool, as_json: bool) -> None:
    """Tell which requests wait, the most urgent first."""
    work = access_requests.ListRequests(also_answered)
    told = _done(_the_one(org), access_requests.LIST, work, "access-request list")
    result(told, "\n".join(map(_deadline, told)) or "no request waits", as_json=as_json)


def _deadline(told: dict[str, Any]) -> str:
    days = told["days_left"]
    left = "answered" if days is None else f"{days} days left" if days >= 0 else f"{-days} DAYS LATE"
    return f"request {told['id']}  resident {told['resident_id']}  due {told['due_on']}  {left}"


# --- what they share ------------------------------------------------------------------------------


def _done(where: _Where, asked: Operation, work: Work, name: str) -> Any:
    """Have a work done by a command, with nothing left unsigned."""
    with open_service(begin()) as service:
        told = present(service, where(service), asked, work, f"{COMMAND} {name}")
        sign_what_moved(service)
    return told


def _the_one(org: str | None) -> _Where:
    def find(service: Service) -> str:
        there = [one for one in chains_of(service, org) if one != SYSTEM]
        if len(there) != 1:
            raise InvalidRequestError(detail=say_which(there))
        return there[0]

    return find


def _whose(table: Table, row_id: str) -> _Where:
    def find(service: Service) -> str:
        with service.engine.connect() as connection, carrying(connection, "residents"):
            org = connection.execute(select(table.c.org).where(table.c.id == row_id)).scalar()
        if org is None:
            raise NotFoundError("There is none with this id.", why="not-found")
        return str(org)

    return find


def _day(option: str, told: str) -> date:
    try:
        return date.fromisoformat(told)
    except ValueError as error:
        raise InvalidRequestError(detail=f"{option} takes a day: 2026-04-01") from error
