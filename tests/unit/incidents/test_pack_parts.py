"""The parts of a pack that are made from what was told: fields, timeline, paper, tables."""

import io
from importlib.resources import files
from typing import Any

import pypdf
import pytest

from app.incidents.deeds import act_in_words
from app.incidents.pack_fields import PERSON, TRAIL, UNKNOWN, article_33, dspt_report, field
from app.incidents.pack_files import residents_csv, shown
from app.incidents.pack_page import page
from app.incidents.pack_paper import paper
from app.incidents.scope import Fold, Reach, Selection
from app.incidents.timeline import MOST_ROWS, Timeline
from app.printing.typesetting import typeset

HOSTILE = "<script>alert(1)</script>#panic()"
CLOCK = {"due_at": "2026-03-05T09:00:00.000000Z", "told_at": None, "assumed": False}
CLOCK |= {"counted_from": "2026-03-02T09:00:00.000000Z"}


def incident(state: str = "running", **more: Any) -> dict[str, Any]:
    """Return an incident as it is shown, of which hardly anything is said."""
    names = (
        "occurred_at",
        "detected_at",
        "became_aware_at",
        "contact",
        "consequences",
        "measures",
        "root_cause",
    )
    said: dict[str, Any] = dict.fromkeys(names)
    said |= {"id": "i", "kind": "mis_sent", "status": "open", "home_id": None, "nature": "incident"}
    said |= {"what_happened": HOSTILE, "categories": [], "people_affected": None, "ongoing": "unknown"}
    said |= {
        "notifications": [],
        "actions": [],
        "assessments": [],
        "clocks": {"72h": CLOCK | {"state": state}},
    }
    return said | more


def told(recipient: str, reasons: str | None) -> dict[str, Any]:
    """Return a notification."""
    at = "2026-03-06T09:00:00.000000Z"
    said = {"recipient": recipient, "told_at": at, "told_by": None, "reference": None}
    return said | {"replaced_by": None, "reasons_for_delay": reasons}


def line(at: str, act: str = "record.read", **more: Any) -> dict[str, Any]:
    """Return a line of the trail."""
    event = {"act": act, "out": "ok", "actor": {"id": "u"}, "subs": ["r"], "obj": {"t": "record"}, **more}
    return {"c": {"seq": 1, "ts": f"2026-03-02T{at}:00.000000Z"}, "e": event}


def packed(said: dict[str, Any], fold: Fold) -> dict[str, Any]:
    """Return what a pack says of an incident and a count."""
    return {
        "incident": said,
        "scope": fold.told(),
        "selection": fold.selection.told(),
        "not_known": [],
        "made_at": CLOCK["due_at"],
        "made_by": "m",
        "evidence": "none",
        "organisation": {"id": "o", "name": "Sample Care"},
        "home": None,
        "trail": {"origin": "o", "size": 1},
        "article33": article_33(said, fold.told(), []),
        "dspt": dspt_report(said, fold.told(), []),
    }


@pytest.mark.parametrize("nothing", [None, "", [], "unknown"])
def test_what_nobody_said_is_not_known(nothing: Any) -> None:
    """An empty value has no source but that it is not known; a number of nought is a value."""
    assert (None, UNKNOWN) == (
        field("f", "?", nothing, PERSON)["value"],
        field("f", "?", nothing, PERSON)["source"],
    )
    assert (0, TRAIL) == (field("f", "?", 0, TRAIL)["value"], field("f", "?", 0, TRAIL)["source"])


@pytest.mark.parametrize(
    ("state", "notifications", "value", "remark"),
    [
        ("running", [], None, "Not told yet. Due at 2026-03-05"),
        ("over", [], None, "reasons are wanted"),
        ("told", [told("ico", None)], None, "none are wanted"),
        ("told", [told("ico", None), told("ico", "sent on later")], None, "none are wanted"),
        ("not_needed", [told("dspt", "the office was shut")], None, "need not be told"),
        ("over", [told("dspt", "the office was shut")], "the office was shut", ""),
        ("told_late", [told("ico", None)], None, "no reasons are written down"),
        ("told_late", [told("dspt", "the office was shut")], "the office was shut", ""),
        ("told_late", [told("police", "not for the ICO")], None, "no reasons are written down"),
        ("not_needed", [], None, "need not be told"),
    ],
)
def test_a_delay_wants_reasons(
    state: str, notifications: list[dict[str, Any]], value: str | None, remark: str
) -> None:
    """Reasons for telling the ICO late are those written down, or it is said that they are missing."""
    fields = article_33(incident(state, notifications=notifications), None, [])["fields"]
    [delay] = [one for one in fields if one["field"] == "33(1) reasons for delay"]

    assert value == delay["value"]
    assert remark in delay["remark"]


