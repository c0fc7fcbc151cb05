"""The benchmark runs: every side on SQLite answers, and those with a trail have an entry for each answer."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.bench import correctness, price
from tests.bench.__main__ import _entries, _start
from tests.bench.databases import on_sqlite
from tests.bench.plan import LITE, LITE_NAIVE, LITE_ORM, LITE_READERS, STATIC, Block
from tests.bench.rounds import Results, measure
from tests.bench.running import generator

BLOCKS = (
    Block("read", 4, (*LITE_READERS, STATIC), 1, 0.3),
    Block("write", 4, (LITE, LITE_ORM, LITE_NAIVE), 1, 0.3),
)


def test_every_side_answers_and_the_entries_are_as_many(tmp_path: Path) -> None:
    """A slice of a run: sides that do not start, or answer something else, are not measured by mistake."""
    families = {"sqlite": on_sqlite(tmp_path, 90)}
    families["postgresql"] = families["sqlite"]  # the static side says it is there; it opens no database
    results = Results()
    with ExitStack() as stack:
        generating = stack.enter_context(generator())
        sides = {side.server for block in BLOCKS for side in block.sides}
        servers = _start(stack, families, generating, sides)
        before = {side: _entries(side, families) for side in servers if side.audited}
        for block in BLOCKS:
            results.measured += measure(block, servers, generating, 0.1)

    assert {LITE, LITE_NAIVE} == set(before)
    assert len(results.measured) == 9
    assert all(one.answers > 0 and one.failures == 0 for one in results.measured)
    for side, start in before.items():
        family = families[side.database]
        due = start + results.answers([side])
        assert due == correctness.check(family.settings(side.apart), family.sample.org, due)


@pytest.mark.parametrize("kind", ["read", "write"])
def test_the_steps_of_a_turn_are_timed_where_they_are_called(tmp_path: Path, kind: str) -> None:
    """A step that is called no more, or by another name, would be shown as free."""
    spent = price.measured(on_sqlite(tmp_path, 64), kind, turns=2)

    assert [*price.STEPS, price.TOTAL] == list(spent)
    unused = {"write rows"} if kind == "read" else set()
    assert all(cpu > 0 and wall > 0 for step, (cpu, wall) in spent.items() if step not in unused)
    assert spent[price.TOTAL][0] > spent["decide"][0]
