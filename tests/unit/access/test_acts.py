"""Every act the service writes is known by name."""

import re
from pathlib import Path

from app.access import acts

ROOT = Path(__file__).parents[3]
WRITTEN = (
    r'begin\(\s*"([a-z_.]+)"',
    r'further_entry\(\w+, "([a-z_.]+)"',
    r'\b(?:ACT|LOST) = "([a-z_.]+)"',
    r'Operation\(\s*"\*",\s*"\*",[^)]*?"([a-z_]+\.[a-z_]+)"',
)
ENDS = {"alert.stream.end", "audit.export.end", "continuity.pack.end", "incident.pack.end"}
"""Of what was begun: spelled in the code as the act they end, and `.end`."""


def found_in(folder: Path) -> set[str]:
    """Return the acts that stand in source code."""
    text = "\n".join(path.read_text("utf-8") for path in sorted(folder.rglob("*.py")))
    return {act for pattern in WRITTEN for act in re.findall(pattern, text)}


def test_every_act_in_the_code_is_known():
    """No entry has an act that a search for it calls unknown, and no act is listed that nobody writes."""
    found = found_in(ROOT / "app")

    assert 15 < len(found)
    assert set() == found - acts.ALL
    assert set() == acts.OF_OTHERS - acts.OF_REQUESTS - found - ENDS


def test_an_act_that_is_not_listed_is_found(tmp_path):
    """The walk over the code sees an act in each place where one is written."""
    code = 'begin("a.one")\nfurther_entry(opened, "a.two")\nACT = "a.three"\n'
    (tmp_path / "new.py").write_text(code + 'Operation(\n    "*", "*", "system", "self", "a.four", 200)\n')

    assert {"a.one", "a.two", "a.three", "a.four"} == found_in(tmp_path)
