"""What somebody without a key can put into an export costs the verifier no more than its size.

None of these exports is signed, or their signed manifest lists other files: each was slow, or large in
memory, or wrote to the terminal as it liked.
"""

import io
import json

import pytest

from app.audit import verify
from tests.support.sample_export import (
    ANN,
    ORG,
    RESIDENTS,
    SALT,
    Sample,
    actor,
    base64_of,
    canonical,
    chained,
    event,
    leaf_of,
    packed,
    sample_events,
)
from tests.unit.audit.examining import SAMPLE, examined, kinds, with_fhir

TERMINAL = "\r\x1b[2K\x1b[2J\x1b[Hchecked: all\nintact (exit 0)\x1b[8m"
HUGE = "9" * 5000


def unsigned(lines: list[bytes], **more: bytes) -> dict[str, bytes]:
    """Return an export of lines that nobody signed: no checkpoint, no signature."""
    text = b"".join(line + b"\n" for line in lines)
    files = SAMPLE.sealed({"events.jsonl": text} | more, checkpoint=None)
    del files["manifest.sig"]
    return files


def closing(number: int, name: str, told: dict) -> dict:
    """Return an entry that closes a month."""
    return event(number, "segment.close", obj={"t": "segment", "id": name}, seg=told)


def counted(calls: list, monkeypatch, owner, name: str) -> None:
    """Keep what a function is called with."""
    true = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *given, **more: calls.append(given) or true(*given, **more))


def test_a_month_cannot_write_to_the_terminal(monkeypatch):
    """A closing that does not count is not counted, and its name is shown as everything of an export is."""
    told: list = []
    counted(told, monkeypatch, verify.Month, "told")
    seg = verify.Month(0).told(ORG, TERMINAL)
    told.clear()
    report = examined(unsigned(chained([closing(0, TERMINAL, seg)])))
    text = report.as_text()

    assert (["SEGMENT"], []) == (kinds(report), told)
    assert text.isascii()
    assert all(letter == "\n" or letter >= " " for letter in text)
    assert not [line for line in report.checked if "\x1b" in line or "\n" in line]


@pytest.mark.parametrize("text", ["\x1b[2J", "\x07", "a\nb", "\u202e", "\x7f", "\x9b"])
def test_whatever_a_report_holds_its_text_is_plain(text):
    """Should a part of the verifier forget to show something, the report does."""
    made = verify.Report(checked=[text], doubts=[text], findings=[verify.TamperedError("SEQ", text)])
    printed = made.as_text()

    assert all(letter == "\n" or " " <= letter <= "~" for letter in printed)
    assert "checked: " + verify.shown(text) in printed.split("\n")


@pytest.mark.parametrize("ts", [TERMINAL, "2026-03", "2026-03-01T10:00:00.000001", 5, None])
def test_an_enclosed_identity_entry_has_a_place_and_a_time(ts):
    """Its month is told of later, so that it has to be one."""
    sample = Sample(events=sample_events()[:4], signed_sizes=(4,), erased=(1, 2))
    place = {"org": ORG, "prev": "0" * 64, "seq": 0, "ts": ts}
    line = canonical({"c": place, "e": sample.events[0]})
    note = sample.note(f"{sample.origin}\n1\n{base64_of(leaf_of(line))}\n").decode()
    proof = f"{verify.PROOF_KIND}\nindex 0\n\n{note}"
    name = {"seq": 0, "user_id": ANN, "salt": base64_of(SALT), "name": "Ann Marlow"}
    name |= {"line": line.decode(), "proof": proof}
    files = sample.selection(3) | {"names.jsonl": canonical(name) + b"\n"}
    said = {name: json.loads(files["manifest.json"])[name] for name in ("first", "last", "filter")}
    report = examined(sample.sealed(files, **said), sample.vkey)

    assert ("NAMES", "names.jsonl encloses an entry without a place in the chain for #0") in [
        (found.kind, found.text) for found in report.findings
    ]


