"""How a command starts: settings, private files, logs, and the service it works on."""

import os
from typing import Any

from sqlalchemy.exc import DBAPIError, OperationalError

from app.core import logs
from app.core.errors import StartRefusedError
from app.core.settings import Settings, load
from app.main import Service, assemble

PRIVATE = 0o077


def begin(**chosen: Any) -> Settings:
    """Return the settings of a command. What it writes from here on is for this user alone."""
    os.umask(PRIVATE)
    settings = load(**chosen)
    logs.configure(settings.log_level)
    return settings


def open_service(settings: Settings) -> Service:
    """Return the service on its database.

    Raises:
        StartRefusedError: It will not start like this, or the database cannot be reached.
    """
    try:
        return assemble(settings)
    except OperationalError as error:
        raise StartRefusedError(f"the database cannot be used: {first_line(error)}") from error


def first_line(error: DBAPIError) -> str:
    """Return what the database says first. Only for errors at start: they name hosts, never residents."""
    return (str(error.orig).splitlines() or ["no reason given"])[0]
