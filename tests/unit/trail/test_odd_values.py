"""Rows that hold values of another type than their column has: told of in words, never a crash."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.audit.checkpoint import Notary, sign_head
from app.audit.database_check import check_database
from app.audit.database_report import DatabaseReport
from app.storage.engine import open_engine
from app.trail.derived import check_derived
from app.trail.state_check import check_state
from app.vault.keyring import Keyring
from tests.support.world import World
from tests.unit.trail.derived_scene import derive
from tests.unit.trail.state_scene import KINDS, household

NOTARY = Notary("care.example", bytes(range(32)))
ODD = ["x'fffe'", "'\x1b[2J'", "1.5", "9e999", "NULL", "-3", "''", "CAST(x'fffe' AS TEXT)"]
"""Bytes, text that plays tricks on a terminal, no whole numbers, nothing, and text that is none."""
COLUMNS = {
    "home": "org id version state",
    "role": "org id version",
    "account": "org id version",
    "shift": "org id version",
    "resident": "org id version",
    "record": "org id version",
    "record_version": "org id version",
    "organisation": "id",
    "audit_event": "org seq line leaf",
    "audit_head": "org size leaf ts peaks",
    "audit_checkpoint": "org size root note",
    "audit_value": "org seq n field side owner ct",
    "audit_name": "org seq user_id ct",
    "audit_index": "org kind key first seqs",
    "audit_indexed": "org size",
}
EVERY = [
    (table, column, value) for table, them in COLUMNS.items() for column in them.split() for value in ODD
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[World, Path]:
    """A household with all that is derived from its lines, and the file it is in."""
    path = tmp_path_factory.mktemp("odd") / "care.db"
    world = World(f"sqlite:///{path}")
    household(world)
    world.looking(lambda c: derive(c, world.org))
    world.looking(lambda c: sign_head(c, NOTARY, world.org, None, world.now))
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(path.with_name("whole.db"))) as copy:
        live.backup(copy)
    return world, path.with_name("whole.db")


def altered(path: Path, to: Path, table: str, column: str, value: str) -> bool:
    """Copy a database and put an odd value into one row; say whether its table takes it."""
    shutil.copy(path, to)
    raw = sqlite3.connect(to)
    raw.execute("PRAGMA foreign_keys = OFF")
    for (trigger,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        raw.execute(f'DROP TRIGGER "{trigger}"')
    try:
        asked = "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk"
        key = ", ".join(name for (name,) in raw.execute(asked, (table,)))
        one = f"({key}) = (SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1)"
        done = raw.execute(f"UPDATE {table} SET {column} = {value} WHERE {one}").rowcount
        raw.commit()
    except (sqlite3.IntegrityError, sqlite3.OperationalError):
        return False
    finally:
        raw.close()
    return done == 1


def report_on(world: World, path: Path) -> DatabaseReport:
    """Return what `audit verify --state` finds."""
    keyring = Keyring(world._root, world.entropy)

    def also(snapshot, report):
        check_derived(snapshot, report, world.entropy, keyring, world.now)
        check_state(snapshot, report, keyring, KINDS, world.now)

    engine = open_engine(f"sqlite:///{path}", patient=True)
    try:
        return check_database(engine, NOTARY, None, also)
    finally:
        engine.dispose()


@pytest.mark.parametrize("table", COLUMNS)
def test_an_odd_value_is_told_of_in_both_spellings(whole, tmp_path, table):
    """Whatever stands in a column, the report is text and valid JSON and does not call the trail intact."""
    world, path = whole
    taken = 0
    for where, column, value in EVERY:
        if where != table or not altered(path, tmp_path / "odd.db", table, column, value):
            continue
        taken += 1
        report = report_on(world, tmp_path / "odd.db")
        text = report.as_text()
        told = json.loads(report.as_json(), parse_constant=lambda name: pytest.fail(name))

        assert told["exit_code"] == report.exit_code, (column, value)
        assert "\x1b" not in text, (column, value)
        for chain in told["chains"]:
            assert isinstance(chain["organisation"], str), (column, value)
            assert all(type(one["seq"]) in (int, str, type(None)) for one in chain["findings"])

    assert taken >= len(COLUMNS[table].split())
