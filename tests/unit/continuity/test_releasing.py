"""How packs come to lie where they lie: sealed, whole, few, and never where nobody wants them."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.backups import sealing
from app.continuity import recipients, shelf
from app.continuity.works import Site
from app.core.errors import StartRefusedError
from app.jobs.scheduler import JobFailedError, Running
from tests.unit.continuity.samples import AT, SITE

ROOT = Path(__file__).parents[3]
CANARY = "Quillfeather"
_written: list[str] | None = None


def _note(event: str, arguments: tuple) -> None:
    if _written is not None and event == "open":
        path, mode, flags = arguments
        if isinstance(path, int):  # opened before, and noted then
            return
        if (mode and set(mode) & set("wax+")) or (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _written.append(str(path))


sys.addaudithook(_note)  # there is no way to take one off: it rests while nothing is noted


@pytest.fixture
def written():
    """The paths of the files that Python opens to write from here on."""
    global _written  # an audit hook is for the whole process
    _written = []
    yield _written
    _written = None


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_nothing_readable_is_ever_written(homes, written, form):
    """A pack is opened for writing only under its sealed name, and no file holds a word of it."""
    homes.options["continuity_format"] = form
    homes.admit(CANARY)
    written.clear()
    (told,) = homes.run(homes.world.home)
    packs = [Path(path).name for path in written if str(homes.folder) in path]
    others = [path for path in written if str(homes.folder) not in path and "/guard/" not in path]
    assert packs == ["README.txt.part", f"{Path(told['path']).name}.part"]
    assert others == []
    name = CANARY.upper().encode()
    files = [path for path in homes.folder.parent.rglob("*") if path.is_file()]
    assert len(files) > 2
    assert not any(word in path.read_bytes() for path in files for word in (name, CANARY.encode()))
    assert form == "pdf" or name in homes.opened(told), "the canary is in the pack"


def test_a_folder_that_is_missing_fails_the_run_with_words(homes):
    """An unplugged stick is not made into a folder: the run fails and says what may be wrong."""
    homes.folder.rmdir()
    with pytest.raises(JobFailedError) as missing:
        homes.run()
    assert (missing.value.result["why"], homes.folder.exists()) == ("no-folder", False)
    assert "unplugged" in missing.value.result["detail"]


def test_a_folder_that_takes_nothing_leaves_the_last_pack(homes):
    """When a pack cannot be written the last one lies where it was, and words and entry say so."""
    (first,) = homes.run(homes.world.home)
    homes.world.pass_time(hours=1)
    site = Site(homes.world.org, "", homes.world.home, "Rosewood House")
    in_the_way = Path(first["path"]).parent / f"{shelf.name_of(site, homes.world.now, 'html')}.part"
    (in_the_way / "held").mkdir(parents=True)
    with pytest.raises(JobFailedError) as failed:
        homes.run(homes.world.home)
    assert failed.value.result["why"] == "not-written"
    assert "cannot be written" in failed.value.result["detail"]
    assert homes.files() == [Path(first["path"]).name, in_the_way.name]
    assert homes.entries("continuity.pack.end")[-1]["out"] == "fail"


def test_a_disk_without_room_keeps_no_half_file(tmp_path):
    """When no more bytes can be written, the file of that name is the former one and nothing is beside it."""
    shelf.put(tmp_path, "pack.html.age", lambda file: file.write(b"former"))
    code = (
        "import pathlib, resource, signal, sys\n"
        "from app.continuity import shelf\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "try:\n"
        "    shelf.put(folder, 'pack.html.age', lambda file: file.write(bytes(50_000)))\n"
        "except OSError as error:\n"
        "    print(type(error).__name__)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "OSError\n"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("pack.html.age", b"former")]


def test_a_link_in_the_folder_leads_nowhere(tmp_path):
    """On a share others can write to, a link laid in the way is replaced, not followed."""
    (victim := tmp_path / "victim").write_text("mine")
    (folder := tmp_path / "packs").mkdir()
    for name in ("pack.html.age.part", "pack.html.age"):
        (folder / name).symlink_to(victim)
    shelf.put(folder, "pack.html.age", lambda file: file.write(b"sealed"))
    assert (victim.read_text(), (folder / "pack.html.age").read_bytes()) == ("mine", b"sealed")
    assert not (folder / "pack.html.age").is_symlink()


def test_only_the_newest_are_kept(homes):
    """Each home keeps so many packs; older ones go when a newer one lies there, other files stay."""
    for _ in range(4):
        told = homes.run()
        homes.world.pass_time(hours=12)
    assert [len(one["removed"]) for one in told] == [1, 1]
    folder = Path(told[0]["path"]).parent
    (folder / "notes.html.age").write_text("mine")
    (folder / "left-20260101T000000Z.html.age.part").write_text("of a crash")
    (again, _) = homes.run()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [Path(again["path"]).name, Path(told[0]["path"]).name, "README.txt", "notes.html.age"]
    )


def test_a_run_is_a_row_and_an_entry(homes):
    """A run is recorded as every job's is: which files were made, with their digests."""
    told = homes.run_recorded()
    (row,) = homes.world.looking(
        lambda connection: connection.exec_driver_sql("SELECT outcome, result FROM job_run").all()
    )
    (entry,) = homes.entries("continuity.run", "system")
    assert (row.outcome, entry["out"], entry["obj"]["t"]) == ("ok", "ok", "job_run")
    assert [one["sha256"] in row.result for one in told["packs"]] == [True, True]


