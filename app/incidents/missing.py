"""What an incident still lacks before it can be closed. Pure: looks at what was gathered."""

from collections.abc import Collection, Iterator, Mapping

from app.incidents.clock_rows import clocks_of
from app.incidents.clocks import RECIPIENT
from app.incidents.gathered import Gathered

ASSESSMENT = "an assessment on the grid"
DECISION = "a decision whom to tell"
ROOT_CAUSE = "the root cause"
_TO_TELL = {"ico": ("ico",), "ico_and_dhsc": ("ico", "dhsc")}
_NAMES = {
    "ico": "the ICO",
    "dhsc": "the Department of Health and Social Care",
    "senior_management": "senior management",
}


def missing_to_close(
    whole: Gathered, texts: Mapping[str, str | None], explained: Collection[str]
) -> Iterator[str]:
    """Say in words what is missing, in the order in which it is best done. Nothing of a closed one.

    Args:
        whole: The incident with what belongs to it.
        texts: What is written of it.
        explained: The recipients of whom it is written why they were told late.
    """
    if whole.row.status != "open":
        return
    if whole.row.nature == "incident":
        yield from _decided(whole)
    if whole.row.management_told_at is None:
        yield "word that senior management was told"
    yield from _late_without_reasons(whole, explained)
    if not texts.get("root_cause"):
        yield ROOT_CAUSE


def _decided(whole: Gathered) -> Iterator[str]:
    if whole.assessed is None:
        yield ASSESSMENT
    if whole.row.decision is None:
        yield DECISION
    told = {one.recipient for one in whole.standing}
    for recipient in _TO_TELL.get(whole.row.decision or "", ()):
        if recipient not in told:
            yield f"word that {_NAMES[recipient]} was told, as was decided"


def _late_without_reasons(whole: Gathered, explained: Collection[str]) -> Iterator[str]:
    """Name whom it was late to tell, perhaps only since an instant was corrected."""
    for clock in clocks_of(whole.row):
        recipient = RECIPIENT[clock.name]
        if clock.late_by() is not None and recipient not in explained:
            yield f"the reasons for the delay in telling {_NAMES[recipient]}"
