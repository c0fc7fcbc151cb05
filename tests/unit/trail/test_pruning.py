"""A chain whose oldest months were pruned: what goes, what stays, and that the rest still verifies."""

import asyncio
import io
import json
import zipfile
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from app.access.visit import System
from app.audit import protection as protection_of
from app.audit import pruning, verify
from app.audit.database_check import check_database
from app.audit.database_report import DatabaseReport
from app.audit.schema_digest import check_snapshot
from app.audit.unprotecting import unprotected
from app.core.clock import spell
from app.core.errors import CaretrailError, ConflictError, InvalidRequestError, NotFoundError
from app.storage.guard import carrying
from app.storage.schema import SERVICE_ROLE
from app.storage.snapshot import open_snapshot
from app.trail.checkpoints import HOUSEKEEPING, IndexLines, SignHead
from app.trail.closing import close_due
from app.trail.derived import check_derived
from app.trail.events import AccessLog, ListEvents, ReadEvent
from app.trail.export_works import Filter
from app.trail.proving import ProveConsistency, ProveEntry
from app.trail.pruning import PRUNE, PruneChain
from app.trail.self_check import Means, Round
from app.trail.state_check import check_state
from app.vault.keyring import Keyring
from tests.support.unprotected import removal
from tests.unit.trail.state_scene import KINDS
from tests.unit.trail.stories import EVENT, EVENTS, LOG, admit, exported, lines_of, list_residents, look_at

BEFORE = "2026-04-01T00:00:00.000000Z"
YEARS = 8


def do(world, work, operation=HOUSEKEEPING):
    """Do a work of the system's."""
    return world.answer(work, operation, System("cli", world.org)).payload


def close(world):
    async def run(org, work):
        return do(world, work)

    return asyncio.run(close_due(run, world.org))


def sign(world, notary, guards):
    guards.move(do(world, SignHead(notary, guards.read(world.org))))


def prune(world, before=BEFORE, years=YEARS):
    taken = do(world, PruneChain(before, years), PRUNE)
    do(world, IndexLines(20_000))
    return taken


def refused(world, before=BEFORE, years=YEARS) -> CaretrailError:
    """Return why nothing was pruned."""
    outcome = world.do(PruneChain(before, years), PRUNE, System("cli", world.org))
    assert isinstance(outcome, CaretrailError)
    return outcome


def protection(world) -> tuple[str, list[str]]:
    with open_snapshot(world.engine) as snapshot:
        check = check_snapshot(snapshot, world.engine.dialect.name, SERVICE_ROLE)
    return check.digest, check.differences


def protect(world):
    """Make the trail append-only as the migration does: on SQLite it is already."""

    def make(connection):
        for statement in removal("postgresql"):
            if statement.startswith("DROP FUNCTION"):
                connection.execute(text(f"{statement.replace('FUNCTION', 'FUNCTION IF EXISTS')} CASCADE"))
        for statement in protection_of.statements("postgresql"):
            connection.execute(text(statement))

    if world.engine.dialect.name == "postgresql":
        world.looking(make)


@pytest.fixture
def old(any_world, notary, guards):
    """March 2026 with three residents and people who look; April; then eight years pass."""
    world = any_world
    protect(world)
    world.manager = world.person("registered_manager", name="Ann Marlow")
    world.residents = [admit(world, world.home, name) for name in ("Ash", "Birch", "Cedar")]
    world.looks = [look_at(world, resident, world.manager) for resident in world.residents * 2]
    world.looks.append(list_residents(world, world.manager))
    world.march = len(world.entries())
    sign(world, notary, guards)
    world.pass_time(days=31)
    look_at(world, world.residents[0], world.manager)
    assert close(world) == ("2026-03", 0, world.march)
    world.before = lines_of(world)
    world.pass_time(days=8 * 366)
    world.auditor = world.person("auditor", None, name="Auditor")
    look_at(world, world.residents[1], world.manager)
    sign(world, notary, guards)
    return world


def test_what_was_read_goes_and_what_was_changed_stays(old):
    """Lines of looks are gone with what was beside them; who changed something, and names, stay."""
    taken = prune(old)
    lines = lines_of(old)
    gone = [seq for seq, line in enumerate(lines) if not line]

    assert taken == ("2026-03", old.march, len(gone))
    assert gone == [seq for seq in range(old.march) if not pruning.stays(old.before[seq])]
    assert set(gone) >= set(old.looks)
    assert len(gone) >= 7
    assert lines[old.march : len(old.before)] == old.before[old.march :]
    entry = json.loads(lines[-1])["e"]
    assert (entry["act"], entry["obj"]["id"], entry["prune"]["end"]) == (
        "segment.prune",
        "2026-03",
        old.march,
    )
    assert prune(old) is None


