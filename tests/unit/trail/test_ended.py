"""The ledger of what ended is derived from the trail, and is never behind the guard."""

import asyncio
import logging

import orjson
import pytest

from app.access.visit import System, VisitRefusedError
from app.audit.ended_file import FOLDER, EndedFiles, LedgerDamagedError
from app.core.errors import AuditUnavailableError, CaretrailError
from app.identity.accounts import DeactivateAccount
from app.storage import durable
from app.trail import ended
from app.trail.ended import EndedCopy, copy_ended, what_ended
from app.trail.housekeeping import Housekeeping

DEACTIVATE = "POST /v1/users/{user_id}/deactivate"


def housekeeping(world, notary, guards, fails=lambda _work: False, **more):
    async def visit(visit):
        if fails(visit.work):
            raise VisitRefusedError(AuditUnavailableError(), None)
        world.turn.serve([visit])
        if isinstance(visit.outcome, CaretrailError):
            raise VisitRefusedError(visit.outcome, visit.stamp)
        return visit.outcome

    return Housekeeping(visit, notary, guards, **more)


def look(keep):
    asyncio.run(keep.look(last=True))


def leave(world, *people):
    """Deactivate people, and return their ids."""
    for person in people:
        work = DeactivateAccount(person.id, "left us")
        world.answer(work, DEACTIVATE, System("cli", world.org))
    return [person.id for person in people]


def ids(guards, world, kind="ended"):
    return [one["id"] for one in guards.ended.read(world.org).lines if one["kind"] == kind]


def test_what_ended_stands_there_when_the_guard_moves(any_world, notary, guards):
    """Each look covers all lines the guard tells of, adds what ended once, and leaves no entry."""
    keep = housekeeping(any_world, notary, guards)
    first, second = (any_world.person("carer", signed_in=False) for _ in range(2))
    left = leave(any_world, first)
    look(keep)
    before = len(any_world.entries())
    look(keep)
    left += leave(any_world, second)
    look(keep)

    assert left == ids(guards, any_world)
    assert before + 1 == len(any_world.entries()) == guards.ended.read(any_world.org).reached.size
    assert guards.read(any_world.org).size == before + 1
    (one, _) = guards.ended.read(any_world.org).lines
    assert {"seq", "leaf", "kind", "id"} == set(one), "ids and words, nothing else"


def test_the_guard_waits_for_the_ledger(world, notary, guards):
    """While the lines cannot be read for the ledger the guard stays: what it tells is always covered."""
    failing = [True]
    keep = housekeeping(
        world, notary, guards, lambda work: bool(failing) and isinstance(work, ended.ReadEnded)
    )
    look(keep)
    assert guards.read(world.org) is None
    failing.clear()
    look(keep)
    assert guards.read(world.org).size == guards.ended.read(world.org).reached.size == len(world.entries())


def test_another_process_goes_on_where_one_died(world, notary, guards, monkeypatch):
    """A crash at any of the writes loses nothing: the next process reads on from what is signed."""
    people = [world.person("carer", signed_in=False) for _ in range(4)]
    left = []
    for crash, person in zip(("write_from", "replace", None, "write_from"), people, strict=True):
        left += leave(world, person)
        with monkeypatch.context() as patched:
            if crash is not None:
                patched.setattr(durable, crash, _no_space)
            look(housekeeping(world, notary, guards))
    look(housekeeping(world, notary, guards))

    assert left == ids(guards, world)


def _no_space(*_arguments):
    raise OSError(28, "No space left on device")


def test_two_processes_add_each_line_once(world, notary, guards):
    """Two processes that keep the same chain in turns leave one line for each end."""
    keepers = [housekeeping(process, notary, guards) for process in (world, world.beside())]
    left = []
    for turn in range(4):
        left += leave(world, world.person("carer", signed_in=False))
        look(keepers[turn % 2])
    for keep in keepers:
        look(keep)

    assert left == ids(guards, world)


def test_a_long_chain_is_read_in_pieces(world, notary, guards, monkeypatch):
    """A deployment that had no ledger gets one over all its lines."""
    left = leave(world, *(world.person("carer", signed_in=False) for _ in range(3)))
    monkeypatch.setattr(ended, "READ_AT_ONCE", 2)
    look(housekeeping(world, notary, guards))

    assert left == ids(guards, world)


