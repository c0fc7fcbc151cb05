"""Rules about what people read, when and where: rows of the catalogue."""

from app.detection.rule import Rule, Threshold

_SENIOR = ("registered_manager", "deputy_manager", "nurse", "senior_carer", "agency_nurse")
_OVERSEEING = ("privacy_officer", "auditor", "it_admin")
_DAYS_KNOWN = Threshold(
    10,
    3,
    28,
    "days",
    "Days on which somebody was at work before their own habit counts.",
    lower_is_stricter=False,
)
_PERCENT = Threshold(160, 110, 1000, "per cent", "Of what is usual for this person, or else for the role.")

OF_ACCESS = (
    Rule(
        "bulk-reading",
        "Somebody opens far more within an hour than they, or others in their role, usually do",
        "high",
        {
            "records": Threshold(80, 20, 5000, "openings an hour", "Never told below it, however unusual."),
            "records_most": Threshold(
                180, 20, 10000, "openings an hour", "Told from here where no habit is known."
            ),
            "residents": Threshold(35, 5, 5000, "residents an hour", "Never told below it, however unusual."),
            "residents_most": Threshold(
                100, 5, 10000, "residents an hour", "Told from here where no habit is known."
            ),
            "share": Threshold(
                80, 30, 100, "per cent", "Of a home's residents; told from here where no habit is known."
            ),
            "percent": _PERCENT,
            "days": _DAYS_KNOWN,
        },
        {
            **{role: {"records": 130, "records_most": 300, "residents": 60} for role in _SENIOR},
            "kitchen": {"records": 130, "records_most": 260},
            "visiting_professional": {
                "records": 60,
                "records_most": 120,
                "residents": 15,
                "residents_most": 40,
            },
        },
    ),
    Rule(
        "bulk-export",
        "Somebody takes out copies: exports within a day, or long lists within an hour",
        "high",
        {
            "exports": Threshold(3, 1, 1000, "exports a day", "Copies of the trail or of records taken out."),
            "listed": Threshold(150, 20, 100000, "residents an hour", "Different residents shown in lists."),
            "percent": _PERCENT,
            "days": _DAYS_KNOWN,
        },
        {
            "privacy_officer": {"exports": 6},
            "auditor": {"exports": 6},
            "registered_manager": {"exports": 4, "listed": 300},
        },
    ),
    Rule(
        "off-rota",
        "Somebody on the rota reads records long before or after their shifts",
        "medium",
        {
            "residents": Threshold(
                3, 1, 500, "residents an hour", "Read outside shifts, from elsewhere or at unusual hours."
            ),
            "residents_at_home": Threshold(
                45, 1, 500, "residents an hour", "Read outside shifts at the home, at the hours they know."
            ),
            "days": _DAYS_KNOWN,
            "grace_minutes": Threshold(
                120, 0, 720, "minutes", "So long before and after a shift is still part of it."
            ),
        },
        {
            "registered_manager": {"residents": 10},
            "deputy_manager": {"residents": 10},
        },
    ),
    Rule(
        "unusual-hours",
        "Somebody without a shift reads records at an hour at which they never work",
        "medium",
        {
            "residents": Threshold(
                5, 1, 500, "residents an hour", "Different residents read at such an hour."
            ),
            "days": _DAYS_KNOWN,
        },
    ),
    Rule(
        "off-shift-attempts",
        "Somebody tries again and again to get in outside their shift",
        "medium",
        {"attempts": Threshold(4, 1, 100, "attempts in 12 hours", "Refused because there was no shift.")},
    ),
    Rule(
        "outside-place",
        "Somebody reads residents of a home or unit that is not where they work",
        "medium",
        {
            "residents": Threshold(
                6,
                1,
                500,
                "residents of one duty",
                "Different residents of units where this person does not work.",
            ),
            "elsewhere": Threshold(4, 1, 500, "residents of one duty", "Different residents of other homes."),
            "nights": Threshold(
                8, 2, 14, "days of 14", "Days with at least one such resident, however few on each."
            ),
        },
        {
            "registered_manager": {"residents": 30, "elsewhere": 30, "nights": 14},
            "deputy_manager": {"residents": 30, "elsewhere": 30, "nights": 14},
        },
    ),
    Rule(
        "refusals",
        "Somebody is refused again and again: they try what they may not",
        "medium",
        {
            "refusals": Threshold(10, 3, 1000, "refusals an hour", "Refused, hidden or not there."),
            "grabs": Threshold(3, 1, 100, "refusals a day", "Tried to give more rights than they may."),
        },
        {role: {"refusals": 20} for role in _OVERSEEING},
    ),
    Rule(
        "family-name",
        "Somebody keeps looking at a resident who has their family name",
        "low",
        {
            "openings": Threshold(6, 1, 500, "openings in 12 hours", "Of this one resident's records."),
            "percent": Threshold(
                300,
                100,
                2000,
                "per cent",
                "Of what this person opened of other residents meanwhile, on average.",
            ),
        },
        {role: {"openings": 10} for role in _SENIOR},
        quiet_hours=72,
    ),
    Rule(
        "break-glass",
        "Somebody used emergency access",
        "medium",
        {"uses": Threshold(1, 1, 100, "uses a day", "Each is looked at by somebody else.")},
    ),
)
"""Where somebody reads without leaving their habit, nothing is told: see the README beside the alerts."""
