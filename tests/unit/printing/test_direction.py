"""Text keeps the order in which it was written: what turns a line around stands as its number."""

import io
import unicodedata

import pypdf
import pytest

from app.printing.direction import as_written, in_html
from app.printing.typesetting import typeset

TEMPLATE = "#let data = json(bytes(sys.inputs.data))\n#set document(title: data.title)\n= #text(data.title)"
TURNING = [one for one in map(chr, range(0x110000)) if unicodedata.bidirectional(one) in (
    *("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"),
)]  # fmt: skip
MARKS = ["\u061c", "\u200e", "\u200f"]
"""Invisible letters with a direction of their own."""


@pytest.mark.parametrize("turning", TURNING + MARKS, ids=lambda one: f"U+{ord(one):04X}")
def test_what_turns_a_line_around_is_its_number(turning: str) -> None:
    """Wherever it stands, and as deep as it may: nothing else changes."""
    spelled = f"gpj.[U+{ord(turning):04X}]exe"
    assert {"a": [f"x {spelled}", 7, None]} == as_written({"a": [f"x gpj.{turning}exe", 7, None]})
    assert f"&lt;b&gt;{spelled}" == in_html(f"<b>gpj.{turning}exe")


def test_letters_that_run_from_right_to_left_stay() -> None:
    """A name in Hebrew or Arabic is no attack: it is printed as it is."""
    for name in ("\u05db\u05d4\u05df", "\u0639\u0644\u064a", "\u200dx\u200c"):
        assert name == as_written(name) == in_html(name)


def test_a_pdf_turns_nothing_around() -> None:
    """Whatever a template prints, nothing that turns lines reaches it."""
    pdf = pypdf.PdfReader(io.BytesIO(typeset(TEMPLATE, {"title": "Yusuf\u202e Namer"})))
    assert pdf.pages[0].extract_text().strip() == "Yusuf[U+202E] Namer"
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Yusuf[U+202E] Namer"
