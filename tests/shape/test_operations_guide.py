"""The operations guide names what there is: readings, checks, commands, settings, files."""

import re
from pathlib import Path

import typer

from app.__main__ import cli
from app.core.settings import Settings, variable_of
from app.operations import readings
from app.operations.database_checks import NEEDS_DATABASE
from app.operations.replication import STANDBYS

FOLDER = Path(__file__).parents[2] / "app" / "operations"
GUIDE = (FOLDER / "README.md").read_text("utf-8")
HOST_CHECKS = {"disk", "keys", "permissions", "recipients", "identity", "extras", "tls", "database"}
OF_A_SETTING = {"offsite"}
"""Told of only where copies go elsewhere."""


def table(heading: str) -> list[list[str]]:
    """Return the rows of the first table under a heading, without its head."""
    part = GUIDE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_every_reading_has_its_meaning_its_control_and_its_alarm() -> None:
    """The table of the guide has the names of the code, no more and no fewer."""
    source = Path(readings.__file__).read_text("utf-8")
    named = re.findall(r'(?:gauge\(|Metric\(\s*)"([a-z_]+)"', source)
    rows = table("Metrics")
    told = [name for row in rows for name in re.findall(r"`([a-z_]+)(?:\{[a-z]+\})?`", row[0])]

    assert sorted([*named, *readings.BESIDE, *STANDBYS]) == sorted(told)
    assert all(4 == len(row) and all(row) for row in rows)


def test_every_check_of_the_doctor_is_explained() -> None:
    """Whoever reads a finding finds its name in the guide."""
    told = {name for row in table("Is all well?") for name in row[0].split(", ")}

    assert HOST_CHECKS | OF_A_SETTING | set(NEEDS_DATABASE) == told


def test_commands_and_settings_of_the_guide_exist() -> None:
    """A command typed from the guide is one of the command line, a variable is a setting."""
    groups = typer.main.get_command(cli).commands  # type: ignore[attr-defined]
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL))
    typed = re.findall(r"(?:^|&& |`)caretrail ([a-z]+)(?: ([a-z]+))?", f"{blocks}\n{GUIDE}", re.MULTILINE)
    known = {variable_of(name) + end for name in Settings.model_fields for end in ("", "_FILE")}
    variables = set(re.findall(r"\bCARETRAIL_[A-Z_]+", GUIDE))

    assert len(typed) > 25
    for first, second in typed:
        assert first in groups, first
        inside = getattr(groups[first], "commands", None)
        assert inside is None or second in inside, (first, second)
    assert len(variables) > 8
    assert variables <= known


def test_files_of_the_guide_exist() -> None:
    """What the guide links to is there."""
    links = re.findall(r"\]\(([^)#]+)\)", GUIDE)

    assert len(links) >= 3
    assert [] == [link for link in links if not (FOLDER / link).exists()]


def test_each_kind_of_trouble_has_its_heading() -> None:
    """What the doctor sends an operator to look for is there under that name."""
    sources = [path.read_text("utf-8") for path in FOLDER.glob("*_checks.py")]
    sent = {
        name for text in sources for name in re.findall(r"See ([A-Za-z ]+) in the operations guide", text)
    }
    sent |= {n for text in sources for n in re.findall(r"[sS]ee ([A-Za-z ]+) in the operations guide", text)}
    headings = set(re.findall(r"^## (.+)$", GUIDE, re.MULTILINE))

    assert {"Disk full", "Lost key", "Wrong clock", "Standby away", "TLS"} <= sent
    assert sent <= headings
    assert "Lost guard" in headings


def test_what_is_copied_stays_the_service_s() -> None:
    """Commands run as root: a copy into a folder of the service keeps its owner, or is given one at once."""
    copies = re.findall(r"`(cp -[^`]+)`|(cp -[^\n]+/var/lib/caretrail[^\n]*)", GUIDE)
    told = [inline or typed for inline, typed in copies]
    keeps = re.compile(r"cp -(?:[a-z]*[ap]|[a-z]+ -p)|&& chown -R caretrail:caretrail")

    assert len(told) >= 4
    assert [] == [one for one in told if not keeps.search(one)]
