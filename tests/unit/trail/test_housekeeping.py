"""The housekeeping of the trail."""

import asyncio
import logging

import pytest
from sqlalchemy import text

from app.access.door import Door
from app.access.visit import VisitRefusedError
from app.audit import indexing, log, merkle, tiles, verify
from app.audit.checkpoint import Checkpoint
from app.audit.entry import Draft
from app.audit.table import checkpoint
from app.core import lasting
from app.core.errors import AuditUnavailableError, CaretrailError
from app.core.identifiers import SYSTEM
from app.storage import durable
from app.trail import housekeeping
from app.trail.closing import CloseSegment
from app.trail.housekeeping import Housekeeping
from tests.support import chains
from tests.unit.trail.stories import admit


@pytest.fixture
def keep(any_world, notary, guards, time) -> Housekeeping:
    """A housekeeping whose visits are served at once."""
    return keeper(any_world, notary, guards, time)


def keeper(world, notary, guards, time, fails=None) -> Housekeeping:
    async def visit(visit):
        if fails is not None and fails(visit):
            raise VisitRefusedError(AuditUnavailableError(), None)
        world.turn.serve([visit])
        if isinstance(visit.outcome, CaretrailError):
            raise VisitRefusedError(visit.outcome, visit.stamp)
        return visit.outcome

    return Housekeeping(visit, notary, guards, now=time)


def look(keep, **how):
    asyncio.run(keep.look(**how))


def sizes(world, org=None) -> list[int]:
    rows = world.rows(checkpoint)
    return sorted(row["size"] for row in rows if row["org"] == (org or world.org))


def grow(world, count, org=None):
    drafts = [Draft(org or world.org, chains.event(n)) for n in range(count)]
    world.looking(lambda connection: log.append(connection, drafts, world.now))


def test_a_chain_that_moved_is_signed_guarded_and_indexed(any_world, keep, guards, notary, monkeypatch):
    """One look signs every chain at its head, moves its guard and takes whole pieces into its index."""
    monkeypatch.setattr(housekeeping, "INDEX_AT_ONCE", 2)
    look(keep)
    size = len(any_world.entries())

    assert sizes(any_world) == [size]
    assert guards.read(any_world.org).size == size
    assert any_world.looking(lambda c: indexing.behind(c, any_world.org)) == size % 2
    assert guards.chains() == sorted([any_world.org, SYSTEM]), "a chain without lines is guarded too"
    said = verify.open_note(guards.read(any_world.org).note.encode(), notary.keys(any_world.org))
    assert verify.read_checkpoint(said).size == size


def test_it_leaves_no_entry(any_world, keep):
    """Checkpoints and the index add nothing to the trail: they would feed themselves."""
    before = len(any_world.entries()), len(any_world.entries(SYSTEM))
    look(keep)

    assert (len(any_world.entries()), len(any_world.entries(SYSTEM))) == before


def test_a_chain_that_stands_still_is_not_signed_again(any_world, keep, time):
    """Without new entries there is no new checkpoint, however much time passes."""
    look(keep)
    time.seconds += 60
    look(keep)

    assert len(sizes(any_world)) == 1


def test_it_signs_once_a_second(any_world, keep, time):
    """Under light traffic a chain gets one checkpoint a second, at its head."""
    look(keep)
    expected = sizes(any_world)
    for seconds, signed in [(0.3, False), (0.3, False), (0.5, True), (0.6, False), (0.5, True)]:
        admit(any_world, any_world.home)
        time.seconds += seconds
        look(keep)
        if signed:
            expected.append(len(any_world.entries()))
        assert sizes(any_world) == expected


def test_it_signs_sooner_under_traffic(any_world, keep, time):
    """1,024 entries are signed at once, whatever the time; one less waits for its second."""
    look(keep)
    [first] = sizes(any_world)
    grow(any_world, 1023)
    look(keep)
    assert sizes(any_world) == [first]
    grow(any_world, 1)
    look(keep)

    assert sizes(any_world) == [first, first + 1024]


def test_the_last_look_signs_whatever_moved(any_world, keep, guards):
    """At shutdown the head is signed, although the last second is not over."""
    look(keep)
    admit(any_world, any_world.home)
    look(keep, last=True)

    assert sizes(any_world)[-1] == len(any_world.entries()) == guards.read(any_world.org).size


def test_it_goes_on_from_the_guard_after_a_restart(any_world, keep, notary, guards, time):
    """A new process reads on from where the guard stands; it signs nothing it did not read."""
    look(keep)
    grow(any_world, 30)
    again = keeper(any_world, notary, guards, time)
    look(again)

    assert guards.read(any_world.org).size == len(any_world.entries())


