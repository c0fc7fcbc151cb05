"""The core serves with its own dependencies: nothing that only an extra installs is wanted to start."""

import time
import tomllib
from pathlib import Path

import httpx2

from tests.unit.commands.conftest import ROOT, free_port
from tests.unit.commands.places import Place
from tests.unit.commands.test_recurring import end

MODULES = {"pdf": ("typst",), "s3": ("boto3", "botocore"), "vault": ("hvac",), "webhooks": ("httpx2",)}
"""What each extra installs that we import."""
PATIENCE_S = 40


def test_the_extras_are_these() -> None:
    """An extra that is added is added here, too."""
    project = tomllib.loads((Path(ROOT) / "pyproject.toml").read_text("utf-8"))["project"]

    assert MODULES.keys() == project["optional-dependencies"].keys()


def test_a_server_starts_without_any_extra(place: Place, tmp_path: Path) -> None:
    """Where none of them can be imported a server becomes ready, and all that looks each second looks."""
    (nothing := tmp_path / "nothing").mkdir()
    for module in (one for some in MODULES.values() for one in some):
        (nothing / f"{module}.py").write_text("raise ImportError('not installed')\n")
    port = free_port()
    place.line.variables |= {"PYTHONPATH": f"{nothing}:{ROOT}", "CARETRAIL_PORT": str(port)}
    process = place.line.start("serve")
    try:
        ready = answers(f"http://127.0.0.1:{port}/health/ready")
        time.sleep(2.5)  # in which everything that looks each second has looked
        still = answers(f"http://127.0.0.1:{port}/health/ready")
    finally:
        _, said = end(process)
    assert (200, 200) == (ready, still), said
    assert not [line for line in said.splitlines() if '"level":"error"' in line or "critical" in line], said


def answers(url: str) -> int:
    """Return what a server that is starting answers, once it is ready; 0 when it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if (told := httpx2.get(url, timeout=5).status_code) == 200:
                return told
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    return 0
