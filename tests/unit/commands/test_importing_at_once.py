"""Large imports, beside each other and beside a service: in pieces, and everything is made once."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app.commands import importing
from app.core.errors import AuditUnavailableError
from app.exchange.pieces import MOST_WEIGHT
from tests.unit.commands.conftest import Line
from tests.unit.commands.places import Place, looking
from tests.unit.commands.test_auditing import _open_home

PATIENT = {
    "resourceType": "Patient",
    "id": "win",
    "name": [{"family": "Ashdown", "given": ["Win"]}],
    "birthDate": "1938-04-17",
}
MANY = 3 * MOST_WEIGHT


def _bundle() -> str:
    plain = {"resourceType": "Observation", "subject": {"reference": "Patient/win"}, "status": "final"}
    plain |= {"code": {"text": "Mood"}}
    moods = [plain | {"id": f"o-{n}", "valueString": f"calm {n}"} for n in range(MANY)]
    entries = [{"resource": one} for one in (PATIENT, *moods)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def _at_once(place: Place, home: str, folder: Path) -> list[dict[str, Any]]:
    """Start two imports, and hand both their bundle when both are about to read it."""
    pipes = [folder / f"bundle-{n}.json" for n in range(2)]
    for pipe in pipes:
        os.mkfifo(pipe)
    running = [place.line.start("import", "fhir", pipe, "--home", home, "--json") for pipe in pipes]
    opened = [pipe.open("w") for pipe in pipes]  # waits for who reads it
    for pipe in opened:
        pipe.write(_bundle())
    for pipe in opened:
        pipe.close()
    told = [one.communicate(timeout=120) for one in running]
    assert [0, 0] == [one.returncode for one in running], told
    return [json.loads(out) for out, _ in told]


@pytest.mark.parametrize("times", [1, 2])
def test_two_imports_of_one_bundle_at_once_make_everything_once(
    place: Place, tmp_path: Path, times: int
) -> None:
    """Somebody new becomes one resident, and each record is made by one of the two; so it stays later."""
    home = _open_home(place.line, place.founded["organisation_id"])
    for n in range(times):
        (folder := tmp_path / str(n)).mkdir()
        reports = _at_once(place, home, folder)

    assert 1 == len({one["residents"][0]["id"] for one in reports})
    assert (MANY if times == 1 else 0) == sum(one["records_created"] for one in reports)
    assert {2 * MANY} == {sum(one["records_created"] + one["records_unchanged"] for one in reports)}
    with looking(place.line) as connection:
        indexes = Counter(connection.execute(text("SELECT source_index FROM record")).scalars())
        residents = connection.execute(text("SELECT count(*) FROM resident")).scalar_one()
    assert (1, MANY, {1}) == (residents, len(indexes), set(indexes.values()))
    assert 0 == place.line.run("audit", "verify", "--state").code


def test_an_import_that_breaks_off_says_what_stands(
    own: tuple[Line, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes in several turns, so that others get in between; run again, it adds the rest."""
    line, founded = own
    home = _open_home(line, founded["organisation_id"])
    (file := tmp_path / "bundle.json").write_text(_bundle())
    run = ("import", "fhir", file, "--home", home, "--json")
    real, turns = importing.present, []

    def failing(*given: Any) -> Any:
        turns.append(given)
        if len(turns) == 3:
            raise AuditUnavailableError
        return real(*given)

    monkeypatch.setattr(importing, "present", failing)
    broken, whole = line.run(*run), line.run(*run)

    made = MANY - whole.json["records_created"]
    assert (1, "") == (broken.code, broken.out)
    assert f"The import broke off: {made} records were made. Run it again" in broken.err
    assert 0 < made < MANY
    assert made == whole.json["records_unchanged"]
    assert len(turns) > 3 + MANY // MOST_WEIGHT
    assert 0 == line.run("audit", "verify").code
