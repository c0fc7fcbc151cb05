"""`audit reindex`: what is derived from the lines is made anew, and an entry says so."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from app.commands import reindexing
from tests.unit.commands.conftest import Line
from tests.unit.commands.places import found_place, looking

NOWHERE = "01a20000-0000-7000-8000-000000000000"


@pytest.fixture
def own(line: Line) -> tuple[Line, str]:
    """A deployment of this test's own, to be damaged, with an index."""
    founded = line.run("init", "--organisation", "Sample Care", "--admin", "a.sample", "--json")
    told = line.run("audit", "reindex")
    assert (0, 2) == (told.code, told.out.count("made anew from"))
    return line, founded.json["organisation_id"]


@contextmanager
def database(line: Line) -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(line.data_dir / "caretrail.db")
    with opened:
        yield opened
    opened.close()


def lists(line: Line) -> int:
    with database(line) as opened:
        return int(opened.execute("SELECT count(*) FROM audit_index").fetchone()[0])


def test_a_shortened_index_is_told_of_and_made_anew(own: tuple[Line, str]) -> None:
    """`audit verify --state` names the key and the command that mends it; after that, all is intact."""
    line, _ = own
    with database(line) as opened:
        gone = opened.execute("DELETE FROM audit_index WHERE kind = 'act' AND key = 'role.create'").rowcount
    told = line.run("audit", "verify", "--state")
    assert gone == 1
    assert told.code == 1
    assert "act role.create" in told.out
    assert "caretrail audit reindex" in told.out
    mended = line.run("audit", "reindex", "--json")
    assert 0 == mended.code
    assert all(one["lines"] > 0 for one in mended.json["reindexed"])

    assert (0, "intact") == (
        (after := line.run("audit", "verify", "--state", "--json")).code,
        after.json["result"],
    )


def test_it_is_an_entry_of_the_chain(own: tuple[Line, str]) -> None:
    """Who made the index anew stands in the trail: what was wrong before cannot be seen any more."""
    line, org = own
    with database(line) as opened:
        rows = opened.execute("SELECT line FROM audit_event WHERE org = ?", (org,)).fetchall()

    assert 1 == sum(b'"act":"audit.reindex"' in bytes(row[0]) for row in rows)


def test_a_chain_there_is_not_is_refused(own: tuple[Line, str]) -> None:
    """Nothing is removed for a chain that nobody has."""
    line, _ = own
    before = lists(line)

    assert 1 == line.run("audit", "reindex", "--organisation", NOWHERE).code
    assert before == lists(line)


def test_broken_off_after_removing_it_is_run_again(
    own: tuple[Line, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off between removing and building, nothing wrong is shown: the next run builds all of it."""
    line, _ = own
    before = lists(line)

    async def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(reindexing, "_build", broken)
        line.run("audit", "reindex")
    assert 0 == lists(line)
    unsigned = line.run("audit", "verify", "--state")
    assert (2, True, False) == (unsigned.code, "TAIL" in unsigned.out, "INDEX" in unsigned.out)
    assert 0 == line.run("audit", "reindex").code
    assert before <= lists(line)


def test_without_the_login_of_the_owner_nothing_is_made_anew(request, tmp_path) -> None:
    """On PostgreSQL it takes the owner's login: all is left as it was, and told apart from the entry made."""
    line = found_place(request, tmp_path, "postgresql").line
    assert 0 == line.run("audit", "reindex").code

    def counted() -> list[int]:
        with looking(line) as connection:
            tables = ("audit_index", "audit_tile", "audit_event")
            return [connection.execute(text(f"SELECT count(*) FROM {one}")).scalar_one() for one in tables]

    before = counted()
    line.variables["CARETRAIL_OWNER_DATABASE_URL"] = line.variables["CARETRAIL_DATABASE_URL"]
    refused = line.run("audit", "reindex")
    after = counted()

    assert 2 == refused.code
    assert (
        "nothing was made anew: this login does not own the tables: set CARETRAIL_OWNER_DATABASE_URL, as for"
        " `migrate`. What searches, access logs and proofs are read from stands as it was; that it was to be"
        " made anew is an entry already."
    ) in " ".join(refused.err.split())
    assert before[:2] == after[:2]
    assert before[2] + 2 == after[2]  # of each chain
