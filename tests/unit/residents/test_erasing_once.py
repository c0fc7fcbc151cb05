"""An erasure happens once, for every process, and again after a backup; broken ones are noticed."""

import threading

from sqlalchemy import Connection, select, text

from app.access.operations import operation
from app.access.visit import Visit, Visited
from app.core.errors import ConflictError, NotFoundError
from app.residents import erasing, shredding
from app.residents.erasing import ApproveErasure
from app.residents.erasure_rows import ERASURE_COLUMNS, ErasureRow
from app.residents.reapplying import Erased, reapply
from app.residents.register import ReadResident
from app.residents.table import erasure
from tests.unit.residents.conftest import APPROVE

READ = "GET /v1/residents/{resident_id}"


def ledger_of(connection: Connection) -> list[Erased]:
    """Every erasure a database knows of, by organisation and entry."""
    c = erasure.c
    query = select(c.entry, *ERASURE_COLUMNS).where(c.status == "approved").order_by(c.org, c.entry)
    return [Erased(found[0], ErasureRow._make(found[1:])) for found in connection.execute(query)]


# --- once ---------------------------------------------------------------------------------------


def test_an_erasure_is_approved_once(provider):
    """A second approval is 409; an erasure of another organisation is 404."""
    asked = provider.ask(provider.admit())
    provider.approve(asked["id"])
    again = provider.approve(asked["id"])
    other = provider.world.found("Other Care")
    stranger = provider.world.person("registered_manager", None, org=other)

    assert (ConflictError, "erasure-decided") == (type(again), again.why)
    assert isinstance(provider.approve(asked["id"], stranger), NotFoundError)


def test_others_asked_for_are_superseded(provider):
    """When a resident is erased, what else was asked for about them is over, and bound to the same entry."""
    resident = provider.admit()
    other = provider.ask(resident, "court_order")
    provider.erase(resident)

    assert "superseded" == provider.row("erasure", id=other["id"])["status"]
    assert isinstance(provider.approve(other["id"]), ConflictError)


def test_two_approvals_at_once_erase_once(provider):
    """Of two approvals in one turn one is carried out and the other refused."""
    resident = provider.admit()
    asks = [provider.ask(resident), provider.ask(resident, "court_order")]
    world = provider.world
    third = world.person("registered_manager", None)
    visits = [
        Visit(who.session, operation(*APPROVE.split(" ")), ApproveErasure(one["id"]))
        for who, one in ((provider.manager, asks[0]), (third, asks[1]), (third, asks[0]))
    ]
    world.turn.serve(visits)

    outcomes = [visit.outcome for visit in visits]
    assert 1 == sum(isinstance(one, Visited) for one in outcomes), outcomes
    assert [] == provider.findings()


def test_two_processes_erase_once(provider):
    """Of two people who approve at the same moment through two processes, one is told that it was done."""
    resident = provider.admit()
    asked = provider.ask(resident)
    third = provider.world.person("registered_manager", None)
    worlds = [provider.world.beside() for _ in range(2)]
    together, outcomes = threading.Barrier(2), []

    def approve(world, who):
        together.wait()
        outcomes.append(world.do(ApproveErasure(asked["id"]), APPROVE, who))

    threads = [
        threading.Thread(target=approve, args=pair)
        for pair in zip(worlds, (provider.manager, third), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [ConflictError, Visited] == sorted((type(one) for one in outcomes), key=lambda t: t.__name__)
    assert [] == provider.findings()


# --- another process, and a restored database -------------------------------------------------------


def test_another_process_refuses_at_once(provider):
    """A process that read the resident a moment ago, and keeps the key, finds nobody on the next request."""
    resident = provider.admit()
    beside = provider.world.beside()
    beside.answer(ReadResident(resident), READ, provider.manager)
    assert beside.keyring._owners
    provider.erase(resident)

    assert isinstance(beside.refusal(ReadResident(resident), READ, provider.manager), NotFoundError)


def test_a_restored_database_is_erased_again(provider):
    """The ledger erases again who came back with a backup, once, with an entry that names the first."""
    resident = provider.admit()
    world = provider.world
    before = {name: provider.row("resident", id=resident)[name] for name in _KEPT}
    provider.erase(resident)
    seq = len(world.entries()) - 1
    ledger = world.looking(ledger_of)
    put_back = f"UPDATE resident SET {', '.join(f'{n} = :{n}' for n in _KEPT)} WHERE id = :id"
    world.looking(lambda c: c.execute(text(put_back), before | {"id": resident}))
    world.looking(lambda c: c.execute(text("DELETE FROM erasure")))

    assert [1, 0] == [reapply(world.turn, ledger) for _ in range(2)]

    assert b"" == provider.row("resident", id=resident)["wrapped_key"]
    assert seq == world.entries()[-1]["erased"]["again"]
    assert len(world.entries()) == seq + 2
    assert [seq + 1] == [one.entry for one in world.looking(ledger_of)]
    assert [one.row.id for one in ledger] == [one.row.id for one in world.looking(ledger_of)]


_KEPT = ("wrapped_key", "identity", "identifiers", "room", "family_index", "deleted", "version", "state")


# --- broken on purpose ------------------------------------------------------------------------------


def test_a_key_that_is_kept_would_be_noticed(provider, monkeypatch):
    """An erasure that leaves the key is told of by the comparison of rows and lines."""
    resident = provider.admit()
    key = provider.row("resident", id=resident)["wrapped_key"]
    monkeypatch.setitem(shredding._EMPTIED, "wrapped_key", key)
    provider.erase(resident)

    assert provider.findings()


def test_an_entry_without_a_deletion_would_be_noticed(provider, monkeypatch):
    """An erasure that only says so is told of."""
    resident = provider.admit()
    asked = provider.ask(resident)
    nothing = text("UPDATE resident SET unit = unit WHERE id = :which")
    monkeypatch.setattr(shredding, "_SHRED", nothing)
    assert isinstance(provider.approve(asked["id"]), Visited)

    assert provider.findings()


def test_an_asker_who_approves_would_be_noticed(provider, monkeypatch):
    """An erasure by one person, if the service let it pass, is no erasure to the verifier."""
    resident = provider.admit()
    asked = provider.ask(resident, who=provider.manager)
    real = erasing._refusal
    monkeypatch.setattr(
        erasing, "_refusal", lambda o, a, r: None if getattr(real(o, a, r), "why", "") == "own-request" else 0
    )
    assert isinstance(provider.approve(asked["id"], provider.manager), Visited)

    doubts = provider.chain().doubts
    assert [one for one in doubts if one.startswith("ERASED") and "takes two people" in one]
