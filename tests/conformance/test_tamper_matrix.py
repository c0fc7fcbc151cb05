"""Every row of the tamper matrix (`tamper_matrix`) is found, on each database, in the words it promises."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance import tamper_lines, tamper_months, tamper_rows, tamper_signed
from tests.conformance.tamper_matrix import MATRIX, Row, Way
from tests.conformance.tamper_past import Original
from tests.conformance.tamper_scene import Scene, scene_of
from tests.support.commands import Told

WAYS = [(row, way) for row in MATRIX for way in row.ways]
TAMPERINGS = vars(tamper_lines) | vars(tamper_months) | vars(tamper_rows) | vars(tamper_signed)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Original:
    """A deployment with a past, on each database."""
    server = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""
    return Original.made(request.param, server, tmp_path_factory.mktemp("matrix"))


@pytest.fixture
def scene(original: Original, tmp_path: Path) -> Iterator[Scene]:
    """A copy of it to tamper with."""
    with scene_of(original, tmp_path) as made:
        yield made


def run(scene: Scene, way: Way) -> Told:
    """Run the check of a way."""
    if way.check == "Database":
        return scene.command("audit", "verify", "--state")
    if way.check == "Start":
        return scene.command("serve", "--port", "1")
    if way.check == "Said":
        assert scene.told is not None
        return scene.told
    return scene.verifier(anchored=way.check == "Anchored")


def name(pair: tuple[Row, Way]) -> str:
    """Return what a case is called: the number of its row, the way and the check."""
    row, way = pair
    return f"{row.number:02}-{way.tampering}-{way.check}"


@pytest.mark.parametrize("case", WAYS, ids=name)
def test_every_row_of_the_matrix(scene: Scene, case: tuple[Row, Way]) -> None:
    """What was tampered with is found by the check that promises it, with its exit code and its words."""
    _, way = case
    facts = TAMPERINGS[way.tampering](scene)
    told = run(scene, way)

    assert told.code == way.code, told.text
    assert "Traceback" not in told.text
    for words in (way.words, way.also):
        assert words.format(**facts) in told.text


def test_the_matrix_is_whole() -> None:
    """The matrix has 46 rows, each tried; what a check cannot see is said as the limit of its row."""
    assert list(range(1, 47)) == [row.number for row in MATRIX]
    blind = [row.number for row in MATRIX for way in row.ways if way.code == 0 and way.check != "Said"]
    assert all(MATRIX[number - 1].limit for number in blind)
    assert {way.tampering for _, way in WAYS} <= TAMPERINGS.keys()


def test_an_untouched_deployment_is_not_accused(scene: Scene) -> None:
    """Before anything is tampered with, each check of the matrix finds everything intact."""
    for files in scene.exports.values():
        scene.files = files
        scene.key = scene.forger(org=scene.org_of(files)).vkey
        assert 0 == scene.verifier().code
    assert 0 == scene.command("audit", "verify", "--state").code
