"""Logs hold words of the code, numbers and frames, and never a value that came from outside."""

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest

from app.core import logs

SECRET = "Nuala O'Neill 999 000 0018"
logger = logging.getLogger("app.residents.register")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged while the test runs; everything global is put back afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.raiseExceptions)
    hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)
    stream = io.StringIO()
    logs.configure("info", stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, logging.raiseExceptions = before
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def _read(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_event_with_allowed_values(lines: io.StringIO) -> None:
    """A line is one JSON object: when, how grave, which event, and the values let in by name."""
    logger.info("access", extra={"method": "GET", "route": "/v1/homes", "status": 200, "ms": 1.25})

    (line,) = _read(lines)
    assert line.pop("at").endswith("Z")
    expected = {"level": "info", "event": "access", "method": "GET", "route": "/v1/homes", "status": 200}
    assert expected | {"ms": 1.25} == line


def test_value_under_another_name_is_dropped(lines: io.StringIO) -> None:
    """A value whose key is not on the list is left out; the key is named so that the mistake shows."""
    logger.warning("attempt-failed", extra={"act": "resident.read", "family_name": SECRET})

    (line,) = _read(lines)
    assert (["family_name"], "resident.read") == (line["dropped"], line["act"])
    assert SECRET not in lines.getvalue()


def test_long_and_strange_values_stay_one_line(lines: io.StringIO) -> None:
    """A value cannot break out of its line or flood the log."""
    logger.info("access", extra={"rid": "a\nb\x1b[31m\ud800" + "x" * 10_000})

    assert 1 == lines.getvalue().count("\n")
    (line,) = _read(lines)
    assert logs.LONGEST_VALUE == len(str(line["rid"]))


def test_message_made_from_input_is_not_written(lines: io.StringIO) -> None:
    """A message that is no event word, or has arguments, is reduced to where it was logged."""
    logger.error("refused for %s", SECRET)
    logger.error(f"refused for {SECRET}")  # noqa: G004 - the mistake this is about

    assert ["library", "library"] == [line["event"] for line in _read(lines)]
    assert SECRET not in lines.getvalue()


def test_library_message_is_not_written(lines: io.StringIO) -> None:
    """What a library says is reduced to who said it and where: it may repeat what it was given."""
    logging.getLogger("sqlalchemy.engine").warning(SECRET)

    (line,) = _read(lines)
    assert ("library", "sqlalchemy.engine") == (line["event"], line["logger"])
    assert "test_logs.py" in str(line["where"])
    assert SECRET not in lines.getvalue()


def test_library_chatter_is_left_out(lines: io.StringIO) -> None:
    """What a library says for information alone, without its text, is worth no line."""
    logging.getLogger("alembic.runtime.migration").info("Context impl SQLiteImpl.")

    assert "" == lines.getvalue()


def _fail() -> None:
    given = SECRET
    try:
        raise KeyError(given)
    except KeyError as error:
        raise ValueError(f"cannot read {given}") from error


def test_error_is_type_and_frames(lines: io.StringIO) -> None:
    """An error is logged as its type, its causes' types and its frames: no message, no local values."""
    try:
        _fail()
    except ValueError:
        logger.exception("attempt-failed")

    (line,) = _read(lines)
    assert ("ValueError", ["KeyError"]) == (line["error"], line["causes"])
    frames = line["frames"]
    assert isinstance(frames, list)
    assert ["test_error_is_type_and_frames", "_fail"] == [frame.rsplit(":", 1)[1] for frame in frames]
    assert SECRET not in lines.getvalue()


def test_database_error_says_its_state(lines: io.StringIO) -> None:
    """The five-letter state of a database error helps and holds nothing personal."""

    class Refused(Exception):
        sqlstate = "42501"

    try:
        raise Refused(SECRET)
    except Refused:
        logger.exception("turn-failed")

    assert "42501" == _read(lines)[0]["sqlstate"]
    assert SECRET not in lines.getvalue()


def test_circular_causes_end(lines: io.StringIO) -> None:
    """Errors that name each other as cause are logged once each."""
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    logger.error("turn-failed", exc_info=first)

    assert ["KeyError"] == _read(lines)[0]["causes"]


def test_dying_thread_is_logged_without_message(lines: io.StringIO) -> None:
    """A thread that dies leaves type and frames, not the interpreter's print of the message."""
    thread = threading.Thread(target=_fail)
    thread.start()
    thread.join()

    (line,) = _read(lines)
    assert ("uncaught", "critical", "ValueError") == (line["event"], line["level"], line["error"])
    assert SECRET not in lines.getvalue()


def test_uncaught_error_is_logged_without_message(lines: io.StringIO, capsys) -> None:
    """The last resort of the interpreter writes a line of the log too; Ctrl-C writes nothing."""
    error = ValueError(SECRET)
    sys.excepthook(ValueError, error, None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)

    assert ["ValueError"] == [line["error"] for line in _read(lines)]
    assert ("", "") == capsys.readouterr()


def test_forgotten_task_is_logged_without_message(lines: io.StringIO) -> None:
    """A task whose error nobody fetched is reported by asyncio as type and frames."""

    async def forget() -> None:
        task = asyncio.get_running_loop().create_task(asyncio.to_thread(_fail))
        await asyncio.wait([task])

    asyncio.run(forget())

    assert "ValueError" in [line.get("error") for line in _read(lines)]
    assert SECRET not in lines.getvalue()


def test_warning_is_logged_without_message(lines: io.StringIO) -> None:
    """Warnings of the language go the same way."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(SECRET, stacklevel=1)

    assert ["py.warnings"] == [line["logger"] for line in _read(lines)]
    assert SECRET not in lines.getvalue()


def test_level_is_kept(lines: io.StringIO) -> None:
    """What is below the chosen level is not written."""
    logger.debug("access")

    assert "" == lines.getvalue()
