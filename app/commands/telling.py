"""What a command says: results on standard output, everything else on standard error."""

import sys
from typing import Any

import orjson


def result(value: Any, text: str, *, as_json: bool) -> None:
    """Write the result: one line of JSON where a machine reads, words where a person does."""
    sys.stdout.write(orjson.dumps(value).decode() if as_json else text)
    sys.stdout.write("\n")
    sys.stdout.flush()


def remark(text: str) -> None:
    """Say something that is no result: progress, a warning, what to do next."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
