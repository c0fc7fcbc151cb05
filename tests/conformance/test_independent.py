"""An independent checker and the verifier agree on real exports of real servers, honest and tampered with."""

import ast
import random
from pathlib import Path

import pytest

from app.audit import verify
from tests.conformance import independent
from tests.conformance.tamper_lines import rechained_in_export
from tests.conformance.tamper_past import Original
from tests.conformance.tamper_scene import Scene, scene_of


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Exports of a deployment with a past, on each database."""
    server = request.getfixturevalue("postgresql_url") if request.param == "postgresql" else ""
    folder = tmp_path_factory.mktemp("independent")
    with scene_of(Original.made(request.param, server, folder), folder) as made:
        yield made


def agrees(files: dict[str, bytes], key: str) -> bool:
    """Say whether the independent checker finds nothing wrong."""
    try:
        independent.check(files, key)
    except (independent.DisagreesError, ValueError, LookupError, TypeError):
        return False
    return True


def test_it_shares_no_code_with_the_application() -> None:
    """The checker imports nothing of the application, nor of what the tests share with it."""
    tree = ast.parse(Path(independent.__file__).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert names == {"base64", "hashlib", "json", "dataclasses"} | {
        "cryptography.exceptions",
        "cryptography.hazmat.primitives.asymmetric.ed25519",
    }


@pytest.mark.parametrize("name", ["whole", "other"])
def test_chain_root_and_signature_hold(scene: Scene, name: str) -> None:
    """Of a real export the chain, every signed root, each signature and the list of files hold."""
    files = scene.exports[name]
    org = scene.org_of(files)
    checked = independent.check(files, scene.forger(org=org).vkey)

    assert (org, files["events.jsonl"].count(b"\n")) == (checked.organisation, checked.lines)
    assert checked.lines == checked.sizes[-1]
    assert len(checked.sizes) >= (3 if name == "whole" else 1)


def test_it_agrees_with_the_verifier_on_damage(scene: Scene) -> None:
    """Of 120 exports with one byte changed both say the same: what one finds, the other finds."""
    rolls = random.Random(46)
    for turn in range(120):
        name = rolls.choice(["events.jsonl", "checkpoints.note", "manifest.json", "manifest.sig"])
        files = dict(scene.exports["whole"])
        at = rolls.randrange(len(files[name]))
        files[name] = (
            files[name][:at] + bytes([files[name][at] ^ rolls.randrange(1, 256)]) + files[name][at + 1 :]
        )
        scene.files = files
        told = verify.verify_export(scene.packed(), [scene.key], processes=1)
        assert told.exit_code != 0, (turn, name, at)
        assert not agrees(files, scene.key), (turn, name, at)


def test_both_find_a_history_written_anew(scene: Scene) -> None:
    """A line edited, linked anew and sealed with the right key is found by both, by the signed root."""
    scene.files = dict(scene.exports["whole"])
    facts = rechained_in_export(scene)

    assert [found.kind for found in verify.verify_export(scene.packed(), [scene.key]).findings] == ["ROOT"]
    with pytest.raises(independent.DisagreesError, match=f"the root signed at {facts['s']}$"):
        independent.check(scene.files, scene.key)
