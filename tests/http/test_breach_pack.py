"""The pack of a breach over HTTP: what it holds, whom it shows to whom, and its two entries."""

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pypdf
import pytest

from app.access.visit import System
from app.audit.verify import verify_export
from app.core.errors import StartRefusedError
from app.exchange.subject_works import EXPORT_END, EndCopy
from app.incidents import packing
from tests.http.bodies import admission, record_of
from tests.support.reporting import path_of, recorded, said
from tests.support.served import Line, Person, Served

EVER = {"from": "2026-03-01T00:00:00Z"}
FILES = {
    *("pack.pdf", "README.txt", "pack.json", "article33.json", "dspt-report.json", "residents.csv"),
    *("timeline.csv", "evidence.zip", "manifest.json", "manifest.sig"),
}
FORMULA = "=cmd|' /C calc'!A0"


@pytest.fixture(scope="module")
def manager(served: Served) -> Person:
    """Who manages incidents of the whole organisation."""
    return served.world.person("registered_manager", None)


def entries(lines: list[Line]) -> list[tuple[str, str]]:
    """Return act and outcome of lines."""
    return [(line.e["act"], line.e["out"]) for line in lines]


def resident_at(served: Served, manager: Person, home: str) -> str:
    """Admit somebody and return their id."""
    return str(said(served, "POST", "/v1/residents", manager, admission(home, "Reached"))["id"])


def pack_of(served: Served, path: str, who: Person, format_: str = "zip") -> httpx2.Response:
    """Fetch a pack."""
    return served.ask("GET", f"{path}/pack", who, params={"format": format_})


def opened(answer: httpx2.Response) -> zipfile.ZipFile:
    """Return the zip of an answer."""
    return zipfile.ZipFile(io.BytesIO(answer.content))


def breach(served: Served, manager: Person, carer: Person) -> tuple[str, str]:
    """Have a carer read what is theirs to read, record an incident about it; return path and resident."""
    resident = resident_at(served, manager, served.world.home)
    path = f"/v1/residents/{resident}"
    note = said(served, "POST", f"{path}/records", carer, record_of("daily_note", "slept"))
    for where in (path, f"{path}/records/{note['id']}", f"{path}/records"):
        assert 200 == served.ask("GET", where, carer).status_code
    incident = path_of(recorded(served, manager, served.world.home, contact=FORMULA))
    said(served, "PUT", f"{incident}/scope", manager, EVER | {"user_ids": [carer.id]})
    return incident, resident


def test_a_pack_holds_what_it_says(served: Served, manager: Person, tmp_path: Path) -> None:
    """Every file is there, they agree with each other, and the evidence in it is verified by itself."""
    carer = served.world.person("carer", name=FORMULA)
    path, resident = breach(served, manager, carer)
    answer = pack_of(served, path, manager)
    held = opened(answer)
    pack = orjson.loads(held.read("pack.json"))
    residents = list(csv.DictReader(io.StringIO(held.read("residents.csv").decode())))
    timeline = list(csv.DictReader(io.StringIO(held.read("timeline.csv").decode())))
    evidence = tmp_path / "evidence.zip"
    evidence.write_bytes(held.read("evidence.zip"))
    report = verify_export(evidence, served.desk.notary.vkeys(served.world.org))

    assert FILES == set(held.namelist())
    assert held.read("pack.pdf").startswith(b"%PDF-")
    assert pack["article33"] == orjson.loads(held.read("article33.json"))
    assert pack["dspt"] == orjson.loads(held.read("dspt-report.json"))
    assert 5 == pack["scope"]["entries"]["counted"] == len(timeline) == report.count
    assert [(resident, "3", "1")] == [(row["resident_id"], row["read"], row["changed"]) for row in residents]
    assert {f"'{carer.display_name}"} == {row["actor_name"] for row in timeline}
    assert [] == report.findings
    assert [d for d in report.doubts if "is a selection" not in d] == []
    assert 0 == orjson.loads(zipfile.ZipFile(evidence).read("manifest.json"))["left_out"]
    listed = orjson.loads(held.read("manifest.json"))["files"]
    assert FILES - {"manifest.json", "manifest.sig"} == listed.keys()


def test_a_pack_makes_two_entries(served: Served, manager: Person) -> None:
    """The first names every resident it tells of and is its receipt; the second says that it was whole."""
    path, resident = breach(served, manager, served.world.person("carer"))

    for format_, media in packing.MEDIA_TYPES.items():
        answer = pack_of(served, path, manager, format_)
        lines = served.lines_of(answer)
        assert (200, media) == (answer.status_code, answer.headers["Content-Type"])
        assert [("incident.pack", "ok"), ("incident.pack.end", "ok")] == entries(lines)
        assert lines[0].receipt == answer.headers["Audit-Event"]
        assert ([resident], 5, 5) == (lines[0].e["subs"], lines[0].e["n"], lines[1].e["n"])


