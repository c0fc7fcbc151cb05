"""Records as a PDF: in volumes, and what somebody wrote is shown as they wrote it."""

import io
from typing import Any

import pytest
from pypdf import PdfReader

from app.exchange import printed
from app.exchange.printed import Volume, rows_of

RESIDENT: dict[str, Any] = {
    "deleted": False,
    "identity": {"given_name": "Ada", "family_name": "Example"},
    "status": "resident",
    "history": [{"version": 2, "changes": [{"field": "room", "before": None, "after": "7"}]}],
}


def note(text: str, **more: Any) -> dict[str, Any]:
    version = {
        "occurred_at_estimated": False,
        "late": True,
        "occurred_at": "2026-03-02T08:30:00.000000Z",
        "recorded_at": "2026-03-02T12:30:00.000000Z",
        "body": {"text": text},
    }
    return {"deleted": False, "versions": [version]} | more


def pages_of(volume: Volume) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(volume.typeset())).pages]


def test_markup_is_shown_and_not_obeyed():
    """What looks like typst's markup, HTML or a link stands there as it was written."""
    written = '#pagebreak() *bold* $x^2$ <script> #read("/etc/passwd") // no comment'
    volume = Volume(1, RESIDENT, "2026-11-22T10:00:00.000000Z", "Nothing is withheld.")
    volume.add("daily_note", note(written))

    [page] = pages_of(volume)

    assert written in page.replace("\n", " ").replace("\u200b", "")
    assert "entered late" in page
    assert "Change 2" in page


def test_a_volume_takes_so_many_and_only_the_first_tells_of_the_person(monkeypatch):
    """A full volume says so; the second one has no page about the person, but says what it is."""
    monkeypatch.setattr(printed, "MOST_RECORDS", 2)
    first = Volume(1, RESIDENT, "2026-11-22T10:00:00.000000Z", "")
    second = Volume(2, RESIDENT, "2026-11-22T10:00:00.000000Z", "")
    for n in range(2):
        assert not first.full
        first.add("daily_note", note(f"note {n}"))
    second.add("daily_note", note("note 2", deleted=True))

    assert first.full
    assert "The person" in pages_of(first)[0]
    [page] = pages_of(second)
    assert "The person" not in page
    assert "volume 2" in page
    assert "Entered in error" in page


@pytest.mark.parametrize(
    ("told", "rows"),
    [
        ({"given": True}, [("Given", "yes")]),
        ({"actions": ["wash", "walk"]}, [("Actions", "\u2022 wash\n\u2022 walk")]),
        ({"identity": {"sex": None}}, [("Identity: Sex", "not recorded")]),
        (
            {"components": [{"kind": "systolic", "value": "120"}]},
            [("Components", "\u2022 Kind: systolic; Value: 120")],
        ),
        (
            {"content_base64": {"file": "documents/a.pdf"}},
            [("Content", "documents/a.pdf (a file of this copy)")],
        ),
        ({"actions": []}, [("Actions", "not recorded")]),
    ],
)
def test_every_kind_of_value_is_words(told, rows):
    """Lists, groups, yes and no, files and what is not recorded are told in words."""
    assert rows == rows_of(told)
