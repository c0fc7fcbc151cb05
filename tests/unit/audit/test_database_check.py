"""The check of the stored trail."""

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from app.audit import checkpoint, database_check, log, merkle
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.audit.entry import Draft, begin
from app.audit.guard_file import Guards
from app.storage import snapshot
from tests.support.chains import ORG, OTHER, PEOPLE, START, Chains, actor, event

NOTARY = Notary("care.example", bytes(range(32)))
SIZE = 30


@pytest.fixture
def guards(tmp_path) -> Guards:
    return Guards(tmp_path / "guard", NOTARY)


@pytest.fixture
def signed(chains: Chains, guards: Guards) -> Chains:
    """Two chains, the first signed at 7, 19 and 30 lines and guarded."""
    chains.found(ORG, OTHER)
    for count in (7, 12, 11):
        chains.append(count)
        sign(chains, guards)
    chains.append(3, OTHER)
    sign(chains, guards, OTHER)
    return chains


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Batches smaller than the chain, so that what spans two of them is tested."""
    monkeypatch.setattr(snapshot, "BATCH", 8)


def sign(chains, guards, org=ORG):
    with chains.turn() as connection:
        made = checkpoint.sign_head(connection, NOTARY, org, guards.read(org), START)
    guards.move(made)
    return made


def check(chains, guards):
    return check_database(chains.engine, NOTARY, guards)


def findings(chains, guards) -> dict[str, int | None]:
    """Return kind and line of the findings in the first chain; the other one stays intact."""
    report = check(chains, guards)
    first = next(chain for chain in report.chains if chain.organisation == ORG)
    others = [chain.exit_code for chain in report.chains if chain.organisation != ORG]
    assert report.exit_code == 1
    assert others == [0]
    return {found.kind: found.seq for found in first.findings}


def test_an_untouched_trail_is_intact(signed, guards):
    """Lines, leaves, heads, checkpoints and guards that fit each other are found intact."""
    report = check(signed, guards)

    assert report.exit_code == 0
    assert report.count == SIZE + 3
    assert [(chain.organisation, chain.count, chain.signed_size) for chain in report.chains] == [
        (ORG, SIZE, SIZE),
        (OTHER, 3, 3),
    ]
    assert "not anchored" in report.as_text()
    assert json.loads(report.as_json())["result"] == "intact"


TAMPERINGS = {
    "a line": ("UPDATE audit_event SET line = :bytes WHERE seq = 9 AND org = :org", {"CANON": 9}),
    "a swapped line": (
        "UPDATE audit_event SET line = (SELECT line FROM audit_event WHERE org = :org AND seq = 10)"
        " WHERE seq = 9 AND org = :org",
        {"SEQ": 9},
    ),
    "a line of another chain": (
        "UPDATE audit_event SET line = (SELECT line FROM audit_event WHERE org <> :org AND seq = 2)"
        " WHERE seq = 2 AND org = :org",
        {"BINDING": 2},
    ),
    "the last line of a batch": (
        "UPDATE audit_event SET line = :bytes WHERE seq = 15 AND org = :org",
        {"CANON": 15},
    ),
    "a missing line": ("DELETE FROM audit_event WHERE seq = 20 AND org = :org", {"SEQ": 20}),
    "a stored leaf": ("UPDATE audit_event SET leaf = :bytes WHERE seq = 11 AND org = :org", {"LEAF": 11}),
    "a number": ("UPDATE audit_event SET seq = 99 WHERE seq = 29 AND org = :org", {"SEQ": 29}),
    "the size of the head": ("UPDATE audit_head SET size = 40 WHERE org = :org", {"HEAD": None}),
    "the leaf of the head": ("UPDATE audit_head SET leaf = :bytes WHERE org = :org", {"HEAD": None}),
    "the time of the head": ("UPDATE audit_head SET ts = 'x' WHERE org = :org", {"HEAD": None}),
    "the peaks of the head": ("UPDATE audit_head SET peaks = :bytes WHERE org = :org", {"HEAD": None}),
    "the head itself": ("DELETE FROM audit_head WHERE org = :org", {"HEAD": None}),
    "a root": ("UPDATE audit_checkpoint SET root = :bytes WHERE size = 19", {"CHECKPOINT": None}),
    "a size": ("UPDATE audit_checkpoint SET size = 20 WHERE size = 19", {"CHECKPOINT": None}),
    "a note": ("UPDATE audit_checkpoint SET note = 'mine' WHERE size = 19", {"CHECKPOINT": None}),
    "a signature": (
        "UPDATE audit_checkpoint SET note = replace(note, 'e/audit', 'E/audit') WHERE size = 19",
        {"CHECKPOINT": None},
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(signed, guards, name):
    """Whatever is changed in one chain is found there, with its kind and its line, and nowhere else."""
    statement, expected = TAMPERINGS[name]
    parameters = {"org": ORG} if ":org" in statement else {}
    parameters |= {"bytes": bytes(32)} if ":bytes" in statement else {}
    signed.tamper(statement, **parameters)

    assert findings(signed, guards) == expected


def cut(chains: Chains, guards: Guards, size: int) -> None:
    """Cut the tail off, consistently: lines, head and all checkpoints after it."""
    with chains.turn() as connection:
        rows = connection.execute(
            text("SELECT line, leaf FROM audit_event WHERE org = :org ORDER BY seq"), {"org": ORG}
        ).all()[:size]
    peaks: list[bytes] = []
    for at, row in enumerate(rows):
        merkle.append(peaks, at, bytes(row.leaf))
    ts = json.loads(rows[-1].line)["c"]["ts"]
    chains.tamper("DELETE FROM audit_event WHERE org = :org AND seq >= :size", org=ORG, size=size)
    chains.tamper(
        "UPDATE audit_head SET size = :size, leaf = :leaf, ts = :ts, peaks = :peaks WHERE org = :org",
        org=ORG, size=size, leaf=bytes(rows[-1].leaf), ts=ts, peaks=merkle.pack(peaks),
    )  # fmt: skip


WORDS = {"chain.recover": "RECOVERED", "resident.erase": "ERASED"}
TOLD = (0, 1, 8, 9, 10, 15, 16, 98, 99, 100, 101, 119)
"""Where entries stand that are told of: first and last, at the end of a batch, where numbers grow longer."""


@pytest.mark.parametrize("act", ["chain.recover", "resident.erase"])
@pytest.mark.parametrize("at", TOLD)
def test_what_has_to_be_told_is_told_wherever_it_stands(chains, guards, act, at):
    """A loss and an erasure are told of at whatever number their entry stands, and nothing else is."""
    chains.found(ORG)
    said = {"lost": {"kept": 1, "size": 2, "how": "rollback"}} if act == "chain.recover" else {}
    with chains.turn() as connection:
        drafts = [Draft(ORG, event(n)) for n in range(120)]
        drafts[at] = Draft(ORG, begin(act, "ok", actor(PEOPLE[0])) | said)
        log.append(connection, drafts, START)
    sign(chains, guards)

    report = check(chains, guards)

    told = [doubt for doubt in report.chains[0].doubts if f"#{at}" in doubt]
    assert [doubt.partition(":")[0] for doubt in report.chains[0].doubts] == [WORDS[act]]
    assert len(told) == 1


def test_a_cut_tail_is_found_by_its_checkpoints(signed, guards):
    """Lines that were signed and are gone are missing, even if the head agrees."""
    cut(signed, guards, 22)

    assert findings(signed, guards) == {"TRUNCATED": 22, "ROLLBACK": 22}


def test_a_consistent_rollback_is_found_by_the_guard_alone(signed, guards):
    """A state set back with all newer checkpoints is intact to the database, but not to the guard."""
    cut(signed, guards, 19)
    signed.tamper("DELETE FROM audit_checkpoint WHERE size > 19")

    assert findings(signed, guards) == {"ROLLBACK": 19}
    without = check_database(signed.engine, NOTARY)
    assert without.exit_code == 2, "without the guard nothing contradicts it, and the report says so"
    assert "GUARD: no guard file was compared" in without.as_text()


def test_a_history_written_anew_is_found(signed, guards):
    """Lines that link and fit their head, but not what was signed, are found at the first signed size."""
    with signed.turn() as connection:
        kept = connection.execute(text("SELECT * FROM audit_checkpoint WHERE org = :org"), {"org": ORG}).all()
    signed.wipe()
    signed.found(ORG, OTHER)
    signed.append(SIZE)
    guards.path(OTHER).unlink()
    with signed.turn() as connection:
        for row in kept:
            values = dict(row._mapping)
            columns = ", ".join(f":{name}" for name in values)
            connection.execute(text(f"INSERT INTO audit_checkpoint VALUES ({columns})"), values)

    assert findings(signed, guards) == {"ROOT": 0}


def test_lines_after_the_last_checkpoint_cannot_be_vouched_for(signed, guards):
    """Lines that are not signed yet are no finding, but nobody can vouch for them."""
    signed.append(2)
    report = check(signed, guards)

    assert report.exit_code == 2
    assert "TAIL: the lines from #30 on are not signed yet" in report.as_text()
    assert report.chains[0].findings == []


def test_a_chain_without_any_checkpoint_cannot_be_vouched_for(chains, guards):
    """A chain that was never signed, or whose checkpoints were all removed, is not called intact."""
    chains.found(ORG)
    chains.append(3)

    report = check(chains, guards)
    assert report.exit_code == 2
    assert "UNSIGNED" in report.as_text()


@pytest.mark.parametrize("where", ["", " AND size >= 10"])
def test_checkpoints_taken_away_are_missed_by_the_guard(signed, guards, where):
    """The guard never knows a checkpoint that is not stored: without it, somebody took them away."""
    signed.tamper(f"DELETE FROM audit_checkpoint WHERE org = :org{where}", org=ORG)

    assert set(findings(signed, guards)) == {"CHECKPOINT"}


def test_a_guard_that_moves_meanwhile_accuses_nobody(signed, guards, monkeypatch):
    """What a running service signs after the snapshot began is no roll-back."""
    before, opened = guards.read(ORG), database_check.open_snapshot

    @contextmanager
    def busy(engine):
        with opened(engine) as snapshot_:
            assert list(snapshot_.rows("SELECT 1 FROM audit_head"))  # it stands from here on
            signed.append(3)
            sign(signed, guards)
            yield snapshot_

    monkeypatch.setattr(database_check, "open_snapshot", busy)

    assert check(signed, guards).chains[0].findings == []
    assert guards.read(ORG).size == before.size + 3


def test_a_damaged_guard_is_a_finding(signed, guards):
    """A guard file that cannot be trusted is told of."""
    guards.path(ORG).write_text("{}")

    assert findings(signed, guards) == {"GUARD": None}


def test_a_guard_of_a_chain_that_is_gone_is_found(signed, guards):
    """A guard without any chain in the database is a roll-back to before the chain."""
    for table in ("audit_event", "audit_head", "audit_checkpoint"):
        signed.tamper(f"DELETE FROM {table} WHERE org = :org", org=ORG)

    assert "ROLLBACK" in findings(signed, guards)


def test_lines_stored_as_something_else_are_found(sqlite_chains, guards):
    """A line stored as text or nothing, which SQLite allows, is a finding and no crash."""
    sqlite_chains.found(ORG, OTHER)
    sqlite_chains.append(10)
    sign(sqlite_chains, guards)
    sqlite_chains.tamper("UPDATE audit_event SET line = 'text' WHERE seq = 9")

    assert findings(sqlite_chains, guards) == {"CANON": 8}


def test_nothing_is_not_called_intact(sqlite_chains, guards):
    """A database without chains, or one that cannot be read, is never intact."""
    assert check(sqlite_chains, guards).exit_code == 2
    with sqlite_chains.turn() as connection:
        connection.execute(text("DROP TABLE audit_head"))

    report = check(sqlite_chains, guards)
    assert report.exit_code == 3
    assert "audit_head" in report.unreadable


def test_it_sees_one_instant_and_cannot_write(signed, guards):
    """The check reads one state of the database, whatever is appended meanwhile, and can change nothing."""
    with snapshot.open_snapshot(signed.engine) as view:
        before = list(view.rows("SELECT size FROM audit_head WHERE org = ?", ORG))
        if signed.engine.dialect.name == "postgresql":
            signed.append(1)
        after = list(view.rows("SELECT size FROM audit_head WHERE org = ?", ORG))
        with pytest.raises(snapshot.UNREADABLE):
            list(view.rows("INSERT INTO audit_indexed VALUES ('x', 1) RETURNING org"))

    assert before == after == [[(SIZE,)]]


def test_a_database_that_is_not_there_is_unreadable(tmp_path, guards):
    """A file that cannot be opened gives the exit code for unreadable, not a crash."""
    nowhere = SimpleNamespace(
        dialect=SimpleNamespace(name="sqlite"), url=SimpleNamespace(database=str(tmp_path / "no" / "file"))
    )

    assert check_database(nowhere, NOTARY, guards).exit_code == 3
