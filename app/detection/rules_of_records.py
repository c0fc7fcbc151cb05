"""Rules about changed records, about the trail, and about the service itself: rows of the catalogue."""

from app.detection.rule import Rule, Threshold

OF_RECORDS = (
    Rule(
        "mass-change",
        "Somebody amends or deletes many records within an hour",
        "high",
        {
            "amendments": Threshold(
                25, 5, 5000, "amendments an hour", "Never told below it, however unusual."
            ),
            "removals": Threshold(
                8, 2, 5000, "deletions an hour", "Records and residents; never told below it."
            ),
            "percent": Threshold(200, 110, 1000, "per cent", "Of what is usual for this person."),
            "days": Threshold(
                10, 3, 28, "days", "Days at work before a habit counts.", lower_is_stricter=False
            ),
        },
        {role: {"amendments": 35} for role in ("registered_manager", "deputy_manager", "nurse")},
    ),
    Rule(
        "late-entries",
        "After an incident, records from before it are added or changed",
        "medium",
        {
            "records": Threshold(
                3, 1, 500, "records in 24 hours", "About the resident of the incident, by anybody."
            )
        },
        quiet_hours=24,
    ),
)

OF_THE_SERVICE = (
    Rule(
        "trail-check",
        "Rows or lines were changed behind the service's back, or lines were lost",
        "critical",
        {"findings": Threshold(1, 1, 1, "findings", "Each is told; this is not to be tuned.")},
        system_wide=True,
        quiet_hours=0,
    ),
    Rule(
        "schema-change",
        "The database's own protection was changed: by an upgrade, or not",
        "low",
        {"changes": Threshold(1, 1, 1, "changes", "Each is told.")},
        system_wide=True,
        quiet_hours=0,
    ),
    Rule(
        "clock-step",
        "The machine's clock was set back",
        "medium",
        {"seconds": Threshold(60, 2, 86400, "seconds", "By how much at least.")},
    ),
    Rule(
        "backup-failed",
        "A backup, or the test of one, failed",
        "high",
        {"failures": Threshold(1, 1, 10, "failures in 24 hours", "Runs that did not end well.")},
        quiet_hours=24,
        system_wide=True,
    ),
    Rule(
        "backup-overdue",
        "There was no good backup for too long",
        "high",
        {"hours": Threshold(36, 2, 1500, "hours", "Since the last backup that ended well.")},
        quiet_hours=24,
        system_wide=True,
    ),
    Rule(
        "detection-weakened",
        "The rules of this detection were changed",
        "medium",
        {"changes": Threshold(1, 1, 1, "changes", "Each is told, so that nobody does it unseen.")},
        quiet_hours=0,
    ),
    Rule(
        "incident-clock",
        "The time to tell the authorities or senior management of an incident is running out, or over",
        "high",
        {"warnings": Threshold(1, 1, 1, "warnings", "Each is told; the hours are the law's.")},
    ),
)
