"""Rules about signing in and about rights: rows of the catalogue."""

from app.detection.rule import Rule, Threshold

OF_ACCOUNTS = (
    Rule(
        "failed-sign-ins",
        "Many wrong passwords or codes for one account, or a success after some",
        "medium",
        {
            "failures": Threshold(
                8, 3, 1000, "failures an hour", "Wrong passwords or codes, and attempts slowed down."
            ),
            "before_success": Threshold(
                6, 3, 1000, "failures in 15 minutes", "So many just before a sign-in that succeeds."
            ),
        },
    ),
    Rule(
        "sign-in-spray",
        "One source tries many accounts",
        "high",
        {
            "accounts": Threshold(
                6, 2, 1000, "accounts in 15 minutes", "Accounts with failures from one source."
            ),
            "names": Threshold(12, 3, 10000, "attempts in 15 minutes", "With user names that nobody has."),
        },
        system_wide=True,
    ),
    Rule(
        "two-devices",
        "One account is used in two places at the same time",
        "medium",
        {
            "switches": Threshold(
                4,
                2,
                100,
                "switches in 10 minutes",
                "Times the use went from one session to another and back.",
            )
        },
    ),
    Rule(
        "dormant-sign-in",
        "Somebody signs in with an account that was not used for long",
        "medium",
        {
            "days": Threshold(
                60, 14, 730, "days", "Without any use before this sign-in.", lower_is_stricter=True
            )
        },
    ),
    Rule(
        "deactivated-sign-in",
        "Somebody tries a deactivated account, with its right password",
        "medium",
        {"attempts": Threshold(1, 1, 100, "attempts a day", "With the right password.")},
    ),
    Rule(
        "privilege-change",
        "Somebody was given far-reaching rights, or an account got its rights back",
        "medium",
        {"changes": Threshold(1, 1, 100, "changes a day", "By one person.")},
        quiet_hours=24,
    ),
    Rule(
        "oversight-removed",
        "Somebody who reviews alerts or incidents was deactivated, or had their rights changed",
        "high",
        {"people": Threshold(1, 1, 100, "people a day", "By one person.")},
        quiet_hours=0,
    ),
    Rule(
        "second-factor-exception",
        "An account was let in without a second factor",
        "medium",
        {"exceptions": Threshold(1, 1, 100, "exceptions a day", "By one person.")},
    ),
)
