"""A zip is its files end to end and nothing else: whoever reads it, and however, finds the same files."""

import hashlib
import io
import struct
import zipfile
import zlib

import pytest

from app.audit import verify
from app.trail.packing import Parcel
from tests.support.sample_export import packed
from tests.unit.audit.examining import SAMPLE

HONEST = packed(SAMPLE.files())
FORGED = b"org,seq\r\nnobody ever looked\r\n"
MORE = "MANIFEST: the zip holds more than the files it lists: others may find other files"


def report(data: bytes) -> verify.Report:
    """Return the report on the bytes of a zip."""
    return verify.verify_export(io.BytesIO(data), (SAMPLE.vkey,))


def told(data: bytes) -> list[str]:
    """Return what is found."""
    return [str(found) for found in report(data).findings]


def directory(data: bytes) -> tuple[int, int]:
    """Return where the list of the files begins, and where it ends."""
    return data.find(b"PK\x01\x02"), data.rfind(b"PK\x05\x06")


def local(name: str, content: bytes) -> bytes:
    """Return a file as it stands in a zip, without a list that names it."""
    alone = packed({name: content})
    return alone[: directory(alone)[0]]


def with_list_at(data: bytes, start: int) -> bytes:
    """Return a zip that says its list begins at a place."""
    end = directory(data)[1]
    return data[: end + 16] + struct.pack("<I", start) + data[end + 20 :]


def streamed(files, method: int = zipfile.ZIP_DEFLATED, *, large: bool = True) -> bytes:
    """Return a zip as the service writes it: onto what cannot seek, with the sums after each file."""

    class Sink(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data, /) -> int:
            self.data += data
            return len(data)

    sink = Sink()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in files.items():
            with archive.open(name, "w", force_zip64=large) as file:
                file.write(content)
    return bytes(sink.data)


def of_the_service(files) -> bytes:
    """Return a zip as exports are packed."""
    with Parcel() as parcel:
        parts = [parcel.whole(name, data) for name, data in files.items()]
        return b"".join([*parts, parcel.close()])


def stored(files) -> bytes:
    """Return a zip of files as they are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def large_at_once(files) -> bytes:
    """Return a zip whose files have sizes of 64 bits before them."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(data)
    return out.getvalue()


@pytest.mark.parametrize(
    "pack",
    [
        *(packed, of_the_service, streamed, stored, large_at_once),
        lambda files: streamed(files, large=False),
        lambda files: streamed(files, zipfile.ZIP_STORED),
    ],
)
def test_however_it_is_packed_an_honest_export_is_intact(pack):
    """At once or streamed, packed or as it is, with sizes of 32 or of 64 bits."""
    files = SAMPLE.files() | {"verify.py": b"", "README.txt": bytes(range(256)) * 9000}

    assert ([], 0) == (told(pack(SAMPLE.sealed(files))), report(pack(SAMPLE.sealed(files))).exit_code)


