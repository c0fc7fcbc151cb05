"""Records as a PDF: in volumes, and what somebody wrote is shown as they wrote it."""

import io
from typing import Any

import pytest
from pypdf import PdfReader

from app.exchange import printed
from app.exchange.printed import Volume, rows_of
from app.exchange.readable import article, page_head

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


def test_a_volume_of_long_texts_takes_fewer():
    """Records of a page each fill a volume before there are many of them: memory is taken by text."""
    held = [("daily_note", note("x" * 40_000)) for _ in range(30)]
    made = list(printed.volumes(held, RESIDENT, "2026-11-22T10:00:00.000000Z", ""))
    assert [13, 13, 4] == [volume.records for volume in made]


def test_every_page_of_every_volume_says_whom_it_is_about():
    """A volume that lies about alone is nobody else's: head, foot of each page and title name the person."""
    born = {"identifiers": {"date_of_birth": "1938-04-05"}}
    for number in (1, 2):
        volume = Volume(number, RESIDENT | born, "2026-11-22T10:00:00.000000Z", "")
        volume.add("daily_note", note("word " * 2000))
        pdf = PdfReader(io.BytesIO(volume.typeset()))
        first, *others = (page.extract_text() for page in pdf.pages)

        assert others
        assert first.count("Ada Example, born 1938-04-05") == 2
        assert [1] * len(others) == [page.count("Ada Example, born 1938-04-05.") for page in others]
        assert pdf.metadata is not None
        assert str(pdf.metadata.title).endswith(": Ada Example, born 1938-04-05")


def test_a_foot_does_not_grow_with_a_name():
    """However long somebody's name is, what stands on each page leaves room for the page."""
    long = RESIDENT | {"identity": {"given_name": "Wolfe " * 30, "family_name": "W" * 200}}
    volume = Volume(2, long, "2026-11-22T10:00:00.000000Z", "")
    volume.add("daily_note", note("slept well"))
    [page] = pages_of(volume)
    assert ("Wolfe " * 30).strip() in " ".join(page.split())
    assert ("Wolfe " * 11 + "Wolf ...") in " ".join(page.split())


def test_a_copy_is_of_the_day_of_british_clocks():
    """Made half an hour after midnight of a summer night it is of the day that began, as its deadline is."""
    for made_at, day in (("2026-06-30T22:30", "2026-06-30"), ("2026-06-30T23:30", "2026-07-01")):
        spelled = f"{made_at}:00.000000Z"
        volume = Volume(1, RESIDENT, spelled, "")
        [page] = pages_of(volume)
        assert page.count(f"ade {day}") == 2
        assert f"<p>Made {day}. " in page_head(RESIDENT, spelled, "").decode()


def test_nothing_that_somebody_wrote_turns_a_page_around():
    """What would turn a line around stands as its number, on the page and in the PDF."""
    named = RESIDENT | {"identity": {"given_name": "Yusuf\u202e", "family_name": "Namer"}}
    written = note("gpj.\u202eexe \u05db\u05d4\u05df")
    volume = Volume(1, named, "2026-11-22T10:00:00.000000Z", "")
    volume.add("daily_note", written)
    html = (page_head(named, "2026-11-22T10:00:00.000000Z", "") + article(written)).decode()
    [page] = pages_of(volume)
    for said in (html, page):
        assert "Yusuf[U+202E]" in said
        assert "gpj.[U+202E]exe" in said
        assert "\u202e" not in said
    assert "\u05db\u05d4\u05df" in html


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