def test_nothing_is_made_up(served: Served, manager: Person) -> None:
    """A field is from the trail, from a person, or not known and empty; without a scope nothing counts."""
    bare = path_of(recorded(served, manager, None))
    path, _ = breach(served, manager, served.world.person("carer"))
    empty, full = (orjson.loads(pack_of(served, one, manager, "json").content) for one in (bare, path))

    def by_name(pack: dict[str, Any], which: str) -> dict[str, tuple[Any, str]]:
        return {one["field"]: (one["value"], one["source"]) for one in pack[which]["fields"]}

    for pack in (empty, full):
        for which in ("article33", "dspt"):
            for value, source in by_name(pack, which).values():
                assert (value is None) is (source == "not known")
    assert {"entered by a person", "not known"} == {s for _, s in by_name(empty, "article33").values()}
    found = by_name(full, "article33")
    assert (1, "from the trail") == found["33(3)(a) people counted"]
    assert (None, "not known") == found["33(3)(a) people entered"]
    assert (FORMULA, "entered by a person") == found["33(3)(b) contact"]
    assert (None, "not known") == found["33(3)(c) consequences"]
    assert (None, "not known") == found["33(3)(d) shut"]
    assert {"draft"} <= empty.keys()
    assert empty["scope"] is None


def test_a_pack_of_one_home_shows_nothing_of_another(served: Served, manager: Person) -> None:
    """In no file of a deputy's pack is there an id of another home, of a resident or an entry there."""
    world = served.world
    deputy = world.person("deputy_manager")
    both = world.person("registered_manager", None)
    here, there = (resident_at(served, manager, home) for home in (world.home, world.other_home))
    for one in (here, there):
        served.ask("GET", f"/v1/residents/{one}", both)
    served.ask("GET", "/v1/residents", both, params={"limit": "200"})
    stranger = world.person("carer", world.other_home)
    served.ask("GET", f"/v1/residents/{here}", stranger)  # refused, and about somebody here
    path = path_of(recorded(served, deputy, world.home))
    said(served, "PUT", f"{path}/scope", deputy, EVER)
    wide = path_of(recorded(served, manager, None))
    said(served, "PUT", f"{wide}/scope", manager, EVER)
    answers = {
        who.id: [pack_of(served, one, who, form) for form in ("zip", "json", "csv")]
        for who, one in ((deputy, path), (manager, wide))
    }

    mine, all_of_it = (b"".join(map(plain, answers[who.id])) for who in (deputy, manager))
    assert here.encode() in mine
    assert stranger.id.encode() in mine
    for canary in (there, world.other_home):
        assert canary.encode() in all_of_it
        assert canary.encode() not in mine
        assert canary not in repr(served.lines_of(answers[deputy.id][0]))
    left_out = orjson.loads(
        zipfile.ZipFile(io.BytesIO(opened(answers[deputy.id][0]).read("evidence.zip"))).read("manifest.json")
    )["left_out"]
    assert left_out > 0


def plain(answer: httpx2.Response) -> bytes:
    """Return everything an answer holds, unpacked."""
    assert answer.status_code == 200, answer.text
    if not answer.content.startswith(b"PK"):
        return answer.content
    outer = opened(answer)
    inner = zipfile.ZipFile(io.BytesIO(outer.read("evidence.zip")))
    texts = [outer.read(name) for name in outer.namelist() if not name.endswith((".zip", ".pdf"))]
    return b"".join([*texts, *(inner.read(name) for name in inner.namelist())])


def test_the_entry_of_a_pack_names_everybody_in_it(served: Served, manager: Person) -> None:
    """Whom only an evidenced line names, the entry names as well; an id that is nobody's it does not."""
    world = served.world
    carer, nobody = world.person("carer"), "01890000-0000-7000-8000-000000000001"
    resident = resident_at(served, manager, world.home)
    world.pass_time(seconds=1)
    since = world.later()
    world.answer(EndCopy(resident, 4, whole=True), EXPORT_END, System("cli", world.org))
    assert 404 == served.ask("GET", f"/v1/residents/{nobody}", carer).status_code
    path = path_of(recorded(served, manager, None))
    wanted = {"from": since, "user_ids": ["system:cli", carer.id]}
    scope = said(served, "PUT", f"{path}/scope", manager, wanted)["scope"]
    answer = pack_of(served, path, manager)

    assert ([], 2) == (scope["residents"], scope["entries"]["counted"])
    assert resident.encode() in plain(answer)
    assert [resident] == served.lines_of(answer)[0].e["subs"]


