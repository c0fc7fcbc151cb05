"""Prunings that the entries claim and the lines deny, in a database that anybody may have written to."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from app.audit import checkpoint, log, merkle
from app.audit.checkpoint import Notary
from app.audit.database_check import check_database
from app.audit.entry import Draft, begin
from app.audit.guard_file import Guards
from tests.support.chains import ORG, PEOPLE, actor, event

NOTARY = Notary("care.example", bytes(range(32)))
SYSTEM = {"id": "system:segments", "kind": "system"}
LINES = 10
"""How many lines the first month has; of these the first two stay."""
GONE = range(2, LINES)
GIVEN = "as the lines give it"
"""Stands for the root of the lines until the entry is made."""


@pytest.fixture
def guards(tmp_path) -> Guards:
    return Guards(tmp_path / "guard", NOTARY)


def closes(month, first, end):
    """Return the entry that closes a month."""
    seg = {"first": first, "end": end, "root": GIVEN, "leaves": 1024, "subjects": "00" * 32}
    return begin("segment.close", "ok", SYSTEM) | {"obj": {"t": "segment", "id": month}, "seg": seg}


def prunes(month, end, years=8):
    """Return the entry that prunes what is before a line."""
    said = {"obj": {"t": "segment", "id": month}, "prune": {"first": 0, "end": end, "years": years}}
    return begin("segment.prune", "ok", SYSTEM) | said


def rooted(event, leaves):
    """Return an entry that closes or prunes with the root that its lines have; any other as it is."""
    name = "prune" if "prune" in event else "seg"
    end = event.get(name, {}).get("end")
    if type(end) is not int or end > len(leaves):
        return event
    peaks: list[bytes] = []
    for size, leaf in enumerate(leaves[:end]):
        merkle.append(peaks, size, leaf)
    given = {"root": merkle.root(peaks).hex()}
    if name == "prune":
        given |= {"prev": leaves[end - 1].hex(), "peaks": [peak.hex() for peak in peaks]}
    return event | {name: given | {key: value for key, value in event[name].items() if value != GIVEN}}


def enter(chains, month, *events):
    """Append entries in a month."""
    year, number = map(int, month.split("-"))
    with chains.turn() as connection:
        leaves = connection.execute(text("SELECT leaf FROM audit_event ORDER BY seq")).scalars().all()
        drafts = [Draft(ORG, rooted(one, [bytes(leaf) for leaf in leaves])) for one in events]
        log.append(connection, drafts, datetime(year, number, 9, tzinfo=UTC))


def begun(chains, month):
    """Start a chain with the lines of its first month."""
    with chains.turn() as connection:
        log.found(connection, ORG, datetime(2018, 1, 1, tzinfo=UTC))
    enter(chains, month, *map(event, range(LINES)))


def empty(chains, seqs):
    for seq in seqs:
        chains.tamper("UPDATE audit_event SET line = :none WHERE seq = :seq", none=b"", seq=seq)


def checked(chains, guards):
    """Sign what is there, as the service does, and check it."""
    with chains.turn() as connection:
        made = checkpoint.sign_head(
            connection, NOTARY, ORG, guards.read(ORG), datetime(2026, 6, 1, tzinfo=UTC)
        )
    guards.move(made)
    report = check_database(chains.engine, NOTARY, guards)
    assert "" == report.unreadable
    return report.chains[0]


def told(report):
    return {found.kind: found.seq for found in report.findings}


def lawful(chains, *more, closings=None):
    """March and April 2018 are closed in their order, and March is pruned in May 2026."""
    begun(chains, "2018-03")
    first, second = closings or (closes("2018-03", 0, LINES), closes("2018-04", LINES, LINES + 3))
    enter(chains, "2018-04", first, event(11), event(12))
    enter(chains, "2018-06", second)
    enter(chains, "2026-05", *(more or (prunes("2018-03", LINES),)))


def test_a_lawful_pruning_is_told_and_nothing_else(chains, guards):
    """Months closed in their order and pruned when due: no finding, no doubt, and the entry is named."""
    lawful(chains)
    empty(chains, GONE)
    report = checked(chains, guards)

    assert ({}, []) == (told(report), report.doubts)
    done = "lines 0..9 were pruned under entry #14 after the rule of 8 years; the root still matches"
    assert done in report.checked


def test_a_month_closed_by_two_processes_says_the_same_twice(chains, guards):
    """An entry that closes a month once more in the same words changes nothing."""
    lawful(chains, closings=[closes("2018-03", 0, LINES), closes("2018-04", LINES, LINES + 3)])
    again = closes("2018-04", LINES, LINES + 3)
    enter(chains, "2026-05", again, closes("2018-06", LINES + 3, LINES + 4))
    empty(chains, GONE)

    assert {} == told(checked(chains, guards))


@pytest.mark.parametrize("end", [LINES, 1_000_000_000])
def test_lines_of_today_are_not_pruned_as_an_old_month(chains, guards, end):
    """Who closes today's lines as a month long past, up to any line, empties them in vain."""
    begun(chains, "2026-05")
    enter(chains, "2026-05", closes("2010-01", 0, end), prunes("2010-01", end))
    empty(chains, GONE)
    report = checked(chains, guards)

    assert {"SEGMENT": LINES, "RETENTION": LINES + 1, "SEQ": GONE.start} == told(report)
    assert f"but #{LINES + 1} that does not count" in report.as_text()


