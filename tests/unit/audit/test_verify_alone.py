"""The verifier as an auditor runs it: alone, on any Python from 3.9, on any bytes, in plain words."""

import ast
import io
import json
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.audit import verify
from tests.support.sample_export import Sample, packed
from tests.unit.audit.examining import SAMPLE, examined

SOURCE = Path(verify.__file__)
TS = "2026-03-01T10:00:00.000001Z"


def run_alone(*arguments) -> subprocess.CompletedProcess[str]:
    """Run the file in an interpreter that sees nothing of this project."""
    command = [sys.executable, "-I", "-W", "error", str(SOURCE), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def export(tmp_path):
    """An honest export as a file."""
    path = tmp_path / "export.zip"
    path.write_bytes(packed(SAMPLE.files()))
    return path


def test_source_is_python_3_9_and_imports_the_standard_library_only():
    """The one file parses as Python 3.9 and imports nothing that does not come with Python."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) if not node.level}
    relative = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]

    assert 25 == len(imported)
    assert {name.split(".")[0] for name in imported} <= set(sys.stdlib_module_names)
    assert [] == relative


def test_source_uses_nothing_newer_than_python_3_9():
    """No union is evaluated at run time, and no keyword of later versions is used."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    keywords = {(ast.unparse(call.func), key.arg) for call in calls for key in call.keywords}

    assert any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in tree.body)
    assert not {("zip", "strict"), ("dataclass", "slots"), ("dataclass", "kw_only")} & keywords
    assert "datetime" not in {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}


def test_alone_it_answers_with_words_and_an_exit_code(export, tmp_path):
    """Run alone it says what it checked and ends 0, 2 without a key, 1 when tampered, 3 when unreadable."""
    (tmp_path / "anchors").mkdir()
    (tmp_path / "anchors" / "7.note").write_bytes(SAMPLE.checkpoint(7))
    tampered, unreadable = tmp_path / "tampered.zip", tmp_path / "unreadable.zip"
    tampered.write_bytes(packed(SAMPLE.files() | {"README.txt": b"other"}))
    unreadable.write_bytes(b"no zip")
    key = ("--key", SAMPLE.vkey)
    runs = [
        run_alone(export, *key),
        run_alone(export, *key, "--anchors", tmp_path / "anchors"),
        run_alone(export),
        run_alone(tampered, *key),
        run_alone(unreadable, *key),
        run_alone(tmp_path / "nowhere.zip", *key),
        run_alone(export, "--key", "no key"),
        run_alone(),
    ]

    assert [0, 0, 2, 1, 3, 3, 3, 3] == [run.returncode for run in runs]
    assert all("Traceback" not in run.stderr for run in runs)
    assert ["", "", "", "", "", "", ""] == [run.stderr for run in runs[:7]]
    assert runs[0].stdout.endswith("intact (exit 0)\n")
    assert "not anchored" in runs[0].stdout
    assert "not anchored" not in runs[1].stdout
    assert "MANIFEST: README.txt is not the file that the manifest lists" in runs[3].stdout
    assert "the key given" in runs[6].stdout


@pytest.mark.parametrize("fault", ["key", "path", "folder"])
def test_what_was_typed_wrong_is_not_blamed_on_the_export(export, fault):
    """A mistyped key or path is to be looked at: to ask for the export again would not help."""
    given = {
        "key": (export, "--key", SAMPLE.vkey[:-1]),
        "path": (export.with_name("nowhere.zip"), "--key", SAMPLE.vkey),
        "folder": (export.parent, "--key", SAMPLE.vkey),
    }
    run, as_json = run_alone(*given[fault]), run_alone(*given[fault], "--json")

    assert (3, True) == (run.returncode, run.stdout.endswith("\nunreadable (exit 3)\n"))
    assert ("Look at --key: " if fault == "key" else "Look at the path of the export: ") in run.stdout
    assert "This is not a complete export" not in run.stdout
    assert json.loads(as_json.stdout)["advice"] in run.stdout


