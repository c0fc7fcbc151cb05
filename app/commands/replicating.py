"""`caretrail replication ...`: where the servers stand, and going on without a standby until it is back.

While no standby answers, PostgreSQL lets no commit end, and nobody is served. Whether one server may go on
alone is a decision, not a time-out: from then on what only that server has is lost with it, and the standby
that was away must not be promoted. So an operator takes it, and it stands in the trail.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy.exc import OperationalError

from app.commands.calling import present, sign_what_moved
from app.commands.opening import engine_at, first_line
from app.commands.reasons import check_reason
from app.commands.starting import begin
from app.commands.telling import remark, result
from app.core.clock import monotonic
from app.core.errors import AuditUnavailableError, ConflictError, InvalidRequestError, StartRefusedError
from app.core.identifiers import SYSTEM
from app.core.settings import Settings
from app.main import Service, assemble
from app.storage import standbys
from app.storage.servers import ServerState, line_at, survey
from app.storage.standbys import Line, line_to
from app.trail.replication_changes import DEGRADE, RESTORE, ReadReplication, RecordReplication

ATTACHED_WITHIN_S = 5.0
_TRIES = 10
_COMMAND = "caretrail replication"
_BRING_BACK = "Bring one back, or see Standby away in the operations guide"
NO_PRIMARY = "NO SERVER TAKES WRITES: see The primary is lost in the operations guide"


def status(*, as_json: bool) -> int:
    """Tell where each server stands, whom commits wait for, and how many wait. Changes nothing.

    Returns:
        0; 1 where no server takes writes, or none that could be asked further.
    """
    settings = _on_postgresql()
    servers = survey(_owner(settings))
    why = NO_PRIMARY
    if any(one.role == "primary" for one in servers):
        try:
            with _line(settings) as line:
                told = _told(servers, line)
        except StartRefusedError as refused:  # it went away just now, or is an old one
            why = str(refused)
        else:
            result(told, _in_words(told), as_json=as_json)
            return 0
    told = {"servers": [_server(one) for one in servers], "wait_for": None, "standbys": []}
    told |= {"waiting": None, "degraded": None}
    lines = [_server_line(one) for one in told["servers"]]
    result(told, "\n".join([*lines, why]), as_json=as_json)
    return 1


def _in_words(told: dict[str, Any]) -> str:
    lines = [_server_line(one) for one in told["servers"]]
    lines += [
        f"standby {one['name']:<24} {one['state']} {one['part']}, {one['behind']} bytes behind"
        for one in told["standbys"]
    ]
    if told["degraded"]:
        lines.append("DEGRADED: what only this server has is lost with it")
    elif told["waiting"]:  # a standby may be silent, and count as attached and streaming for a minute
        lines.append(f"NOTHING COMMITS: {told['waiting']} wait for a standby. {_BRING_BACK}")
    elif told["wait_for"] and not any(one["state"] == "streaming" for one in told["standbys"]):
        lines.append(f"NO STANDBY STREAMS: nothing commits. {_BRING_BACK}")
    else:
        lines.append("not degraded")
    return "\n".join(lines)


def degrade(reason: str, *, as_json: bool) -> None:
    """Go on with one server: enter it, then let commits wait for nobody.

    Raises:
        InvalidRequestError: There is no reason.
        ConflictError: Commits wait for nobody already, or another server takes writes, too.
        StartRefusedError: The log-in may not.
    """
    check_reason(reason)
    settings = _on_postgresql()
    _refuse_two(survey(_owner(settings)))
    with _line(settings) as line, _service(settings) as service:
        standbys.refuse_powerless(line)
        was = standbys.awaited(line)
        if not was and _before(service, "degrade") is not None:
            raise ConflictError("Commits wait for nobody already, and the trail says so.", why="degraded")
        _enter_here(service, was, reason)
        standbys.wait_for(line, "")
        sign_what_moved(service)
    result({"was": was, "wait_for": ""}, f"commits wait for nobody now; before: {was}", as_json=as_json)
    remark(
        "From here on what only this server has is lost with it. Do NOT promote a standby that was away.\n"
        f"Bring one back soon, then: {_COMMAND} restore"
    )


def restore(names: str | None, *, as_json: bool) -> None:
    """Let commits wait for standbys again, then enter it: the entry is the first to wait.

    Raises:
        ConflictError: No standby streams, or none of these, or nobody knows whom to wait for.
        StartRefusedError: The log-in may not.
    """
    settings = _on_postgresql()
    with _line(settings) as line, _service(settings) as service:
        standbys.refuse_powerless(line)
        before = _before(service, "restore")
        present_names = standbys.awaited(line)
        wanted = names or present_names or before
        if not wanted:
            raise ConflictError("Say whom to wait for: --standbys NAMES.", why="standbys-unknown")
        if present_names == wanted and before is None:
            raise ConflictError(f"Commits wait for {wanted} already.", why="replication-restored")
        _wait_again(line, wanted, present_names)
        _tell_others(_owner(settings), wanted)
        work = RecordReplication("" if before is not None else present_names, wanted)
        present(service, SYSTEM, RESTORE, work, f"{_COMMAND} restore")
        sign_what_moved(service)
    result({"wait_for": wanted}, f"commits wait for {wanted} again", as_json=as_json)


def _server_line(told: dict[str, Any]) -> str:
    """Return a server in words; a standby says what would become of commits if it were promoted."""
    match told["role"]:
        case "primary":
            more = f", timeline {told['timeline']}; commits wait for {told['wait_for'] or 'nobody'}"
        case "standby":
            more = f"; promoted, its commits would wait for {told['wait_for'] or 'nobody'}"
        case _:
            more = ""
    return f"{told['server']}: {told['role']}{more}"


# --- how ----------------------------------------------------------------------------------------------


def _enter_here(service: Service, was: str, reason: str) -> None:
    """Enter the decision on this server alone. Commits that wait hold the chain: they are ended before."""
    for left in reversed(range(_TRIES)):
        with line_to(service.engine) as own:  # the service's own log-in may end what is its own
            standbys.end_waiting(own)
        try:
            present(
                service, SYSTEM, DEGRADE, RecordReplication(was, ""), f"{reason.strip()} ({_COMMAND} degrade)"
            )
        except AuditUnavailableError:
            if not left:
                raise
        else:
            return


def _before(service: Service, command: str) -> str | None:
    names: str | None = present(service, SYSTEM, RESTORE, ReadReplication(), f"{_COMMAND} {command}")
    return names


def _tell_others(url: str, names: str) -> None:
    """Say it to the standbys, too: the setting is each server's own, and one of them may be promoted."""
    for server in survey(url):
        if server.role == "standby" and server.names != names:
            with line_at(url, server.address) as line:
                standbys.wait_for(line, names)