@pytest.mark.parametrize(
    ("decision", "value", "decided"),
    [
        ("none", "likelihood 3, impact 2: none", True),
        (None, "likelihood 3, impact 2: not decided yet (proposed: ico)", False),
    ],
)
def test_nobody_is_said_to_have_decided_who_has_not(decision: str | None, value: str, decided: bool) -> None:
    """What was scored and not decided is told as that, with the proposal."""
    scored = {"counted": {"likelihood": 3, "impact": 2}, "proposal": "ico", "decision": decision}
    fields = article_33(incident(assessments=[scored]), None, [])["fields"]
    [assessed] = [one for one in fields if one["field"] == "assessment"]

    assert (value, decided) == (assessed["value"], "a person decided" in assessed["remark"])


def test_a_count_that_ended_is_no_exact_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more records were opened than are counted, both forms and the paper say `at least`."""
    monkeypatch.setattr("app.incidents.scope.MOST_RECORDS", 2)
    for count, wanted in ((1, 1), (5, "at least 2")):
        fold = Fold(Selection("2026-03-01T00:00:00.000000Z"))
        for n in range(count):
            fold.take(line("09:00", obj={"t": "record", "id": f"r{n}", "cat": "diet"}))
        pack = packed(incident(), fold)
        for form in ("article33", "dspt"):
            values = {one["field"]: one["value"] for one in pack[form]["fields"]}
            assert wanted == values["33(3)(a) records opened"]
        assert [str(wanted), "records opened"] in paper(pack, Timeline(Reach()))["numbers"]


def test_paper_ends_where_there_are_too_many() -> None:
    """Of very many residents or people the first rows are printed, and below them how many there are."""
    fold = Fold(Selection("2026-03-01T00:00:00.000000Z"))
    for n in range(MOST_ROWS + 2):
        fold.take(line("09:00", subs=[f"r{n}"], actor={"id": f"u{n}"}))
    sections = {one["title"]: one for one in paper(packed(incident(), fold), Timeline(Reach()))["sections"]}

    for title in ("Whose data", "Who acted"):
        assert MOST_ROWS == len(sections[title]["rows"])
        assert f"{MOST_ROWS} with most entries of {MOST_ROWS + 2}" in sections[title]["remark"]


def test_a_system_and_a_person_count_apart() -> None:
    """What the trail says and what a person entered stand side by side, in both forms."""
    fold = Fold(Selection("2026"))
    fold.take(line("09:00", obj={"t": "record", "id": "a", "cat": "diet"}, n=1))
    said = incident(people_affected=7, categories=["finance"])
    for form in (article_33(said, fold.told(), []), dspt_report(said, fold.told(), [])):
        values = {one["field"]: (one["value"], one["source"]) for one in form["fields"]}
        assert (1, TRAIL) == values["33(3)(a) people counted"]
        assert (7, PERSON) == values["33(3)(a) people entered"]
        assert (["diet"], TRAIL) == values["33(3)(a) categories of data counted"]
        assert (["finance"], PERSON) == values["33(3)(a) categories of data entered"]


def test_like_entries_stand_in_one_row() -> None:
    """A row goes on until somebody does something else, or pauses for more than a quarter of an hour."""
    timeline = Timeline(Reach())
    for at in ("09:00", "09:14", "09:29", "09:45"):
        timeline.take(line(at, subs=[at]))
    timeline.take(line("09:45", "record.list"))

    assert [(3, 3), (1, 1), (1, 1)] == [(run.entries, len(run.residents)) for run in timeline.rows]


def test_a_timeline_ends_and_says_so() -> None:
    """No row follows the last there is room for; the entries after it are counted."""
    timeline = Timeline(Reach())
    for n in range(MOST_ROWS + 5):
        timeline.take(line("09:00", "record.read" if n % 2 else "record.list"))

    assert (MOST_ROWS, 5) == (len(timeline.rows), timeline.left_out)


def test_paper_shows_text_as_text() -> None:
    """Nothing that somebody wrote is markup on the page, and every instant is told as people read it."""
    fold = Fold(Selection("2026-03-01T00:00:00.000000Z"))
    fold.take(line("09:00"))
    printed = page(paper(packed(incident(), fold), Timeline(Reach()))).decode()

    assert "<script>" not in printed
    assert "&lt;script&gt;" in printed
    assert "Draft for a person to check" in printed
    assert "5 Mar 2026, 09:00 UTC" in printed
    assert "000Z" not in printed


def test_a_table_runs_nothing() -> None:
    """A cell a spreadsheet would run, or that holds a comma, is guarded."""
    tally = dict.fromkeys(("read", "changed", "exported", "refused", "failed"), 1)
    row = {"resident_id": "=1+1", **tally, "categories": {"a,b": {}}, "actors": {"@x": 1}}
    table = residents_csv({"residents": [row | {"first": "-1", "last": "2"}]}).decode()

    assert "'=1+1,1,1,1,1,1,\"a,b\",'@x,'-1,2\r\n" == table.partition("\r\n")[2]


def test_a_line_is_told_without_others() -> None:
    """Residents out of reach are taken out, and with them how many there were, and who was asked for."""
    reach = Reach(frozenset({"h"}), frozenset({"r"}))
    both = line("09:00", "resident.list", subs=["r", "q"], n=2, obj={"t": "resident", "id": "q"})

    assert (["r"], 1, {"t": "resident"}) == tuple(
        shown(both, reach)["e"][name] for name in ("subs", "n", "obj")
    )
    assert both == shown(both, Reach())


def test_no_text_turns_a_line_around() -> None:
    """What would have the line read backwards stands as its number, on the page and in a PDF."""
    said = incident(what_happened="the file gpj.\u202eexe", home_id="h")
    pack = packed(said, Fold(Selection("2026-03-01T00:00:00.000000Z")))
    told = paper(pack | {"home": {"id": "h", "name": "Rose\u2066wood"}}, Timeline(Reach()))

    assert "gpj.[U+202E]exe" in page(told).decode()
    assert ["Where", "Rose[U+2066]wood, h"] in told["facts"]
    assert "\u202e" not in repr(told)


@pytest.mark.parametrize(
    ("act", "deed", "words"),
    [
        ("record.read", "read", "looked at a record"),
        ("resident.read", "refused", "looked at a resident's details: refused"),
        ("auth.sign_in", "other", "auth.sign_in: other"),
    ],
)
def test_acts_are_told_in_words(act: str, deed: str, words: str) -> None:
    """An act of care has words, one that was refused says so; where there are none its code stands."""
    assert words == act_in_words(act, deed)


def test_one_is_not_many() -> None:
    """Of one account the paper says one account, of two residents two residents."""
    fold = Fold(Selection("2026-03-01T00:00:00.000000Z", users=("u",), residents=("r", "q")))
    facts = dict(paper(packed(incident(), fold), Timeline(Reach()))["facts"])

    assert ("1 account, 2 residents", "o, 1 entry when this was counted") == (
        facts["Chosen by"],
        facts["Trail"],
    )


def test_only_what_is_longer_than_its_column_is_broken() -> None:
    """An id stands in one piece wherever it is printed; a word longer than a line is broken, and whole."""
    one, other = "01890000-0000-7000-8000-ffffffffffff", "0189aaaa-0000-7000-8000-00000000000a"
    fold = Fold(Selection("2026-03-01T00:00:00.000000Z"))
    line_of = line("09:00", subs=[other], actor={"id": one, "roles": ["visiting_professional"]})
    timeline = Timeline(Reach())
    fold.take(line_of)
    timeline.take(line_of)
    said = incident(id=other, contact=f"see {one}, {'x' * 200}")
    told = paper(packed(said, fold), timeline)
    template = files("app.incidents").joinpath("pack.typ").read_text("utf-8")
    pages = pypdf.PdfReader(io.BytesIO(typeset(template, told))).pages
    text = "\n".join(page.extract_text() for page in pages)

    assert (4, 2 + len(pages)) == (text.count(one), text.count(other))
    assert "x" * 200 not in text
    assert 2 == text.replace("\n", "").replace("\u200b", "").count("x" * 200)