def test_what_is_left_out_is_counted_once(
    served: Served, manager: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest says how many lines that counted are not enclosed, though pieces hold none at the end."""
    world = served.world
    deputy, wide = world.person("deputy_manager"), world.person("registered_manager", None)
    here, there = (resident_at(served, manager, home) for home in (world.home, world.other_home))
    served.ask("GET", f"/v1/residents/{here}", wide)
    path = path_of(recorded(served, deputy, world.home))
    for _ in range(3):
        served.ask("GET", "/v1/residents", wide, params={"limit": "200"})
    said(served, "PUT", f"{path}/scope", deputy, EVER | {"user_ids": [wide.id]})
    monkeypatch.setattr("app.incidents.pack_works.LINES_AT_ONCE", 2)

    held = zipfile.ZipFile(io.BytesIO(opened(pack_of(served, path, deputy)).read("evidence.zip")))
    manifest = orjson.loads(held.read("manifest.json"))

    assert (1, 3) == (manifest["count"], manifest["left_out"])
    assert there.encode() not in b"".join(held.read(name) for name in held.namelist())


def test_without_the_trail_there_are_no_names_and_no_evidence(served: Served, manager: Person) -> None:
    """Whoever does not read the trail is told by ids; where no PDF can be made, HTML is enclosed."""
    path, _ = breach(served, manager, served.world.person("carer"))
    patched = pytest.MonkeyPatch()
    with patched.context() as m:
        m.setattr("app.incidents.pack_works.reads_trail", lambda _: False)
        m.setattr(packing.BreachPack, "_printed", _cannot)
        held = opened(pack_of(served, path, manager))

    assert FILES - {"evidence.zip", "pack.pdf"} | {"pack.html"} == set(held.namelist())
    assert b"pack.html holds the same" in held.read("README.txt")
    assert b"Draft for a person to check" in held.read("pack.html")
    assert [None] == [one["name"] for one in orjson.loads(held.read("pack.json"))["scope"]["actors"]]


def _cannot(_: packing.BreachPack) -> bytes:
    raise StartRefusedError("not installed")


def test_what_cannot_be_typeset_is_a_problem(served: Served, manager: Person) -> None:
    """A PDF that cannot be made is a problem, with the entry of its end; a zip holds a page instead."""
    path, _ = breach(served, manager, served.world.person("carer"))
    patched = pytest.MonkeyPatch()
    with patched.context() as m:
        m.setattr(packing, "_TEMPLATE", "#panic()")
        failed, held = pack_of(served, path, manager, "pdf"), opened(pack_of(served, path, manager))

    assert (500, "application/problem+json") == (failed.status_code, failed.headers["Content-Type"])
    assert "Ask for zip" in failed.json()["detail"]
    lines = [line for line in served.lines() if line.e["act"].startswith("incident.pack")][-4:]
    assert [("incident.pack", "ok"), ("incident.pack.end", "fail")] == entries(lines)[:2]
    assert (lines[1].receipt, "not-typeset") == (failed.headers["Audit-Event"], lines[1].e["why"])
    assert "pack.html" in held.namelist()
    assert 200 == pack_of(served, path, manager, "pdf").status_code


def test_ids_in_a_pdf_are_found_by_a_search(served: Served, manager: Person) -> None:
    """The ids of residents, people, home and incident stand in the paper in one piece; names beside them."""
    carer = served.world.person("carer")
    path, resident = breach(served, manager, carer)
    pages = pypdf.PdfReader(io.BytesIO(pack_of(served, path, manager, "pdf").content)).pages
    text = "\n".join(page.extract_text() for page in pages)

    missing = [
        one for one in (resident, carer.id, path.rpartition("/")[2], served.world.home) if one not in text
    ]
    assert [] == missing
    for told in ("Sample Care", "Rosewood House", "looked at a record", "1 account\n"):
        assert told in text
    assert "record.read" not in text
    said_so = pack_of(served, path, manager, "json").json()
    home = {"id": served.world.home, "name": "Rosewood House"}
    assert ("Sample Care", home) == (said_so["organisation"]["name"], said_so["home"])


def test_whose_behaviour_it_is_gets_no_pack(served: Served, manager: Person) -> None:
    """Whom an incident is about is answered 404, by one entry, `deny`."""
    concerned = served.world.person("registered_manager", None)
    served.world.person("privacy_officer", None)  # somebody besides the author still sees it
    path = path_of(recorded(served, manager, None, concerned_ids=[concerned.id]))

    answer = pack_of(served, path, concerned)

    assert 404 == answer.status_code
    assert [("incident.pack", "deny")] == entries(served.lines_of(answer))
