"""What the doctor says of detection: whether somebody judges the trail. Pure: from facts to a finding."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.operations.database_facts import UnjudgedFacts
from app.operations.finding import Finding, failed, ok, warning

WAITS_FOR = timedelta(hours=1)
"""Serving processes judge a line within seconds; a service that starts again catches up in less."""


def check_detection(unjudged: Sequence[UnjudgedFacts], detection: str, at: datetime) -> Finding:
    """Say whether the trail is judged, by a serving process or a worker."""
    if detection == "off":
        return ok("detection", "switched off: nobody judges the trail (CARETRAIL_DETECTION)")
    late = [one for one in unjudged if at - one.since > WAITS_FOR]
    if not late:
        return ok("detection", "no line of the trail has waited an hour to be judged")
    lines, oldest = sum(one.lines for one in late), min(one.since for one in late)
    told = f"{lines} lines wait to be judged, the first since {oldest:%Y-%m-%d %H:%M} UTC"
    if all(one.held for one in late):
        return warning("detection", told, "They are being judged: look again in an hour.")
    advice = (
        "Nobody looks for misuse. Start `caretrail worker`, or serve with CARETRAIL_JOBS=serve and"
        " CARETRAIL_DETECTION=on."
    )
    return failed("detection", told, advice)
