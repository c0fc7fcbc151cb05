"""Logs: one JSON object a line on standard error, and nothing in it that was not let in by name.

A log line is an event of ours - a word chosen in the code - with values from an allow-list of keys.
Messages of exceptions and of libraries may repeat input, so they are never written: an error is its
type and its frames. What happened to whom stands in the trail, not here.

Source: LOG-1 (ASVS 5.0 16.2.5, no sensitive data in logs).
"""

import logging
import re
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import orjson

from app.core.clock import spell

KEYS = frozenset(
    {
        "act",
        "cause",
        "chain",
        "count",
        "finding",
        "findings",
        "home",
        "host",
        "job",
        "kind",
        "lines",
        "method",
        "ms",
        "org",
        "outcome",
        "pid",
        "port",
        "revision",
        "rid",
        "round",
        "route",
        "row",
        "rows",
        "seq",
        "size",
        "slug",
        "status",
        "visits",
        "where",
        "why",
        "workers",
    }
)
"""What a line may carry beside its event: ids, words of this code and numbers."""
LONGEST_VALUE = 200
_EVENT = re.compile(r"[a-z][a-z0-9-]{0,63}")
_OWN = ("app.", "caretrail.")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

logger = logging.getLogger("caretrail")


class JsonLines(logging.Formatter):
    """One JSON object for each record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        at = spell(datetime.fromtimestamp(record.created, UTC))
        line: dict[str, Any] = {"at": at, "level": record.levelname.lower(), "event": _event(record)}
        if line["event"] == "library":
            line |= {"logger": record.name, "where": _where(record.pathname, record.lineno, record.funcName)}
        given = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        line |= {key: _plain(value) for key, value in given.items() if key in KEYS}
        if dropped := sorted(given.keys() - KEYS):
            line["dropped"] = dropped
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line |= described(error)
        return orjson.dumps(line).decode()


def _event(record: logging.LogRecord) -> str:
    """Return our own event word; a library's message is not ours to vouch for."""
    ours = _is_own(record) and not record.args and _EVENT.fullmatch(str(record.msg))
    return record.msg if ours else "library"


def _is_own(record: logging.LogRecord) -> bool:
    return f"{record.name}.".startswith(_OWN)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Say whether a record is ours, or graver than the chatter of a library that loses its text anyway."""
    return _is_own(record) or record.levelno >= logging.WARNING


def _plain(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:LONGEST_VALUE].encode("utf-8", "replace").decode()


def described(error: BaseException) -> dict[str, Any]:
    """Return what may be said of an error: its type, its causes' types and where it came from."""
    said: dict[str, Any] = {"error": _name(error), "frames": list(_frames(error.__traceback__))}
    causes = [_name(cause) for cause in _causes(error)]
    if causes:
        said["causes"] = causes
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    if state:
        said["sqlstate"] = str(state)[:5]
    return said


def _name(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen = {id(error)}
    while (found := error.__cause__ or error.__context__) is not None and id(found) not in seen:
        seen.add(id(found))
        error = found
        yield error


def _frames(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield _where(code.co_filename, trace.tb_lineno, code.co_name)
        trace = trace.tb_next


def _where(path: str, line: int, function: str | None) -> str:
    return f"{'/'.join(Path(path).parts[-3:])}:{line}:{function}"


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logs, also those of libraries and of dying threads, through this module alone."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(_worth_a_line)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.raiseExceptions = False  # a line that cannot be written is dropped, not printed with its values
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda died: _uncaught(died.exc_type, died.exc_value, died.exc_traceback)
    sys.unraisablehook = lambda lost: _uncaught(lost.exc_type, lost.exc_value, lost.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, KeyboardInterrupt):
        logger.critical("uncaught", exc_info=(kind, error, trace))