def many_rows(count: int) -> tuple[dict[str, bytes], list[bytes]]:
    """Return an export of one line with many residents, each of whose rows holds the whole line."""
    lines = chained([event(0, "record.list", actor=actor(ANN, 0), subs=["r"] * count, why="w" * 500)])
    return with_fhir(unsigned(lines, **{"events.csv": verify.CSV_HEADER}), checkpoint=None), lines


@pytest.mark.parametrize("processes", [1, 2])
def test_rows_are_made_one_by_one_and_none_after_one_that_differs(monkeypatch, processes):
    """Of a line with thousands of residents one row is made, if that is not the one that comes next."""
    files, _ = many_rows(5000)
    files = SAMPLE.sealed(files | {"fhir.ndjson": b"x" * 2000}, checkpoint=None)
    rows: list = []
    counted(rows, monkeypatch, verify, "_cell")
    encoded: list = []
    counted(encoded, monkeypatch, verify, "_fhir_entity")
    monkeypatch.setattr(verify, "_given_away", lambda *_: None)
    report = verify.verify_export(io.BytesIO(packed(files)), (SAMPLE.vkey,), None, processes)

    assert {"CSV", "FHIR"} <= set(kinds(report))
    assert len(rows) <= len(verify.CSV_PATHS) + 1
    assert len(encoded) <= 2


def test_no_row_is_made_of_a_file_that_differs(monkeypatch):
    """Once told, it does not matter what else is in it: nothing is derived for it."""
    files = with_fhir(SAMPLE.files())
    files |= {"events.csv": b"x" + files["events.csv"], "fhir.ndjson": b"x" + files["fhir.ndjson"]}
    cells: list = []
    counted(cells, monkeypatch, verify, "_cell")
    events: list = []
    counted(events, monkeypatch, verify, "fhir_kind")
    report = examined(SAMPLE.sealed(files))

    assert {"CSV", "FHIR"} == set(kinds(report))
    assert ([], 1) == (cells, len(events))  # of FHIR the first row told


def test_a_process_gives_up_on_rows_without_number(monkeypatch):
    """What another process would sum up has a bound; past it rows are compared one by one, and all hold."""
    files, lines = many_rows(50)
    record = json.loads(lines[0])
    table = verify.CSV_HEADER + b"".join(verify.csv_each(record, leaf_of(lines[0]).hex(), {}))
    sealed = SAMPLE.sealed(files | {"events.csv": table}, checkpoint=None)
    made: list = []
    counted(made, monkeypatch, verify, "_cell")
    derivations = {"events.csv": verify.csv_each}
    assert verify._Examined(ORG, 0, lines).told({}, derivations) is not None
    whole = len(made)
    made.clear()
    monkeypatch.setattr(verify, "WHOLE_FILE_BYTES", 5000)

    assert verify._Examined(ORG, 0, lines).told({}, derivations) is None
    assert len(made) < whole / 2
    monkeypatch.setattr(verify, "WHOLE_FILE_BYTES", 1 << 14)
    two = verify.verify_export(io.BytesIO(packed(sealed)), (SAMPLE.vkey,), None, 2)
    assert [] == [found for found in two.findings if found.kind in ("CSV", "FHIR")]


def test_months_are_sought_among_lines_only(monkeypatch):
    """After a gap the lines are gone through once more, as far as there are any: not all of what follows."""
    lines = SAMPLE.lines
    files = unsigned([lines[5], *[b""] * 50_000])
    read: list = []
    true = verify._Examination.lines_of

    def lines_of(self, name):
        for line in true(self, name):
            read.append(line)
            yield line

    monkeypatch.setattr(verify._Examination, "lines_of", lines_of)

    assert ["SEQ"] == [kind for kind in kinds(examined(files)) if kind != "MANIFEST"]
    assert len(read) <= 2


