"""A pack as HTML and as PDF: the same content, text that stays text, and no file written on the way."""

import io
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pypdf
import pytest

from app.continuity.cover import DESTROY, Pack
from app.continuity.pack import renderer
from app.printing import typesetting
from app.printing.direction import in_html
from tests.unit.continuity.samples import FULL, HOSTILE, PERSONAL, hostile, pack_of, sheet_of

ROOT = Path(__file__).parents[3]
_ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "h2",
        "p",
        "ul",
        "li",
        "b",
        "br",
        "span",
        "strong",
    ),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


class Reading(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.texts.append(data)

    @classmethod
    def of(cls, pack: Pack) -> "Reading":
        """Read a pack's page."""
        reading = cls()
        reading.feed(renderer("html")(pack).data.decode())
        return reading


def pdf_text(pack: Pack) -> list[str]:
    """Return the text of each page of a pack's PDF, without its white space."""
    pages = pypdf.PdfReader(io.BytesIO(renderer("pdf")(pack).data)).pages
    return ["".join(page.extract_text().split()).replace("\u200b", "") for page in pages]


def told_by(pack: Pack) -> list[str]:
    """Return every text of a pack."""
    cover = [*pack.cover.rules, *pack.cover.missing, *(value for _, value in pack.cover.facts)]
    sheets = [text for sheet in pack.sheets for text in (sheet.name, *(value for _, value in sheet.facts))]
    tables = [
        text
        for sheet in pack.sheets
        for one in sheet.sections
        for text in (one.title, one.remark, *one.columns, *(cell for row in one.rows for cell in row))
    ]
    return [text for text in (*cover, *sheets, *tables) if text]


@pytest.fixture(params=["plain", "hostile"])
def pack(request):
    """A pack of two residents, of whom one or none has a hostile record; one more could not be read."""
    other = sheet_of(identity=PERSONAL["identity"] | {"family_name": "Aardvark"})
    first = sheet_of(FULL)
    if request.param == "hostile":
        names = {"given_name": HOSTILE, "family_name": HOSTILE, "preferred_name": HOSTILE}
        first = sheet_of(hostile(), identity=names, room=HOSTILE)
    return pack_of(first, other, missing=("resident-9",))


def test_html_shows_every_text_and_nothing_else(pack):
    """Each text arrives as text, whatever it looks like: no tag, no attribute but the page's own."""
    reading = Reading.of(pack)
    said = "".join(reading.texts)
    assert [] == [text for text in told_by(pack) if text not in said]
    assert set(reading.tags) <= _ALLOWED
    assert reading.attributes == {"lang", "charset", "http-equiv", "content", "class"}
    assert reading.tags.count("thead") == len(pack.sheets) == 2


def test_pdf_shows_every_text(pack):
    """Each text arrives as text: nothing of it is read as markup, run or loaded."""
    said = "".join(pdf_text(pack))
    assert [] == [text for text in told_by(pack) if "".join(text.split()) not in said]
    assert "root:x" not in said


def test_each_resident_begins_a_page_and_the_cover_names_nobody():
    """In both forms a resident begins a new page; on the cover stand home, count and what to destroy."""
    pack = pack_of(sheet_of(FULL), sheet_of(identity=PERSONAL["identity"] | {"family_name": "Aardvark"}))
    cover, *pages = pdf_text(pack)
    assert "".join(DESTROY.split()) in cover
    assert "Residents2" in cover
    assert ["AARDVARK" in page for page in pages] == [True, False]
    assert not any(name in cover for name in ("AARDVARK", "EXAMPLE,"))
    html = renderer("html")(pack).data.decode()
    before = html.split('<table class="person">')[0]
    assert ("EXAMPLE" in before, ".person { break-before: page }" in before) == (False, True)


def test_a_long_sheet_is_named_on_each_page():
    """Where a resident needs a second page, it has the name, too."""
    long = {"diet": [{"requirements": f"meal {n} " * 30} for n in range(60)]}
    pages = pdf_text(pack_of(sheet_of(long)))[1:]
    assert len(pages) > 1
    assert all("EXAMPLE,Ada|5Apr1938(aged87)|9990000026" in page for page in pages)


@pytest.mark.parametrize("name", ["Wolfeschlegelsteinhausen " * 8, "W" * 200, "\u202e" * 200])
def test_a_page_is_named_however_long_a_name_is(name):
    """What a browser repeats on each page does not grow with what is entered: no tall head is repeated."""
    names = {"given_name": name, "family_name": name, "preferred_name": name}
    pack = pack_of(sheet_of(FULL, identity=names, room=name))
    head, below = renderer("html")(pack).data.decode().split("<thead>")[1].split("</thead>")
    said = Reading()
    said.feed(head)
    shown = "".join(said.texts)
    assert " ... | 5 Apr 1938 (aged 87) | 999 000 0026 | as of 2 Mar 2026, 05:30 UTC" in shown
    assert len(shown) < 150
    told = in_html(name)
    assert (f"{in_html(name.upper())}, {told}</p>" in below, f"Room: <b>{told}</b>" in below) == (True, True)


NAMES = {
    "Hebrew": ("\u05db\u05d4\u05df", "\u05de\u05e9\u05d4"),
    "Arabic": ("\u0639\u0644\u064a", "\u0646\u0648\u0631 5"),
    "turning": ("Namer\u202e", "\u2067Yusuf"),
}


@pytest.mark.parametrize("script", NAMES)
def test_no_name_turns_around_what_stands_beside_it(script):
    """Day of birth and number stand behind the name and read from left to right, whatever the name is."""
    family, given = NAMES[script]
    names = {"family_name": family, "given_name": given, "preferred_name": given}
    pack = pack_of(sheet_of(FULL, identity=names, room=given))

    html = renderer("html")(pack).data.decode()
    assert "b, p { unicode-bidi: isolate }" in html
    assert not set("\u202e\u2067") & set(html)
    page = pypdf.PdfReader(io.BytesIO(renderer("pdf")(pack).data)).pages[1]
    places: list[tuple[str, float]] = []
    page.extract_text(visitor_text=lambda told, cm, tm, *_: places.append((told, tm[4] * cm[0] + cm[4])))
    head = places[: 1 + next(n for n, (told, _) in enumerate(places) if "as of" in told)]
    behind = [next(x for told, x in head if part in told) for part in ("5 Apr 1938", "999 000 0026", "as of")]
    of_the_name = {"[", *(letter for letter in family + given if not letter.isascii())}
    assert sorted(behind) == behind
    assert max(x for told, x in head if of_the_name & set(told)) < behind[0]


def test_one_character_costs_nobody_their_pack():
    """What no font has stands as its number in the PDF, counted on the cover; the HTML has it as it is."""
    names = PERSONAL["identity"] | {"preferred_name": "\u963f\u59e8"}
    pack = pack_of(sheet_of(FULL, identity=names), sheet_of({"diet": [{"requirements": "likes \U0001f36a"}]}))
    cover, *pages = pdf_text(pack)
    assert "where this was made: 3.".replace(" ", "") in cover
    assert any("[U+963FU+59E8]" in page for page in pages)
    assert any("likes[U+1F36A]" in page for page in pages)
    html = renderer("html")(pack).data.decode()
    assert ("\u963f\u59e8" in html, "likes \U0001f36a" in html, "U+" in html) == (True, True, False)


def test_what_cannot_be_a_pdf_is_html(monkeypatch):
    """A pack that the typesetter refuses is made as a page, and says what it is."""
    monkeypatch.setattr(typesetting, "_NOTE", '#panic("x")')
    pack = pack_of(sheet_of(FULL))
    assert renderer("pdf")(pack) == renderer("html")(pack)


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_rendering_writes_no_file(form):
    """A process that may not write a byte into any file renders a pack all the same."""
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "from app.continuity.pack import renderer\n"
        "from tests.unit.continuity.samples import FULL, pack_of, sheet_of\n"
        f"sys.stdout.buffer.write(renderer({form!r})(pack_of(sheet_of(FULL))).data)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, timeout=60)
    assert done.stdout.startswith(b"<!doctype html>" if form == "html" else b"%PDF-")
