"""Lines that say something of their chain are read, however they are spelled."""

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.audit import checkpoint, log, merkle
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.audit.entry import Draft, begin
from app.audit.guard_file import Guards
from app.audit.line import canonical
from app.audit.notable import may_tell, notable
from app.storage import snapshot
from tests.support.chains import ORG, PEOPLE, START, actor, event
from tests.unit.audit.test_forged_pruning import closes, prunes

NOTARY = Notary("care.example", bytes(range(32)))
AT = 9
SAID = {
    "chain.recover": {"lost": {"kept": 1, "size": 2, "how": "rollback"}},
    "resident.erase": {"erased": {"basis": "court_order", "asked_by": PEOPLE[0], "approved_by": None}},
    "segment.prune": {"prune": {"end": 3, "years": 0}},
}
SPELLINGS = {
    "a space": lambda line: line.replace(b'"e":{"act"', b'"e":{ "act"'),
    "a space before the act": lambda line: line.replace(b'"e":{"act":', b'"e":{"act": '),
    "an escape in the name": lambda line: line.replace(b'"e":{"act"', b'"e":{"\\u0061ct"'),
    "an escape in the act": lambda line: line.replace(b'"e":{"act":"', b'"e":{"act":"\\u0072x'),
    "the act twice": lambda line: line.replace(b'"e":{"act"', b'"e":{"act":"user.read","act"'),
    "no end": lambda line: line[:-1],
    "a line end": lambda line: line + b"\n",
    "another member first": lambda line: line.replace(b'"e":{"act"', b'"e":{"zz":1,"act"'),
}


@pytest.fixture
def guards(tmp_path) -> Guards:
    return Guards(tmp_path / "guard", NOTARY)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Batches smaller than the chain."""
    monkeypatch.setattr(snapshot, "BATCH", 8)


def written(chains, act, spell):
    """Let line `AT` say an act in some spelling, and make everything after it fit."""
    chains.found(ORG)
    chains.append(20)
    with chains.turn() as connection:
        rows = connection.execute(text("SELECT line FROM audit_event ORDER BY seq")).scalars().all()
    lines = [bytes(row) for row in rows]
    record = json.loads(lines[AT])
    record["e"] |= {"act": act, "out": "ok"} | SAID[act]
    lines[AT] = spell(canonical(record))
    peaks: list[bytes] = []
    leaf = b""
    for seq, line in enumerate(lines):
        if seq > AT:
            line = line.replace(json.loads(line)["c"]["prev"].encode(), leaf.hex().encode(), 1)
        leaf = merkle.leaf_hash(line)
        merkle.append(peaks, seq, leaf)
        statement = "UPDATE audit_event SET line = :line, leaf = :leaf WHERE seq = :seq"
        chains.tamper(statement, line=line, leaf=leaf, seq=seq)
    chains.tamper("UPDATE audit_head SET leaf = :leaf, peaks = :peaks", leaf=leaf, peaks=merkle.pack(peaks))


def checked(chains, guards):
    with chains.turn() as connection:
        made = checkpoint.sign_head(connection, NOTARY, ORG, guards.read(ORG), START)
    guards.move(made)
    report = check_database(chains.engine, NOTARY, guards)
    assert "" == report.unreadable
    return report.chains[0]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("act", SAID)
def test_no_spelling_hides_an_act(sqlite_chains, guards, act, spelling):
    """A line that the service would have written in another way is found with its number."""
    written(sqlite_chains, act, SPELLINGS[spelling])
    report = checked(sqlite_chains, guards)

    assert [("CANON", AT)] == [(found.kind, found.seq) for found in report.findings]


def test_a_line_that_cannot_be_read_is_a_finding_on_either_database(chains, guards):
    """It does not keep the check from being made."""
    written(chains, "chain.recover", SPELLINGS["no end"])

    assert [("CANON", AT)] == [(found.kind, found.seq) for found in checked(chains, guards).findings]


@pytest.mark.parametrize(("act", "expected"), [("chain.recover", "RECOVERED"), ("resident.erase", "ERASED")])
def test_a_member_before_the_act_hides_nothing(sqlite_chains, guards, act, expected):
    """A canonical line of a member that no entry of the service has is read all the same."""
    written(sqlite_chains, act, lambda line: line.replace(b'"e":{"act"', b'"e":{"aa":1,"act"'))
    report = checked(sqlite_chains, guards)

    assert [] == report.findings
    assert [expected] == [doubt.partition(":")[0] for doubt in report.doubts]


def lines_of(*events, seq=0):
    """Return lines as they begin, at numbers that go on."""
    place = {"org": ORG, "prev": "00" * 32, "ts": "2026-11-21T00:00:00.000000Z"}
    return [canonical({"c": place | {"seq": n}, "e": one}) for n, one in enumerate(events, seq)]


@pytest.mark.parametrize("seq", [0, 5, 95, 99_995, 10**15 - 5])
def test_plain_lines_are_not_read(seq):
    """Of lines that say nothing of the chain none is read, where numbers grow longer neither."""
    assert not may_tell(lines_of(*map(event, range(40)), seq=seq))
    assert [] == list(notable(lines_of(*map(event, range(40)), seq=seq), seq))


@pytest.mark.parametrize("at", range(12))
def test_what_tells_is_read_wherever_it_stands(at):
    """Each act that tells is read, and so is an act longer than any; those beside it are not."""
    for one in (closes("2026-03", 0, 1), prunes("2026-03", 1), begin("x" * 90, "ok", actor(PEOPLE[0]))):
        events = [one if n == at else event(n) for n in range(12)]
        [found] = notable(lines_of(*events, seq=94), 94)
        assert (94 + at, one) == (found.seq, found.record["e"])


def test_empty_lines_hide_none_that_tells():
    """Lines that were pruned stand between others; what is no line of a chain is left to its check."""
    lines = [b"", *lines_of(*map(event, range(3)), prunes("2026-03", 1), seq=1), b"", b"{}"]

    assert [4] == [found.seq for found in notable(lines, 0)]
    assert not may_tell([b"", b""])


def test_a_closing_that_cannot_be_read_does_not_end_the_check(sqlite_chains, guards):
    """Where lines are missing, an entry after them that is no canonical JSON is a finding of its own."""
    chains = sqlite_chains
    chains.found(ORG)
    chains.append(4)
    with chains.turn() as connection:
        drafts = [Draft(ORG, closes("2026-03", 0, 4)), Draft(ORG, closes("2026-03", 0, 4))]
        log.append(connection, drafts, datetime(2026, 4, 1, tzinfo=UTC))
    cut = "substr(line, 1, length(line) - 1)"
    chains.tamper(f"UPDATE audit_event SET line = CAST({cut} AS BLOB) WHERE seq = 4")
    chains.tamper("DELETE FROM audit_event WHERE seq < 4")
    report = check_database(chains.engine, NOTARY, guards)

    assert "" == report.unreadable
    assert [("CANON", 4), ("SEGMENT", 5), ("SEQ", 0)] == sorted(
        (found.kind, found.seq) for found in report.chains[0].findings
    )
