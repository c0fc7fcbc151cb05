"""What an incident that is opened from alerts takes over from them, where its author does not say it.

It was noticed when the first of them was raised, and by what that looks for. An instant is taken over only
where it is in order with what the author said: an alert may come after somebody knew. What was taken over
stands in the history, by detection and not by the author, so that a pack does not call it a person's word.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from app.access.opened import Opened
from app.alerts.rows import AlertRow
from app.alerts.showing import title_of
from app.incidents.instants import in_order
from app.incidents.rows import HistoryRow
from app.incidents.turning import turned
from app.incidents.vocabulary import Plain

DETECTION: Final = "system:detection"
"""By whom history says it was that an instant or a text came from an alert."""
RAISED: Final = "When the first alert of this incident was raised."


def taken_from(alerts: Sequence[AlertRow], given: Mapping[str, Any]) -> Plain:
    """Return the fields an author left out and the alerts know.

    Args:
        alerts: The alerts an incident is opened from.
        given: What its author said.
    """
    taken: Plain = {}
    if not alerts:
        return taken
    raised = min(row.raised_at for row in alerts)
    if given.get("detected_at") is None and in_order({**given, "detected_at": raised}):
        taken["detected_at"] = raised
    if given.get("how_found") is None:
        taken["how_found"] = f"From an alert of this service: {_titles(alerts)}."
    return taken


def told_by_alerts(opened: Opened, incident_id: str, taken: Plain) -> list[HistoryRow]:
    """Have it written, beside the incident, what was taken over."""
    rows = []
    if "detected_at" in taken:
        at = taken["detected_at"]
        rows.append(turned(opened, incident_id, "detected_at", RAISED, became=at, by=DETECTION))
    if "how_found" in taken:
        rows.append(turned(opened, incident_id, "how_found", taken["how_found"], by=DETECTION))
    return rows


def from_an_alert(incident: Mapping[str, Any], name: str) -> bool:
    """Say whether a field still says what an alert knew.

    Args:
        incident: The incident as it is shown.
        name: `detected_at` or `how_found`.
    """
    turns = [one for one in incident.get("history", ()) if one["what"] == name]
    if not turns or turns[-1]["by"] != DETECTION:
        return False
    return bool(incident[name] == turns[-1]["became" if name == "detected_at" else "reason"])


def _titles(alerts: Iterable[AlertRow]) -> str:
    return "; ".join(dict.fromkeys(title_of(row.rule) for row in alerts))