def test_pdf_without_the_extra_is_refused_in_words(homes, monkeypatch):
    """Where typst is not installed a pack as PDF fails, saying what to install; HTML goes on."""
    monkeypatch.setitem(sys.modules, "typst", None)
    homes.run()
    homes.options["continuity_format"] = "pdf"
    with pytest.raises(StartRefusedError, match=r"the extra `pdf`: install requirements-extras\.lock"):
        homes.job().body(Running("run", 0))


def test_a_home_keeps_its_folder_whatever_it_is_called(tmp_path):
    """A folder is found by the home's id, so that old packs go even when the home is called otherwise."""
    first = shelf.folder_of(tmp_path, SITE)
    assert first.name == "elm-house-00000000a0a0"
    assert shelf.folder_of(tmp_path, SITE._replace(name="Oak House")) == first


@pytest.mark.parametrize(
    ("name", "plain"),
    [("../../etc", "etc"), ("Tŷ Gwyn / 2", "ty-gwyn-2"), ("家", "home"), ("a" * 99, "a" * 40), (".", "home")],
)
def test_a_name_never_leads_out_of_the_folder(name, plain):
    """Whatever a home is called, its files have plain names."""
    site = Site("org", "P", SITE.id, name)
    assert shelf.slug(name) == plain
    assert shelf.name_of(site, AT, "html") == f"{plain}-20260302T053000Z.html.age"


def test_a_pack_replaces_one_of_the_same_second(tmp_path):
    """Two packs of one second have one name; the later one is whole, and nothing else is left."""
    for data in (b"first", b"second, and longer"):
        put = shelf.put(tmp_path, "pack.html.age", lambda file, data=data: file.write(data))
    assert [path.name for path in tmp_path.iterdir()] == ["pack.html.age"]
    assert (put.path.read_bytes(), put.bytes) == (b"second, and longer", 18)
    assert put.path.stat().st_mode & 0o777 == 0o644


def test_how_to_open_it_lies_beside_it(tmp_path):
    """The page beside a pack names the home and a command that needs nothing of ours."""
    shelf.explain(tmp_path, SITE)
    text = (tmp_path / "README.txt").read_text()
    assert "CONTINUITY PACKS OF Elm House" in text
    assert "age -d -i IDENTITY.txt -o pack.html THE-NEWEST.html.age" in text


@pytest.mark.parametrize(
    ("line", "said"),
    [("AGE-SECRET-KEY-1ABC", "Take it off this server"), ("age1nonsense", "not valid"), ("# none", "nobody")],
)
def test_a_file_of_recipients_holds_nothing_else(tmp_path, line, said):
    """A secret, nonsense and an empty file are refused with what to do, and never repeated."""
    (path := tmp_path / "recipients.txt").write_text(line)
    with pytest.raises(StartRefusedError, match=said) as refused:
        recipients.read(path)
    assert "SECRET-KEY-1" not in str(refused.value)


def test_a_recipient_may_be_for_one_provider(tmp_path):
    """A line with an id counts for the home or the provider of that id, one without for all."""
    everyone, provider, home = (sealing.new_identity()[1] for _ in range(3))
    path = tmp_path / "recipients.txt"
    path.write_text(f"{everyone}\norg-1 {provider} # theirs\nhome-1 {home}\n")
    read = recipients.read(path)
    assert recipients.of_home(read, "org-1", "home-1") == [everyone, provider, home]
    assert recipients.of_home(read, "org-2", "home-2") == [everyone]


def test_files_are_named_by_the_hour_they_were_read():
    """Names sort by time, so that the last one is the newest."""
    times = [datetime(2026, 3, 2, 5, 30, tzinfo=UTC) + timedelta(hours=12 * n) for n in range(30)]
    names = [shelf.name_of(SITE, at, "html") for at in times]
    assert names == sorted(names)
