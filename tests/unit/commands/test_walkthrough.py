"""The main job, walked as the README says: a running demo, a bundle imported, a verified export."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.commands.conftest import ROOT, Line, free_port
from tests.unit.exchange.expected import AT_HAND, PUBLISHED_FILE, SAMPLE_FILE

CALLS = 16
"""What the walk asks before the export, each with a receipt."""


@pytest.mark.parametrize(
    "bundle",
    [pytest.param(SAMPLE_FILE, id="sample"), pytest.param(PUBLISHED_FILE, id="published", marks=AT_HAND)],
)
def test_everybody_does_their_part_and_the_auditor_finds_every_receipt(line: Line, bundle: Path) -> None:
    """With the resident of each bundle `python -m tests.walkthrough` comes to its end."""
    with line.start("demo", "--port", str(free_port()), "--json") as running:
        try:
            assert running.stdout is not None
            told = json.loads(running.stdout.readline())
            imported = line.run("import", "fhir", bundle, "--home", told["homes"][0]["id"], "--json")
            resident = imported.json["residents"][0]["id"]
            walk = [sys.executable, "-W", "default", "-m", "tests.walkthrough"]
            walk += [str(line.data_dir / "demo.json"), resident]
            walked = subprocess.run(walk, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
        finally:
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=30)

    assert 0 == walked.returncode, walked.stdout + walked.stderr
    assert f"{CALLS} receipts found" in walked.stdout
    assert walked.stdout.endswith("done\n")
    assert "ResourceWarning" not in walked.stderr
