"""`audit verify`, `checkpoint` and `export`, and `import fhir`: what an operator does with the trail."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.access.operations import operation
from app.audit.checkpoint import Notary
from app.commands.calling import present
from app.commands.opening import open_service
from app.commands.starting import begin
from app.identity.homes import OpenHome
from tests.unit.commands.conftest import ROOT, Line

VERIFIER = ROOT / "app" / "audit" / "verify.py"
BUNDLE = ROOT / "app" / "exchange" / "sample-bundle.json"
VERIFY = ("audit", "verify")
NOWHERE = "01a20000-0000-7000-8000-000000000000"


def _verify_offline(export: Path, key: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", str(VERIFIER), str(export), "--key", key]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _open_home(line: Line, org: str) -> str:
    """Enter a home, which no command does, and return its id."""
    with line._as_a_process(), open_service(begin()) as service:
        work = OpenHome("Rosewood House", None, None)
        return str(present(service, org, operation("POST", "/v1/homes"), work, "a test")["id"])


def test_founded_trail_is_intact(founded: tuple[Line, dict[str, str]]) -> None:
    """What a command leaves is signed: nothing is in doubt before the first server runs."""
    told = founded[0].run("audit", "verify", "--json")

    assert (0, "intact") == (told.code, told.json["result"])


def test_changed_line_is_found(own: tuple[Line, dict[str, str]]) -> None:
    """A line changed in the file, triggers taken off, is found: exit code 1."""
    line, _ = own
    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        database.execute("DROP TRIGGER audit_event_update")
        database.execute("UPDATE audit_event SET line = replace(line, '\"ok\"', '\"no\"') WHERE seq = 0")
    database.close()
    told = line.run("audit", "verify", "--json")

    assert (1, "tampered") == (told.code, told.json["result"])


def test_a_lost_signing_key_keeps_nobody_from_checking(own: tuple[Line, dict[str, str]]) -> None:
    """Without the private key it is said how to check all the same; with the public one it is checked."""
    line, _ = own
    sheet = line.data_dir / "sheet.html"
    line.run("audit", "sheet", "--out", sheet)
    [key, *_] = [
        word for word in re.split("[<>\\s]", sheet.read_text()) if "/audit/" in word and word.count("+") >= 2
    ]
    (line.data_dir / "keys" / "signing.key").unlink()
    told, checked = line.run("audit", "verify"), line.run("audit", "verify", "--key", key)
    wrong = line.run("audit", "verify", "--key", "no+key+x")

    assert (3, True) == (told.code, "give that with --key" in told.err)
    assert (0, True) == (checked.code, "intact" in checked.out)
    assert (3, True) == (wrong.code, "given with --key" in wrong.err)


def test_a_key_from_elsewhere_is_the_only_one_that_counts(own: tuple[Line, dict[str, str]]) -> None:
    """With `--key` the deployment's own key files are not asked: somebody may have put others there."""
    line, _ = own
    stranger = Notary("elsewhere", bytes(range(32))).vkeys("system")[0]
    told = line.run("audit", "verify", "--key", stranger)

    assert (1, True) == (told.code, "CHECKPOINT" in told.out)


def test_rows_are_compared_with_their_entries(own: tuple[Line, dict[str, str]]) -> None:
    """`--state` finds what a foundation wrote intact, and a role widened past the door: exit code 1."""
    line, _ = own
    before = line.run("audit", "verify", "--state", "--json")
    with sqlite3.connect(line.data_dir / "caretrail.db") as database:
        database.execute("UPDATE role SET permissions = replace(permissions, 'read', 'xxxx')")
    database.close()
    unasked, told = line.run("audit", "verify"), line.run("audit", "verify", "--state")

    assert (0, "intact") == (before.code, before.json["result"])
    assert "16 rows are what their entries say" in before.out
    assert (0, 1) == (unasked.code, told.code)
    assert "STATE: role auditor: row differs from entry #" in told.out


@pytest.mark.parametrize("lost", ["keys/root.key", "keys/signing.key", "caretrail.db"])
def test_rows_cannot_be_compared_without_what_it_takes(own: tuple[Line, dict[str, str]], lost: str) -> None:
    """Without the root key, too, nothing can be said of the rows: exit code 3."""
    line, _ = own
    for path in line.data_dir.glob(f"{lost}*"):
        path.unlink()

    assert 3 == line.run("audit", "verify", "--state").code


