"""Exports of what a filter chooses: exactly the lines asked for, each with its proof."""

import csv
import io
import json
import zipfile

import pytest
from sqlalchemy import text

from app.access.visit import VisitRefusedError
from app.audit import tiles, verify
from app.trail import exporting
from app.trail.export_works import Filter
from tests.unit.trail.stories import exported, last_two, lines_of, look_at, story


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks smaller than the trail, so that what spans two of them is tested."""
    monkeypatch.setattr(exporting, "LINES_AT_ONCE", 3)
    monkeypatch.setattr(exporting, "PROOFS_AT_ONCE", 2)
    monkeypatch.setattr(exporting, "NAMES_AT_ONCE", 1)


@pytest.fixture(params=["resident", "person", "act", "from", "to", "run", "person and act", "nothing"])
def asked(request):
    """One of the filters, as a function of the events before the export."""
    return request.param


def filter_for(kind, lines):
    """Return a filter of a kind that chooses some of the lines, and by what to recognise them."""
    events = [json.loads(line) for line in lines]
    chosen = next(
        line["e"] for line in events if line["e"].get("subs") and line["e"]["act"] == "resident.read"
    )
    whom, who, middle = chosen["subs"][0], chosen["actor"]["id"], events[len(events) // 2]["c"]["ts"]
    return {
        "resident": (Filter(resident_id=whom), lambda c, e: whom in e.get("subs", ())),
        "person": (Filter(agent_id=who), lambda c, e: e["actor"]["id"] == who),
        "act": (Filter(act="resident.read"), lambda c, e: e["act"] == "resident.read"),
        "from": (Filter(since=middle), lambda c, e: c["ts"] >= middle),
        "to": (Filter(until=middle), lambda c, e: c["ts"] < middle),
        "run": (
            Filter(since=events[3]["c"]["ts"], until=middle),
            lambda c, e: events[3]["c"]["ts"] <= c["ts"] < middle,
        ),
        "person and act": (
            Filter(agent_id=who, act="resident.read", since=events[1]["c"]["ts"]),
            lambda c, e: (
                e["actor"]["id"] == who and e["act"] == "resident.read" and c["ts"] >= events[1]["c"]["ts"]
            ),
        ),
        "nothing": (Filter(act="no.such.act"), lambda c, e: False),
    }[kind]


def told(world):
    """Let something happen over some time and return who may export it, and the lines."""
    auditor = story(world)
    reader = world.person("registered_manager", None, name="Manager")
    resident = next(e["obj"]["id"] for e in world.entries() if e["act"] == "resident.create")
    for _ in range(4):
        world.pass_time(seconds=5)
        look_at(world, resident, reader)
    return auditor, lines_of(world)


def chosen_of(lines, holds):
    """Return the lines that a look at each of them chooses."""
    return [line for line in lines if holds(json.loads(line)["c"], json.loads(line)["e"])]


def test_each_format_holds_what_is_wanted(any_world, notary, guards, asked):
    """Every format holds exactly the lines that a look at each line chooses, in their order."""
    auditor, before = told(any_world)
    chosen, holds = filter_for(asked, before)

    def stream_of(format_):
        wanted = chosen_of(lines_of(any_world), holds)
        rows = [
            json.loads(line)["c"]["seq"] for line in wanted for _ in json.loads(line)["e"].get("subs", [""])
        ]
        return exported(any_world, auditor, notary, guards, format_, None, chosen), wanted, rows

    stream, expected, _ = stream_of("jsonl")
    assert stream.splitlines() == expected
    stream, _, seqs = stream_of("csv")
    assert [int(row["seq"]) for row in csv.DictReader(io.StringIO(stream.decode()))] == seqs
    stream, _, seqs = stream_of("fhir")
    parts = [json.loads(row)["extension"][0]["extension"][1] for row in stream.splitlines()]
    assert parts == [{"url": "seq", "valueString": str(seq)} for seq in seqs]


def test_the_zip_proves_each_line(any_world, notary, guards, asked, tmp_path):
    """The verifier finds nothing wrong with a selection, checks each proof, and says what it cannot know."""
    auditor, before = told(any_world)
    chosen, holds = filter_for(asked, before)
    expected = chosen_of(before, holds)
    path = tmp_path / "selection.zip"
    path.write_bytes(exported(any_world, auditor, notary, guards, "zip", None, chosen))
    report = verify.verify_export(path, notary.vkeys(any_world.org))

    assert (report.findings, report.unreadable, report.exit_code) == ([], "", 2)
    assert any("nothing in it proves that it leaves out no line" in doubt for doubt in report.doubts)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        lines = archive.read("events.jsonl").splitlines()
        proofs = [json.loads(line) for line in archive.read("proofs.jsonl").splitlines()]
    assert lines == expected
    seqs = [json.loads(line)["c"]["seq"] for line in lines]
    assert [proof["seq"] for proof in proofs] == seqs
    ends = (seqs[0], seqs[-1]) if seqs else (None, None)
    assert (manifest["first"], manifest["last"], manifest["count"]) == (*ends, len(seqs))
    assert manifest["filter"] == chosen.given()


def test_a_selection_holds_the_names_it_needs_and_no_others(world, notary, guards):
    """Of the names only those of the people in the chosen lines go out."""
    auditor, before = told(world)
    chosen, _ = filter_for("person", before)
    archive = zipfile.ZipFile(io.BytesIO(exported(world, auditor, notary, guards, "zip", None, chosen)))
    names = [json.loads(line) for line in archive.read("names.jsonl").splitlines()]

    assert [name["user_id"] for name in names] == [chosen.agent_id]
    assert b"[erased]" not in archive.read("events.csv")


def test_entries_of_a_filtered_export(world, notary, guards):
    """The entry says whose trail goes out, the one at the end how many lines of it."""
    auditor, before = told(world)
    chosen, holds = filter_for("resident", before)
    count = sum(holds(None, json.loads(line)["e"]) for line in before)
    exported(world, auditor, notary, guards, "zip", None, chosen)
    start, end = world.entries()[-2:]

    assert last_two(world) == [("audit.export", "ok"), ("audit.export.end", "ok")]
    assert start["subs"] == [chosen.resident_id]
    assert "n" not in start
    assert end["n"] == count > 0


@pytest.mark.parametrize("most", [1 << 17, 100])
def test_wrong_nodes_break_no_export_off(world, notary, guards, monkeypatch, most):
    """Over wrong nodes a selection is proven from the lines; too many lines are refused before it begins."""
    told_ = told(world)
    for _ in range(300):
        look_at(world, world.entries()[-1].get("subs", ["01890000-0000-7000-8000-000000000001"])[0], told_[0])
    chosen = Filter(agent_id=told_[0].id)
    whole = exported(world, told_[0], notary, guards, chosen=chosen)
    world.looking(lambda c: c.execute(text("UPDATE audit_tile SET hash = :other"), {"other": bytes(32)}))
    monkeypatch.setattr(tiles, "MOST_FROM_LINES", most)
    if most > 100:
        again = exported(world, told_[0], notary, guards, chosen=chosen)
        assert len(again) >= len(whole)
        assert last_two(world)[-1] == ("audit.export.end", "ok")
        return
    with pytest.raises(VisitRefusedError) as caught:
        exported(world, told_[0], notary, guards, chosen=chosen)
    assert (caught.value.error.slug, caught.value.error.status) == ("integrity", 500)
    assert (world.entries()[-1]["act"], world.entries()[-1]["out"]) == ("audit.export", "fail")