@pytest.mark.parametrize("how", ["damaged", "of another database", "lost"])
def test_a_ledger_that_is_not_this_databases_is_derived_anew(world, notary, guards, how, caplog):
    """What is damaged or left of a lost database is laid aside, said, and derived again from line 0."""
    left = leave(world, world.person("carer", signed_in=False))
    look(housekeeping(world, notary, guards))
    whole = guards.ended.read(world.org)
    body = guards.ended.folder / f"{world.org}.jsonl"
    if how == "damaged":
        body.write_bytes(b"{}\n")
    elif how == "lost":
        body.unlink()
        (guards.ended.folder / f"{world.org}.note").unlink()
    else:
        guards.ended.extend(world.org, whole.reached, whole.reached.size + 9, "ab", [b'{"seq": 9}\n'])
    left += leave(world, world.person("carer", signed_in=False))
    with caplog.at_level(logging.WARNING):
        look(housekeeping(world, notary, guards))

    assert left == ids(guards, world)
    assert (how != "lost") == any("begun-anew" in record.message for record in caplog.records)


def test_every_kind_of_end_has_its_line():
    """Each act that ends something becomes a line; one that was refused, or ends nothing, does not."""

    def kinds(out="ok", **event):
        told = {"actor": {"id": "a"}, "out": out, "obj": {"t": "user", "id": "u"}} | event
        line = orjson.dumps(
            {"c": {"ts": "2026-03-02T09:00:00.000000Z"}, "e": told}, option=orjson.OPT_SORT_KEYS
        )
        return [orjson.loads(one)["kind"] for one in what_ended(3, line)]

    assert ["credentials"] == kinds(act="user.password") == kinds(act="user.totp_confirm")
    assert ["credentials"] == kinds(act="user.reset")
    assert ["ended", "credentials"] == kinds(act="user.deactivate", chg=[{"f": "password"}])
    assert ["assignments", "credentials"] == kinds(act="user.suspend", chg=[{"f": "password"}])
    assert ["assignments"] == kinds(act="user.update", chg=[{"f": "assignments"}])
    assert [] == kinds(act="user.update", chg=[{"f": "display_name"}])
    assert [] == kinds(act="user.password", out="deny") == kinds(act="user.create") == kinds(act="user.read")
    assert ["code"] == kinds(act="auth.login", out="deny", factor="recovery-code")
    assert [] == kinds(act="auth.login")
    assert ["shift"] == kinds(act="shift.cancel", obj={"t": "shift", "id": "s"})
    assert ["asked"] == kinds(act="resident.erase_request", obj={"t": "erasure", "id": "e"})
    told = {"id": "e", "basis": "retention_ended", "asked_by": "a", "approved_by": "b", "keys": []}
    assert ["erased"] == kinds(act="resident.erase", obj={"t": "resident", "id": "r"}, erased=told)
    assert ["code", "code"] == kinds(act="identity.settle", obj={}, settled={"codes": ["a", "b"]})


def test_a_copy_goes_with_the_backups(world, notary, guards, tmp_path, caplog):
    """While a process serves, the folder of backups gets the ledger; where none are kept it gets none."""
    backups = tmp_path / "backups"
    left = leave(world, world.person("carer", signed_in=False))
    look(housekeeping(world, notary, guards))
    assert copy_ended(guards.ended, backups) is None
    assert not backups.exists()
    backups.mkdir()

    async def serve():
        copy = EndedCopy(guards.ended, backups)
        copy.start()
        await copy.stop()

    asyncio.run(serve())
    copies = EndedFiles(backups / FOLDER, notary)
    assert left == [one["id"] for one in copies.read(world.org).lines if one["kind"] == "ended"]
    (guards.ended.folder / f"{world.org}.note").write_text("x")
    with caplog.at_level(logging.ERROR):
        asyncio.run(serve())
    assert 1 == sum("not-copied" in record.message for record in caplog.records)
    with pytest.raises(LedgerDamagedError):
        guards.ended.read(world.org)