@pytest.mark.parametrize("lost", ["keys/signing.key", "caretrail.db"])
def test_what_cannot_be_read_ends_with_three(own: tuple[Line, dict[str, str]], lost: str) -> None:
    """Without the key, or without the database, nothing can be said: exit code 3."""
    line, _ = own
    for path in line.data_dir.glob(f"{lost}*"):
        path.unlink()

    assert 3 == line.run("audit", "verify").code


def test_an_empty_file_is_told_of_as_serving_tells_it(own: tuple[Line, dict[str, str]]) -> None:
    """Where the database is lost both say so; machines get the same as JSON, with exit code 3."""
    line, _ = own
    for path in line.data_dir.glob("caretrail.db*"):
        path.unlink()
    (line.data_dir / "caretrail.db").touch()
    served, told, as_json = (line.run(*words) for words in (["serve"], VERIFY, [*VERIFY, "--json"]))

    assert "there is no database at " in served.err
    assert (3, "", served.err) == (told.code, told.out, told.err)
    assert (3, "unreadable") == (as_json.code, as_json.json["result"])
    assert f"caretrail: {as_json.json['unreadable']}\n" == served.err


def test_what_is_not_compared_is_told_with_what_this_command_has(own: tuple[Line, dict[str, str]]) -> None:
    """It has no `--anchors`: the way there is the export, and the verifier."""
    told = own[0].run(*VERIFY)

    assert "(`caretrail audit export`, then `verify.py --anchors`)" in told.out
    assert "(--anchors)" not in told.out


