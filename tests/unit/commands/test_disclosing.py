"""`caretrail residents export`: a copy of everything held about a resident, with what is withheld in it."""

import io
import json
import zipfile
from base64 import b64encode
from copy import copy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from pypdf import PdfReader

from app.access.categories import CATEGORIES
from app.access.operations import operation
from app.audit import verify
from app.commands.calling import present
from app.commands.opening import open_service
from app.core.clock import SystemClock
from app.core.settings import Settings
from app.exchange.fhir import plan
from app.exchange.fhir_writing import WRITTEN
from app.exchange.importing import IMPORT, ImportBundle
from app.exchange.withholding import WITHHELD
from app.identity.homes import OpenHome
from app.residents.admission import AdmitResident
from app.residents.amending import AmendResident
from app.residents.correcting import AmendRecord, RemoveRecord
from app.residents.recording import MakeRecord
from tests.http.bodies import body_of
from tests.unit.commands.places import Place, found_place, looking

RECORDS = "/v1/residents/{resident_id}/records"
NIECE = "Bertha Quillfeather"
LETTER = f"Dear all, {NIECE.upper()} owes me money."
PICTURE = b"\x89PNG not searched"
BUNDLE = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "resource": {
                "resourceType": "Patient",
                "id": "win",
                "name": [{"family": "Ashdown", "given": ["Win"]}],
                "birthDate": "1938-04-17",
                "contact": [
                    {
                        "name": {"family": "Quillfeather", "given": ["Bertha"]},
                        "relationship": [{"text": "niece"}],
                    }
                ],
            }
        }
    ],
}


@dataclass
class Scene:
    """Somebody of whom everything is recorded, and the command line that copies it."""

    place: Place
    tmp_path: Path

    def __post_init__(self) -> None:
        """Admit somebody and record something of each kind about them."""
        line = self.place.line
        variables = {name.removeprefix("CARETRAIL_").lower(): v for name, v in line.variables.items()}
        self.settings = Settings(data_dir=line.data_dir, **variables)
        self.org = self.place.founded["organisation_id"]
        with open_service(self.settings) as self.service:
            self.home = self.do("POST /v1/homes", OpenHome("Elm", None, None))["id"]
            names = {"given_name": "Ada", "family_name": "Example", "preferred_name": "Addie"}
            admit = AdmitResident(self.home, None, "7", names, {"date_of_birth": "1938-04-05"}, "2020-01-05")
            self.resident = self.do("POST /v1/residents", admit)["id"]
            patch = AmendResident(self.resident, 1, {"identity": {"preferred_name": "Ada-Lou"}})
            self.do("PATCH /v1/residents/{resident_id}", patch)
            self.records: dict[str, str] = {}
            for category in CATEGORIES:
                self.record(category, self.body(category))
            self.note = self.record("daily_note", {"text": "walked with the niece"})
            wrong = self.record("daily_note", {"text": "kanarie-wrong-resident"})
            text, why = {"text": f"walked with {NIECE.lower()}"}, f"{NIECE} asked for it"
            amend = AmendRecord(self.resident, self.note, 1, "2026-03-02T08:30:00.000000Z", text, why)
            self.do(f"PUT {RECORDS}/{{record_id}}", amend)
            self.do(f"DELETE {RECORDS}/{{record_id}}", RemoveRecord(self.resident, wrong, 1))

    def do(self, name: Any, work: Any) -> Any:
        asked = operation(*name.split(" ")) if isinstance(name, str) else name
        return present(self.service, self.org, asked, work, "test")

    def record(self, category: str, body: dict[str, Any]) -> str:
        work = MakeRecord(self.resident, category, "2026-03-02T08:30:00.000000Z", body)
        self.records[category] = made = self.do(f"POST {RECORDS}", work)["id"]
        return str(made)

    def body(self, category: str) -> dict[str, Any]:
        body = body_of(category, f"kanarie-{category}", medication_id=self.records.get("medication", ""))
        if category == "contacts":
            body["name"] = NIECE
        if category == "document":
            body["content_base64"] = b64encode(LETTER.encode()).decode()
        return body

    def run(self, *arguments: Any) -> Any:
        return self.place.line.run("residents", "export", "--resident", self.resident, *arguments)

    def decide(self, *redactions: dict[str, Any], **more: Any) -> Path:
        path = self.tmp_path / "decided.json"
        told = {"resident": self.resident, "by": "Jo Officer", "redactions": list(redactions)}
        path.write_text(json.dumps(told | more))
        return path

    def copied(self, *redactions: dict[str, Any]) -> dict[str, bytes]:
        out = self.tmp_path / "copy.zip"
        out.unlink(missing_ok=True)
        told = self.run("--out", out, "--redactions", self.decide(*redactions), "--json")
        assert 0 == told.code, told.err
        return files_of(out.read_bytes())

    def acts(self) -> list[str]:
        query = "SELECT line FROM audit_event WHERE org = :org ORDER BY seq"
        with looking(self.place.line) as connection:
            found = connection.exec_driver_sql(query.replace(":org", f"'{self.org}'")).scalars().all()
        events = [json.loads(bytes(line))["e"] for line in found]
        return [e["act"] for e in events if self.resident in e.get("subs", ())]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lived(request, tmp_path_factory):
    """Made once: what the tests add are copies, with their entries."""
    folder = tmp_path_factory.mktemp("lived")
    return Scene(found_place(request, folder, request.param), folder)


