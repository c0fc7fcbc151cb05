"""A resident's access log for the family: everything that concerns them, and nothing about anybody else."""

import asyncio
import csv
import io
import json
import zipfile
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from app.access.visit import System, VisitRefusedError
from app.audit import verify
from app.core.errors import ForbiddenError, InvalidRequestError, NotFoundError
from app.residents.recording import MakeRecord
from app.residents.records import ListRecords, ReadRecord
from app.trail import family
from app.trail.checkpoints import HOUSEKEEPING
from app.trail.closing import close_due
from app.trail.export_works import Filter
from tests.unit.trail.state_scene import RECORDS
from tests.unit.trail.stories import admit, exported, list_residents, look_at, serving

APRIL = "2026-04-01T00:00:00.000000Z"
NAMES = [f"{tree}-Quillfeather" for tree in ("Ash", "Birch", "Cedar", "Dogwood", "Elder", "Fir", "Gorse")]
FILES = {
    *("events.jsonl", "withheld.jsonl", "names.jsonl", "proofs.jsonl", "segments.jsonl", "access-log.csv"),
    *("access-log.html", "checkpoints.note", "manifest.json", "manifest.sig", "README.txt", "verify.py"),
}


@pytest.fixture
def march(any_world):
    """March at a home with seven residents, closed; Ash is the one whose family asks."""
    world = any_world
    carer, manager = (
        world.person("carer", name="<b>Carer"),
        world.person("registered_manager", name="=Manager"),
    )
    cook, cli = world.person("kitchen", name="Cook"), System("cli", world.org)
    world.residents = [admit(world, world.home, name) for name in NAMES]
    ash, *others = world.residents
    world.records = [
        world.answer(
            MakeRecord(r, "daily_note", world.later(minutes=-5), {"text": "slept-quietly-again"}),
            f"POST {RECORDS}",
            cli,
        ).payload["id"]
        for r in world.residents
    ]
    for resident in (ash, others[0], ash):
        look_at(world, resident, carer)
    look_at(world, ash, cook)
    list_residents(world, manager)
    world.answer(ListRecords(ash, None, None, None, 50, None), f"GET {RECORDS}", carer)
    world.answer(ReadRecord(ash, world.records[0]), f"GET {RECORDS}/{{record_id}}", carer)
    world.refusal(
        ReadRecord(ash, world.records[1]), f"GET {RECORDS}/{{record_id}}", carer
    )  # another's record
    close_march(world)
    world.auditor = world.person("auditor", None, name="Auditor")
    return world


def close_march(world) -> None:
    """Let April come, with somebody new, and close March."""
    world.pass_time(days=31)
    world.latecomer = admit(world, world.home, "Latecomer-Quillfeather")

    async def do(org, work):
        return world.answer(work, HOUSEKEEPING, System("checkpoints", org)).payload

    assert asyncio.run(close_due(do, world.org)) is not None


def export(world, notary, guards, who=None, format_="zip", **asked) -> bytes:
    """Return a whole export for a family."""

    async def run() -> bytes:
        serve = serving(world, who or world.auditor)
        begun = await family.begin(serve, notary, guards, format_, Filter(**asked))
        return b"".join([part async for part in begun.stream()])

    return asyncio.run(run())


def files_of(data: bytes) -> dict[str, bytes]:
    """Return the files of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def table_of(files) -> list[dict[str, str]]:
    """Return the rows of the table."""
    return list(csv.DictReader(io.StringIO(files["access-log.csv"].decode())))


def report_on(files, world, notary, tmp_path, **dropped):
    """Return the verifier's report on files, packed again."""
    path = tmp_path / "family.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return verify.verify_export(path, notary.vkeys(world.org))


