"""A rotation of an organisation's key in a world, as the command does it."""

from app.access.visit import System
from app.residents.owners import OWNERS
from app.trail.rewrapping import BeginGeneration, Begun, CompleteGeneration, Owners, Piece, WrapOwners
from app.trail.rotation import REWRAP
from tests.support.world import World


def begin(world: World, org: str | None = None) -> Begun:
    """Begin a generation, or take up the one that is under way."""
    begun: Begun = world.answer(BeginGeneration(OWNERS), REWRAP, System("cli", org or world.org)).payload
    return begun


def wrap(world: World, owners: Owners, after: str = "", org: str | None = None) -> Piece:
    """Wrap a piece."""
    piece: Piece = world.answer(WrapOwners(owners, after), REWRAP, System("cli", org or world.org)).payload
    return piece


def complete(world: World, left_alone: int = 0, org: str | None = None) -> int:
    """Say that it is over, if it is; return how many rows are behind."""
    work = CompleteGeneration(OWNERS, left_alone)
    behind: int = world.answer(work, REWRAP, System("cli", org or world.org)).payload
    return behind


def rotate(world: World, org: str | None = None) -> int:
    """Do all of it; return how many keys were wrapped."""
    begin(world, org)
    wrapped = 0
    for owners in OWNERS:
        after: str | None = ""
        while after is not None:
            piece = wrap(world, owners, after, org)
            wrapped, after = wrapped + piece.wrapped, piece.after
    assert complete(world, org=org) == 0
    return wrapped
