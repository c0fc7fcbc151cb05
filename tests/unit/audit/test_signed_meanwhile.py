"""Lines without a checkpoint are looked at again, and are vouched for once one covers them."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from app.audit import signed_meanwhile
from app.audit.database_check import check_database
from app.audit.guard_file import Guards
from tests.support.chains import ORG, OTHER, START
from tests.unit.audit.test_database_check import NOTARY, SIZE, cut, sign

SOON = START + timedelta(seconds=SIZE + 20)
PATIENCE_S = 10.0


@pytest.fixture
def guards(tmp_path):
    return Guards(tmp_path / "guard", NOTARY)


@pytest.fixture
def signed(chains, guards):
    """Two chains, the first signed at 19 and 30 lines."""
    chains.found(ORG, OTHER)
    for count in (19, 11):
        chains.append(count)
        sign(chains, guards)
    chains.append(3, OTHER)
    sign(chains, guards, OTHER)
    return chains


@pytest.fixture
def later(monkeypatch):
    """Return a function that has things happen between the looks, one after the other; no time is lost."""
    looks = []

    def begin(*happenings):
        waiting = list(happenings)

        def sleep(_seconds):
            looks.append(len(looks))
            if waiting:
                waiting.pop(0)()

        ticks = iter(range(1000))
        monkeypatch.setattr(signed_meanwhile, "monotonic", lambda: float(next(ticks)))
        monkeypatch.setattr(signed_meanwhile, "time", SimpleNamespace(sleep=sleep))
        return looks

    return begin


def check(chains, guards, now=SOON):
    return check_database(chains.engine, NOTARY, guards, now=now, patience_s=PATIENCE_S)


@pytest.mark.parametrize("more", [0, 3, 20])
def test_a_tail_that_is_signed_soon_is_vouched_for(signed, guards, later, more):
    """However many lines came after it before the checkpoint was made; those are no part of the report."""
    signed.append(2)

    def serve():
        signed.append(more)
        sign(signed, guards)
        signed.append(1)  # a busy service always has lines that are not signed

    looks = later(lambda: None, serve)
    report = check(signed, guards)
    [chain] = [one for one in report.chains if one.organisation == ORG]

    assert (0, SIZE + 2, SIZE + 2) == (report.exit_code, chain.count, chain.signed_size)
    made = f"a checkpoint of {SIZE + 2 + more} lines, made meanwhile, signs the lines from #30 on"
    assert made in report.as_text()
    assert 2 == len(looks)


def test_the_first_checkpoint_of_a_chain_is_waited_for_too(chains, guards, later):
    """A chain that has just begun may have none when it is read."""
    chains.found(ORG)
    chains.append(3)
    later(lambda: sign(chains, guards))
    report = check(chains, guards)

    [chain] = [one for one in report.chains if one.organisation == ORG]
    assert 3 == chain.signed_size
    assert "UNSIGNED" not in report.as_text()


def test_a_tail_that_stays_unsigned_is_not_vouched_for(signed, guards, later):
    """It is waited for in a bounded time."""
    signed.append(2)
    looks = later()
    report = check(signed, guards)

    assert 2 == report.exit_code
    assert "TAIL: the lines from #30 on are not signed yet" in report.as_text()
    assert 0 < len(looks) <= PATIENCE_S


def test_each_chain_waits_for_its_own(signed, guards, later):
    """A checkpoint of one chain vouches for nothing of another."""
    signed.append(1)
    signed.append(1, OTHER)
    later(lambda: sign(signed, guards, OTHER))
    report = check(signed, guards)

    assert 2 == report.exit_code
    assert {ORG: 2, OTHER: 0} == {one.organisation: one.exit_code for one in report.chains}


def test_lines_that_were_others_when_they_were_signed_are_not_vouched_for(signed, guards, later):
    """What was read was never signed: nobody vouches for it, and it is said."""
    signed.append(2)

    def replace():
        cut(signed, guards, SIZE)
        signed.append(2)
        sign(signed, guards)

    looks = later(replace)
    report = check(signed, guards)

    assert (2, 1) == (report.exit_code, len(looks))
    assert (
        "The checkpoint of 32 lines made meanwhile signs others than were read. Check again"
        in report.as_text()
    )
    assert SIZE == next(one for one in report.chains if one.organisation == ORG).signed_size


@pytest.mark.parametrize("instead", ["size = 32", "size = 32, root = :root"])
def test_a_checkpoint_that_nobody_signed_vouches_for_nothing(signed, guards, later, instead):
    """A note that was copied to another size is none of it, whatever root stands beside it."""
    signed.append(2)
    update = f"UPDATE audit_checkpoint SET {instead} WHERE org = :org AND size = 19"
    later(lambda: signed.tamper(update, org=ORG, **({"root": bytes(32)} if "root" in instead else {})))
    report = check(signed, guards)

    assert 2 == report.exit_code
    assert "TAIL: the lines from #30 on are not signed yet" in report.as_text()


def test_where_something_is_wrong_nobody_waits(signed, guards, later):
    """A finding stays one, whatever is signed later."""
    signed.append(2)
    signed.tamper("UPDATE audit_head SET ts = '2026-01-01T00:00:00.000000Z' WHERE org = :org", org=ORG)
    looks = later(lambda: None)

    assert (1, []) == (check(signed, guards).exit_code, looks)


@pytest.mark.parametrize(("age_s", "looked"), [(59, True), (61, False)])
def test_nobody_waits_for_the_checkpoint_of_an_old_line(signed, guards, later, age_s, looked):
    """A service that does not run signs nothing: the answer comes at once."""
    signed.append(2)
    looks = later()
    report = check(signed, guards, START + timedelta(seconds=signed.lines - 1 + age_s))

    assert (2, looked) == (report.exit_code, bool(looks))
