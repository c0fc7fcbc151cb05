"""What a job does for many: one of them that fails does not keep the others from theirs."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from app.access.visit import Visit, Visited, VisitRefusedError
from app.jobs.scheduler import JobFailedError, Running

Waiting = Callable[[Visit], Visited]
"""Takes a visit through the door and waits; called in the job's thread."""
One = TypeVar("One")
Done = TypeVar("Done")


def asked(visit: Waiting, one: Visit) -> Any:
    """Return what a visit answers without which the job cannot begin.

    Raises:
        JobFailedError: It was refused, or failed.
    """
    try:
        return visit(one).answer.payload
    except VisitRefusedError as refused:
        raise JobFailedError(refused.error.why) from refused


def one_by_one(
    running: Running,
    many: Iterable[One],
    do: Callable[[One], Done],
    named: Callable[[One], Mapping[str, str]],
) -> tuple[list[Done], list[dict[str, str]]]:
    """Do something for each, and return what came of it and which failed.

    Args:
        running: Asked before each whether the job may go on.
        many: For whom.
        do: Does it; may be refused.
        named: Names one that failed, in the record of the run.

    Raises:
        StoppedError: The process stops, or the run was taken away.
    """
    done, failed = list[Done](), list[dict[str, str]]()
    for one in many:
        running.go_on()
        try:
            done.append(do(one))
        except VisitRefusedError as refused:
            failed.append({**named(one), "why": refused.error.why})
    return done, failed
