"""A provider with two homes and the people who look into alerts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of its own for each test."""
    with World.at(tmp_path) as world:
        yield world