def test_an_older_python_is_told_and_is_no_verdict(export):
    """On 3.8 it says what it wants before it looks at anything, and ends with 3; 1 would be tampered."""
    source = SOURCE.read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))
    before = ast.parse(source.split("    sys.exit(3)\n")[0] + "    sys.exit(3)\n")
    assert ["ImportFrom", "Import", "If"] == [type(node).__name__ for node in before.body[1:]]

    older = f"import runpy, sys; sys.version_info = (3, 8, 18); runpy.run_path({str(SOURCE)!r})"
    run = subprocess.run([sys.executable, "-I", "-c", older], capture_output=True, text=True, check=False)
    assert (3, "") == (run.returncode, run.stdout)
    assert "verify.py needs Python 3.9 or newer. Nothing was checked: unreadable (exit 3)\n" == run.stderr


def test_alone_it_answers_machines(export):
    """With --json the answer is one JSON object that says the same."""
    run = run_alone(export, "--key", SAMPLE.vkey, "--json")
    answer = json.loads(run.stdout)

    assert 0 == run.returncode
    assert ("intact", 0, 10, False) == (
        answer["result"],
        answer["exit_code"],
        answer["count"],
        answer["anchored"],
    )
    assert json.loads(examined(SAMPLE.files()).as_json()) == answer


def test_command_line_answers_with_the_exit_code(export, capsys):
    """Called from Python the command line answers as it does alone: 0, 3 for misuse, 0 for help."""
    assert 0 == verify.main([str(export), "--key", SAMPLE.vkey])
    assert 0 == verify.main([str(export), "--key", SAMPLE.vkey, "--json"])
    assert 3 == verify.main([str(export), "--key", "no+key"])
    assert 3 == verify.main([])
    assert 0 == verify.main(["--help"])
    assert "EXPORT.zip" in capsys.readouterr().out


def test_findings_reach_machines_with_kind_and_line():
    """A finding has its kind, its line and its words in the JSON answer."""
    files = SAMPLE.files()
    files["events.csv"] = files["events.csv"].replace(b"tablet-1", b"tablet-2")
    answer = json.loads(examined(SAMPLE.sealed(files)).as_json())

    assert "tampered" == answer["result"]
    assert [("CSV", 3)] == [(found["kind"], found["seq"]) for found in answer["findings"]]


def test_export_cannot_write_to_the_terminal_as_it_likes():
    """Control characters and letters of other scripts in an export are printed as escapes."""
    files = SAMPLE.files() | {"\x1b[2Jintact\u202e": b""}
    manifest = json.loads(files["manifest.json"]) | {"organisation": "\x1b[31m\u202e"}
    files |= {"manifest.json": json.dumps(manifest, ensure_ascii=False).encode()}
    text = examined(files).as_text()

    assert text.isascii()
    assert all(letter == "\n" or letter >= " " for letter in text)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_unreadable(data):
    """Random bytes are unreadable, never an answer."""
    assert 3 == verify.verify_export(io.BytesIO(data), [SAMPLE.vkey]).exit_code


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SAMPLE.files())), st.binary(max_size=200))
def test_random_files_are_never_intact(name, data):
    """An export with random bytes in place of any file is never intact and never a crash."""
    assert examined(SAMPLE.files() | {name: data}).exit_code in (1, 3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(SAMPLE.vkey),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["organisation", "first", "last", "count", "filter", "files", "checkpoint", "format"]),
    JSON,
)
def test_signed_nonsense_in_the_manifest_is_never_a_crash(member, value):
    """A manifest with a member of any other type, even signed, ends in one of the four answers."""
    honest = json.loads(SAMPLE.files()["manifest.json"])[member]
    report = examined(SAMPLE.sealed(SAMPLE.files(), **{member: value}))

    if value != honest and bool(value) | (member != "filter"):
        assert 0 != report.exit_code


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_keys_of_the_export_may_be_nonsense(value):
    """An export that names nonsense for keys is unreadable or cannot be vouched for, never intact."""
    files = SAMPLE.sealed(SAMPLE.files(), keys=value)

    assert verify.verify_export(io.BytesIO(packed(files))).exit_code in (1, 2, 3)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_zip_never_passes_with_other_contents(data):
    """A zip with any byte of it changed either still holds the same files or does not pass."""
    whole = packed(SAMPLE.files())
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    report = verify.verify_export(io.BytesIO(damaged), [SAMPLE.vkey])

    if report.exit_code == 0:
        with zipfile.ZipFile(io.BytesIO(damaged)) as archive:
            assert SAMPLE.files() == {name: archive.read(name) for name in archive.namelist()}