def test_protection_is_as_it_was(old):
    """Definitions that protect the trail are the same before and after, and still refuse."""
    before = protection(old)
    prune(old)

    assert [] == before[1]
    assert before == protection(old)
    for change in ("DELETE FROM audit_event", "UPDATE audit_event SET line = line", "DELETE FROM audit_name"):
        with pytest.raises(Exception, match="append-only"):
            old.looking(lambda c, change=change: c.execute(text(change)))


def test_the_database_still_verifies(old, notary, guards):
    """The whole database verifies and names entry, lines and rule."""
    prune(old)
    entry = len(lines_of(old)) - 1
    sign(old, notary, guards)
    [report] = [
        one
        for one in check_database(old.engine, notary, guards, now=old.now).chains
        if one.organisation == old.org
    ]

    assert ([], []) == (report.findings, report.doubts)
    told = f"lines 0..{old.march - 1} were pruned under entry #{entry} after the rule of 8 years"
    assert f"{told}; the root still matches" in report.checked


def test_an_export_of_the_rest_verifies(old, notary, guards):
    """The export begins where the chain does, tells of it, and everything in it holds."""
    prune(old)
    entry = len(lines_of(old)) - 1
    data = exported(old, old.auditor, notary, guards)
    report = verify.verify_export(io.BytesIO(data), notary.vkeys(old.org), now=spell(old.now))

    assert ([], [], 0) == (report.findings, report.doubts, report.exit_code), report.as_text()
    assert (old.march, True) == (report.first, report.count > 0)
    assert any(
        f"pruned under entry #{entry} after the rule of 8 years; the root" in t for t in report.checked
    )
    assert "Ann Marlow" in zipfile.ZipFile(io.BytesIO(data)).read("events.csv").decode()


def test_an_export_of_one_resident_verifies(old, notary, guards):
    """The entries of a resident are proven complete for months closed and kept, not where they begin."""
    prune(old)
    old.pass_time(days=40)
    while close(old):
        pass
    auditor = old.person("auditor", None, name="Other")
    chosen = Filter(resident_id=old.residents[1], until="2034-04-01T00:00:00.000000Z")
    data = exported(old, auditor, notary, guards, chosen=chosen)
    report = verify.verify_export(io.BytesIO(data), notary.vkeys(old.org), now=spell(old.now))

    assert [] == report.findings, report.as_text()
    assert any("no line of the resident is left out" in told for told in report.checked), report.as_text()
    begun = f"lines before #{old.march} are said to be pruned; this selection does not prove it"
    assert [f"{begun}. A whole export does"] == report.doubts


def test_lists_and_proofs_work_on_the_rest(old, notary, guards):
    """Pages end where the chain begins; a pruned entry is 404 in clear words; every kept one is proven."""
    prune(old)
    sign(old, notary, guards)
    ask = {"limit": 200}
    listed = old.answer(ListEvents(**ask), EVENTS, old.auditor).payload["items"]
    logged = old.answer(AccessLog(old.residents[0], **ask), LOG, old.auditor).payload["items"]
    hidden = old.do(ReadEvent(str(old.looks[0])), EVENT, old.auditor)
    kept = next(seq for seq, line in enumerate(lines_of(old)[: old.march]) if line)

    assert min(item["seq"] for item in listed) == old.march
    assert [True, True] == [item["seq"] >= old.march for item in logged]
    assert isinstance(hidden, NotFoundError)
    assert "pruned" in hidden.detail
    for seq in (kept, old.march, old.march + 1):
        proof = old.answer(
            ProveEntry(str(seq), notary, guards), "GET /v1/audit/events/{seq}/proof", old.auditor
        )
        assert proof.payload.startswith("c2sp.org/tlog-proof@v1")
    hashes = old.answer(
        ProveConsistency(old.march, old.march + 2, notary, guards), "GET /v1/audit/consistency", old.auditor
    )
    assert hashes.payload["hashes"]


def test_nothing_goes_before_its_time(old):
    """A month that has to be kept still is refused, and so is a rule below the floor; nothing is done."""
    lines = lines_of(old)
    old.pass_time(days=40)
    while close(old):
        pass
    count = len(lines_of(old))
    for before, years in ((BEFORE, 9), (BEFORE, 7), ("2034-05-01T00:00:00.000000Z", YEARS)):
        assert isinstance(refused(old, before, years), InvalidRequestError)

    assert lines == lines_of(old)[: len(lines)]
    assert count <= len(lines_of(old))
    assert all(lines_of(old))
    assert prune(old, "2026-03-31T00:00:00.000000Z") is None


