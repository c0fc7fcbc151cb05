"""Housekeeping while guard files cannot be read."""

import errno
from pathlib import Path

import pytest

from tests.unit.trail.test_housekeeping import grow, keeper, look, sizes


@pytest.mark.parametrize("reading", ["read", "move"])
def test_a_guard_the_system_does_not_hand_out_halts_nothing(
    any_world, notary, guards, time, monkeypatch, reading
):
    """No descriptors are left, say: that is over some time, and says nothing against the chain."""

    def no_descriptor(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    keep = keeper(any_world, notary, guards, time)
    look(keep)
    grow(any_world, 3)
    before = sizes(any_world)
    with monkeypatch.context() as short:
        keep._known.clear() if reading == "read" else None
        short.setattr(Path, "read_bytes", no_descriptor)
        look(keep, last=True)
        assert (True, True) == (keep.healthy, keep.failing)
    look(keep, last=True)

    assert (True, False) == (keep.healthy, keep.failing)
    assert len(before) + 1 == len(sizes(any_world))
    assert sizes(any_world)[-1] == guards.read(any_world.org).size
