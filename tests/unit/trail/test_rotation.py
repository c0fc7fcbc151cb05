"""A running service and its signing key: what it takes up, when, and what it does if it cannot."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from app.core.clock import SetClock
from app.core.entropy import SystemEntropy
from app.core.errors import StartRefusedError
from app.trail import housekeeping
from app.trail.housekeeping import Housekeeping
from app.trail.rotation import KeysInUse
from app.vault.provider import SIGNING_KEY, FileKeys
from app.vault.signing_keys import PREVIOUS_KEY, SigningFiles

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
UNTIL = AT + timedelta(days=30)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(AT)


@pytest.fixture
def files(tmp_path) -> SigningFiles:
    """The files of a fresh deployment."""
    FileKeys(tmp_path / "keys").create(SIGNING_KEY, SystemEntropy())
    return SigningFiles(tmp_path / "keys")


@pytest.fixture
def in_use(files, clock) -> KeysInUse:
    """The keys of a service that started before the rotation."""
    return KeysInUse(files, "care.example", clock)


def rotate(files) -> None:
    files.prepare(SystemEntropy(), AT)
    files.switch(UNTIL)


def test_the_new_key_is_taken_up(files, in_use):
    """After a rotation the same notary signs with the new key first and with the old one."""
    [old] = in_use.notary.keys("system")
    rotate(files)
    assert [old] == in_use.notary.keys("system"), "nothing changes by itself"
    in_use.refresh()

    new, before = in_use.notary.keys("system")
    assert (before, True) == (old, new != old)
    assert 2 == in_use.notary.sign_checkpoint("system", 0, bytes(32)).count("\n— ")


def test_the_old_key_goes_when_its_time_is_over(files, in_use, clock, tmp_path):
    """At the end of the overlap the old key signs no more, still checks, and its private half is removed."""
    rotate(files)
    in_use.refresh()
    keys = in_use.notary.keys("system")
    clock.advance(UNTIL - AT)
    in_use.refresh()

    assert keys == in_use.notary.keys("system")
    assert 1 == in_use.notary.sign_checkpoint("system", 0, bytes(32)).count("\n— ")
    assert not (tmp_path / "keys" / PREVIOUS_KEY).exists()


def test_a_start_after_the_overlap_removes_the_private_half(files, clock, tmp_path):
    """A service that did not run when the overlap ended removes the old key when it starts."""
    rotate(files)
    clock.advance(timedelta(days=40))
    keys = KeysInUse(files, "care.example", clock).keys

    assert (None, 1) == (keys.previous, len(keys.retired))
    assert not (tmp_path / "keys" / PREVIOUS_KEY).exists()


def test_files_that_cannot_be_read_change_nothing(files, in_use, tmp_path, caplog):
    """While the key files are damaged a service goes on with the keys it has, and says so once."""
    keys = in_use.notary.keys("system")
    path = tmp_path / "keys" / SIGNING_KEY
    whole = path.read_bytes()
    path.write_text("damaged")
    with caplog.at_level(logging.ERROR):
        in_use.refresh()
        in_use.refresh()

    assert keys == in_use.notary.keys("system")
    assert ["signing-keys-not-as-due"] == [record.message for record in caplog.records]
    with pytest.raises(StartRefusedError):
        KeysInUse(files, "care.example", SetClock(AT))
    path.write_bytes(whole)
    in_use.refresh()
    assert keys == in_use.notary.keys("system")


def test_housekeeping_looks_for_other_keys_once_a_second(guards, notary):
    """The look is made each second, not at each of the looks between, and before anything is signed."""
    seconds, looked = [100.0], []

    async def visit(_visit):
        raise AssertionError("not reached: no chain is due here")

    keep = Housekeeping(
        visit, notary, guards, refresh=lambda: looked.append(seconds[0]), now=lambda: seconds[0]
    )
    for passed in (0.25, 0.5, 0.3, 0.25, 0.25, 0.6):
        seconds[0] += passed
        asyncio.run(keep._take_up_keys())

    assert 2 == len(looked)
    assert housekeeping.REFRESH_EVERY_S == 1.0