def test_a_database_somebody_else_holds_is_to_be_waited_for(own: tuple[Line, dict[str, str]]) -> None:
    """Whatever wants to write says why it cannot, and when it can: no crash."""
    line, _ = own
    with closing(sqlite3.connect(line.data_dir / "caretrail.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        commands = (["audit", "checkpoint"], ["migrate"], ["init", "--organisation", "Y", "--admin", "y.y"])
        for told in (line.run(*words) for words in commands):
            assert (2, "", 1) == (told.code, told.out, told.err.count("\n"))
            assert "database is locked - another process holds it" in told.err


def test_checkpoint_covers_its_own_entry(own: tuple[Line, dict[str, str]]) -> None:
    """The notes printed are the newest of every chain, and leave nothing unsigned."""
    line, founded = own
    told = line.run("audit", "checkpoint")
    notes = [note for note in told.out.split("\n\n\n") if note.strip()]

    assert 0 == told.code
    assert f"caretrail.local/audit/{founded['organisation_id']}\n" in told.out
    assert "caretrail.local/audit/system\n" in told.out
    assert 2 == told.out.count("\n— "), notes
    assert 0 == line.run("audit", "verify").code


def test_export_holds_against_the_key(own: tuple[Line, dict[str, str]], tmp_path: Path) -> None:
    """The exported zip checks offline with the key that `init` showed, and with no other."""
    line, founded = own
    out = tmp_path / "trail.zip"
    told = line.run("audit", "export", "--out", out)

    assert (0, f"{out}\n") == (told.code, told.out)
    assert [out] == list(tmp_path.glob("trail.zip*"))
    assert 0 == _verify_offline(out, founded["verifier_key"]).returncode
    other = founded["verifier_key"][:-4] + "AAAA"
    assert 0 != _verify_offline(out, other).returncode
    assert 0 == line.run("audit", "verify").code


def test_export_replaces_no_file(founded: tuple[Line, dict[str, str]], tmp_path: Path) -> None:
    """A file that is there stays as it is."""
    out = tmp_path / "kept.zip"
    out.write_text("kept")
    told = founded[0].run("audit", "export", "--out", out)

    assert (1, "kept") == (told.code, out.read_text())


def test_export_wants_to_know_which_chain(own: tuple[Line, dict[str, str]], tmp_path: Path) -> None:
    """With several organisations the chain is named; the refusal lists them."""
    line, founded = own
    assert 0 == line.run("organisation", "add", "--organisation", "Other", "--admin", "b.sample").code
    told = line.run("audit", "export", "--out", tmp_path / "x.zip")

    assert 1 == told.code
    assert founded["organisation_id"] in told.err
    chosen = line.run(
        "audit", "export", "--out", tmp_path / "x.zip", "--organisation", founded["organisation_id"]
    )
    assert 0 == chosen.code, chosen.err


def test_export_for_a_family(own: tuple[Line, dict[str, str]], tmp_path: Path) -> None:
    """`--family-of` writes a resident's access log; for nobody, or up to no day, it writes nothing."""
    line, founded = own
    out = tmp_path / "log.zip"
    home = _open_home(line, founded["organisation_id"])
    told = line.run("import", "fhir", BUNDLE, "--home", home, "--json")
    resident = told.json["residents"][0]["id"]
    alone = line.run("audit", "export", "--out", out, "--until", "2026-04-01")
    assert "--until goes with --family-of" in alone.err
    refused = [
        alone,
        line.run("audit", "export", "--out", out, "--family-of", NOWHERE),
        line.run("audit", "export", "--out", out, "--family-of", resident, "--until", "soon"),
    ]
    assert [(1, False)] * 3 == [(one.code, out.exists()) for one in refused]
    made = line.run("audit", "export", "--out", out, "--family-of", resident)
    assert 0 == made.code, made.err
    checked = _verify_offline(out, made.err.split()[-1])

    assert (2, "") == (checked.returncode, checked.stderr)
    assert "rows are what the lines and names give" in checked.stdout
    added = line.run("organisation", "add", "--organisation", "Other", "--admin", "c.sample", "--json")
    other = added.json["organisation_id"]
    again = ("audit", "export", "--out", tmp_path / "again.zip", "--family-of", resident)
    assert "another organisation" in line.run(*again, "--organisation", other).err
    assert 0 == line.run(*again).code, "whose resident it is says which chain is meant"


def test_what_belongs_to_one_organisation_asks_which(own: tuple[Line, dict[str, str]]) -> None:
    """With several organisations a list that belongs to one says plainly how to name it."""
    line, founded = own
    added = line.run("organisation", "add", "--organisation", "Other", "--admin", "d.sample", "--json")
    asked = ("residents", "access-request", "list")
    told = line.run(*asked)

    assert 1 == told.code
    assert "there are several organisations: give --organisation with one of" in told.err
    assert all(one in told.err for one in (founded["organisation_id"], added.json["organisation_id"]))
    assert 0 == line.run(*asked, "--organisation", founded["organisation_id"]).code


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"resourceType": "Patient"}'])
def test_import_of_no_bundle_is_refused(
    founded: tuple[Line, dict[str, str]], tmp_path: Path, content: bytes | None
) -> None:
    """A file that is missing, no JSON or no bundle is refused, and nothing of it is printed."""
    file = tmp_path / "bundle.json"
    if content is not None:
        file.write_bytes(content)
    told = founded[0].run("import", "fhir", file, "--home", NOWHERE)

    assert (1, "") == (told.code, told.out)


def test_a_bundle_that_is_no_json_is_told_by_its_name(
    own: tuple[Line, dict[str, str]], tmp_path: Path
) -> None:
    """Which file and what is wrong with it: a fault of the whole file has no place in it."""
    line, founded = own
    (file := tmp_path / "empty.json").write_text("")
    told = line.run("import", "fhir", file, "--home", _open_home(line, founded["organisation_id"]))

    assert (1, "") == (told.code, told.out)
    assert f"caretrail: {file}: it cannot be used\nMust be JSON in UTF-8" in told.err


def test_import_wants_a_home_that_is_there(founded: tuple[Line, dict[str, str]]) -> None:
    """A home nobody has is told, before anything is read into it."""
    told = founded[0].run("import", "fhir", BUNDLE, "--home", NOWHERE)

    assert (1, "") == (told.code, told.out)
    assert "no home with this id" in told.err


def test_sample_bundle_is_json() -> None:
    """The bundle that the import tests use is there."""
    assert "Bundle" == json.loads(BUNDLE.read_text("utf-8"))["resourceType"]
