"""Whatever is put before the verifier, it answers: it never crashes, never hangs, never says intact of it."""

import contextlib
import io
import json
import os
import struct
import tracemalloc
import zipfile
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.audit import verify
from tests.conformance.mutations import quick_signatures, stored
from tests.support.honest_logs import HonestLog
from tests.unit.audit.examining import SAMPLE, examined, with_fhir

FILES = with_fhir(SAMPLE.files())
LOG = HonestLog(5)
DEEP = b"[" * 200_000 + b"]" * 200_000
OBJECTS = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
HUGE = b"9" * 100_000
MOST_BYTES = 200 << 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures are checked by a library, which is quicker."""
    quick_signatures(monkeypatch)


def report(archive: bytes | io.BytesIO) -> verify.Report:
    """Return the report on a zip, which can be printed and is never that all is well."""
    data = io.BytesIO(archive) if isinstance(archive, bytes) else archive
    made = verify.verify_export(data, [SAMPLE.vkey], processes=1)
    assert made.exit_code in (1, 2, 3), made.as_text()
    assert made.as_text().isascii()
    assert json.loads(made.as_json())["exit_code"] == made.exit_code
    return made


# --- the zip itself ---------------------------------------------------------------------------------


def zipped(*files: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of files, a name perhaps twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files:
            with contextlib.suppress(UserWarning):
                archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_stands_twice_is_found(name: str) -> None:
    """Of two files of one name readers take the first or the last: neither order passes."""
    other = (name, b"{}\n")
    assert "MANIFEST" in [f.kind for f in report(zipped(*FILES.items(), other)).findings]
    assert report(zipped(other, *FILES.items())).exit_code in (1, 3)


@pytest.mark.parametrize(
    "name",
    [
        *("../events.jsonl", "/events.jsonl", "C:\\events.jsonl", "events.jsonl/", "./events.jsonl"),
        *(
            "EVENTS.JSONL",
            "events.jsonl ",
            "events.jsonl\u200b",
            "e\u0301vents.jsonl",
            "..",
            "manifest.json/..",
        ),
        *("\x1b[2J", "a" * 60_000, "verify.py/x", "__MACOSX/events.jsonl"),
    ],
)
def test_a_name_that_plays_tricks_is_found(name: str) -> None:
    """A file under any name that an export does not have is found, and nothing is written anywhere."""
    assert "MANIFEST" in [f.kind for f in report(zipped(*FILES.items(), (name, b"x"))).findings]


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_bomb_is_not_unpacked(name: str) -> None:
    """Three hundred megabytes of zeros, a few hundred kilobytes packed, are refused in bounded memory."""
    bomb = zipped(*(FILES | {name: bytes(300 << 20)}).items())
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    report(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < MOST_BYTES


DIRECTORY = struct.Struct("<4s6H3L5H2L")


def patched(archive: bytes, **fields: int) -> bytes:
    """Return a zip whose directory lies about every file."""
    names = (
        "signature made needs flags method time date crc packed size name extra comment disk inner outer at"
    )
    data, at = bytearray(archive), archive.index(b"PK\x01\x02")
    while data[at : at + 4] == b"PK\x01\x02":
        told = dict(zip(names.split(), DIRECTORY.unpack_from(data, at), strict=True))
        step = DIRECTORY.size + told["name"] + told["extra"] + told["comment"]
        DIRECTORY.pack_into(data, at, *(told | fields).values())
        at += step
    return bytes(data)


@pytest.mark.parametrize(
    "lie",
    [
        *({"size": n} for n in (0, 1, 2**31, 2**32 - 2)),
        *({"packed": n} for n in (0, 1, 2**31, 2**32 - 2)),
        *({"at": n} for n in (0, 7, 2**31, 2**32 - 2)),
        *({"method": n} for n in (0, 1, 9, 12, 14, 95, 99)),
        *({"flags": n} for n in (1, 8, 32, 64, 0x800, 0x2041)),
        *({"crc": n} for n in (0, 1)),
        *({"needs": n} for n in (63, 255)),
    ],
)
def test_a_directory_that_lies_is_never_believed(lie: dict[str, int]) -> None:
    """A directory of sizes, places and methods that are not so ends in a finding, or unreadable."""
    honest = zipped(*FILES.items())
    changed = patched(honest, **lie)
    made = verify.verify_export(io.BytesIO(changed), [SAMPLE.vkey], processes=1)
    if made.exit_code == 0:  # what a reader gets all the same is the honest content
        with zipfile.ZipFile(io.BytesIO(changed)) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == FILES
    else:
        report(changed)


def test_many_files_are_refused_at_once() -> None:
    """Sixty thousand files in a zip are one finding."""
    made = report(zipped(*FILES.items(), *((f"n{n}", b"") for n in range(60_000)), method=zipfile.ZIP_STORED))

    assert ["MANIFEST"] == [found.kind for found in made.findings]


# --- what stands in the files -----------------------------------------------------------------------

NONSENSE = {
    "deep lists": DEEP,
    "deep objects": OBJECTS,
    "a huge number": HUGE,
    "a huge exponent": b"1e400",
    "not a number": b"NaN",
    "nothing": b"null",
    "NUL": b"\x00" * 100,
    "no UTF-8": b"\xff\xfe\x80\xc0\xaf",
    "half a letter": b'"\\ud800"',
    "a mark of byte order": b"\xef\xbb\xbf{}",
    "an unfinished text": b'"abc',
    "line ends": b"\n" * 10_000,
    "carriage returns": b"\r\n\r\n",
    "braces": b"{}",
    "a long line": b"x" * (1 << 20),
}


@pytest.mark.parametrize("what", NONSENSE)
@pytest.mark.parametrize("name", [*sorted(FILES), "proofs.jsonl", "segments.jsonl", "withheld.jsonl"])
def test_nonsense_in_a_file_is_never_intact(name: str, what: str) -> None:
    """Any file replaced by nonsense, alone, with a line end, or after what it held; sealed anew, too."""
    for data in (NONSENSE[what], NONSENSE[what] + b"\n", FILES.get(name, b"") + NONSENSE[what] + b"\n"):
        report(stored(FILES | {name: data}))
        if not name.startswith("manifest") and name not in ("README.txt", "verify.py"):
            said = {
                "checkpoint": json.loads(FILES["manifest.json"])["checkpoint"],
                "first": 0,
                "last": 9,
                "count": 10,
            }
            files = {n: d for n, d in FILES.items() if not n.startswith("manifest")}
            report(stored(SAMPLE.sealed(files | {name: data}, **said)))


HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(
        [-1, 0, 2**53, 2**63, 2**64, 10**4000, 1e308, -0.0, [], {}, "", "\x00", "\ud7ff", [[]] * 50]
    ),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=5),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a JSON value."""
    found = [path]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        found += places(one, (*path, key))
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a JSON value with another one at a path."""
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


HONEST_SELECTION = LOG.selection()
SEALED_BY_OTHERS = ("made_at", "software", "keys")
"""Members of the manifest that whoever holds the key may set as they like."""


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_anywhere_is_never_intact_and_never_a_crash(data: st.DataObject) -> None:
    """A hostile value at any place of any JSON file, sealed anew: found, or in doubt, or unreadable."""
    files = data.draw(st.sampled_from([LOG.whole(), HONEST_SELECTION]))
    names = ["events.jsonl", "names.jsonl", "fhir.ndjson", "manifest.json"]
    name = data.draw(st.sampled_from([n for n in (*names, "proofs.jsonl") if files.get(n)]))
    rows = [files[name]] if name == "manifest.json" else files[name].splitlines(keepends=True)
    at = data.draw(st.integers(0, len(rows) - 1))
    value = json.loads(rows[at])
    path = data.draw(st.sampled_from(places(value)))
    changed = put(value, path, data.draw(HOSTILE))
    row = json.dumps(changed, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    manifest = json.loads(files["manifest.json"])
    if name == "manifest.json":
        sealed = LOG.note_over(row) if isinstance(changed, dict) else files["manifest.sig"]
        made_of = files | {name: row, "manifest.sig": sealed}
    else:
        made_of = LOG.sealed_again(
            files | {name: b"".join([*rows[:at], row + b"\n", *rows[at + 1 :]])}, manifest
        )
    made = verify.verify_export(stored(made_of), [LOG.vkey], processes=1)

    free = name == "manifest.json" and path[:1] and path[0] in SEALED_BY_OTHERS
    free = free or (path == ("filter",) and not changed["filter"])  # none at all
    assert made.exit_code in (0, 1, 2, 3)
    assert made.as_text().isascii()
    if made.exit_code == 0:
        assert changed == value or free, (name, path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.integers(1, 255)), min_size=1, max_size=8)
)
def test_a_zip_with_bytes_changed_put_in_and_taken_out(edits: list[tuple[int, int, int]]) -> None:
    """A zip damaged at several places at once either still holds the honest files or does not pass."""
    damaged = bytearray(zipped(*FILES.items()))
    for place, how, value in edits:
        at = place % len(damaged)
        if how == 0:
            damaged[at] ^= value
        elif how == 1:
            damaged.insert(at, value)
        elif how == 2:
            del damaged[at : at + value]
        else:
            damaged[at:at] = damaged[: value * 4]
    made = verify.verify_export(io.BytesIO(bytes(damaged)), [SAMPLE.vkey], processes=1)

    if made.exit_code == 0:
        with zipfile.ZipFile(io.BytesIO(bytes(damaged))) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == FILES


# --- the folder of anchors --------------------------------------------------------------------------


def test_a_folder_of_anchors_full_of_traps_is_read_all_the_same(tmp_path) -> None:
    """Folders, pipes, links in a circle, huge and unreadable files called notes are left aside."""
    (tmp_path / "folder.note").mkdir()
    os.mkfifo(tmp_path / "pipe.note")
    (tmp_path / "circle.note").symlink_to(tmp_path / "circle.note")
    (tmp_path / "above").symlink_to(tmp_path)
    (tmp_path / "nowhere.note").symlink_to(tmp_path / "not-there")
    with (tmp_path / "huge.note").open("wb") as huge:
        huge.truncate(1 << 40)
    (tmp_path / "bytes.note").write_bytes(bytes(range(256)))
    (tmp_path / "7.note").write_bytes(SAMPLE.checkpoint(7))
    made = examined(FILES, anchors=tmp_path)

    assert (0, True) == (made.exit_code, made.anchored)
    assert 6 == sum("is left aside" in told for told in made.checked)
