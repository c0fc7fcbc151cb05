"""The files of an export around the lines: zip, manifest, names and events.csv, each edit found."""

import io
import json
import zipfile

import pytest

from app.audit import verify
from tests.support.sample_export import (
    ANN,
    BOB,
    NAMES,
    Sample,
    actor,
    base64_of,
    canonical,
    csv_of,
    event,
    packed,
    sample_events,
)
from tests.unit.audit.examining import SAMPLE, examined, kinds, with_fhir
from tests.unit.printing.test_direction import TURNING


def test_edited_csv_is_found_at_its_row():
    """A cell of events.csv edited is found at the row and line it belongs to."""
    files = SAMPLE.files()
    edited = files["events.csv"].replace(b"tablet-1", b"tablet-2")
    report = examined(SAMPLE.sealed(files | {"events.csv": edited}))

    assert [("CSV", 3)] == [(f.kind, f.seq) for f in report.findings]
    assert "row 4 of events.csv" in report.as_text()


@pytest.mark.parametrize(
    "edit",
    [
        lambda csv: csv + b"x",
        lambda csv: csv[:-1],
        lambda csv: csv.replace(b"\r\n", b"\n"),
        lambda csv: csv.replace(b"'=Bob", b"=Bob"),
        lambda csv: csv.replace(b"[erased]", b"Eve Left"),
        lambda csv: b"\xef\xbb\xbf" + csv,
        lambda csv: csv.replace(b"org,seq", b"seq,org"),
        lambda csv: b"",
    ],
)
def test_any_other_csv_is_found(edit):
    """events.csv is the one derivation, to the byte."""
    files = SAMPLE.files()
    edited = edit(files["events.csv"])

    assert edited != files["events.csv"]
    assert ["CSV"] == kinds(examined(SAMPLE.sealed(files | {"events.csv": edited})))


@pytest.mark.parametrize("at", range(0, 900, 13))
def test_edited_manifest_is_found(at):
    """A manifest with any byte changed is not the signed one."""
    files = SAMPLE.files()
    raw = files["manifest.json"]
    changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]

    assert "MANIFEST" in kinds(examined(files | {"manifest.json": changed}))


@pytest.mark.parametrize(
    "said",
    [
        {"count": 9},
        {"first": 1, "filter": None},
        {"last": 8},
        {"checkpoint": {"size": 9, "root": "x"}},
        {"files": {}},
    ],
)
def test_signed_manifest_that_does_not_fit_is_found(said):
    """A manifest that tells of other lines, checkpoints or files than there are is found, signed or not."""
    assert 1 == examined(SAMPLE.sealed(SAMPLE.files(), **said)).exit_code


@pytest.mark.parametrize(
    "name", ["events.jsonl", "names.jsonl", "checkpoints.note", "events.csv", "README.txt"]
)
def test_missing_file_is_found(name):
    """A file that the manifest lists and the zip does not hold is found."""
    files = SAMPLE.files()
    del files[name]

    assert "MANIFEST" in kinds(examined(files))


@pytest.mark.parametrize("name", ["more.txt", "proofs.jsonl", "../events.jsonl", "events.jsonl/"])
def test_additional_file_is_found(name):
    """A file that the manifest does not list is found."""
    assert {"MANIFEST"} == set(kinds(examined(SAMPLE.files() | {name: b"{}"})))


def test_file_that_stands_twice_is_found():
    """Two files of one name in the zip are found: readers would disagree about which one counts."""
    out = io.BytesIO(packed(SAMPLE.files()))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(out, "a") as archive:
        archive.writestr("events.jsonl", SAMPLE.files()["events.jsonl"])

    assert ["MANIFEST"] == kinds(verify.verify_export(out, [SAMPLE.vkey]))


def name_line(number: int, **said) -> bytes:
    """Return a line of names.jsonl with something else in it."""
    user, name = NAMES[number]
    salt = base64_of(bytes(range(32)))
    return canonical({"seq": number, "user_id": user, "salt": salt, "name": name} | said) + b"\n"


@pytest.mark.parametrize(
    "told",
    [
        name_line(0, name="Ann Marlowe"),
        name_line(0, user_id=BOB),
        name_line(0, salt=base64_of(bytes(32))),
        name_line(0, salt=base64_of(bytes(31))),
        name_line(0, seq=3),
        name_line(0, seq=99),
        name_line(0) + name_line(0),
        canonical({"seq": 0}) + b"\n",
        b"[]\n",
        b"not json\n",
        name_line(0)[:-1],
        name_line(0).replace(b"Ann Marlow", b"\\ud800"),
    ],
)
def test_names_that_do_not_fit_are_found(told):
    """A name that is not the one hashed in its identity entry is found."""
    names = (
        {0: json.loads(told)["name"]}
        if told.count(b"\n") == 1 and b"name" in told and b"ud8" not in told
        else {}
    )
    files = SAMPLE.files() | {"names.jsonl": told, "events.csv": csv_of(SAMPLE.lines, names)}

    assert "NAMES" in kinds(examined(SAMPLE.sealed(files)))