def test_an_honest_export_past_the_limits_of_32_bits_is_intact(monkeypatch):
    """Where the list itself is told of with 64 bits, as in an export of gigabytes, all holds as well."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    data = of_the_service(SAMPLE.files())

    assert b"PK\x06\x06" in data
    assert ([], 0) == (told(data), report(data).exit_code)


def test_a_head_with_zeros_before_sizes_of_64_bits_is_honest():
    """Some Pythons wrote no sizes into the head of a streamed file, some that they are elsewhere."""
    data = bytearray(of_the_service(SAMPLE.files()))
    for info in zipfile.ZipFile(io.BytesIO(bytes(data))).infolist():
        at = info.header_offset + 18
        assert data[at : at + 8] in (b"\xff" * 8, bytes(8))
        data[at : at + 8] = bytes(8) if data[at] else b"\xff" * 8

    assert ([], 0) == (told(bytes(data)), report(bytes(data)).exit_code)


def test_a_file_before_the_first_is_found():
    """Who reads the zip from its front finds the forged table first."""
    assert [MORE] == told(local("events.csv", FORGED) + HONEST)


def test_a_file_between_the_last_and_the_list_is_found():
    """Nor can one stand where the list does not look."""
    start = directory(HONEST)[0]
    forged = local("events.csv", FORGED)
    data = HONEST[:start] + forged + HONEST[start:]

    assert [MORE] == told(with_list_at(data, start + len(forged)))


@pytest.mark.parametrize("more", [b"\0", b"PK\x05\x06" + bytes(10), local("events.csv", FORGED)])
def test_what_follows_the_end_is_found(more):
    """After the list nothing comes, and nothing is said in a remark."""
    remark = io.BytesIO(HONEST)
    with zipfile.ZipFile(remark, "a") as archive:
        archive.comment = b"made by nobody"

    assert 0 != report(HONEST + more).exit_code
    assert [MORE] == told(remark.getvalue())


@pytest.mark.parametrize("name", ["README.txt", "events.csv", "manifest.json", "manifest.sig"])
def test_a_file_behind_the_end_of_packed_bytes_is_found(name):
    """Packed bytes know their own end: a file hidden after it, but counted with them, is not overlooked."""
    files, forged, out = SAMPLE.files(), local("events.csv", FORGED), b""
    listed = []
    for one, data in files.items():
        deflate = zlib.compressobj(wbits=-15)
        body = deflate.compress(data) + deflate.flush() + (forged if one == name else b"")
        sums = struct.pack("<3L", zlib.crc32(data), len(body), len(data))
        listed.append((one.encode(), sums, len(out)))
        out += b"PK\3\4" + struct.pack("<5H", 20, 0, 8, 0, 33) + sums
        out += struct.pack("<2H", len(one), 0) + one.encode() + body
    start = len(out)
    for one_name, sums, at in listed:
        out += b"PK\1\2" + struct.pack("<6H", 20, 20, 0, 8, 0, 33) + sums
        out += struct.pack("<5H2L", len(one_name), 0, 0, 0, 0, 0, at) + one_name
    end = struct.pack("<4H2LH", 0, 0, len(files), len(files), len(out) - start, start, 0)

    with zipfile.ZipFile(io.BytesIO(out + b"PK\5\6" + end)) as archive:
        assert files[name] == archive.read(name)
    assert any(name in one and one.startswith("MANIFEST") for one in told(out + b"PK\5\6" + end))


@pytest.mark.parametrize("at", [8, 9, 14, 18, 22])
def test_a_head_that_says_something_else_than_the_list_is_found(at):
    """Who reads from the front believes the head of a file: packing and sums are those of the list."""
    info = zipfile.ZipFile(io.BytesIO(HONEST)).getinfo("events.csv")
    place = info.header_offset + at
    data = HONEST[:place] + bytes([HONEST[place] ^ 1]) + HONEST[place + 1 :]

    assert [MORE] == told(data)


def repacked(method: int) -> bytes:
    """Return the export with one file packed in another way."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in SAMPLE.files().items():
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if name == "manifest.json" else method)
    return out.getvalue()


def test_packing_that_no_export_has_is_unreadable_before_anything_is_read(monkeypatch, tmp_path):
    """What unpacks LZMA raises errors of its own, what unpacks bzip2 does so without bound."""
    monkeypatch.setattr(verify._Examination, "check_manifest", None)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        made = report(repacked(method))

        assert (3, "the export is packed in a way that no export is") == (made.exit_code, made.unreadable)


def test_broken_lzma_is_no_crash():
    """Properties that LZMA does not have end with 3, as anything that cannot be read."""
    data = bytearray(repacked(zipfile.ZIP_LZMA))
    info = zipfile.ZipFile(io.BytesIO(bytes(data))).getinfo("events.jsonl")
    data[info.header_offset + 30 + len("events.jsonl") + 4] = 0xFF

    assert 3 == report(bytes(data)).exit_code


@pytest.mark.parametrize("beyond", [0, 1, 2, 257, 258, 259])
@pytest.mark.parametrize("letters", [b"a", b"ab\n", bytes(range(256))])
def test_a_file_that_ends_just_behind_a_chunk_is_read_to_its_end(letters, beyond):
    """What is unpacked in steps may be all taken in while its end has not been given out."""
    size = verify.CHUNK_BYTES + beyond
    content = (letters * size)[:size]
    data = streamed({"events.jsonl": content})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        examination = verify._Examination(archive, [], verify.Report(), None, verify.Present("9"))
        assert hashlib.sha256(content).hexdigest() == examination.digest("events.jsonl", size)
        assert "" == examination.digest("events.jsonl", size - 1)
        assert "" == examination.digest("events.jsonl", size + 1)
