"""How often Python looks for objects that only hold each other."""

import gc

THRESHOLDS = (20_000, 20, 50)
"""Measured: left alone it takes an eighth of every start, in which all that is imported stays, and the
slowest answers of a turn take three times as long."""


def seldom() -> None:
    """Have it look seldom."""
    gc.set_threshold(*THRESHOLDS)