def test_of_a_kind_a_hundred_findings_are_told():
    """Thousands of closings that cannot be are told of a hundred times, and that there are more."""
    refused = [closing(n, "z", {"first": n, "end": n}) for n in range(300)]
    lines = chained(refused, stamps=["2026-03-01T10:00:00.000000Z"] * 300)
    report = examined(unsigned(lines))
    told = [found for found in report.findings if found.kind == "SEGMENT"]

    assert verify.MOST_FINDINGS + 1 == len(told)
    assert "and more: after 100 of this kind no further one is told" == told[-1].text
    assert told[-1].seq is None
    assert 300 == report.count


def test_closings_that_do_not_count_are_not_counted(monkeypatch):
    """A closing that is refused costs no tree over a month."""
    trees: list = []
    counted(trees, monkeypatch, verify.Month, "told")
    examined(unsigned(chained([closing(n, "z", {"first": n, "end": n}) for n in range(30)])))

    assert [] == trees


def test_findings_are_not_gone_through_for_each_further_one():
    """Whether something was told already is not sought among all that was."""
    report = verify.Report()
    examination = verify._Examination(
        verify.zipfile.ZipFile(io.BytesIO(packed(SAMPLE.files()))), [], report, 1, verify.Present()
    )
    report.findings = type("Kept", (list,), {"__iter__": None})()
    for number in range(500):
        examination.find("SEQ", f"finding {number // 2}")

    assert 101 == len(report.findings)


def test_lines_of_more_months_than_a_trail_has_end_the_check(monkeypatch):
    """What closings and prunings say is held against each month that is there: there is a bound to it."""
    monkeypatch.setattr(verify, "MOST_MONTHS", 6)
    stamps = [f"2026-{1 + n:02}-01T10:00:00.000000Z" for n in range(8)]
    sample = Sample(events=[event(n, "auth.logout", actor=actor(ANN, 0)) for n in range(8)], stamps=stamps)
    few = unsigned(chained(sample.events[:6], ORG, stamps))

    assert "CANON" not in kinds(examined(few))
    assert "CANON" in kinds(examined(unsigned(sample.lines)))


def with_notes(size: int) -> tuple[dict[str, bytes], list[bytes]]:
    """Return a selection whose proofs each carry a further signature of nobody's key, of many bytes."""
    files = SAMPLE.selection(3, 4, 5)
    proofs = []
    for number, line in enumerate(files["proofs.jsonl"].splitlines()):
        told = json.loads(line)
        more = base64_of(number.to_bytes(4, "big") + bytes(size))
        proofs.append(canonical(told | {"proof": f"{told['proof']}— other.example/x {more}\n"}))
    return files, proofs


def test_notes_are_remembered_by_their_digest(monkeypatch):
    """However large the notes of proofs, what is kept of each is as large as of any other."""
    files, proofs = with_notes(5000)
    said = {name: json.loads(files["manifest.json"])[name] for name in ("first", "last", "filter")}
    sealed = SAMPLE.sealed(files | {"proofs.jsonl": b"".join(line + b"\n" for line in proofs)}, **said)
    kept: list = []
    counted(kept, monkeypatch, verify._Examination, "conclude")
    report = examined(sealed)
    [(examination,)] = kept

    assert [] == report.findings
    assert {32} == {len(key) for key in examination.opened}
    assert 4 == len(examination.opened)


@pytest.mark.parametrize("name", ["proofs.jsonl", "segments.jsonl"])
def test_proofs_that_are_not_the_listed_ones_are_not_read(monkeypatch, name):
    """That they are others is told; who exchanged them does not choose what it costs to read them."""
    files = SAMPLE.selection(3, 4, 5)
    changed = files | {name: files.get(name, b"") + b"{}\n"}
    read: list = []
    counted(read, monkeypatch, verify, "read_proof")
    counted(read, monkeypatch, verify, "read_segment")
    report = examined(changed)

    assert {"MANIFEST"} == set(kinds(report))
    assert (3 if name == "segments.jsonl" else 0) == len(read)
    assert ("each with its proof" in report.as_text()) is (name == "segments.jsonl")


