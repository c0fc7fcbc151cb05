"""Rows of a pack as PDF: none breaks over a page, so that no rest is read as the row below it."""

import io
import re
from typing import Any

import pypdf
import pytest

from app.continuity.cover import Pack
from app.continuity.pack import renderer
from tests.unit.continuity.samples import allergy, decision, medicine, pack_of, sheet_of

HEADS = {
    "Medicine": "MedicineDoseRouteHowoftenInstructions",
    "DNACPR": "DecisionWhatitsaysValidSignedbyTheoriginalis",
    "Hazard": "RiskLevelWhattodo",
    "Requirement": "DietandfluidsFood(IDDSI)Drinks(IDDSI)",
}
"""With what each row of a table begins here, and the table's head as it is read from a page."""
BOTTOM, TOP, LEFT, RIGHT = 14, 297 - 12, 11.9, 210 - 12
"""Between which the text of a table stands, in millimetres from the corner at the lower left."""
TWO_SENTENCES = "Not with grapefruit. " + "Check with the nurse before you give it to her. " * 2
LETTER = "\u00fe"
"""One that stands in no other text here, by which is counted what a page has of a long one."""
LONG = {
    "sentences": f"Crush it and give it in yog{LETTER}urt. " * 60,
    "lines": f"Give i{LETTER}\n" * 280,
    "a line each": f"{LETTER}\n" * 1000,
    "one word": LETTER * 2000,
    "Arabic": f"\u0628\u0639\u062f \u0627\u0644\u0637\u0639\u0627\u0645 {LETTER} " * 150,
    "Chinese": f"\u670d\u7528{LETTER}" * 660,
    "Chinese, in sentences": f"\u98df\u5f8c\u306b{LETTER}\u670d\u7528\u3002" * 280,
}


def placed(pack: Pack) -> list[list[tuple[str, float, float]]]:
    """Return the pieces of text of each page but the cover, with where they begin in millimetres."""
    pages = []
    for page in pypdf.PdfReader(io.BytesIO(renderer("pdf")(pack).data)).pages[1:]:
        found: list[tuple[str, float, float]] = []

        def visit(text: str, cm: Any, tm: Any, *_font: Any, found: Any = found) -> None:
            x, y = (tm[4] * cm[n] + tm[5] * cm[n + 2] + cm[n + 4] for n in (0, 1))
            found += [(text, x / 72 * 25.4, y / 72 * 25.4)] if text.strip() else []

        page.extract_text(visitor_text=visit)
        pages.append(found)
    return pages


def read(page: list[tuple[str, float, float]]) -> str:
    """Return the text of a page without its white space."""
    return "".join("".join(text.split()) for text, _, _ in page).replace("\u200b", "")


def check_rows(pack: Pack) -> str:
    """Find a name at the beginning of each page's rows and all text on the paper; return all that is said."""
    pages, heads = placed(pack), 0
    for page in pages:
        for name, head in HEADS.items():
            for part in read(page).split(head)[1:]:
                heads += 1
                assert part.startswith(name), part[:80]
        below = [one for one in page if one[2] < BOTTOM]
        assert re.fullmatch(r"page\d+of\d+", read(below)), below
        assert [] == [one for one in page if not (LEFT <= one[1] <= RIGHT and one[2] <= TOP)]
    assert heads >= 2
    return "".join(map(read, pages))


def full(long: str) -> Pack:
    """Return a pack in which a resident has a long text wherever one may stand, and many medicines."""
    many = [medicine(f"Medicine {number:02}", instructions=TWO_SENTENCES) for number in range(24)]
    many[9] |= {"instructions": long}
    records = {
        "advance_care_plan": [decision(summary=TWO_SENTENCES * 2) for _ in range(9)],
        "medication": many,
        "diet": [{"requirements": f"Requirement {'by ' * 30}{long}"}],
        "risk_assessment": [
            {"kind": f"Hazard {number}", "level": "high", "mitigation": TWO_SENTENCES * 2}
            for number in range(6)
        ],
    }
    records["advance_care_plan"][3] |= {"summary": long, "signed_by": "Dr " + "Llanfairpwllgwyngyll " * 9}
    return pack_of(sheet_of(records))


@pytest.mark.parametrize("long", LONG)
def test_no_page_begins_with_a_nameless_rest(long: str) -> None:
    """Whatever a row says, and however long: it is named where it stands, on the paper, once."""
    said = check_rows(full(LONG[long]))

    assert 24 == said.count("5mgoraltwicedaily"), "a dose is said once"
    assert "Medicine09(continued)" in said
    assert 3 * LONG[long].count(LETTER) == said.count(LETTER), "nothing of it is lost, and nothing said twice"


def test_many_short_rows_are_whole_wherever_a_page_ends() -> None:
    """However far down the first row begins, none is broken, and none is made of several."""
    for before in range(0, 40, 3):
        many = [medicine(f"Medicine {number}", instructions=TWO_SENTENCES * 3) for number in range(14)]
        records = {"medication": many, "allergy": [allergy(f"Dust {number}") for number in range(before)]}
        assert "(continued)" not in check_rows(pack_of(sheet_of(records)))


def test_a_long_name_is_the_name_of_each_of_its_rows() -> None:
    """A name of 200 letters, in words that no column has room for, stands whole at each of its rows."""
    name = "Medicine " + "hydroxychloroquinesulphate" * 7
    said = check_rows(pack_of(sheet_of({"medication": [medicine(name, instructions=LONG["sentences"])] * 3})))
    assert 3 == said.count(name.replace(" ", "") + "5mg")
    assert 3 <= said.count(name.replace(" ", "") + "(continued)")