def _wait_again(line: Line, names: str, otherwise: str) -> None:
    """Let commits wait, if somebody is there to wait for; if it shows that nobody is, as before."""
    if not any(one.state == "streaming" for one in standbys.standbys(line)):
        raise ConflictError(
            "No standby streams from this server, as far as this log-in may see (pg_read_all_stats): every"
            " commit would wait. Bring one back first.",
            why="no-standby",
        )
    standbys.wait_for(line, names)
    until = monotonic() + ATTACHED_WITHIN_S
    while not any(one.is_waited_for for one in standbys.standbys(line)):
        if monotonic() > until:
            standbys.wait_for(line, otherwise)
            raise ConflictError(f"No standby that streams is one of {names}.", why="no-standby")
        time.sleep(0.05)


def _told(servers: list[ServerState], line: Line) -> dict[str, Any]:
    names = standbys.awaited(line)
    return {
        "servers": [_server(one) for one in servers],
        "wait_for": names,
        "standbys": [one._asdict() for one in standbys.standbys(line)],
        "waiting": standbys.waiting(line),
        "degraded": not names and len(servers) > 1,
    }


def _server(state: ServerState) -> dict[str, Any]:
    told = {"server": str(state.address), "role": state.role, "timeline": state.timeline}
    return told | {"wait_for": state.names if state.role != "unreachable" else None}


def _refuse_two(servers: list[ServerState]) -> None:
    primaries = [str(one.address) for one in servers if one.role == "primary"]
    if len(primaries) > 1:
        raise ConflictError(
            f"Two servers take writes: {', '.join(primaries)}. Stop the old primary first.",
            why="two-primaries",
        )


def _on_postgresql() -> Settings:
    settings = begin()
    if _owner(settings).startswith("sqlite"):
        raise InvalidRequestError(detail="SQLite is one file on one machine: it has no standby")
    return settings


def _owner(settings: Settings) -> str:
    return settings.owner_database_url.get_secret_value()


@contextmanager
def _line(settings: Settings) -> Iterator[Line]:
    try:
        with engine_at(_owner(settings)) as engine, line_to(engine) as line:
            yield line
    except OperationalError as error:
        raise StartRefusedError(f"the database cannot be used: {first_line(error)}") from error
    except psycopg.OperationalError as error:  # a bare connection's own
        raise StartRefusedError(f"the database cannot be used: {str(error).strip()}") from error


@contextmanager
def _service(settings: Settings) -> Iterator[Service]:
    """Yield the service as it is. What a start enters would wait for the standby that is away."""
    service = assemble(settings)
    try:
        yield service
    finally:
        service.turn.close()
        service.engine.dispose()
