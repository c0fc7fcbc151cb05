"""Size budgets: what is too long is not read."""

import ast
import statistics
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST_FILE, LONGEST_TEST, LONGEST_FUNCTION = 300, 400, 60
ONE_FILE_BY_CONTRACT = {"app/audit/verify.py"}
"""The stand-alone verifier is one file so that an auditor can read it in one piece."""
BROAD_EXCEPT_ALLOWED = {
    "app/access/turn.py",
    "app/access/attempt.py",
    "app/http/crashes.py",
    "app/http/lane.py",
    "app/jobs/scheduler.py",  # whatever a job raises is the end of its run, never of the others
}


def sources(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, folder
    return found


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [(f"{name(path)}:{n.name}", length(n)) for n in ast.walk(tree) if isinstance(n, kinds)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    last = body[-1].end_lineno or body[-1].lineno
    return last - body[0].lineno + 1


def test_no_file_is_longer_than_its_budget():
    """A module has at most 300 lines, a test file 400."""
    long = [name(p) for p in sources("app") if len(p.read_text().splitlines()) > LONGEST_FILE]
    tests = [name(p) for p in sources("tests") if len(p.read_text().splitlines()) > LONGEST_TEST]

    assert [] == sorted(set(long) - ONE_FILE_BY_CONTRACT) + tests


def test_functions_stay_short():
    """Median at most 10 lines, nine in ten at most 35, none above 60."""
    measured = [one for path in sources("app") for one in functions(path)]
    lengths = sorted(count for _, count in measured)
    too_long = [where for where, count in measured if count > LONGEST_FUNCTION]

    assert [] == too_long
    assert statistics.median(lengths) <= 10
    assert lengths[int(len(lengths) * 0.9)] <= 35


def test_broad_excepts_stand_only_where_a_failure_has_nowhere_else_to_go():
    """Only the turn and the outermost HTTP handler catch everything."""
    broad = set()
    for path in sources("app"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            caught = getattr(node, "type", None) if isinstance(node, ast.ExceptHandler) else None
            if isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"):
                broad.add(name(path))

    assert broad <= BROAD_EXCEPT_ALLOWED, broad - BROAD_EXCEPT_ALLOWED
