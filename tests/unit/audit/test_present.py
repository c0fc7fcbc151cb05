"""Time as the writer of a line gives it, and time by the clock of whoever checks or signs."""

from datetime import UTC, datetime

import pytest

from app.audit import checkpoint
from app.audit.checkpoint import ChainNotExtendedError, Progress
from app.audit.database_check import check_database
from app.audit.guard_file import Guards
from app.audit.verify import Present
from tests.support.chains import ORG, event
from tests.unit.audit.test_forged_pruning import (
    GONE,
    LINES,
    NOTARY,
    begun,
    closes,
    empty,
    enter,
    lawful,
    prunes,
    told,
)

NOW = datetime(2026, 5, 9, 12, tzinfo=UTC)


@pytest.fixture
def guards(tmp_path) -> Guards:
    return Guards(tmp_path / "guard", NOTARY)


def sign(chains, guards, at=NOW):
    with chains.turn() as connection:
        made = checkpoint.sign_head(connection, NOTARY, ORG, guards.read(ORG), at)
    guards.move(made)
    return made


def report_on(chains, guards, now=NOW):
    [report] = check_database(chains.engine, NOTARY, guards, now=now).chains
    return report


def forged(chains, guards):
    """Lines of this month were signed; who holds no key dates their closing and their pruning ahead."""
    begun(chains, "2026-05")
    signed = sign(chains, guards)
    enter(chains, "2026-06", closes("2026-05", 0, LINES), event(11))
    enter(chains, "2035-01", prunes("2026-05", LINES))
    empty(chains, GONE)
    return signed


def test_a_pruning_dated_ahead_covers_nothing(chains, guards):
    """Whatever time an entry claims, lines of this month are pruned before their time was over."""
    forged(chains, guards)
    report = report_on(chains, guards)

    assert {"RETENTION": LINES + 2, "SEQ": GONE.start} == told(report)
    words = f"it prunes lines before #{LINES} and up to 2026-05, which were not there yet"
    assert words == report.findings[0].text
    assert 1 == report.exit_code


def test_a_pruning_dated_ahead_is_not_signed(chains, guards):
    """Who signs goes by their own clock: neither the head nor a step towards it passes such an entry."""
    signed = forged(chains, guards)
    with pytest.raises(ChainNotExtendedError) as refused:
        sign(chains, guards)
    with chains.turn() as connection, pytest.raises(ChainNotExtendedError):
        checkpoint.reread(connection, ORG, Progress(signed.size, signed.peaks), 100, NOW)

    assert f"entry #{LINES + 2} prunes lines that have to be kept still" in str(refused.value.why)
    assert LINES == guards.read(ORG).size


def test_the_same_pruning_holds_when_its_time_is_over(chains, guards):
    """Nine years on, nothing is wrong with it, and it is signed."""
    begun(chains, "2018-03")
    enter(chains, "2018-04", closes("2018-03", 0, LINES), event(11))
    enter(chains, "2018-06", closes("2018-04", LINES, LINES + 2))
    enter(chains, "2026-05", prunes("2018-03", LINES))
    empty(chains, GONE)
    sign(chains, guards)

    assert ({}, []) == (told(report_on(chains, guards)), report_on(chains, guards).doubts)
    early = datetime(2026, 3, 31, 23, tzinfo=UTC)
    assert {"RETENTION": LINES + 3, "SEQ": GONE.start} == told(report_on(chains, guards, early))


def test_a_pruning_attempt_that_was_refused_is_signed(chains, guards):
    """An entry that says a pruning was refused takes nothing out."""
    begun(chains, "2026-05")
    enter(chains, "2026-05", prunes("2026-04", LINES) | {"out": "deny"})

    assert LINES + 1 == sign(chains, guards).size


@pytest.mark.parametrize(
    ("now", "is_ahead"),
    [
        (datetime(2026, 5, 8, 0, 0, 0, tzinfo=UTC), False),
        (datetime(2026, 5, 7, 23, 59, 59, tzinfo=UTC), True),
        (NOW, False),
    ],
)
def test_lines_of_a_clock_that_ran_ahead_are_not_vouched_for(chains, guards, now, is_ahead):
    """A clock may have run ahead: a line dated more than a day later is a doubt and no finding."""
    begun(chains, "2026-05")
    sign(chains, guards)
    report = report_on(chains, guards, now)
    doubts = [
        doubt for doubt in report.doubts if doubt.startswith("AHEAD: the newest line is dated 2026-05-09")
    ]

    assert ({}, int(is_ahead), 2 * is_ahead) == (told(report), len(doubts), report.exit_code)


def test_the_present_is_the_earliest_known_past():
    """The clock here and what was past by then: the earliest counts, and what is no instant does not."""
    present = Present("2026-05-09T00:00:00.000000Z")
    for no_instant in (None, 7, "", "yesterday", "2026-03-01", "2020-99-01T00:00:00.000000Z", b"x", ["x"]):
        present.was_past(no_instant, "never")
    present.was_past("2027-01-01T00:00:00.000000Z", "later")

    assert "2026-05-09T00:00:00Z, the present by the clock here" == present.told()
    present.was_past("2026-05-08T00:00:00.000000Z", "when it was made")
    assert ("2026-05-08T00:00:00.000000Z", "when it was made") == (present.latest, present.by)


def altered(entry, name, **changed):
    return entry | {name: entry[name] | changed}


LIES = {
    "root of a month": (altered(closes("2018-03", 0, LINES), "seg", root="ab" * 32), None, 10),
    "no root of a month": (altered(closes("2018-03", 0, LINES), "seg", root=None), None, 10),
    "root": (None, altered(prunes("2018-03", LINES), "prune", root="ab" * 32), 14),
    "link": (None, altered(prunes("2018-03", LINES), "prune", prev="ab" * 32), 14),
    "peaks": (None, altered(prunes("2018-03", LINES), "prune", peaks=[]), 14),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("gone", [(), GONE])
def test_what_is_said_of_the_lines_of_a_month_is_compared(sqlite_chains, guards, lie, gone):
    """Root, link and peaks of a closed or pruned month are those of its lines, or of the leaves left."""
    first, pruned, seq = LIES[lie]
    closings = (first or closes("2018-03", 0, LINES), closes("2018-04", LINES, LINES + 3))
    lawful(sqlite_chains, pruned or prunes("2018-03", LINES), closings=closings)
    empty(sqlite_chains, gone)
    sign(sqlite_chains, guards)

    assert {"SEGMENT": seq} == told(report_on(sqlite_chains, guards))


def test_the_root_of_an_earlier_month_is_that_of_a_long_chain(sqlite_chains, guards):
    """However far back a month ended, its root is made from the leaves there: no honest one is accused."""
    begun(sqlite_chains, "2018-03")
    for month in ("2018-04", "2018-05", "2018-06"):
        for start in range(0, 1300, 100):
            enter(sqlite_chains, month, *map(event, range(start, start + 100)))
    ends = [LINES, LINES + 1300, LINES + 2600]
    closings = [
        closes(month, first, end)
        for month, first, end in zip(("2018-03", "2018-04", "2018-05"), [0, *ends], ends, strict=False)
    ]
    enter(sqlite_chains, "2026-07", *closings, prunes("2018-03", ends[0]), prunes("2018-05", ends[2]))
    at = datetime(2026, 8, 1, tzinfo=UTC)
    sign(sqlite_chains, guards, at)
    report = report_on(sqlite_chains, guards, at)

    assert {} == told(report)
    assert ends[2] + 1300 + 5 == report.count
