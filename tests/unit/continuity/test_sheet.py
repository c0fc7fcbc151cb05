"""What stands on a resident's sheet, in which order, and what is said where nothing was recorded."""

from datetime import UTC, datetime

from app.continuity import wording
from app.continuity.sheet import CATEGORIES, MOST_ROWS, Recorded, Section, sheet
from app.continuity.wording import NOT_RECORDED
from tests.unit.continuity.samples import AT, FULL, PERSONAL, allergy, decision, medicine, sheet_of

TITLES = [
    "Resuscitation and advance decisions",
    "Allergies",
    "Eating and drinking",
    "Current medicines",
    "Whom to call",
    "Capacity and deprivation of liberty",
    "Risks, moving and handling",
]


def section(category: str, *bodies: dict) -> Section:
    return sheet_of({category: list(bodies)}).sections[CATEGORIES.index(category)]


def test_a_full_sheet_is_exactly_this():
    """Everything a stranger needs stands there, most urgent first, in these words."""
    made = sheet_of(FULL)
    assert (made.name, made.as_of) == ("EXAMPLE, Ada", "2 Mar 2026, 05:30 UTC")
    assert dict(made.facts) == {
        "Known as": "Addie",
        "Born": "5 Apr 1938 (aged 87)",
        "NHS number": "999 000 0026",
        "Sex": "female",
        "Room": "12",
        "Unit": "Garden",
    }
    assert [one.title for one in made.sections] == TITLES
    assert [one.rows for one in made.sections] == [
        (
            ("DNACPR", "No CPR", "from 2 Jan 2025", "Dr Sample", "red folder, office"),
            (
                "ReSPECT",
                "Ward care",
                "from 2 Jan 2025; review 1 Jan 2026 (OVERDUE)",
                "not recorded",
                "not recorded",
            ),
        ),
        (("Penicillin", "swelling", "severe"), ("Pollen", "not recorded", "mild")),
        (("Soft food", "6: soft and bite-sized", "2: mildly thick"),),
        (
            ("Apixaban", "5 mg", "oral", "twice daily", "with food"),
            ("ON HOLD: Warfarin", "5 mg", "oral", "twice daily", ""),
        ),
        (
            ("Petra", "daughter", "01632 960001", "next of kin, lasting power of attorney"),
            ("Tom", "friend", "not recorded", "-"),
        ),
        (("where to live", "NO", "30 Jun 2026"),),
        (("falls", "high", "two people to move"), ("skin", "low", "cream")),
    ]
    assert [one.remark for one in made.sections] == [
        "The signed original is what counts: fetch it.",
        "No longer: Nuts (refuted).",
        "",
        "Doses already given today are not in here: ask, before you give one.",
        "",
        "",
        "",
    ]


def test_an_empty_list_means_not_recorded():
    """Where nothing was recorded every section says so, and none says that there is none."""
    remarks = [one.remark for one in sheet_of().sections]
    assert remarks == [NOT_RECORDED] * len(TITLES)
    assert not any(one.rows for one in sheet_of().sections)


def test_none_known_is_printed_as_such():
    """That no allergy is known is a statement with a date, not an empty list."""
    told = section("allergy", {"none_known": True})
    assert (told.rows, told.remark) == ((), "No known allergies, as recorded on 1 Feb 2026.")


def test_days_are_those_of_british_clocks():
    """At 00:30 of a summer night ages, reviews and days of records are those of the day that began."""
    night = {
        "advance_care_plan": [Recorded("x", decision(review_on="2026-06-30"))],
        "allergy": [Recorded("2026-06-20T23:15:00.000000Z", {"none_known": True})],
    }
    born = {"identifiers": {"date_of_birth": "1938-07-01"}}
    before, after = (
        sheet("r", None, PERSONAL | born, night, datetime(2026, 6, 30, hour, 30, tzinfo=UTC))
        for hour in (22, 23)
    )

    assert ["1 Jul 1938 (aged 87)", "1 Jul 1938 (aged 88)"] == [
        dict(s.facts)["Born"] for s in (before, after)
    ]
    reviews = [s.sections[0].rows[0][2].partition("; ")[2] for s in (before, after)]
    assert ["review 30 Jun 2026", "review 30 Jun 2026 (OVERDUE)"] == reviews
    assert {"No known allergies, as recorded on 21 Jun 2026."} == {
        s.sections[1].remark for s in (before, after)
    }


def test_allergies_that_contradict_none_known_are_believed():
    """Where both are recorded the allergies are printed, and that the records disagree."""
    told = section("allergy", {"none_known": True}, allergy("Latex"))
    assert [row[0] for row in told.rows] == ["Latex"]
    assert "disagree" in told.remark


def test_refuted_allergies_alone_are_not_none_known():
    """An allergy that was refuted does not turn into the statement that none are known."""
    told = section("allergy", allergy("Nuts", status="resolved"))
    assert (
        told.remark == "No active allergy is recorded, nor that none are known. No longer: Nuts (resolved)."
    )


