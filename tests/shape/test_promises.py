"""The table of promises names files that exist, and tests that can fail."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (P\d) \| .+ \| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)


def test_each_promise_names_the_file_that_keeps_it_and_a_test_that_proves_it():
    """P1 to P9 each point at code and at a file of tests each of which asserts something."""
    rows = ROW.findall((ROOT / "app" / "README.md").read_text(encoding="utf-8"))

    assert [f"P{n}" for n in range(1, 10)] == [row[0] for row in rows]
    for _, keeper, proof in rows:
        assert (ROOT / "app" / keeper).is_file(), keeper
        file, _, one = proof.partition("::")
        assert (ROOT / file).is_file(), proof
        assert (ROOT / file).name.startswith("test_"), proof
        tests, idle = judged((ROOT / file).read_text(encoding="utf-8"))
        assert tests, proof
        assert not one or one in tests, proof
        assert not idle, f"{proof}: {idle} assert nothing"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def test_a():\n    assert 1 == 1\n", (["test_a"], [])),
        ("def test_a():\n    with pytest.raises(ValueError):\n        f()\n", (["test_a"], [])),
        ("def check():\n    assert f()\ndef test_a():\n    check()\n", (["test_a"], [])),
        ('def test_a():\n    """We assert nothing."""\n', (["test_a"], ["test_a"])),
        ("def check():\n    return f()\ndef test_a():\n    check()\n", (["test_a"], ["test_a"])),
        ("@pytest.mark.skip\ndef test_a():\n    assert f()\n", (["test_a"], ["test_a"])),
        ("def test_a():\n    assert True\n", (["test_a"], ["test_a"])),
        ("def check():\n    assert f()\n", ([], [])),
    ],
)
def test_what_counts_as_a_test_that_asserts(source, found):
    """The word alone is none, nor is a test that is skipped, nor one that asserts a constant."""
    assert found == judged(source)


def judged(source: str) -> tuple[list[str], list[str]]:
    """Return the tests of a file, and those of them that assert nothing, nor call what does."""
    functions = {one.name: one for one in ast.walk(ast.parse(source)) if isinstance(one, ast.FunctionDef)}
    tests = [name for name in functions if name.startswith("test_")]
    asserting = {name for name, one in functions.items() if asserts(one)}
    while more := {name for name, one in functions.items() if calls(one) & asserting} - asserting:
        asserting |= more
    return tests, [name for name in tests if name not in asserting or skipped(functions[name])]


def asserts(function: ast.FunctionDef) -> bool:
    """Say whether a function asserts something that is no constant, or expects an error."""
    told = [one for one in ast.walk(function) if isinstance(one, ast.Assert)]
    return any(not isinstance(one.test, ast.Constant) for one in told) or "raises" in calls(function)


def calls(function: ast.FunctionDef) -> set[str]:
    """Return the names of what a function calls."""
    called = [one.func for one in ast.walk(function) if isinstance(one, ast.Call)]
    named = {one.id for one in called if isinstance(one, ast.Name)}
    return named | {one.attr for one in called if isinstance(one, ast.Attribute)}


def skipped(function: ast.FunctionDef) -> bool:
    """Say whether a test is marked as one not to be run, or as one that may fail."""
    return any(re.search("skip|xfail", ast.unparse(one)) for one in function.decorator_list)


def test_the_tree_names_every_package():
    """The annotated tree leaves out no package of the application."""
    tree = (ROOT / "app" / "README.md").read_text(encoding="utf-8").split("```")[1]
    packages = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")}

    assert set() == {name for name in packages if f"{name}/" not in tree}
