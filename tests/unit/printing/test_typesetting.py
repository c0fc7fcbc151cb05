"""PDF through typst: data is text, a failure quotes none of it."""

import io
import subprocess
import sys
from pathlib import Path

import pypdf
import pytest

from app.core.errors import CaretrailError
from app.printing import typesetting
from app.printing.typesetting import typeset

TEMPLATE = "#let data = json(bytes(sys.inputs.data))\n#set document(title: data.title)\n= #text(data.title)"
ROWS = TEMPLATE + "\n#for row in data.rows { par(text(row)) }"
ROOT = Path(__file__).parents[3]


def test_what_is_printed_is_never_read_as_markup():
    """Text that looks like code of the typesetter comes out as it went in; the file is tagged and titled."""
    title = '#read("/etc/hostname") *b* $x$ <l> @r'
    pdf = pypdf.PdfReader(io.BytesIO(typeset(TEMPLATE, {"title": title})))
    assert pdf.pages[0].extract_text().strip() == title
    assert pdf.metadata is not None
    assert (pdf.metadata.title, pdf.trailer["/Root"]["/MarkInfo"]["/Marked"]) == (title, True)


def test_a_failure_quotes_nothing():
    """What cannot be printed fails without a word of what it was, in the error or in its causes."""
    with pytest.raises(CaretrailError) as failed:
        typeset("#panic(json(bytes(sys.inputs.data)))", {"name": "Quillfeather"})
    assert failed.value.why == "not-typeset"
    assert failed.value.__suppress_context__
    assert "Quillfeather" not in repr(failed.value) + failed.value.detail


def test_what_was_typeset_is_not_kept():
    """Eight volumes cost the process that has them made no more memory than one does."""
    code = (
        "import re\n"
        "from pathlib import Path\n"
        "from app.printing.typesetting import typeset\n"
        f"template = {ROWS!r}\n"
        "def most(volume):\n"
        "    rows = [f'{volume}: {row} had breakfast and walked in the garden' for row in range(1000)]\n"
        "    assert typeset(template, {'title': 'Notes', 'rows': rows}).startswith(b'%PDF-')\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "first = most(0)\n"
        "print(*(most(volume) - first for volume in range(1, 8)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    *_, kib = map(int, done.stdout.split())
    assert kib < 8 * 1024


def test_what_breaks_the_typesetter_off_is_told_nobody(capfd):
    """Typst says why it broke off, with a trace and maybe with what was to be printed: no log has a word."""
    rows = {"title": "Quillfeather \u05d0\u20e3\u200b"}
    assert typeset(TEMPLATE, rows).startswith(b"%PDF-")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "program",
    ["import time; time.sleep(60)", "import os; os.kill(os.getpid(), 9)", "import nothing_like_it"],
    ids=["too-long", "killed", "broken"],
)
def test_a_typesetter_that_does_not_answer_is_a_failure(monkeypatch, program):
    """One that takes too long, is killed for its memory or cannot be run fails as any other."""
    monkeypatch.setattr(typesetting, "_PROGRAM", [sys.executable, "-c", program])
    monkeypatch.setattr(typesetting, "_PATIENCE_S", 1)
    with pytest.raises(CaretrailError) as failed:
        typeset(TEMPLATE, {"title": "Quillfeather"})
    assert failed.value.why == "not-typeset"


def test_the_typesetter_is_ours_wherever_this_was_started(monkeypatch, tmp_path):
    """A folder `app` of somebody else's, where the process was started, is not looked into."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert typeset(TEMPLATE, {"title": "Plain"}).startswith(b"%PDF-")
