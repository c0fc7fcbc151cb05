"""The systemd units and the proxy example say what is true of the code, and give away nothing."""

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import typer

from app.__main__ import cli
from app.commands.connections import DESCRIPTORS
from app.core.settings import Settings, variable_of

FOLDER = Path(__file__).parents[2] / "app" / "operations"
UNITS = {path.stem: path for path in (FOLDER / "systemd").glob("*.service")}
Unit = dict[tuple[str, str], list[str]]
CODE = re.compile(r"^```.*?\n(.*?)^```|`([^`\n]+)`", re.DOTALL | re.MULTILINE)
"""What is typed: a block, or a few words in a sentence."""
HARDENED = {
    "NoNewPrivileges": "true",
    "ProtectSystem": "strict",
    "ProtectHome": "true",
    "PrivateTmp": "true",
    "PrivateDevices": "true",
    "CapabilityBoundingSet": "",
    "MemoryDenyWriteExecute": "true",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "SystemCallArchitectures": "native",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
    "LimitCORE": "0",
    "LimitNOFILE": str(DESCRIPTORS),
    "User": "caretrail",
    "RestartPreventExitStatus": "2",
}


def unit(path: Path) -> Unit:
    """Return what a unit says, by section and key."""
    found: Unit = defaultdict(list)
    section = ""
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[section, name].append(value)
    return found


@pytest.mark.parametrize("name", sorted(UNITS))
def test_a_unit_gives_the_service_what_it_needs_and_no_more(name: str) -> None:
    """No capability, no new privilege, no writable system, no executable memory that was written."""
    told = unit(UNITS[name])

    assert HARDENED == {key: told["Service", key][0] for key in HARDENED}
    assert ["@system-service", "~@privileged @resources"] == told["Service", "SystemCallFilter"]
    assert "Service" in {section for section, _ in told}


@pytest.mark.parametrize("name", sorted(UNITS))
def test_what_a_unit_runs_and_sets_exists(name: str) -> None:
    """Its command is one of the command line, its variables are settings, its folders may be written."""
    told = unit(UNITS[name])
    known = {variable_of(field) + end for field in Settings.model_fields for end in ("", "_FILE")}
    variables = dict(one.split("=", 1) for one in told["Service", "Environment"])
    (command,) = told["Service", "ExecStart"]

    assert command.split()[1] in typer.main.get_command(cli).commands  # type: ignore[attr-defined]
    assert 5 <= len(variables)
    assert variables.keys() <= known
    states = {f"/var/lib/{one}" for one in told["Service", "StateDirectory"][0].split()}
    writable = states | set(told["Service", "ReadWritePaths"][0].split())
    folders = {value for key, value in variables.items() if key.endswith("_DIR")}
    assert folders == writable


@pytest.mark.parametrize("name", sorted(UNITS))
def test_secrets_are_credentials(name: str) -> None:
    """Each secret is a file that systemd hands over and the service reads; none stands in the unit."""
    told = unit(UNITS[name])
    given = {one.split(":")[0] for one in told["Service", "LoadCredential"]}
    used = set(re.findall(r"%d/([a-z-]+(?:\.key)?)", "\n".join(told["Service", "Environment"])))

    assert given
    assert given == used
    assert not re.search(r"://|PASSWORD=|TOKEN=", "\n".join(told["Service", "Environment"]))


@pytest.mark.parametrize("name", sorted(UNITS))
def test_systemd_finds_nothing_wrong(name: str, tmp_path: Path) -> None:
    """Where systemd is at hand it reads the unit without a word; elsewhere each key stands in a section."""
    text = UNITS[name].read_text("utf-8").replace("/opt/caretrail/bin/caretrail", sys.executable)
    copy = tmp_path / f"{name}.service"
    copy.write_text(text)
    assert {"Unit", "Service", "Install"} == {section for section, _ in unit(copy)}
    analyzer = shutil.which("systemd-analyze")
    if analyzer:
        told = subprocess.run([analyzer, "verify", str(copy)], capture_output=True, text=True)
        assert (0, "") == (told.returncode, told.stderr)


def test_the_guide_makes_each_credential_and_installs_each_unit() -> None:
    """What a unit loads, or may load, has its line in the guide, under the same name; so have the units."""
    guide = (FOLDER / "README.md").read_text("utf-8")
    typed = "\n".join(block or inline for block, inline in CODE.findall(guide))
    units = "\n".join(path.read_text("utf-8") for path in UNITS.values())
    wanted = set(re.findall(r"^#?LoadCredential=[a-z.-]+:(\S+)$", units, re.MULTILINE))
    made = set(re.findall(r"^(?:install|openssl) .*?(/etc/caretrail/secrets/[a-z.-]+)", typed, re.MULTILINE))
    made |= set(re.findall(r"&& install .*?(/etc/caretrail/secrets/[a-z.-]+)", typed))

    assert 5 == len(wanted)
    assert wanted == made
    assert set(UNITS) == set(" ".join(re.findall(r"systemctl enable --now (.+)", typed)).split())
    for source in re.findall(r"\$src/(\S+)", guide):
        name = source.rstrip(",`")
        assert any(FOLDER.parents[1].glob(name)), name


def test_there_are_two_units() -> None:
    """One serves, one runs the jobs."""
    assert {"caretrail", "caretrail-worker"} == set(UNITS)


def test_behind_the_proxy_the_unit_speaks_plain_http() -> None:
    """The proxy asks in plain HTTP, so the settings beside it take back whatever the unit says of TLS."""
    set_by_unit = {told.partition("=")[0] for told in unit(UNITS["caretrail"])["Service", "Environment"]}
    proxy = (FOLDER / "proxy" / "nginx.conf").read_text("utf-8")
    taken_back = re.findall(r"UnsetEnvironment=(.+)", proxy)

    assert "proxy_pass http://" in proxy
    assert [{name for name in set_by_unit if "_TLS_" in name}] == [set(names.split()) for names in taken_back]