def spellings(text: str) -> list[bytes]:
    """Return how a text could stand in a file: as it is, hex, base64 at each offset, its bytes alike."""
    plain = text.encode()
    alike = [plain]
    if len(text) == 36:
        alike.append(bytes.fromhex(text.replace("-", "")))
        alike.append(text.replace("-", "").encode())
    found = list(alike)
    for one in alike:
        found += [one.hex().encode(), one.hex().upper().encode()]
        for offset in range(3):
            encoded = b64encode(b"\0" * offset + one)
            found.append(encoded[4 if offset else 0 : -4])
    return found


class Page(HTMLParser):
    """Reads the rows of the page, and which tags it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("br", "meta"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_it_discloses_nothing_about_other_residents(march, notary, guards):
    """No id, record or name of another resident stands in any byte, as text, hex or base64; nor how many."""
    data = export(march, notary, guards, resident_id=march.residents[0])
    files, ash = files_of(data), march.residents[0]
    canaries = {*march.residents[1:], march.latecomer, *march.records[1:], *NAMES[1:], "slept-quietly-again"}
    everything = [data, *files.values()]

    assert FILES == set(files)
    for canary in canaries:
        for spelled in spellings(canary):
            assert not any(spelled in held for held in everything), canary
    assert any(spelled in files["events.jsonl"] for spelled in spellings(ash))
    for line in files["events.jsonl"].splitlines():
        assert [ash] == json.loads(line)["e"]["subs"]
    for told in map(json.loads, files["withheld.jsonl"].splitlines()):
        assert {"subs", "n", "homes", "chg", "src", "sess"}.isdisjoint(told["e"])
        assert told["e"].get("obj", {}).keys() <= {"cat"}
    [closing] = map(json.loads, files["segments.jsonl"].splitlines())
    assert "residents" not in closing["line"]
    assert 10 == len(closing["leaves"][0]["path"])


def test_the_same_canaries_are_found_in_an_export_for_an_auditor(march, notary, guards):
    """The check finds what it looks for: the export of the same lines for an auditor names the others."""
    files = files_of(
        exported(march, march.auditor, notary, guards, chosen=Filter(resident_id=march.residents[0]))
    )

    assert any(spelled in files["events.jsonl"] for spelled in spellings(march.residents[1]))
    assert any(spelled in files["events.jsonl"] for spelled in spellings(march.records[1]))


def test_every_entry_that_concerns_them_is_told_in_plain_words(march, notary, guards):
    """When, who by the name of the chain, in which role, what, what came of it; a formula is disarmed."""
    rows = table_of(files_of(export(march, notary, guards, resident_id=march.residents[0], until=APRIL)))
    ash = march.residents[0]
    concern = [n for n, e in enumerate(march.entries()) if ash in e.get("subs", ())]
    told = [(row["who"].split()[0], row["role"], row["what"], row["outcome"]) for row in rows]

    assert concern[: len(rows)] == [int(row["number"]) for row in rows]
    assert told == [
        ("an", "", "entered the person", "done"),
        ("an", "", "wrote a record", "done"),
        ("<b>Carer", "carer", "looked at the person's details", "done"),
        ("<b>Carer", "carer", "looked at the person's details", "done"),
        ("Cook", "kitchen", "looked at the person's details", "done"),
        ("'=Manager", "registered manager", "looked at a list in which the person stands", "done"),
        ("<b>Carer", "carer", "looked through the person's records", "done"),
        ("<b>Carer", "carer", "looked at a record", "done"),
        ("<b>Carer", "carer", "looked at a record", "not done: there was no such thing"),
    ]
    assert ["withheld: it concerns others, or may" in row["entry"] for row in rows] == [False] * 5 + [
        True,
        False,
        False,
        True,
    ]
    assert "daily note" == rows[1]["category"]


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(march, notary, guards):
    """One row for each entry, every tag closed, no script, no link; a name is text, whatever stands in it."""
    files = files_of(export(march, notary, guards, resident_id=march.residents[0]))
    page, rows = Page(files["access-log.html"].decode()), table_of(files)
    log = [row for row in page.rows if len(row) == 7]

    assert [] == page.open
    assert {"script", "link", "img", "iframe", "a", "b"}.isdisjoint(page.tags)
    assert {"lang", "charset", "class"} == page.attributes
    assert ["When", "Who", "Role", "What they did", "For", "Outcome", "Entry"] == log[0]
    assert len(log) - 1 == len(rows)
    assert log[3][1].startswith("<b>Carer ")
    assert "2 March 2026, 09:00:00" in log[1][0]
    assert [row["number"] for row in rows] == [
        row[6].removeprefix("#").split(" ")[0].removesuffix(leaf["leaf_sha256"][:16])
        for row, leaf in zip(log[1:], rows, strict=True)
    ]
    assert f"{len(rows)} entries, 2 of them marked" in files["access-log.html"].decode()


def test_the_verifier_says_what_it_cannot_vouch_for(march, notary, guards, tmp_path):
    """Asked for up to the end of a closed month: nothing is left out, and two lines are withheld: exit 2."""
    files = files_of(export(march, notary, guards, resident_id=march.residents[0], until=APRIL))
    report = report_on(files, march, notary, tmp_path)

    assert (2, [], 9, 2) == (report.exit_code, report.findings, report.count, report.withheld)
    [doubt] = report.doubts
    assert doubt.startswith("2 of the 9 entries concern others too, or may: their lines are withheld.")
    assert any("no line of the resident is left out" in text for text in report.checked)
    assert any("access-log.html: 9 rows are what the lines and names give" in t for t in report.checked)
    assert any("access-log.csv: 9 rows" in text for text in report.checked)


def test_without_withheld_lines_all_of_it_is_vouched_for(any_world, notary, guards, tmp_path):
    """Where no entry of a closed month concerns anybody else, the answer is 0."""
    world = any_world
    ash, _ = (admit(world, world.home, name) for name in NAMES[:2])
    look_at(world, ash, world.person("carer"))
    close_march(world)
    world.auditor = world.person("auditor", None)
    report = report_on(
        files_of(export(world, notary, guards, resident_id=ash, until=APRIL)), world, notary, tmp_path
    )

    assert (0, 2, 0, []) == (report.exit_code, report.count, report.withheld, report.doubts)


def test_the_open_month_stays_in_doubt(march, notary, guards, tmp_path):
    """Without an end nobody can say yet that no line of the present month is left out: exit 2."""
    report = report_on(
        files_of(export(march, notary, guards, resident_id=march.residents[0])), march, notary, tmp_path
    )

    assert (2, []) == (report.exit_code, report.findings)
    assert any("may be left out" in text for text in report.doubts)


# --- broken on purpose: a provider that changes the files and signs them anew ------------------------------


def signed_anew(files, world, notary):
    """Return files with a manifest that fits them, signed with the provider's key."""
    listed = {name: data for name, data in files.items() if not name.startswith("manifest.")}
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {n: {"sha256": sha256(d).hexdigest(), "bytes": len(d)} for n, d in listed.items()}
    raw = json.dumps(manifest).encode()
    return {**listed, "manifest.json": raw, "manifest.sig": notary.sign_manifest(world.org, raw).encode()}


