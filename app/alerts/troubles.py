"""Places that cannot be judged at present: since when, and when each is tried again.

One that fails does not stop the others. It is tried again after a pause, which doubles where each try leaves
an entry or reads a day of lines for nothing; while the database is away it does not.
"""

import logging
from dataclasses import dataclass

from app.access.visit import VisitRefusedError
from app.alerts.judging import Place
from app.core.clock import monotonic

logger = logging.getLogger(__name__)

PUT_OFF_S = 10.0
LONGEST_S = 600.0
UNWELL_AFTER_S = 60.0
"""A place that fails for longer is no passing trouble: somebody has to look."""
EVERYTHING = None
"""Stands for all places: it could not even be found out which there are."""


@dataclass(slots=True)
class _Trouble:
    since: float
    again_at: float
    pause: float
    failed: BaseException


class Troubles:
    """What fails, by place."""

    def __init__(self) -> None:
        self._by_place: dict[Place | None, _Trouble] = {}

    @property
    def healthy(self) -> bool:
        """Say whether nothing is broken, and nothing refused for longer than a while."""
        return not any(map(_is_grave, self._by_place.values()))

    def wait_for(self, place: Place | None) -> bool:
        """Say whether a place is to be left alone for now."""
        trouble = self._by_place.get(place)
        return trouble is not None and monotonic() < trouble.again_at

    def over(self, place: Place | None) -> None:
        """Take note that a place was judged."""
        self._by_place.pop(place, None)

    def met(self, place: Place | None, failed: BaseException) -> None:
        """Take note that a place failed: told once, and louder if it was no refusal but a fault of ours."""
        known, now = self._by_place.get(place), monotonic()
        away = isinstance(failed, VisitRefusedError) and failed.stamp is None
        pause = PUT_OFF_S if known is None or away else min(2 * known.pause, LONGEST_S)
        since = known.since if known is not None else now
        self._by_place[place] = _Trouble(since, now + pause, pause, failed)
        if known is None or type(known.failed) is not type(failed):
            _tell(place, failed)

    def raise_first(self) -> None:
        """Raise what the first place that fails failed with, if one does."""
        for trouble in self._by_place.values():
            raise trouble.failed


def _is_grave(trouble: _Trouble) -> bool:
    refused = isinstance(trouble.failed, VisitRefusedError)
    return not refused or monotonic() - trouble.since >= UNWELL_AFTER_S


def _tell(place: Place | None, failed: BaseException) -> None:
    where = f"{place.chain} for {place.org}" if place is not None else "all"
    if isinstance(failed, VisitRefusedError):
        logger.error("detection-put-off", extra={"chain": where, "why": failed.error.why})
    else:
        logger.critical("detection-stopped", extra={"chain": where}, exc_info=failed)