def test_two_processes_make_one_checkpoint(any_world, keep, notary, guards, time):
    """Whoever is second finds the size signed and leaves it at that."""
    second = keeper(any_world, notary, guards, time)
    for _ in range(3):
        grow(any_world, 5)
        time.seconds += 2
        look(keep)
        look(second)

    assert len(sizes(any_world)) == 3
    assert keep.healthy
    assert second.healthy


def test_a_long_way_is_read_in_steps(world, notary, guards, time, monkeypatch):
    """A chain far ahead of its guard is read in small turns, then signed once."""
    monkeypatch.setattr(housekeeping, "READ_AT_ONCE", 10)
    seen = []
    keep = keeper(world, notary, guards, time, lambda visit: seen.append(type(visit.work).__name__))
    grow(world, 45)
    look(keep)

    size = len(world.entries())
    assert sizes(world) == [size]
    assert seen.count("ReadAgain") == -(-size // 10) - 1


# --- what goes wrong ----------------------------------------------------------------------------


def forge(world, notary, guards, more=0):
    """Put a guard in place that knows another history, properly signed."""
    size = len(world.entries()) + more
    peaks: list[bytes] = []
    for at in range(size):
        merkle.append(peaks, at, merkle.leaf_hash(b"%d" % at))
    root = merkle.root(peaks)
    note = notary.sign_checkpoint(world.org, size, root)
    guards.move(Checkpoint(world.org, notary.origin(world.org), size, root, tuple(peaks), note))


def test_a_chain_that_was_written_anew_is_halted(world, notary, guards, time, caplog):
    """A chain that does not continue its guard is signed no more, and the service is not healthy."""
    forge(world, notary, guards)
    keep = keeper(world, notary, guards, time)
    with caplog.at_level(logging.CRITICAL):
        look(keep)
        time.seconds += 2
        look(keep)

    assert not keep.healthy
    assert sizes(world) == []
    assert sizes(world, SYSTEM), "the other chains are kept"
    assert [record.message for record in caplog.records] == ["chain-not-signed"]
    refused = [e for e in world.entries() if e["act"] == "audit.housekeeping"]
    assert [e["out"] for e in refused] == ["fail"], "told once in the trail, not at every look"


def test_a_guard_that_holds_another_root_halts_its_chain(world, notary, guards, time):
    """When the guard got another root of the very size, both are kept and no more is signed."""
    keep = keeper(world, notary, guards, time)
    look(keep)
    forge(world, notary, guards, more=1)
    forged = guards.path(world.org).read_bytes()
    grow(world, 1)
    time.seconds += 2
    look(keep)

    assert not keep.healthy
    assert guards.path(world.org).read_bytes() == forged


def test_a_damaged_guard_halts_its_chain(world, notary, guards, time):
    """A guard file that cannot be trusted is not written over."""
    look(keeper(world, notary, guards, time))
    guards.path(world.org).write_text("{}")
    keep = keeper(world, notary, guards, time)
    admit(world, world.home)
    look(keep)

    assert not keep.healthy
    assert guards.path(world.org).read_text() == "{}"


def test_a_guard_that_cannot_be_written_is_tried_again(world, notary, guards, time, monkeypatch, caplog):
    """A full disk under guard and ledger delays them; checkpoints go on, and both follow when they can."""
    keep = keeper(world, notary, guards, time)
    look(keep)
    moved = guards.read(world.org).size
    with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
        patched.setattr(durable, "replace", _no_space)
        for _ in range(2):
            admit(world, world.home)
            time.seconds += 2
            look(keep)
        assert guards.read(world.org).size == moved
    assert len(caplog.records) == 1, "told once, not at every look"
    look(keep)

    assert keep.healthy
    assert guards.read(world.org).size >= moved + 1
    assert guards.ended.read(world.org).reached.size == guards.read(world.org).size


def _no_space(*_arguments):
    raise OSError(28, "No space left on device")


def test_a_failure_of_one_chain_leaves_the_others(world, notary, guards, time):
    """While one chain's visits fail, the other chains are signed; later it is signed too."""
    failing = [True]
    first = min(world.org, SYSTEM)
    keep = keeper(
        world, notary, guards, time, lambda visit: failing and visit.credential.org == first != SYSTEM
    )
    grow(world, 3, SYSTEM)
    look(keep)
    assert sizes(world) == []
    assert sizes(world, SYSTEM)
    failing.clear()
    look(keep)

    assert sizes(world)


def test_without_a_database_it_waits(world, notary, guards, time, caplog):
    """When nothing can be read, the failure is logged once and the next look tries again."""
    down = [True]
    keep = keeper(world, notary, guards, time, lambda _visit: bool(down))
    with caplog.at_level(logging.ERROR):
        look(keep)
        look(keep)
    assert [record.message for record in caplog.records] == ["housekeeping-failed"]
    down.clear()
    look(keep)

    assert sizes(world)


# --- tiles ----------------------------------------------------------------------------------------


def test_tiles_are_written_behind_the_trail(any_world, keep, monkeypatch):
    """A look writes every full tile of a chain, a few pieces at most, and the next look the rest."""
    monkeypatch.setattr(housekeeping, "TILES_AT_ONCE", 1)
    monkeypatch.setattr(housekeeping, "PIECES_AT_A_LOOK", 2)
    grow(any_world, 800)
    behind = []
    for _ in range(3):
        look(keep)
        behind.append(any_world.looking(lambda c: tiles.behind(c, any_world.org)))

    assert behind == [1, 0, 0]
    assert keep.healthy


def test_a_chain_with_lines_missing_is_not_healthy(world, notary, guards, time, caplog):
    """Where lines are missing below the tiles the chain is given up, and said so, once."""
    keep = keeper(world, notary, guards, time)
    grow(world, 300)
    look(keep, last=True)
    for statement in ("DROP TRIGGER audit_event_delete", "DELETE FROM audit_event WHERE seq = 17"):
        world.looking(lambda c, statement=statement: c.execute(text(statement)))
    with caplog.at_level(logging.ERROR):
        look(keep)
        look(keep)

    assert not keep.healthy
    assert [r.message for r in caplog.records] == ["attempt-broken", "chain-not-signed"]
    assert {r.why for r in caplog.records} == {"tiles-broken"}


# --- behind the real door -------------------------------------------------------------------------


def test_it_runs_beside_the_service_until_it_is_stopped(world, notary, guards, monkeypatch):
    """Started behind an open door it signs on its own, and once more when it is stopped."""
    monkeypatch.setattr(housekeeping, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(housekeeping, "SIGN_EVERY_S", 0.02)
    monkeypatch.setattr(housekeeping, "INDEX_AT_ONCE", 1)
    size = len(world.entries())

    async def run():
        door = Door(world.turn)
        door.open()
        keep = Housekeeping(door.visit, notary, guards)
        keep.start()
        while (guard := guards.read(world.org)) is None or guard.size < size:
            await asyncio.sleep(0.01)
        await keep.stop()
        await door.close()
        return keep.healthy

    assert asyncio.run(asyncio.wait_for(run(), 20))
    assert sizes(world) == [size]
    count = world.looking(lambda c: c.execute(text("SELECT count(*) FROM audit_index")).scalar_one())
    assert count > 0


def test_it_goes_on_after_a_defect(world, notary, guards, monkeypatch, caplog):
    """Whatever breaks it off is told, and after a pause it signs as before."""
    monkeypatch.setattr(housekeeping, "REFRESH_EVERY_S", 0.0)
    monkeypatch.setattr(lasting, "AGAIN_S", 0.05)
    breaks = [ZeroDivisionError]

    def refresh() -> None:
        if breaks:
            raise breaks.pop()

    async def run() -> bool:
        door = Door(world.turn)
        door.open()
        keep = Housekeeping(door.visit, notary, guards, refresh=refresh)
        keep.start()
        while guards.read(world.org) is None:
            await asyncio.sleep(0.01)
        await keep.stop()
        await door.close()
        return keep.lasting.broken

    assert not asyncio.run(asyncio.wait_for(run(), 20))
    told = [(record.kind, record.cause) for record in caplog.records if record.message == "broken-off"]
    assert [("housekeeping", "ZeroDivisionError")] == told
    assert [len(world.entries())] == sizes(world)


def test_a_closing_that_was_refused_is_tried_at_the_next_look(any_world, notary, guards, time):
    """Closings are looked for once an hour; one that could not be made does not wait for the next."""
    admit(any_world, any_world.home, "Ash")
    any_world.pass_time(days=31)
    refused = [True]
    keep = keeper(
        any_world, notary, guards, time, lambda visit: isinstance(visit.work, CloseSegment) and refused[0]
    )
    look(keep)
    refused[0] = False
    look(keep)

    assert 1 == [entry["act"] for entry in any_world.entries()].count("segment.close")


def test_an_index_far_behind_is_caught_up_with_before_a_closing(any_world, keep, monkeypatch):
    """A month is closed although the index lags by more than one piece of it."""
    monkeypatch.setattr(indexing, "LONGEST_PIECE", 2)
    admit(any_world, any_world.home, "Ash")
    any_world.pass_time(days=31)
    look(keep)

    assert 1 == [entry["act"] for entry in any_world.entries()].count("segment.close")
