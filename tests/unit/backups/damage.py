"""Damage to a backup file, of every kind a disk, a line or somebody might do."""

import random
from collections.abc import Iterator

KINDS = 8


def damaged(whole: bytes, other: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield so many damaged variants of a backup, all different from it, with what was done.

    Args:
        whole: The backup.
        other: Another backup of the same deployment, for splices.
        count: How many.
        seed: For the same ones again.
    """
    chance = random.Random(seed)
    made = 0
    while made < count:
        kind = made % KINDS
        at = chance.randrange(len(whole))
        what, data = _variant(kind, whole, other, at, chance)
        if data not in (whole, other):  # spliced where both begin alike it is the other one, and good
            made += 1
            yield f"{what} at {at} (seed {seed}, {made})", data


def _variant(kind: int, whole: bytes, other: bytes, at: int, chance: random.Random) -> tuple[str, bytes]:
    length = chance.choice([1, 16, 512, 4096])
    match kind:
        case 0:
            flipped = whole[at] ^ (1 << chance.randrange(8))
            return "a bit flipped", whole[:at] + bytes([flipped]) + whole[at + 1 :]
        case 1:
            return "cut off", whole[:at]
        case 2:
            return "bytes removed", whole[:at] + whole[at + length :]
        case 3:
            return "bytes put in", whole[:at] + chance.randbytes(length) + whole[at:]
        case 4:
            return "bytes zeroed", whole[:at] + bytes(length) + whole[at + length :]
        case 5:
            return "something added at the end", whole + chance.randbytes(length)
        case 6:
            to = chance.randrange(len(whole))
            first, second = sorted((at, to))
            block, next_ = whole[first : first + 512], whole[second : second + 512]
            moved = whole[:first] + next_ + whole[first + 512 : second] + block + whole[second + 512 :]
            return "two blocks swapped", moved
        case _:
            return "spliced with another backup", whole[:at] + other[at:]