def test_what_is_over_is_not_current():
    """Stopped medicines and revoked decisions give no rows, and are counted so that nobody calls it empty."""
    stopped = section("medication", medicine("Aspirin", "stopped"))
    revoked = section("advance_care_plan", decision(status="revoked"), decision(status="superseded"))
    assert (stopped.rows, revoked.rows) == ((), ())
    assert stopped.remark == "No current medicine is recorded; 1 stopped."
    assert revoked.remark == "None in force is recorded; 2 revoked or superseded."


def test_what_is_decided_given_or_avoided_is_never_cut():
    """Long texts and long lists stay whole, except of capacity and risks, which say that there is more."""
    long = "word " * 400
    assert section("diet", {"requirements": long}).rows[0][0] == long
    assert len(section("medication", *(medicine(f"M{n}") for n in range(40))).rows) == 40
    risk = {"kind": "falls", "level": "low", "mitigation": long}
    risks = section("risk_assessment", *[risk] * (MOST_ROWS + 2))
    assert len(risks.rows) == MOST_ROWS
    assert risks.remark == "2 more in the record."
    assert risks.rows[0][2].endswith("... (more in the record)")


def test_days_that_passed_are_called_so():
    """An authorisation that ended and a decision that does not hold yet are marked."""
    over = section("capacity", {"decision": "d", "has_capacity": True, "dols_expires_on": "2026-03-01"})
    assert over.rows == (("d", "yes", "1 Mar 2026 (EXPIRED)"),)
    assert wording.validity("2026-03-03", None, AT.date()) == "from 3 Mar 2026 (NOT YET)"


def test_a_medicine_whose_days_say_otherwise_is_marked():
    """One that is called active and has ended, or has not begun, is told from those to be given now."""
    told = section(
        "medication",
        medicine("Course", ended_on="2026-03-01", started_on="2026-02-20"),
        medicine("Later", started_on="2026-03-03"),
        medicine("Paused", "on_hold", ended_on="2019-01-08"),
        medicine("Contradicts", started_on="2027-03-03", ended_on="2019-01-08"),
        medicine("Today", started_on="2026-03-02", ended_on="2026-03-02"),
        medicine("Zinc", started_on="2020-01-01"),
    )
    assert [(row[0], row[3]) for row in told.rows] == [
        ("Today", "twice daily; until 2 Mar 2026"),
        ("Zinc", "twice daily"),
        ("ENDED 8 Jan 2019, ask the nurse, NOT YET, from 3 Mar 2027: Contradicts", "twice daily"),
        ("ENDED 1 Mar 2026, ask the nurse: Course", "twice daily"),
        ("NOT YET, from 3 Mar 2026: Later", "twice daily"),
        ("ON HOLD, ENDED 8 Jan 2019, ask the nurse: Paused", "twice daily"),
    ]


def test_a_medicine_ends_with_a_day_of_british_clocks():
    """At 00:30 of a summer night a course that ended with the day before is over, not the one of that day."""
    records = {"medication": [Recorded("x", medicine("Course", ended_on="2026-06-30"))]}
    before, after = (
        sheet("r", None, PERSONAL, records, datetime(2026, 6, 30, hour, 30, tzinfo=UTC)) for hour in (22, 23)
    )
    names = [s.sections[TITLES.index("Current medicines")].rows[0][0] for s in (before, after)]
    assert names == ["Course", "ENDED 30 Jun 2026, ask the nurse: Course"]


def test_one_diet_is_told_from_another_by_when_it_was_recorded():
    """Of several the newest stands first, each with its time, and what to do where they disagree is said."""
    diets = [
        Recorded("2026-02-01T10:00:00.000000Z", {"requirements": "Pureed", "iddsi_food": 4}),
        Recorded("2025-01-05T09:30:00.000000Z", {"requirements": "Everything", "iddsi_food": 7}),
    ]
    made = sheet("r", None, PERSONAL, {"diet": diets}, AT)
    told = made.sections[TITLES.index("Eating and drinking")]
    assert told.columns[-1] == "Recorded"
    assert [(row[0], row[-1]) for row in told.rows] == [
        ("Pureed", "1 Feb 2026, 10:00 UTC"),
        ("Everything", "5 Jan 2025, 09:30 UTC"),
    ]
    assert "the newest first" in told.remark


def test_urgent_sections_come_before_all_others():
    """What could harm somebody within minutes stands before what could not."""
    urgent = [one.urgent for one in sheet_of().sections]
    assert urgent == sorted(urgent, reverse=True)


def test_levels_are_said_in_words():
    """IDDSI levels stand with their names; one that has none for food stands alone, none recorded says so."""
    assert [wording.fluid(level) for level in (0, 4)] == ["0: thin", "4: extremely thick"]
    assert [wording.food(level) for level in (4, 1, None)] == ["4: pureed", "1", "not recorded"]


def test_what_is_not_known_of_a_person_is_said():
    """Without room, NHS number or another name nothing is left out but the other name."""
    bare = PERSONAL["identity"] | {"preferred_name": None, "sex": None}
    identifiers = {"date_of_birth": "1938-04-05"}
    facts = dict(sheet_of(identity=bare, identifiers=identifiers, room=None).facts)
    assert facts["NHS number"] == facts["Room"] == facts["Sex"] == "not recorded"
    assert "Known as" not in facts
