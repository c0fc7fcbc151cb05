"""What no font can show is printed as its number, and nothing else is."""

import io
from pathlib import Path

import pypdf
import pytest

from app.core.errors import CaretrailError
from app.printing import typesetting
from app.printing.typesetting import typeset

TEMPLATE = (
    "#let data = json(bytes(sys.inputs.data))\n"
    "#set document(title: data.title)\n"
    "#title(text(18pt, data.title))\n"
    "#for row in data.rows { par(text(row)) }\n"
)
NOTE = "Characters that no font has where this was made: "


def printed(*rows, title="Plain", template=TEMPLATE):
    """Return the text of a PDF, without what has no width."""
    pdf = pypdf.PdfReader(io.BytesIO(typeset(template, {"title": title, "rows": rows})))
    assert pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]
    return " ".join(pdf.pages[0].extract_text().replace("\u200d", "").split())


def told(count, first, *rows):
    """Return what a page says of which so many characters were spelled."""
    note = f"{NOTE}{count}. Each stands as its Unicode number in square brackets, such as {first}."
    return " ".join(["Plain", note, "What is recorded is unchanged.", *rows])


@pytest.mark.parametrize(
    ("written", "shown", "count"),
    [
        ("called \u8001\u4eba", "called [U+8001 U+4EBA]", 2),
        ("\ud55c\uae00 and \u0e44\u0e17\u0e22", "[U+D55C U+AE00] and [U+0E44 U+0E17 U+0E22]", 5),
        ("\u0ba4\u0bae\u0bbf\u0bb4\u0bcd", "[U+0BA4 U+0BAE U+0BBF U+0BB4 U+0BCD]", 5),
        ("fine \U0001f642!", "fine [U+1F642]!", 1),
        ("ok \U0001f44d\U0001f3fd", "ok [U+1F44D U+1F3FD]", 2),
        ("\U0001f1ec\U0001f1e7", "[U+1F1EC U+1F1E7]", 2),
        ("a\x07b\x1b\x85", "a[U+0007]b[U+001B U+0085]", 3),
        ("non-character \ufffe, mark \ufeff", "non-character [U+FFFE], mark [U+FEFF]", 2),
    ],
)
def test_what_no_font_has_stands_as_its_number(written, shown, count):
    """Other scripts, emoji and control characters are spelled one by one, and the first page counts them."""
    first = shown[shown.index("[") :].split("]")[0].split(" ")[0] + "]"
    assert told(count, first, shown, "Zo\xeb") == printed(written, "Zo\xeb")


@pytest.mark.parametrize(
    "written",
    [
        "Zo\xeb \u0141ukasz \u2026 \u2022",
        "x\u0327 q\u0301",
        "\u05e9\u05dc\u05d5\u05dd",
        "\u0928\u092e",
        "[U+8001]",
        "a\tb\n\t",
    ],
)
def test_what_a_font_has_is_shown_as_it_is(written):
    """Accents, marks on letters, Hebrew, Devanagari and brackets of somebody's own are left alone."""
    page = printed(written, "end")
    assert (NOTE in page, "[U+" in page) == (False, written.startswith("[U+"))


def test_a_letter_is_not_to_blame_for_its_neighbour():
    """A letter in a keycap or before an emoji's modifier stands as itself, there and everywhere else."""
    assert told(3, "[U+FE0F]", "1[U+FE0F U+20E3] caf\xe9[U+1F3FD] caf\xe9 1") == printed(
        "1\ufe0f\u20e3 caf\xe9\U0001f3fd caf\xe9 1"
    )


def test_what_the_typesetter_trips_over_is_printed_all_the_same():
    """An order of characters at which typst itself breaks off loses only what has no picture."""
    shown = ("\u05d0[U+20E3 U+200B]", "caf\xe9")
    assert told(2, "[U+20E3]", *shown) == printed("\u05d0\u20e3\u200b", "caf\xe9")


def test_a_title_is_spelled_too():
    """A name that no font has does not keep the file from its title."""
    assert printed("x", title="\u8001").startswith("[U+8001] " + NOTE)


def test_each_template_has_the_title_below_which_the_note_stands():
    """A copy for a resident, a continuity pack, a breach pack: none is typeset without the note's place."""
    templates = list((Path(__file__).parents[3] / "app").rglob("*.typ"))
    assert [1, 1, 1] == [path.read_text("utf-8").count("\n#title(") for path in templates]


def test_spelling_ends(monkeypatch):
    """A template with a character of its own that no font has fails without trying for ever."""
    with pytest.raises(CaretrailError) as failed:
        printed("x", template=TEMPLATE + '#text("\u8001")')
    assert failed.value.why == "not-typeset"
    monkeypatch.setattr(typesetting, "_ROUNDS", 0)
    assert "caf[U+00E9] [U+8001]" in printed("caf\xe9 \u8001")
