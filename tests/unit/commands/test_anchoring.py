"""`audit anchor` and `audit sheet`: checkpoints to keep elsewhere, and what verifies with them."""

import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

from app.core.clock import parse
from app.trail.sheet import SheetRow, sheet
from tests.unit.commands.conftest import ROOT, Line

VERIFIER = ROOT / "app" / "audit" / "verify.py"
AT = parse("2026-03-02T09:00:00.000000Z")


def test_dropped_files_anchor_an_export(own: tuple[Line, dict[str, str]], tmp_path: Path) -> None:
    """The files dropped for each chain are what the verifier takes as anchors."""
    line, founded = own
    folder = tmp_path / "stick" / "anchors"
    told = line.run("audit", "anchor", "--out", folder, "--json")
    assert 0 == told.code, told.err
    written = sorted(folder.rglob("*.note"))
    assert sorted(told.json["written"]) == [str(path) for path in written]
    assert {founded["organisation_id"], "system"} == {path.parent.name for path in written}

    export = tmp_path / "trail.zip"
    line.run("audit", "export", "--out", export)
    command = [sys.executable, "-I", str(VERIFIER), str(export), "--key", founded["verifier_key"], "--json"]
    checked = subprocess.run(
        [*command, "--anchors", str(folder)], capture_output=True, text=True, check=False
    )
    assert (0, True) == (checked.returncode, json.loads(checked.stdout)["anchored"])
    assert 0 == line.run("audit", "anchor", "--out", folder).code, "again, beside what lies there"


def test_dropped_file_is_not_overwritten(own: tuple[Line, dict[str, str]], tmp_path: Path) -> None:
    """A file that says something else stays, and the command fails in words."""
    line, founded = own
    line.run("audit", "anchor", "--out", tmp_path)
    [path] = (tmp_path / founded["organisation_id"]).glob("*.note")
    path.write_text("another")
    told = line.run("audit", "anchor", "--out", tmp_path)

    assert (1, "another") == (told.code, path.read_text())
    assert "keep both" in told.err


def test_folder_that_cannot_be_written_is_told(own: tuple[Line, dict[str, str]], tmp_path: Path) -> None:
    """A file where the folder should be is told in words."""
    (tmp_path / "file").write_text("")

    assert 1 == own[0].run("audit", "anchor", "--out", tmp_path / "file").code
    assert 1 == own[0].run("audit", "sheet", "--out", tmp_path / "file" / "sheet.html").code


def test_sheet_says_what_was_signed(own: tuple[Line, dict[str, str]], tmp_path: Path) -> None:
    """The page has origin, size, root, time and verifier key of every chain, as the anchor says them."""
    line, founded = own
    out = tmp_path / "sheet.html"
    assert 0 == line.run("audit", "sheet", "--out", out).code
    (tmp_path / "anchors").mkdir()
    line.run("audit", "anchor", "--out", tmp_path / "anchors")
    page = html.unescape(out.read_text(encoding="utf-8"))
    for path in (tmp_path / "anchors").rglob("*.note"):
        origin, size, root = path.read_text().splitlines()[:3]
        assert f"<td>{origin}</td>" in page
        assert f"<td>{size}</td>" in page
        assert f"<td>{root}</td>" in page
    assert founded["verifier_key"] in page
    assert 2 == page.count("<table>") == page.count("Signed at")
    assert 1 == line.run("audit", "sheet", "--out", out).code, "one that exists is not replaced"


class _Seen(HTMLParser):
    """Collects the elements of a page and fails on one that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.all: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.all.add(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "onload", "style"}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close it."""
        assert tag == self.open.pop()


def test_page_is_plain_and_self_contained() -> None:
    """The page is well formed, has no script, fetches nothing, prints on A4 and names a line to sign."""
    rows = [SheetRow(f"care.example/audit/{n}<&", 10 * n, "root=", "then", "key") for n in range(3)]
    page = sheet(rows, AT)
    seen = _Seen()
    seen.feed(page)

    assert [] == seen.open
    assert seen.all == {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "p",
        "table",
        "tr",
        "th",
        "td",
        "div",
    }
    assert not re.search("url\\(|@import|http", page)
    assert "size: A4" in page
    assert "Signature" in page
    assert 3 == page.count("care.example/audit/") == page.count("&lt;&amp;")


def test_the_sheet_has_the_day_of_who_signs_it() -> None:
    """Printed half an hour after midnight of a summer night, it is of the day on the wall's calendar."""
    for at, day in (("2026-06-30T22:30", "2026-06-30"), ("2026-06-30T23:30", "2026-07-01")):
        page = sheet([], parse(f"{at}:00.000000Z"))
        assert f"<title>Audit trail, {day}</title>" in page
        assert f"<h1>Audit trail: checkpoints of {day}</h1>" in page