def test_where_no_line_is_left_to_show_their_age_nothing_is_vouched_for(chains, guards):
    """If all lines of the past are gone and those that follow are of today, the check cannot vouch."""
    begun(chains, "2026-05")
    enter(chains, "2026-05", closes("2010-01", 0, LINES), prunes("2010-01", LINES))
    empty(chains, range(LINES))
    report = checked(chains, guards)

    assert {} == told(report)
    assert ["PRUNED"] == [doubt.partition(":")[0] for doubt in report.doubts]
    assert 2 == report.exit_code


MARCH, APRIL = closes("2018-03", 0, LINES), closes("2018-04", LINES, LINES + 3)
CLOSINGS = {
    "a month that is not that of its lines": (10, closes("2018-02", 0, LINES), APRIL),
    "a month that begins late": (10, closes("2018-03", 1, LINES), APRIL),
    "a month that ends early": (10, closes("2018-03", 0, LINES - 1), APRIL),
    "a month that ends in the next": (10, closes("2018-03", 0, LINES + 1), APRIL),
    "a month twice": (13, MARCH, closes("2018-03", LINES, LINES + 3)),
    "an earlier month": (13, MARCH, closes("2018-02", LINES, LINES + 3)),
    "a gap between months": (13, MARCH, closes("2018-04", LINES + 1, LINES + 3)),
    "lines of an earlier month": (13, MARCH, closes("2018-04", 0, LINES + 3)),
    "an end past its own entry": (13, MARCH, closes("2018-06", LINES, LINES + 9)),
    "no lines": (13, MARCH, closes("2018-06", LINES, LINES)),
    "no month": (13, MARCH, closes("2018-13", LINES, LINES + 3)),
    "a number that is none": (13, MARCH, closes("2018-04", LINES, "13")),
    "nothing": (13, MARCH, {name: value for name, value in APRIL.items() if name != "seg"}),
}


@pytest.mark.parametrize("name", CLOSINGS)
def test_a_month_is_closed_as_its_lines_are_and_in_its_order(chains, guards, name):
    """An entry that closes a month otherwise than its lines say, or out of order, is a finding."""
    seq, *closings = CLOSINGS[name]
    lawful(chains, event(14), closings=closings)
    report = checked(chains, guards)

    assert ("SEGMENT", seq) == (report.findings[0].kind, report.findings[0].seq), report.as_text()
    assert {"SEGMENT"} == set(told(report))


PRUNINGS = {
    "no month ends there": prunes("2018-03", LINES - 1),
    "another month": prunes("2018-04", LINES),
    "an end past the chain": prunes("2018-03", 1_000_000_000),
    "an end that is no number": prunes("2018-03", "10"),
    "a rule past all time": prunes("2018-03", LINES, 8000),
    "no rule": prunes("2018-03", LINES, None),
    "nothing": begin("segment.prune", "ok", SYSTEM),
}


@pytest.mark.parametrize("name", PRUNINGS)
def test_only_a_pruning_that_counts_covers_what_is_missing(chains, guards, name):
    """Whatever else an entry says, the empty lines are missing, and both are told."""
    lawful(chains, PRUNINGS[name])
    empty(chains, GONE)

    assert {"RETENTION": 14, "SEQ": GONE.start} == told(checked(chains, guards))


def test_empty_lines_after_a_lawful_pruning_are_missing(chains, guards):
    """A pruning covers what is before its line and nothing after it; what it covers is still told."""
    lawful(chains)
    empty(chains, [*GONE, LINES + 1])
    report = checked(chains, guards)

    assert {"SEQ": LINES + 1} == told(report)
    assert any("lines 0..9 were pruned under entry #14" in done for done in report.checked)


def test_empty_lines_before_a_break_are_told_of(chains, guards):
    """Where the chain breaks before an entry that prunes, the empty lines are not passed over in silence."""
    lawful(chains)
    empty(chains, GONE)
    report = checked(chains, guards)
    assert [] == report.doubts
    chains.tamper("UPDATE audit_event SET line = :bytes WHERE seq = 12", bytes=bytes(9))
    report = check_database(chains.engine, NOTARY, guards).chains[0]

    assert {"CANON": 12} == told(report) | {"CANON": 12}
    assert [
        "PRUNED: 8 lines from #2 on are empty; whether an entry pruned them, was not read to the end"
    ] == ([doubt for doubt in report.doubts if doubt.startswith("PRUNED")])


def test_a_person_is_not_taken_for_a_month(chains, guards):
    """Acts of people between those entries change nothing of it."""
    lawful(chains, prunes("2018-03", LINES), begin("record.read", "ok", actor(PEOPLE[0])))
    empty(chains, GONE)

    assert {} == told(checked(chains, guards))
