"""The locks hold what pyproject.toml asks for and agree: what is tested is what is shipped."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
Lock = dict[str, tuple[str, frozenset[str]]]


def locked(which: str) -> Lock:
    """Return what a lock pins: by name the version, and the hashes of its files."""
    text = (ROOT / f"requirements{which}.lock").read_text(encoding="utf-8")
    found = re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==(\S+)[^\n]*((?:\n +--hash=.*)+)", text, re.MULTILINE)
    return {
        name: (version, frozenset(re.findall("sha256:[0-9a-f]{64}", hashes)))
        for name, version, hashes in found
    }


def asked(wanted: list[str]) -> dict[str, tuple[int, ...]]:
    """Return the names that a list of requirements asks for, each with its oldest version."""
    parts = [re.match(r"([A-Za-z0-9-]+)(?:\[.*?\])?>=([0-9.]+)", one) for one in wanted]
    return {part[1].lower(): numbers(part[2]) for part in parts if part is not None}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall("[0-9]+", version))


@pytest.mark.parametrize("which", ["", "-extras", "-build"])
def test_what_is_shipped_is_what_is_tested(which: str) -> None:
    """Every package of a lock has the same version and the same files in that of the development."""
    shipped, tested = locked(which), locked("-dev")

    assert shipped
    assert all(hashes for _, hashes in shipped.values())
    assert shipped == {name: tested[name] for name in shipped if name in tested}


def test_the_locks_hold_what_is_asked_for() -> None:
    """The project's own dependencies are in both, those of each extra in the larger, none of them too old."""
    plain, extras = locked(""), locked("-extras")
    needed = asked(PROJECT["project"]["dependencies"])
    more = asked([one for wanted in EXTRAS.values() for one in wanted])

    assert {"pdf", "s3", "webhooks", "vault"} == set(EXTRAS)
    assert plain.keys() < extras.keys()
    assert len(PROJECT["project"]["dependencies"]) == len(needed)
    assert needed.keys() <= plain.keys()
    assert more.keys() <= extras.keys()
    assert not more.keys() & plain.keys()
    for name, oldest in (needed | more).items():
        assert oldest <= numbers(extras[name][0]), name


def test_the_image_is_without_extras_unless_asked() -> None:
    """It is built from one lock or the other; the guide says how."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    guide = (ROOT / "app" / "operations" / "README.md").read_text(encoding="utf-8")

    assert "ARG LOCK=requirements.lock\n" in dockerfile
    assert "--only-binary :all: -r ${LOCK}\n" in dockerfile
    assert "docker build --build-arg LOCK=requirements-extras.lock ." in guide