@pytest.fixture
def scene(lived, tmp_path):
    """The same for one test, with a folder of its own to write to."""
    own = copy(lived)
    own.tmp_path = tmp_path
    return own


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def words_in(name: str, data: bytes) -> bytes:
    """Return a file, of a PDF what it shows: lines are broken anywhere, so without breaks."""
    if not name.endswith(".pdf"):
        return data
    shown = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)
    return shown.replace("\u200b", "").replace("\n", " ").encode()


def holding(files: dict[str, bytes], word: str) -> list[str]:
    """Return the files, also those of a zip within, that hold a word in large or small letters."""
    found = []
    for name, data in files.items():
        inside = files_of(data).values() if name.endswith(".zip") else [words_in(name, data)]
        folded = word.casefold().encode()
        found += [name for one in inside if folded in one.decode("utf-8", "replace").casefold().encode()]
    return found


def test_a_copy_holds_everything_in_each_form(scene):
    """Every record of every kind, each version, what was entered in error and earlier names are told."""
    files = scene.copied()
    told = json.loads(files["record.json"])
    manifest = json.loads(files["manifest.json"])

    expected = dict.fromkeys(CATEGORIES, 1) | {"daily_note": 3}
    assert expected == manifest["records"]
    assert 20 == len(told["records"])
    notes = [r for r in told["records"] if r["category"] == "daily_note"]
    assert [(False, 1), (False, 2), (True, 2)] == sorted((r["deleted"], len(r["versions"])) for r in notes)
    canaries = [f"kanarie-{c}" for c in CATEGORIES if c != "contacts"] + ["kanarie-wrong-resident", "Addie"]
    for name in ("record.json", "record.html", "record.pdf"):
        shown = words_in(name, files[name])
        assert [] == [word for word in canaries if word.encode() not in shown], name
    written = [f"kanarie-{c}" for c in WRITTEN if c not in ("contacts", "medication_administration")]
    assert [] == [word for word in written if word.encode() not in files["fhir-bundle.json"]]
    [letter] = [data for name, data in files.items() if name.startswith("documents/")]
    assert LETTER.encode() == letter
    assert b"Change 2" in files["record.html"]


def test_the_bundle_is_fhir_that_others_and_we_can_read(scene):
    """An independent model accepts the bundle, and our own import takes every resource."""
    raw = scene.copied()["fhir-bundle.json"]
    bundle = Bundle.model_validate_json(raw)
    planned = plan(json.loads(raw), SystemClock().now())

    kinds = sorted(one.resource.__resource_type__ for one in bundle.entry)
    assert len(WRITTEN) + 1 == len(kinds)
    assert () == planned.left_out
    assert 1 == len(planned.residents)


