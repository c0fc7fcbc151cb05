"""How a command starts: settings, private files, logs. Light: a health check runs it every few seconds."""

import os
from typing import Any

from app.core import logs
from app.core.settings import Settings, load, variable_of

PRIVATE = 0o077


def begin(**chosen: Any) -> Settings:
    """Return the settings of a command. What it writes from here on is for this user alone."""
    os.umask(PRIVATE)
    settings = load(**chosen)
    logs.configure(settings.log_level)
    return settings


def hand_down(**chosen: Any) -> None:
    """Put options of the command line into the environment, where worker processes find them too."""
    for name, value in chosen.items():
        if value is not None:
            os.environ.pop(f"{variable_of(name)}_FILE", None)
            os.environ[variable_of(name)] = str(value)
