"""The table of promises names files that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (P\d) \| .+ \| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)


def test_each_promise_names_the_file_that_keeps_it_and_a_test_that_proves_it():
    """P1 to P9 each point at code and at a test with assertions."""
    rows = ROW.findall((ROOT / "app" / "README.md").read_text(encoding="utf-8"))

    assert [f"P{n}" for n in range(1, 10)] == [row[0] for row in rows]
    for _, keeper, proof in rows:
        assert (ROOT / "app" / keeper).is_file(), keeper
        assert "assert" in (ROOT / proof).read_text(encoding="utf-8"), proof


def test_the_tree_names_every_package():
    """The annotated tree leaves out no package of the application."""
    tree = (ROOT / "app" / "README.md").read_text(encoding="utf-8").split("```")[1]
    packages = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")}

    assert set() == {name for name in packages if f"{name}/" not in tree}