def test_the_manifest_vouches_for_the_files_and_the_log_verifies(scene, tmp_path):
    """Each file has the digest the manifest says; the log inside passes its own verifier."""
    files = scene.copied()
    manifest = json.loads(files["manifest.json"])
    inner = tmp_path / "log.zip"
    inner.write_bytes(files["access-log.zip"])

    digests = {n: sha256(d).hexdigest() for n, d in files.items() if not n.startswith("manifest")}
    assert digests == {name: one["sha256"] for name, one in manifest["files"].items()}
    assert verify.verify_export(inner, manifest["keys"]).findings == []
    assert files_of(files["access-log.zip"])["access-log.html"] == files["access-log.html"]


def test_the_entries_stand_before_and_after(scene):
    """A copy begins and ends with an entry that names the resident; so does the worksheet, and a refusal."""
    begun = len(scene.acts())
    scene.copied()
    assert ["resident.export", "audit.export", "resident.export_end"] == scene.acts()[begun:]

    refused = scene.run(
        "--out", scene.tmp_path / "x.zip", "--redactions", scene.decide({"text": "nobody said"})
    )
    assert 1 == refused.code
    assert "resident.export_end" == scene.acts()[-1]
    assert not (scene.tmp_path / "x.zip").exists()
    assert [] == list(scene.tmp_path.glob("*.part"))


def test_nothing_that_was_withheld_is_left_in_any_form(scene):
    """A name withheld wherever it stands is in no file: JSON, page, FHIR, text documents, the log."""
    files = scene.copied({"text": NIECE})

    assert [] == holding(files, "quillfeather")
    assert WITHHELD.encode() in files["fhir-bundle.json"]
    redactions = json.loads(files["manifest.json"])["redactions"]
    assert {"count": 1, "places": 4, "decided_by": "Jo Officer"} == redactions
    assert "quillfeather" in files_of_all(scene.copied()).casefold()


def files_of_all(files: dict[str, bytes]) -> str:
    return "".join(data.decode("utf-8", "replace") for data in files.values())


@pytest.mark.parametrize("elsewhere", [None, "withhold", "leave"])
def test_what_stands_elsewhere_has_to_be_decided(scene, elsewhere):
    """A name withheld in one record that stands in others is refused until somebody says what happens."""
    contact = scene.records["contacts"]
    one = {"record": contact, "path": "/body/name"} | ({"elsewhere": elsewhere} if elsewhere else {})
    told = scene.run("--out", scene.tmp_path / "x.zip", "--redactions", scene.decide(one))

    assert (1 if elsewhere is None else 0) == told.code, told.err
    if elsewhere is None:
        assert scene.note in told.err
        assert "quillfeather" not in told.err.casefold()
    else:
        files = files_of((scene.tmp_path / "x.zip").read_bytes())
        left = holding(files, "quillfeather")
        assert (elsewhere == "withhold") == (left == []), left


def test_a_field_is_withheld_in_every_version(scene):
    """What is withheld at a path is withheld in earlier versions, too, and words in them as well."""
    field = scene.copied({"record": scene.note, "path": "/body/text", "elsewhere": "leave"})
    words = scene.copied({"record": scene.note, "text": "walked"})

    assert [] == holding(field, "walked with") + holding(words, "walked")
    versions = [r["versions"] for r in json.loads(field["record.json"])["records"] if r["id"] == scene.note]
    assert [[WITHHELD, WITHHELD]] == [[v["body"]["text"] for v in one] for one in versions]


def test_a_whole_record_and_a_whole_file_can_be_withheld(scene):
    """Of such a record the id and the kind stay; such a file is not in the zip."""
    files = scene.copied(
        {"record": scene.records["safeguarding"], "path": ""},
        {"record": scene.records["document"], "path": "/body/content_base64"},
        {"record": scene.resident, "path": "/identity/preferred_name"},
        {"record": scene.resident, "path": "/history", "elsewhere": "leave"},
    )

    assert [] == holding(files, "kanarie-safeguarding") + holding(files, "owes me money")
    assert [] == holding(files, "Addie") + holding(files, "Ada-Lou")
    assert [] == [name for name in files if name.startswith("documents/")]
    assert WITHHELD in json.loads(files["fhir-bundle.json"])["entry"][0]["resource"]["name"][1]["text"]


