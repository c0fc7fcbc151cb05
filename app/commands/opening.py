"""The service a command works on, or a sentence that says why there is none."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError

from app.core.errors import StartRefusedError
from app.core.settings import Settings
from app.main import Service, assemble


@contextmanager
def open_service(settings: Settings, *, recovering: bool = False) -> Iterator[Service]:
    """Let a command work on the service on its database, and let go of the database afterwards.

    Args:
        settings: What the operator chose.
        recovering: Whether guard and database may disagree.

    Raises:
        StartRefusedError: It will not start like this, or the database cannot be reached.
    """
    service = assembled(settings, recovering=recovering)
    try:
        yield service
    finally:
        service.turn.close()
        service.engine.dispose()


def assembled(settings: Settings, *, recovering: bool = False) -> Service:
    """Return the service, for a process that serves.

    Raises:
        StartRefusedError: It will not start like this, or the database cannot be reached.
    """
    try:
        return assemble(settings, recovering=recovering)
    except OperationalError as error:
        raise StartRefusedError(f"the database cannot be used: {first_line(error)}") from error


def first_line(error: DBAPIError) -> str:
    """Return what the database says first. Only for errors at start: they name hosts, never residents."""
    return (str(error.orig).splitlines() or ["no reason given"])[0]