def test_encrypted_and_unknown_packing_is_unreadable():
    """Files that are packed in a way Python cannot read are unreadable in plain words."""
    whole = bytearray(packed(Sample().files()))
    start = whole.index(b"PK\x01\x02")
    while start >= 0:
        whole[start + 8] |= 1  # the flag that says a file is encrypted
        start = whole.find(b"PK\x01\x02", start + 4)
    report = verify.verify_export(io.BytesIO(bytes(whole)), [SAMPLE.vkey])

    assert 3 == report.exit_code
    assert "encrypted" in report.unreadable


def test_file_larger_than_listed_is_not_read_to_its_end():
    """A file far larger than the manifest lists is found without being read whole."""
    files = SAMPLE.files() | {"README.txt": bytes(50 << 20)}
    report = examined(files)

    assert ["MANIFEST"] == [found.kind for found in report.findings]


def test_checkpoints_too_large_to_be_any_are_unreadable():
    """A file that is read whole is refused when it is larger than any honest one."""
    files = SAMPLE.files() | {"manifest.json": bytes(verify.WHOLE_FILE_BYTES + 1)}

    assert "too large" in examined(files).unreadable


def test_line_without_end_is_found_in_bounded_memory():
    """A line of many megabytes is refused before it is held whole."""
    files = SAMPLE.files()
    files["events.jsonl"] += b"x" * (64 << 20)
    archive = io.BytesIO(packed(SAMPLE.sealed(files)))
    tracemalloc.start()
    report = verify.verify_export(archive, [SAMPLE.vkey])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "CANON" in [found.kind for found in report.findings]
    assert peak < 40 << 20


def test_chain_is_checked_in_constant_memory():
    """A chain of any length is checked in the memory of a few thousand lines."""

    def lines(count):
        prev = verify.ChainCheck(SAMPLE.org).prev
        for seq in range(count):
            line = (
                f'{{"c":{{"org":"{SAMPLE.org}","prev":"{prev}","seq":{seq},"ts":"{TS}"}},"e":{{}}}}'.encode()
            )
            prev = verify.leaf_hash(line).hex()
            yield line

    chain = verify.ChainCheck(SAMPLE.org)
    tracemalloc.start()
    chain.feed(lines(20_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (None, 20_000) == (chain.fault, chain.size)
    assert peak < 6 << 20


def test_every_kind_of_finding_has_a_meaning_in_plain_words():
    """Each kind that the file can find is explained, and a report ends with what the answer means."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = {
        call.args[0].value
        for call in calls
        if ast.unparse(call.func) in ("self.find", "TamperedError", "self.finding", "_Derived")
        if call.args and isinstance(call.args[0], ast.Constant)
    }

    assert named >= {"MANIFEST", "FORK", "PROOF", "FILTER"}
    assert {kind.partition("(")[0] for kind in named} <= verify.MEANINGS.keys()
    files = SAMPLE.files()
    report = examined(SAMPLE.sealed(files | {"events.csv": files["events.csv"][:-1]}))
    assert "    that is: the table tells something else than the trail itself\n" in report.as_text()
    assert verify.ANSWERS[1] in report.as_text()
    assert verify.ANSWERS[0] in examined(files).as_text()


def test_a_rotation_names_both_keys_whatever_they_hold():
    """Key numbers are told rightly also where the base64 of a key holds a slash."""
    key = {"old": "care/audit/o+01234567+AQ/x", "new": "care/audit/o+89abcdef+A/Qy", "until": "2026-01-01"}

    said = verify.rotation(7, {"key": key})

    assert said == "key.rotate #7: key 89abcdef follows key 01234567; both sign until 2026-01-01"