def line_of(name, change):
    """Return what changes the first line of a file, as JSON."""

    def changed(files):
        first, *rest = files[name].splitlines(keepends=True)
        told = json.loads(first)
        change(told)
        return {name: verify.WRITER.encode(told).encode() + b"\n" + b"".join(rest)}

    return changed


def text_of(name, old, new):
    """Return what changes a text in a file."""
    return lambda files: {name: files[name].replace(old, new, 1)}


LIES = {
    "another name on the page": (text_of("access-log.html", b"Cook ", b"Book "), "PAGE"),
    "another deed in the table": (text_of("access-log.csv", b"looked at", b"saw"), "PAGE"),
    "another time on the page": (text_of("access-log.html", b"2 March", b"3 March"), "PAGE"),
    "another sum on the page": (text_of("access-log.html", b"<p>9 entries", b"<p>8 entries"), "PAGE"),
    "another leaf": (line_of("withheld.jsonl", lambda told: told.update(leaf="00" * 32)), "PROOF"),
    "another number": (line_of("withheld.jsonl", lambda told: told["c"].update(seq=10**6)), "PROOF"),
    "more than may be told": (line_of("withheld.jsonl", lambda told: told["e"].update(n=7)), "WITHHELD"),
    "an earlier time": (
        line_of("withheld.jsonl", lambda told: told["c"].update(ts="2026-03-01T00:00:00.000000Z")),
        "CLOCK",
    ),
    "somebody else's name": (
        line_of("withheld.jsonl", lambda told: told["e"]["actor"].update(id="x")),
        "NAMES",
    ),
    "no object": (lambda files: {"withheld.jsonl": b"[]\n"}, "WITHHELD"),
    "no time": (line_of("withheld.jsonl", lambda told: told["c"].update(ts="today")), "WITHHELD"),
    "one left out": (
        lambda files: {"withheld.jsonl": files["withheld.jsonl"].splitlines(keepends=True)[0]},
        "SEGMENT",
    ),
    "one told twice": (
        lambda files: {"withheld.jsonl": files["withheld.jsonl"].splitlines(keepends=True)[0] * 2},
        "SEQ",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_provider_that_tells_something_else_is_found_out(march, notary, guards, tmp_path, lie):
    """Page, table, withheld entries and their number: what does not fit is a finding, signed or not."""
    files = files_of(export(march, notary, guards, resident_id=march.residents[0], until=APRIL))
    change, kind = LIES[lie]
    changed = change(files)
    assert changed.items().isdisjoint(files.items())
    report = report_on(signed_anew(files | changed, march, notary), march, notary, tmp_path)

    assert 1 == report.exit_code
    assert kind in [found.kind for found in report.findings], report.as_text()


def test_the_check_itself_accepts_what_was_signed_anew_unchanged(march, notary, guards, tmp_path):
    """Signed anew without a change nothing is found: it is the change that is found."""
    files = files_of(export(march, notary, guards, resident_id=march.residents[0], until=APRIL))

    assert [] == report_on(signed_anew(files, march, notary), march, notary, tmp_path).findings


# --- asked for wrongly -----------------------------------------------------------------------------------


def test_it_is_one_residents_and_a_zip(march, notary, guards):
    """Without a resident, with another filter, or as another format: 422, and nothing of it goes out."""
    ash = march.residents[0]
    for asked in ({}, {"resident_id": ash, "act": "resident.read"}, {"resident_id": ash, "agent_id": "x"}):
        with pytest.raises(VisitRefusedError) as caught:
            export(march, notary, guards, **asked)
        assert isinstance(caught.value.error, InvalidRequestError)
    with pytest.raises(VisitRefusedError) as caught:
        export(march, notary, guards, format_="csv", resident_id=ash)
    assert isinstance(caught.value.error, InvalidRequestError)
    assert ("audit.export", "fail") == (march.entry()["act"], march.entry()["out"])


def test_whoever_may_not_export_may_not_do_this_either(march, notary, guards):
    """It takes the right to export for the whole organisation; somebody who is not there is 404."""
    with pytest.raises(VisitRefusedError) as caught:
        export(march, notary, guards, who=march.person("deputy_manager"), resident_id=march.residents[0])
    assert isinstance(caught.value.error, ForbiddenError)
    with pytest.raises(VisitRefusedError) as caught:
        export(march, notary, guards, resident_id="01a20000-0000-7000-8000-000000000000")
    assert isinstance(caught.value.error, NotFoundError)


def test_it_is_entered_as_an_export_about_the_resident(march, notary, guards):
    """Two entries, at the start and at the end, the first naming the resident whose log goes out."""
    since = len(march.entries())
    export(march, notary, guards, resident_id=march.residents[0], until=APRIL)
    start, end = march.entries()[since:]

    assert ("audit.export", [march.residents[0]]) == (start["act"], start["subs"])
    assert ("audit.export.end", "ok", 9) == (end["act"], end["out"], end["n"])
