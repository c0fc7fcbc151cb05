"""What the code gives a log line is what a log line may hold."""

import ast
from pathlib import Path

from app.core.logs import KEYS

APP = Path(__file__).parents[2] / "app"


def given(tree):
    """Yield the names of everything given to a log line in a module."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            for keyword in call.keywords:
                if keyword.arg == "extra":
                    dicts = [part for part in ast.walk(keyword.value) if isinstance(part, ast.Dict)]
                    yield from (
                        key.value for one in dicts for key in one.keys if isinstance(key, ast.Constant)
                    )


def test_nothing_given_to_a_log_line_is_dropped():
    """Every name in an `extra` is on the list of names that reach the log: an alarm says what it is about."""
    names = {
        name for path in APP.rglob("*.py") for name in given(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert len(names) >= 15
    assert names <= KEYS, names - KEYS