def test_entry_under_the_name_of_somebody_else_is_found():
    """An entry that points to another person's name is found, for events.csv would print that name."""
    events = [*sample_events()[:3], event(3, "record.read", actor=actor(ANN, 1))]
    report = examined(Sample(events=events, signed_sizes=(4,)).files())

    assert [("NAMES", 3)] == [(f.kind, f.seq) for f in report.findings]


def test_csv_has_a_row_for_each_resident_and_one_without():
    """An entry has a row for each resident concerned, and one row when it concerns none."""
    place = {"org": "o", "seq": 7, "ts": "t"}
    more = event(7, "x", actor={"id": "a", "name_seq": 0, "roles": ["b", "c"]}, subs=["r1", "r2"], n=True)
    rows = b"".join(verify.csv_each({"c": place, "e": more}, "ab", {0: "@Ann"})).decode().split("\r\n")
    alone = b"".join(verify.csv_each({"c": place, "e": {"for": {"id": "p"}}}, "ab", {})).decode()

    assert [
        "o,7,t,x,ok,,a,'@Ann,b;c,,,,r1,,,,,,true,,,,,ab",
        "o,7,t,x,ok,,a,'@Ann,b;c,,,,r2,,,,,,true,,,,,ab",
        "",
    ] == rows
    assert alone == 'o,7,t,,,,,,,"{""id"":""p""}",,,,,,,,,,,,,,ab\r\n'


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start):
    """A cell that a spreadsheet would run begins with an apostrophe."""
    line = {"c": {}, "e": {"act": start + "cmd", "subs": [start + "r"]}}
    cells = b"".join(verify.csv_each(line, "", {})).decode()[:-2].split(",")

    assert ["'" + start + "cmd", "'" + start + "r"] == [cells[3].strip('"'), cells[12].strip('"')]


@pytest.mark.parametrize("turning", [*TURNING, "\u061c", "\u200e", "\u200f"], ids=ascii)
def test_no_text_turns_its_line_around(turning):
    """In tables and on the page a character that would is its number; Hebrew and Arabic stay as they are."""
    text, told = f"\u05db\u05d4\u05df{turning}exe", f"\u05db\u05d4\u05df[U+{ord(turning):04X}]exe"
    stamp = "2026-03-01T00:00:00.000000Z"
    actor_ = {"id": "a", "name_seq": 0, "roles": [text]}
    line = {
        "c": {"org": "o", "seq": 7, "ts": stamp},
        "e": event(7, text, actor=actor_, why=text, purpose=text),
    }
    log, asked = verify.AccessLog(), {"resident_id": text, "from": text, "to": stamp}
    manifest = {"filter": asked, "made_at": stamp, "checkpoint": {"size": 8}}
    parts = [log.page_head(text, manifest), log.page_row(line, "ab", {0: text}), log.page_tail()]
    page, row = b"".join(parts).decode(), log.row(line, "ab", {0: text}).decode()
    name = b"".join(verify.csv_each(line, "ab", {0: text})).decode().split(",")[7]

    assert (9, 5, told) == (page.count(told), row.count(told), name)
    assert turning not in page + row + name


@pytest.mark.parametrize("name", ["events.jsonl", "events.csv", "fhir.ndjson"])
def test_lines_or_a_table_alone_are_called_that(tmp_path, name):
    """Who hands in the lines or a table instead of the zip is told what can be verified."""
    path = tmp_path / "export"
    path.write_bytes(with_fhir(SAMPLE.files())[name])
    report = verify.verify_export(path, (SAMPLE.vkey,))

    assert 3 == report.exit_code
    assert "the lines or the table alone" in report.unreadable
    assert "Ask for the export as a zip." in report.as_text()
    assert "Ask for it again" not in report.as_text()


def test_what_is_no_export_at_all_is_to_be_asked_for_again(tmp_path):
    """Any other file that is no zip is not called an export."""
    path = tmp_path / "export"
    path.write_bytes(b"\x89PNG")

    assert "Ask for it again" in verify.verify_export(path, (SAMPLE.vkey,)).as_text()