def test_an_original_that_names_them_in_pieces_is_withheld(scene):
    """Of an import the original goes out, unless something in it may be what is withheld."""
    with open_service(scene.settings) as scene.service:
        report = scene.do(IMPORT, ImportBundle(plan(BUNDLE, SystemClock().now()), scene.home))
    scene.resident = report["residents"][0]["id"]
    [contact] = [r["id"] for r in report["records"] if r["category"] == "contacts"]

    whole = scene.copied()
    files = scene.copied({"record": contact, "path": "/body/name", "elsewhere": "withhold"})

    assert ["record.json"] == holding(whole, '"family":"quillfeather"')
    assert [] == holding(files, "quillfeather") + holding(files, "bertha")
    told = json.loads(files["record.json"])
    assert WITHHELD == told["resident"]["original"]


REFUSED = {
    "nobody decided": ([], {"by": " "}),
    "another resident": ([], {"resident": "x"}),
    "an unknown member": ([{"text": "abc", "colour": "black"}], {}),
    "too short": ([{"text": "ab"}], {}),
    "neither path nor text": ([{"record": "x"}], {}),
    "a path without a record": ([{"path": "/body/name"}], {}),
    "a record there is not": ([{"record": "x", "path": "/body/name"}], {}),
    "a field there is not": ([{"record": "contacts", "path": "/body/nmae"}], {}),
    "an id": ([{"record": "contacts", "path": "/id"}], {}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_slip_of_the_pen_is_refused(scene, what):
    """Redactions that meet nothing, or that nobody stands for, give no copy."""
    redactions, more = REFUSED[what]
    named = [
        r | ({"record": scene.records[r["record"]]} if r.get("record") in scene.records else {})
        for r in redactions
    ]
    told = scene.run("--out", scene.tmp_path / "x.zip", "--redactions", scene.decide(*named, **more))

    assert (1, False) == (told.code, (scene.tmp_path / "x.zip").exists()), told.err


def test_the_worksheet_lists_people_and_texts_and_is_no_decision(scene):
    """It names other persons and each text once, and is refused as it is: somebody has to stand for it."""
    sheet = scene.tmp_path / "sheet.json"
    assert 0 == scene.run("--worksheet", sheet).code
    told = json.loads(sheet.read_text())

    assert {NIECE, "Dr Sample"} <= {one["name"] for one in told["people"]}
    named = {(one["record"], one["path"]) for one in told["texts"] if NIECE in one.get("names", ())}
    letter = (scene.records["document"], "/body/content_base64")
    note = {(scene.note, path) for path in ("/body/text", "/amendment_reason")}
    assert note | {letter, (scene.records["contacts"], "/body/name")} == named
    assert 1 == scene.run("--out", scene.tmp_path / "x.zip", "--redactions", sheet).code
    told |= {"by": "Jo Officer", "redactions": [{"text": NIECE}]}
    sheet.write_text(json.dumps(told))
    assert 0 == scene.run("--out", scene.tmp_path / "x.zip", "--redactions", sheet).code
    assert 0o600 == (scene.tmp_path / "x.zip").stat().st_mode & 0o777


def test_redactions_that_are_no_json_are_told_by_their_name(scene):
    """Which file and what is wrong with it, without an empty place."""
    (file := scene.tmp_path / "empty.json").write_text("")
    told = scene.run("--out", scene.tmp_path / "x.zip", "--redactions", file)

    assert (1, True) == (told.code, f"caretrail: {file}: the redactions cannot be used: Invalid" in told.err)


def test_a_place_that_cannot_be_written_is_told_before_anything_is_disclosed(scene):
    """Neither copy nor worksheet is begun where it could not lie: no entry, and a sentence that says why."""
    before = scene.acts()
    for option in ("--out", "--worksheet"):
        told = scene.run(option, "/proc/x")
        assert (1, "caretrail: /proc/x cannot be written: No such file or directory") == (
            told.code,
            told.err.splitlines()[-1],
        )

    assert before == scene.acts()