def test_many_names_that_nobody_signed_are_not_read(monkeypatch):
    """Only a manifest signed by a key that was given lists names of any number."""
    monkeypatch.setattr(verify, "LARGE_BYTES", 100)
    files, read = SAMPLE.files(), []
    counted(read, monkeypatch, verify, "read_name")
    assert ([], 0) == (examined(files).findings, examined(files).exit_code)
    assert 4 == len(read)
    read.clear()
    of_itself = verify.verify_export(io.BytesIO(packed(files)))
    del files["manifest.sig"]
    nobodys = examined(files)

    assert ([], 2, [], 2) == (of_itself.findings, of_itself.exit_code, nobodys.findings, nobodys.exit_code)
    assert [] == read
    assert all("names.jsonl is not read" in report.as_text() for report in (of_itself, nobodys))


def test_a_manifest_is_small():
    """What is parsed at once is no larger than any honest one: of empty lists it would be gigabytes."""
    files = SAMPLE.files()
    files["manifest.json"] = files["manifest.json"][:-1] + b' , "x": [' + b"[]," * (1 << 19) + b"[]]}"

    assert "the export holds a manifest.json that is too large" == examined(files).unreadable


@pytest.mark.parametrize("name", ["manifest.json", "names.jsonl", "proofs.jsonl", "segments.jsonl"])
def test_numbers_of_any_length_are_not_made_numbers(monkeypatch, name):
    """Pythons before 3.9.14 take the square of its length to read one: past 53 bits none is read."""
    files = SAMPLE.selection(3, 4, 5)
    said = {one: json.loads(files["manifest.json"])[one] for one in ("first", "last", "filter")}
    long = b'{"seq":%s}\n' % HUGE.encode()
    asked: list[str] = []
    true = verify._integer

    def integer(text: str) -> int:
        asked.append(text)
        return true(text)

    assert integer is not true
    if name == "manifest.json":
        files = files | {name: files[name][:-1] + b',"x":' + HUGE.encode() + b"}"}
    else:
        files = SAMPLE.sealed(files | {name: long}, **said)
    monkeypatch.setattr(verify, "read_json", verify.partial(json.loads, parse_int=integer))
    report = examined(files)

    assert 1 == report.exit_code or report.unreadable
    assert HUGE in asked
    assert "an integer past 53 bits" in report.as_text()


def test_nothing_is_parsed_by_other_means():
    """Each JSON of an export is read where long numbers are refused."""
    with pytest.raises(verify.MalformedError, match="past 53 bits"):
        verify.read_json(HUGE)
    with open(verify.__file__, encoding="utf-8") as source:  # noqa: PTH123 -- one line is enough
        assert 0 == source.read().count("json.loads(")


def test_numbers_of_findings_that_are_none_do_not_keep_it_from_answering():
    """Findings are put in order whatever stands where their numbers are due."""
    files = SAMPLE.selection(3, 4, 5)
    said = {one: json.loads(files["manifest.json"])[one] for one in ("first", "last")}
    line = chained([closing(0, "2026-03", {"first": 0, "end": 1, "leaves": 0, "subjects": ""})])[0]
    record = json.loads(line)
    record["c"]["seq"] = "x"
    told = {"seq": "x", "line": canonical(record).decode(), "proof": "", "count": 0, "last": None}
    name = {"seq": 0, "user_id": ANN, "salt": base64_of(SALT), "name": "A", "line": "{}", "proof": ""}
    more = {
        "segments.jsonl": canonical(told | {"leaves": []}) + b"\n",
        "names.jsonl": canonical(name) + b"\n",
    }
    report = examined(SAMPLE.sealed(files | more, **said, filter={"resident_id": RESIDENTS[0]}))

    assert {0, "x"} <= {found.seq for found in report.findings}
    assert 1 == report.exit_code
