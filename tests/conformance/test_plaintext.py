"""P8: what is stolen holds nothing readable about people.

Distinctive words go in through every write path; then database files, write-ahead logs, the whole
data directory of PostgreSQL, the logs and an export are searched for them in every spelling. A word in
a readable column must be found by the same search, or the search proves nothing.
"""

import base64
import copy
import io
import logging
import urllib.parse
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app.access.categories import CATEGORIES
from app.access.visit import System
from app.exchange.bundle import load
from app.exchange.fhir import plan
from app.exchange.importing import IMPORT, ImportBundle
from tests.conformance.plaintext import (  # noqa: F401 - one is a fixture
    files_below,
    hits,
    name_word,
    postgresql_url,
    spellings,
    word,
)
from tests.conformance.planting_incidents import plant_alert, plant_decisions, plant_endpoint, plant_incident
from tests.http.bodies import admission, record_of
from tests.http.conftest import database, served  # noqa: F401 - fixtures
from tests.support.served import Served
from tests.unit.exchange.expected import SAMPLE_FILE

CONTROL = word(9999)
SHOWN_NAME = word(9998)
"""A display name: sealed in the database, but an export proves names to the auditor."""


@dataclass
class Planter:
    """Hands out words and remembers them."""

    planted: list[str] = field(default_factory=list)

    def word(self) -> str:
        self.planted.append(word(len(self.planted)))
        return self.planted[-1]

    def name(self) -> str:
        self.planted.append(name_word(len(self.planted)))
        return self.planted[-1]


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Iterator[Path]:
    """Everything any library logs while words are planted, at the finest level."""
    path = tmp_path_factory.mktemp("logs") / "all.log"
    handler = logging.FileHandler(path)
    handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))  # the client
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield path
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()


@pytest.fixture(scope="module")
def planted(log, served: Served) -> Planter:  # noqa: F811
    """A deployment in which every write path was used with words of its own."""
    planter = Planter()
    resident = plant_residents(served, planter)
    plant_records(served, planter, resident)
    plant_people(served, planter)
    plant_import(served, planter)
    plant_refusals(served, planter, resident)
    plant_alert(served, planter)
    plant_incident(served, planter)
    plant_endpoint(served, planter)
    plant_decisions(served, planter, resident.rpartition("/")[2])
    return planter


def plant_residents(served: Served, planter: Planter) -> str:  # noqa: F811
    manager = served.world.person("registered_manager", None)
    body = admission(served.world.home, planter.word(), "9990000026") | {"unit": CONTROL}
    key = {"Idempotency-Key": planter.name(), "Audit-Reason": urllib.parse.quote(planter.word())}
    made = served.ask("POST", "/v1/residents", manager, json=body, headers=key)
    assert made.status_code == 201, made.text
    path = f"/v1/residents/{made.json()['id']}"
    patch = {"identity": {"given_name": planter.word(), "preferred_name": None}, "room": planter.word()}
    amended = served.ask("PATCH", path, manager, json=patch, headers={"If-Match": '"1"'})
    assert amended.status_code == 200, amended.text
    found = served.ask("POST", "/v1/residents/search", manager, json={"family_name": planter.word()})
    assert found.status_code == 200
    return path


def plant_records(served: Served, planter: Planter, resident: str) -> None:  # noqa: F811
    manager = served.world.person("registered_manager", None)
    medication = ""
    for category in sorted(set(CATEGORIES) - {"document"}):
        if category == "medication_administration":
            given = record_of("medication", planter.word())
            medication = served.ask("POST", f"{resident}/records", manager, json=given).json()["id"]
        body = record_of(category, planter.word(), medication_id=medication)
        answer = served.ask("POST", f"{resident}/records", manager, json=body)
        assert answer.status_code == 201, answer.text
    plant_document(served, planter, resident, manager)
    note = served.ask("POST", f"{resident}/records", manager, json=record_of("daily_note", planter.word()))
    path = f"{resident}/records/{note.json()['id']}"
    amendment = {
        "occurred_at": "2026-03-02T08:30:00Z",
        "body": {"text": planter.word()},
        "amendment_reason": planter.word(),
    }
    first = served.ask("PUT", path, manager, json=amendment, headers={"If-Match": '"1"'})
    reason = {"If-Match": '"2"', "Audit-Reason": urllib.parse.quote(planter.word())}
    assert (200, 204) == (first.status_code, served.ask("DELETE", path, manager, headers=reason).status_code)


def plant_document(served: Served, planter: Planter, resident: str, manager) -> None:  # noqa: F811
    body = record_of("document", planter.word())
    content = planter.word().encode() * 3
    body["body"]["content_base64"] = base64.b64encode(content).decode()
    assert served.ask("POST", f"{resident}/records", manager, json=body).status_code == 201