@pytest.mark.parametrize("broken", ["remove", "_take_from_lists", "feed_after"])
def test_a_failure_leaves_all_or_nothing(old, monkeypatch, broken):
    """Whatever step fails, neither entry nor change is left, and the protection stands."""
    lines, before = lines_of(old), protection(old)

    def fail(*_):
        raise RuntimeError("power cut")

    if broken == "feed_after":
        monkeypatch.setattr("app.audit.log._extended", fail)
    else:
        monkeypatch.setattr(pruning, broken, fail)
    assert refused(old)
    monkeypatch.undo()

    assert lines == lines_of(old)[: len(lines)]
    assert all(lines_of(old))
    assert "segment.prune" not in [e["act"] for e in old.entries() if e["out"] == "ok"]
    assert before == protection(old)


def test_lines_taken_out_by_hand_are_missed(old, notary, guards):
    """Lines emptied beyond the entry, or without one, are missing; so is a whole month."""
    prune(old)
    with pruning_off(old) as connection:
        connection.execute(
            text("UPDATE audit_event SET line = :none WHERE org = :org AND seq = :seq"),
            {"none": b"", "org": old.org, "seq": old.march},
        )
    [found] = findings(old, notary, guards)

    assert (found.kind, found.seq) == ("SEQ", old.march)
    assert "no entry says that they were pruned" in found.text


def test_a_month_that_is_gone_is_named(old, notary, guards):
    """A closed month whose rows are gone is named by the entry that closed it."""
    with pruning_off(old) as connection:
        connection.execute(
            text("DELETE FROM audit_event WHERE org = :org AND seq < :end"),
            {"org": old.org, "end": old.march},
        )
    found = findings(old, notary, guards)

    assert ["SEGMENT", "SEQ"] == sorted(one.kind for one in found)
    assert any("2026-03 is missing as a whole" in one.text for one in found)


def test_altered_lines_do_not_go(old):
    """What was altered behind the service's back is not pruned: it would be gone as evidence."""
    with pruning_off(old) as connection:
        connection.execute(
            text("UPDATE audit_event SET line = :line WHERE org = :org AND seq = :seq"),
            {"line": old.before[old.looks[0]].replace(b'"ok"', b'"OK"'), "org": old.org, "seq": old.looks[0]},
        )

    assert isinstance(refused(old), ConflictError)


@contextmanager
def pruning_off(world):
    """Yield a connection on which the trail can be changed, as its owner can."""
    with world.engine.connect() as connection, carrying(connection, "owner"), connection.begin():
        with unprotected(connection):
            yield connection


def report_on(world, notary, guards):
    reports = check_database(world.engine, notary, guards, now=world.now).chains
    return next(one for one in reports if one.organisation == world.org)


def findings(world, notary, guards):
    return report_on(world, notary, guards).findings


def test_the_self_check_and_all_comparisons_hold(old, notary, guards):
    """A self-check from the first line on, rows, index, nodes and boxes: nobody is accused of pruning."""
    prune(old)
    sign(old, notary, guards)
    means = Means(old.engine, Keyring(old._root, old.entropy), notary, KINDS, lambda: old.now, old.entropy)
    one = Round(means, 0, 5)
    for _ in one.walk():
        pass
    report = DatabaseReport([report_on(old, notary, guards)])
    with open_snapshot(old.engine) as snapshot:
        keyring = Keyring(old._root, old.entropy)
        check_derived(snapshot, report, old.entropy, keyring, old.now)
        check_state(snapshot, report, keyring, KINDS, old.now)

    assert [] == one.found
    assert one.lines >= len(lines_of(old))
    assert [] == report.chains[0].findings
    assert any("rows are what their entries say" in told for told in report.chains[0].checked)


def test_a_prune_while_the_self_check_walks_accuses_nobody(old, notary):
    """What is pruned in the middle of a round is no finding of it."""
    means = Means(old.engine, Keyring(old._root, old.entropy), notary, KINDS, lambda: old.now, old.entropy)
    one = Round(means, 0, 5)
    for step, _ in enumerate(one.walk()):
        if step == 3:
            prune(old)

    assert [] == [found for found in one.found if found.org == old.org]


def test_a_second_pruning_goes_on_where_the_first_ended(old, notary, guards):
    """Years later the next months go; the first entry that pruned stays, and all of it verifies."""
    prune(old)
    sign(old, notary, guards)
    old.pass_time(days=9 * 366)
    while close(old):
        pass
    taken = prune(old, "2035-01-01T00:00:00.000000Z")
    sign(old, notary, guards)
    report = report_on(old, notary, guards)
    acts = [json.loads(line)["e"]["act"] for line in lines_of(old)[: taken.end] if line]

    assert ("2034-04", 1) == (taken.month, acts.count("segment.prune"))
    assert ([], []) == (report.findings, report.doubts), report.as_text()
    assert any(f"lines 0..{taken.end - 1} were pruned" in told for told in report.checked)