def plant_people(served: Served, planter: Planter) -> None:  # noqa: F811
    manager = served.world.person("registered_manager", None)
    user = {
        "username": planter.name(),
        "display_name": SHOWN_NAME,
        "kind": "staff",
        "assignments": [{"role": "carer", "home_id": served.world.home}],
    }
    made = served.ask("POST", "/v1/users", manager, json=user)
    assert made.status_code == 201, made.text
    planter.planted.append(made.json()["initial_password"])
    path = f"/v1/users/{made.json()['id']}"
    for change in ("deactivate", "reactivate"):
        answer = served.ask("POST", f"{path}/{change}", manager, json={"reason": planter.word()})
        assert answer.status_code == 200, answer.text
    carer = served.world.person("carer")
    planter.planted += [carer.totp_secret or "", carer.password]
    new = served.ask("POST", "/v1/users/me/totp", carer)
    assert new.status_code in (200, 409)
    body = {"current_password": carer.password, "new_password": planter.word() + " " + planter.word()}
    changed = served.ask("PUT", "/v1/users/me/password", carer, json=body)
    assert changed.status_code == 204, changed.text
    stranger = {"username": planter.name(), "password": planter.word()}
    assert served.ask("POST", "/v1/sessions", json=stranger).status_code == 401


def plant_import(served: Served, planter: Planter) -> None:  # noqa: F811
    bundle = copy.deepcopy(load(SAMPLE_FILE.read_bytes()))
    for entry in bundle["entry"]:
        resource = entry["resource"]
        resource["note"] = [{"text": planter.word()}]
        if resource["resourceType"] == "Patient":
            resource["name"] = [{"use": "official", "family": planter.word(), "given": [planter.word()]}]
    world = served.world
    work = ImportBundle(plan(bundle, world.now), world.home)
    world.answer(work, IMPORT, System("cli", world.org), reason=planter.word())


def plant_refusals(served: Served, planter: Planter, resident: str) -> None:  # noqa: F811
    carer = served.world.person("carer")
    for body in ({"category": "daily_note", planter.word(): planter.word()}, [planter.word()]):
        answer = served.ask("POST", f"{resident}/records", carer, json=body)
        assert answer.status_code == 422, answer.text
    unknown = "/v1/residents/" + urllib.parse.quote(planter.word())
    assert served.ask("GET", unknown, carer).status_code == 404
    assert served.ask("GET", f"{resident}?{planter.name()}=1", carer).status_code == 422


def stolen(served: Served, superuser: str) -> list[Path]:  # noqa: F811
    """Return every file of the database, with what it has in memory written out."""
    if served.world.url.startswith("sqlite"):
        path = Path(served.world.url.removeprefix("sqlite:///"))
        return [p for p in path.parent.iterdir() if p.name.startswith(path.name)]
    engine = create_engine(superuser, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CHECKPOINT"))
        folder = Path(connection.execute(text("SHOW data_directory")).scalar_one())
    engine.dispose()
    return files_below(folder)


def test_the_search_finds_a_word_in_every_spelling(tmp_path):
    """The search is able to find what it looks for, wherever it stands."""
    for n, (name, spelled) in enumerate(spellings(CONTROL).items()):
        path = tmp_path / str(n)
        path.write_bytes(b"x" * 5_000_000 + spelled.upper() + b"x")

        assert name in {spelling for _, spelling, _ in hits([path], [CONTROL])}


def test_the_database_holds_no_planted_word(served: Served, planted: Planter, request):  # noqa: F811
    """Files, write-ahead logs and data directory hold none of the words, and hold the control."""
    sqlite = served.world.url.startswith("sqlite")
    files = stolen(served, "" if sqlite else request.getfixturevalue("postgresql_url"))

    assert len(planted.planted) > 90
    assert [] == hits(files, [*planted.planted, SHOWN_NAME])
    assert "plain" in {spelling for _, spelling, _ in hits(files, [CONTROL])}


def test_the_logs_hold_no_planted_word(served: Served, planted: Planter, log: Path):  # noqa: F811
    """Whatever our code and every library logged, at the finest level, holds none of the words."""
    logging.getLogger("control").debug(CONTROL)

    assert [] == hits([log], [*planted.planted, SHOWN_NAME])
    assert [] != hits([log], [CONTROL])


def test_an_export_holds_names_for_the_auditor_and_nothing_else(
    served: Served,  # noqa: F811
    planted: Planter,
    tmp_path,
):
    """The export proves the names of staff; no resident, reason, note or user name is in it."""
    auditor = served.world.person("auditor", None)
    exported = served.ask("GET", "/v1/audit/export", auditor)
    assert exported.status_code == 200
    zipfile.ZipFile(io.BytesIO(exported.content)).extractall(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert [] == hits(files, planted.planted)
    assert {"names.jsonl"} == {name for _, _, name in hits(files, [SHOWN_NAME])}
